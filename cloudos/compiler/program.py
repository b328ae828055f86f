"""What one build knows: function instances, names, error numbers, files, static data.

A *function instance* is a function with the types of its type variables filled in. Instances are made when a call to
them is first checked; the work list ends when nothing new is reachable from the entries.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import Any, TypeVar

from cloudos.compiler import tree
from cloudos.compiler.diagnostics import refuse_node
from cloudos.compiler.load import FunctionSource, function_source
from cloudos.compiler.targets import Target
from cloudos.compiler.typesystem import ManagedType, ProtocolType, StructType, Type, mangle

STOP_ITERATION_CODE = 0xFFFE


@dataclass(frozen=True)
class Parameter:
    """A parameter; `default` is a live object when `has_default`."""

    name: str
    type: Type
    has_default: bool = False
    default: Any = None
    keyword_only: bool = False


@dataclass(eq=False)
class FunctionInstance:
    """One function to compile."""

    symbol: str
    live: Any
    source: FunctionSource
    owner: Type | None
    bindings: dict[TypeVar, Type]
    parameters: list[Parameter]
    result: Type
    module: str
    kind: str = "python"
    """python, machine (inline template), external (in an Assembly) or synthetic (made by the compiler)."""
    body: list[tree.Stmt] = field(default_factory=list)
    locals: dict[str, Type] = field(default_factory=dict)
    raises: set[Any] = field(default_factory=set)
    fresh_result: bool = False
    """Whether a struct result is made by the function itself: the caller then provides the storage."""
    checked: bool = False
    checking: bool = False
    exported: str | None = None
    needed_by: tuple[FunctionInstance, int] | None = None
    """The function and the line that first asked for this one."""
    kept: bool = False
    """Named by assembly text: the linker must keep it under its name."""
    abi_raises: bool = False
    """Whether the machine code returns an error number beside the value; set once raises are known."""

    @property
    def display(self) -> str:
        """The name that messages show."""
        return str(getattr(self.live, "__qualname__", self.symbol))


class Program:
    """All that is reachable from the entries of one build."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.instances: dict[Any, FunctionInstance] = {}
        self.queue: list[FunctionInstance] = []
        self.implementers: dict[ProtocolType, dict[Type, None]] = {}
        self.virtual_calls: dict[tuple[ProtocolType, str], None] = {}
        self.virtual_instances: dict[tuple[ProtocolType, str, Type], FunctionInstance] = {}
        self.files: list[str] = []
        self.here: tuple[FunctionInstance, int] | None = None
        """The function and the line being checked."""
        self.symbols: set[str] = set()
        self.type_names: dict[Type, str] = {}
        self.errors: dict[type, int] = {StopIteration: STOP_ITERATION_CODE}
        self.assemblies: dict[int, Any] = {}
        self.substitutes: dict[Any, Any] = {}
        """Functions that stand in for others, such as the program's main for the SDK's hook."""
        self.linker_symbols: dict[str, None] = {}
        self.statics: dict[int, tuple[str, Any]] = {}
        """Regions of static data by identity: symbol and region."""
        self.static_names: dict[int, str] = {}
        self.tables: dict[tuple[Type, Type], str] = {}
        """Tables of methods: (protocol, class) to symbol."""
        self.signatures: dict[tuple[ProtocolType, str], FunctionInstance] = {}
        self.on_implementer: Callable[[ProtocolType, Type], None] = lambda protocol, kind: None
        self.keeps: dict[FunctionInstance, set[Any]] = {}
        self.passings: list[Any] = []
        """Parameters that functions keep references to, and calls that pass references: see check/keeping.py."""
        self.drops: dict[Type, FunctionInstance | None] = {}

    def file_index(self, path: str) -> int:
        """The number of a source file in panic sites."""
        if path not in self.files:
            self.files.append(path)
        return self.files.index(path)

    def unique_symbol(self, wanted: str) -> str:
        """A C identifier close to `wanted` that nothing else in this program has."""
        name = re.sub(r"[^A-Za-z0-9_]", "_", wanted)
        if len(name) > 160:
            name = name[:140] + hashlib.sha256(name.encode()).hexdigest()[:12]
        candidate, number = name, 2
        while candidate in self.symbols:
            candidate, number = f"{name}_{number}", number + 1
        self.symbols.add(candidate)
        return candidate

    def type_name(self, kind: Type) -> str:
        """The type as part of C identifiers."""
        if kind not in self.type_names:
            module = ""
            if isinstance(kind, StructType | ManagedType | ProtocolType):
                module = kind.cls.__module__.rpartition(".")[2] + "_"
            self.type_names[kind] = self.unique_symbol("T_" + module + mangle(kind))[2:]
        return self.type_names[kind]

    def error_code(self, error: type) -> int:
        """The number of an error class: its own `code`, or the next free one from 1000."""
        if error not in self.errors:
            code = error.__dict__.get("code")
            if not isinstance(code, int) or isinstance(code, bool):
                code = max([999, *(value for value in self.errors.values() if value < STOP_ITERATION_CODE)]) + 1
            if int(code) in self.errors.values():
                other = next(name for name, value in self.errors.items() if value == int(code))
                raise refuse_node(error.__module__, _nowhere(), f"{error.__name__} and {other.__name__} share a code")
            self.errors[error] = int(code)
        return self.errors[error]

    def add_implementer(self, protocol: ProtocolType, kind: Type) -> None:
        """Record that objects of `kind` are used through `protocol`."""
        known = self.implementers.setdefault(protocol, {})
        if kind not in known:
            known[kind] = None
            self.on_implementer(protocol, kind)

    def static_symbol(self, region: Any) -> str:
        """The symbol of a region of static data; the first use makes it part of the program."""
        if id(region) not in self.statics:
            placement = getattr(region, "placement", None)
            name = placement.symbol if placement is not None and placement.symbol else None
            if name is None:
                name = self.unique_symbol(self.static_names.get(id(region), "static__data"))
            self.statics[id(region)] = (name, region)
        return self.statics[id(region)][0]

    def table_symbol(self, protocol: Type, kind: Type) -> str:
        """The symbol of a class's table of methods for a protocol."""
        if (protocol, kind) not in self.tables:
            self.tables[protocol, kind] = f"methods_{self.type_name(protocol)}_{self.type_name(kind)}"
        return self.tables[protocol, kind]

    def virtual_signature(self, protocol: ProtocolType, method: str) -> FunctionInstance:
        """How a method is called through a table: it returns an error number when any implementation can raise."""
        key = (protocol, method)
        if key not in self.signatures:
            declared = self.instances["protocol", protocol, method]
            raising = any(
                instance.abi_raises
                for (owner, name, _), instance in self.virtual_instances.items()
                if owner == protocol and name == method
            )
            self.signatures[key] = replace(declared, abi_raises=raising)
        return self.signatures[key]

    def name_statics(self, modules: list[Any]) -> None:
        """Name static data after the module variables that hold it."""
        for module in modules:
            short = module.__name__.removeprefix("cloudos.").replace(".", "__")
            for name, value in list(vars(module).items()):
                if isinstance(value, type) or hasattr(type(value), "__located__"):
                    continue
                region = getattr(value, "_region", None)
                if region is not None and getattr(value, "_offset", 1) == 0:
                    self.static_names.setdefault(id(region), f"{short}__{name}")

    def add_synthetic(self, base: FunctionInstance, parameters: list[Parameter], result: Type) -> FunctionInstance:
        """A function made by the compiler inside `base` (the writer of an f-string)."""
        symbol = self.unique_symbol(f"{base.symbol}__text")
        made = FunctionInstance(
            symbol, None, base.source, None, {}, parameters, result, base.module, kind="synthetic", checked=True
        )
        self.instances[symbol] = made
        return made


def _nowhere() -> Any:
    import ast

    return ast.Pass(lineno=1, col_offset=0)


def origin_of_need(need: tuple[FunctionInstance, int] | None) -> str:
    """`file:line` of the nearest place outside of the package that led to `need`; empty when there is none."""
    while need is not None:
        instance, line = need
        if not instance.source.path.startswith(("cloudos/", "<")):
            return f"{instance.source.path}:{line}"
        need = instance.needed_by
    return ""


def plain_function(value: Any) -> FunctionType | None:
    """The function inside a staticmethod, property or plain function."""
    if isinstance(value, property):
        value = value.fget
    if isinstance(value, staticmethod):
        value = value.__func__
    return value if isinstance(value, FunctionType) else None


def symbol_for(function: FunctionType, owner: Type | None, bindings: dict[TypeVar, Type], program: Program) -> str:
    """`module__Class__function__types`, so that symbols show the Python path."""
    module = (function.__module__ or "generated").removeprefix("cloudos.").replace(".", "__")
    path = function.__qualname__.replace("<locals>.", "").replace(".", "__")
    if isinstance(owner, StructType | ManagedType) and owner.cls.__name__ not in function.__qualname__:
        path = f"{path}__{mangle(owner)}"
    types = "".join(f"__{mangle(kind)}" for kind in bindings.values())
    if isinstance(owner, StructType | ManagedType) and "__origin__" in owner.cls.__dict__:
        types = types or f"__{mangle(owner)}"
    return program.unique_symbol(f"{module}__{path}{types}")


def locate(function: FunctionType) -> tuple[FunctionSource, str]:
    """The source and the module name of a function (the unit of C that it goes to)."""
    source = function_source(function)
    module = function.__module__ or "generated"
    return source, module
