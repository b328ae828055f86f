"""The state of checking one function, and the helpers that every part of the check shares."""

from __future__ import annotations

import ast
import inspect
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from cloudos.compiler import tree
from cloudos.compiler.check.annotations import (
    INTEGERS,
    UnknownAnnotation,
    own,
    type_of_annotation,
)
from cloudos.compiler.check.flow import Flow
from cloudos.compiler.diagnostics import CompileError, refuse_node, with_origin
from cloudos.compiler.program import (
    FunctionInstance,
    Parameter,
    Program,
    locate,
    origin_of_need,
    plain_function,
    symbol_for,
)
from cloudos.compiler.typesystem import (
    BYTES,
    CONST_FLOAT,
    CONST_INT,
    NEVER,
    NONE,
    TEXT,
    AddressType,
    ConstFloatType,
    ConstIntType,
    FloatType,
    IntType,
    LiveType,
    ManagedType,
    NullType,
    OptionalType,
    ProtocolType,
    PtrType,
    StructType,
    TupleType,
    Type,
    TypeOf,
)

if TYPE_CHECKING:
    from cloudos.compiler.check.escape import LoopNames


class Checker:
    """Turns the syntax of one function instance into its typed tree."""

    def __init__(self, program: Program, instance: FunctionInstance) -> None:
        self.program = program
        self.instance = instance
        self.source = instance.source
        self.globals: dict[str, Any] = instance.live.__globals__
        self.bindings = instance.bindings
        self.locals: dict[str, Type] = instance.locals
        self.local_names = _assigned_names(self.source.node)
        self.flow = Flow()
        self.tainted: set[str] = set()
        """Names that may refer to storage of this call."""
        self.carrying: set[str] = set()
        """Names of structs and arrays that hold references to storage of this call."""
        self.made_in: dict[str, set[int]] = {}
        """For names that refer to storage of this call: the loops that make this storage anew every round."""
        self.sources: dict[str, set[tuple[int, bool]]] = {
            parameter.name: {(index, False)} for index, parameter in enumerate(instance.parameters)
        }
        """The parameters that a name may refer to, as keeping.py has them."""
        self.loops: list[LoopNames] = []
        """For each loop around this point, the names that its body assigns."""
        self.loop_exits: list[list[Flow]] = []
        self.handling = 0
        self.fresh: bool | None = None
        self.temporaries = 0
        self.pre_narrowed: list[set[str]] = []

    # Refusals

    def refuse(self, node: ast.AST, message: str, hint: str = "") -> NoReturn:
        """Refuse the program at `node`."""
        raise refuse_node(self.source.path, node, message, hint, self.source.text)

    def line(self, node: ast.AST) -> int:
        """The line of a node."""
        return int(getattr(node, "lineno", self.source.node.lineno))

    # Names and live objects

    def temporary(self, kind: Type, purpose: str) -> str:
        """A local that the program cannot name."""
        self.temporaries += 1
        name = f"_{purpose}{self.temporaries}"
        self.locals[name] = kind
        self.flow.assigned.add(name)
        return name

    def annotation(self, node: ast.expr) -> Type:
        """The type written at `node`."""
        live = self.evaluate(node, "this annotation")
        try:
            return type_of_annotation(live, self.bindings, self.instance.owner)
        except UnknownAnnotation as error:
            self.refuse(node, str(error), error.hint)

    def evaluate(self, node: ast.expr, what: str) -> Any:
        """Run an expression at build time in the module of the function."""
        code = compile(ast.Expression(node), self.source.file, "eval")
        try:
            value = eval(code, self.globals)
            return eval(value, self.globals) if isinstance(value, str) else value
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            self.refuse(node, f"{what} cannot be evaluated at build time: {text}")

    # Conversions that need no writing

    def coerce(self, value: tree.Expr, wanted: Type, node: ast.AST) -> tree.Expr:
        """`value` where `wanted` is expected, or a refusal."""
        found = value.type
        if found in (wanted, NEVER):
            return value
        if isinstance(value, tree.Const):
            constant = self._coerce_constant(value, wanted, node)
            if constant is not None:
                return constant
        if isinstance(wanted, OptionalType):
            if found == NONE:
                return tree.Const(wanted, None, line=value.line)
            inner = self.coerce(value, wanted.inner, node)
            return tree.Wrap(wanted, inner, line=value.line)
        if isinstance(wanted, ProtocolType) and isinstance(found, StructType | ManagedType):
            self.require_protocol(found, wanted, node)
            return tree.ToProtocol(wanted, value, line=value.line)
        self.refuse_mismatch(found, wanted, node)

    def refuse_mismatch(self, found: Type, wanted: Type, node: ast.AST) -> NoReturn:
        """Say what was found, what was wanted, and how to get from one to the other."""
        hint = ""
        if isinstance(wanted, IntType) and isinstance(found, IntType | AddressType):
            hint = f"convert explicitly: {wanted}(…) panics when the value does not fit"
        if isinstance(found, OptionalType) and found.inner == wanted:
            hint = "test it first: if value is None: …"
        if str(wanted) == "str":
            hint = 'write it into a text: f"{value}"'
        if str(wanted) == "Text" and found == TEXT:
            hint = 'make a Text of it: Text("…")'
        self.refuse(node, f"expected {wanted}, found {found}", hint)

    def _coerce_constant(self, value: tree.Const, wanted: Type, node: ast.AST) -> tree.Expr | None:
        found = value.type
        if isinstance(found, NullType):
            if isinstance(wanted, PtrType) or found.zero:
                return tree.Const(wanted, None, line=value.line)
            return None
        if isinstance(found, ConstIntType) and isinstance(wanted, IntType):
            assert isinstance(value.value, int)
            if not wanted.cls.MIN <= value.value <= wanted.cls.MAX:
                self.refuse(node, f"{value.value} does not fit {wanted}")
            return tree.Const(wanted, value.value, line=value.line)
        if isinstance(found, ConstIntType | ConstFloatType) and isinstance(wanted, FloatType):
            assert value.value is not None
            return tree.Const(wanted, float(value.value), line=value.line)
        return None

    def settle(self, value: tree.Expr, node: ast.AST) -> tree.Expr:
        """A value that a name may hold: not a bare number, not a compile-time object."""
        if value.type in (CONST_INT, CONST_FLOAT):
            hint = "write F64(…) or F32(…)" if value.type == CONST_FLOAT else "write U64(…) or another integer type"
            self.refuse(node, "a bare number has no width", hint)
        if value.type == BYTES:
            self.refuse(node, "a bytes literal is no value by itself", "make a slice of it: data(b'…')")
        if isinstance(value.type, LiveType | TypeOf):
            self.refuse(node, f"'{value.type}' exists only at build time", "use it directly, at module level")
        if isinstance(value.type, NullType) or value.type == NONE:
            self.refuse(node, f"the type of {value.type} is not clear here", "annotate the name: name: Type = …")
        return value

    def require_protocol(self, kind: Type, protocol: ProtocolType, node: ast.AST) -> None:
        """Refuse a class that lacks a method of the protocol; record the use for the table of methods."""
        assert isinstance(kind, StructType | ManagedType)
        for name in protocol_methods(protocol.cls):
            if plain_function(member(kind.cls, name)) is None:
                self.refuse(node, f"{kind} is no {protocol}: it has no method '{name}'")
        self.program.add_implementer(protocol, kind)

    # Function instances

    def instance_for(self, function: Any, owner: Type | None, bindings: dict[TypeVar, Type]) -> FunctionInstance:
        """The instance of a function for these types; made and queued when it is new."""
        return make_instance(self.program, function, owner, bindings)


PROTOCOL_DUNDERS = ("__enter__", "__exit__", "__getitem__", "__eq__", "__lt__")


def protocol_methods(cls: Any) -> list[str]:
    """The methods of a Protocol class in the order of their declaration."""
    names: list[str] = []
    for base in reversed(cls.__mro__):
        if getattr(base, "_is_protocol", False):
            for name, value in vars(base).items():
                # typing puts methods of its own, with leading underscores, into every protocol.
                usable = not name.startswith("_") or name in PROTOCOL_DUNDERS
                compiled = inspect.isfunction(value) and not getattr(value, "__interpreted__", False)
                if usable and compiled and name not in names:
                    names.append(name)
    return names


def member(cls: Any, name: str) -> Any:
    """A member of a class as it was written (no descriptors run), or None."""
    return inspect.getattr_static(cls, name, None)


def class_bindings(owner: Type | None) -> dict[TypeVar, Type]:
    """The values of a generic class's type variables."""
    if not isinstance(owner, StructType | ManagedType | ProtocolType):
        return {}
    cls = owner.cls
    origin = getattr(cls, "__origin__", None)
    if origin is None:
        return {}
    variables = getattr(origin, "__parameters__", ())
    return {
        variable: type_of_annotation(argument, {}, owner)
        for variable, argument in zip(variables, cls.__args__, strict=True)
    }


def make_instance(
    program: Program, function: Any, owner: Type | None, bindings: dict[TypeVar, Type]
) -> FunctionInstance:
    """Find or make the instance of `function` (a plain function) in `owner` with `bindings`."""
    function = program.substitutes.get(function, function)
    if owner is not None:
        bindings = {**class_bindings(owner), **bindings}
    key = (function, owner, tuple(bindings.items()))
    if key in program.instances:
        return program.instances[key]
    source, module = locate(function)
    instance = FunctionInstance("", function, source, owner, bindings, [], NONE, module)
    checker = Checker(program, instance)
    instance.needed_by = program.here
    try:
        instance.parameters, instance.result = _signature(checker, function)
    except CompileError as error:
        raise with_origin(error, origin_of_need(program.here)) from None
    instance.exported = getattr(function, "__exported__", None)
    if getattr(function, "__machine__", None) is not None:
        instance.kind = "machine"
    if getattr(function, "__external__", None) is not None:
        instance.kind = "external"
        instance.exported = function.__external__.symbol
        add_assembly(program, function.__external__.assembly)
    if getattr(function, "__imported__", None) is not None:
        instance.kind = "external"
        instance.exported = function.__imported__
    instance.checked = instance.kind != "python"
    instance.symbol = instance.exported or symbol_for(function, owner, bindings, program)
    program.instances[key] = instance
    program.queue.append(instance)
    return instance


def declared_method(program: Program, protocol: ProtocolType, name: str) -> FunctionInstance:
    """A protocol's method as declared: a signature that is never compiled itself."""
    key = ("protocol", protocol, name)
    if key not in program.instances:
        function = plain_function(member(protocol.cls, name))
        assert function is not None
        source, module = locate(function)
        bindings = class_bindings(protocol)
        made = FunctionInstance(name, function, source, protocol, bindings, [], NONE, module, kind="protocol")
        made.parameters, made.result = _signature(Checker(program, made), function)
        made.checked = True
        program.instances[key] = made
    return program.instances[key]


def add_assembly(program: Program, assembly: Any) -> None:
    """Make an Assembly part of the program, with the functions that its text names."""
    if id(assembly) in program.assemblies:
        return
    program.assemblies[id(assembly)] = assembly
    for value in assembly.symbols.values():
        if inspect.isfunction(value):
            make_instance(program, value, None, {}).kept = True


def _signature(checker: Checker, function: Any) -> tuple[list[Parameter], Type]:
    node = checker.source.node
    arguments = node.args
    # __exit__(self, *arguments) takes what CPython passes; compiled code passes nothing.
    if (arguments.vararg or arguments.kwarg) and node.name != "__exit__":
        checker.refuse(node, "a variable number of parameters is not supported", "name each parameter")
    parameters: list[Parameter] = []
    owner = checker.instance.owner
    listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    defaults = _defaults(function, listed)
    keyword_only = {entry.arg for entry in arguments.kwonlyargs}
    for position, entry in enumerate(listed):
        if position == 0 and owner is not None and entry.arg == "self" and entry.annotation is None:
            parameters.append(Parameter("self", owner))
            continue
        if node.name == "__exit__" and owner is not None:
            continue
        if entry.annotation is None:
            checker.refuse(entry, f"parameter '{entry.arg}' has no type", f"write {entry.arg}: U64, for example")
        kind = checker.annotation(entry.annotation)
        _refuse_bare(checker, kind, entry.annotation)
        if kind in (NONE, NEVER):
            hint = "write U64 | None, for example"
            checker.refuse(entry.annotation, f"a parameter of type {kind} holds nothing", hint)
        parameters.append(
            Parameter(entry.arg, kind, entry.arg in defaults, defaults.get(entry.arg), entry.arg in keyword_only)
        )
    if node.returns is None:
        checker.refuse(node, f"function '{node.name}' does not say what it returns", "write -> None, or its type")
    result = checker.annotation(node.returns)
    _refuse_bare(checker, result, node.returns)
    return parameters, result


def _refuse_bare(checker: Checker, kind: Type, node: ast.AST) -> None:
    """Refuse a parameter or result that would be a number without a width."""
    if kind in (CONST_INT, CONST_FLOAT):
        checker.refuse(
            node, f"{kind} has no width", "write U64 or another integer type; U64 | int also takes constants"
        )


def _defaults(function: Any, listed: list[ast.arg]) -> dict[str, Any]:
    values = function.__defaults__ or ()
    names = [entry.arg for entry in listed][: function.__code__.co_argcount]
    found = dict(zip(names[len(names) - len(values) :], values, strict=True))
    found.update(function.__kwdefaults__ or {})
    return found


def _assigned_names(function: ast.FunctionDef) -> set[str]:
    """All names that the function assigns: Python makes them local throughout."""
    names = {entry.arg for entry in [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]}
    return names | assigned_in(function.body)


def assigned_in(body: list[ast.stmt]) -> set[str]:
    """The names that statements assign."""
    names = set()
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
    return names


def holds_reference(kind: Type) -> bool:
    """Whether a value of the type may refer to storage of the function that made it."""
    if isinstance(kind, OptionalType):
        return holds_reference(kind.inner)
    if isinstance(kind, TupleType):
        return any(holds_reference(item) for item in kind.items)
    name = type(kind).__name__
    return kind.is_place or name in ("PtrType", "SliceType", "ProtocolType", "TextType")


__all__ = ["INTEGERS", "Checker", "assigned_in", "class_bindings", "holds_reference", "make_instance", "member", "own"]
