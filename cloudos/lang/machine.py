"""Machine primitives: functions with a Python model for CPython and a template per architecture.

Only `kernel/hal/<architecture>/` and a handful of functions in the SDK may hold templates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cloudos.lang.addresses import VirtAddr
from cloudos.lang.panics import intrinsic

F = TypeVar("F", bound=Callable[..., Any])
V = TypeVar("V")

ARCHITECTURES = ("x86_64", "aarch64")


@dataclass(frozen=True, kw_only=True)
class _TemplateOptions:
    result: str | None = None
    results: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    clobbers: tuple[str, ...] = ()
    volatile: bool = True
    segment: str | None = None
    register: str | None = None


@dataclass(frozen=True)
class Template(_TemplateOptions):
    """One extended-assembly template (GCC and clang; AT&T syntax on x86).

    `%[name]` in the text is an input (name to constraint), `%[result]` the output, `%[result0]`… the
    outputs where there are several. The constraint `{x0}` is the register x0. `segment` is for the function of
    `located`: the segment register ("gs") at whose base the struct lies, so that its fields can be reached without its
    address. `register` is a register that the compiler leaves alone (see `targets.py`): the result is what it holds,
    and the text is empty.
    """

    text: str


def machine(*, x86_64: Template | None = None, aarch64: Template | None = None) -> Callable[[F], F]:
    """Replace a function by a template when compiled; its body is the model that CPython runs."""
    given = {name: template for name, template in (("x86_64", x86_64), ("aarch64", aarch64)) if template is not None}

    def decorate(function: F) -> F:
        parameters = function.__code__.co_varnames[: function.__code__.co_argcount]
        for template in given.values():
            unknown = set(template.inputs) - set(parameters)
            if unknown:
                raise TypeError(f"{function.__name__} has no parameter {', '.join(sorted(unknown))}")
        function.__machine__ = given  # type: ignore[attr-defined]
        return function

    return decorate


@dataclass(frozen=True, eq=False)
class Assembly:
    """Top-level assembly text, by architecture.

    `{trap}` in a text is replaced by the C symbol of `symbols["trap"]` (a function, static data or
    LinkerSymbol); literal braces are doubled.
    """

    name: str
    x86_64: str | None = None
    aarch64: str | None = None
    symbols: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ProgramImage:
    """What a linked image starts from: functions and assembly texts that nothing else may refer to.

    `linker_script` is the script's text, None for the usual layout.
    """

    entries: tuple[Callable[..., Any], ...]
    assemblies: tuple[Assembly, ...]
    linker_script: str | None = None
    entry_symbol: str = "_start"


@dataclass(frozen=True)
class External:
    """Which assembly implements a function, and under what symbol."""

    assembly: Assembly
    symbol: str


def external(assembly: Assembly, symbol: str) -> Callable[[F], F]:
    """Mark a function that the assembly text implements; its body is the model that CPython runs."""

    def decorate(function: F) -> F:
        function.__external__ = External(assembly, symbol)  # type: ignore[attr-defined]
        return function

    return decorate


def exported(symbol: str) -> Callable[[F], F]:
    """Give a function a fixed C symbol, under `fn.__exported__`."""

    def decorate(function: F) -> F:
        function.__exported__ = symbol  # type: ignore[attr-defined]
        return function

    return decorate


def imported(symbol: str) -> Callable[[F], F]:
    """Mark a function that the process has which loads this code, as C has it: for host libraries alone.

    The body is the model that CPython runs.
    """

    def decorate(function: F) -> F:
        function.__imported__ = symbol  # type: ignore[attr-defined]
        return function

    return decorate


def fast(function: F) -> F:
    """Compile a function of the kernel for speed; all others are compiled for size."""
    function.__fast__ = True  # type: ignore[attr-defined]
    return function


def often(function: F) -> F:
    """Compile a function of the kernel for size, but let it share no code with others on x86_64: it runs often."""
    function.__often__ = True  # type: ignore[attr-defined]
    return function


def inlined(function: F) -> F:
    """Put a function's code into each of its callers: for steps of a fast path."""
    function.__inlined__ = True  # type: ignore[attr-defined]
    return function


def no_return(function: F) -> F:
    """Mark a function that never returns (annotating it NoReturn says the same)."""
    function.__no_return__ = True  # type: ignore[attr-defined]
    return function


def never_inlined(function: F) -> F:
    """Keep a function's code out of its callers, so that it does not slow down a short path through them."""
    function.__never_inlined__ = True  # type: ignore[attr-defined]
    return function


@dataclass(frozen=True)
class Placement:
    """Where the linker puts static data."""

    section: str | None
    symbol: str | None


def place(instance: V, section: str | None = None, symbol: str | None = None) -> V:
    """Put a struct, array or atomic made at import into a section, under a symbol; returns it."""
    region = getattr(instance, "_region", None)
    if region is None or region.owner is not instance:
        raise TypeError(f"only a whole struct, array or atomic can be placed, not {instance!r}")
    region.placement = Placement(section, symbol)
    return instance


class LinkerSymbol:
    """An address that the linker knows. Under CPython `model` stands for it, once set."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.model: VirtAddr | None = None

    @property
    @intrinsic("LinkerSymbol.address")
    def address(self) -> VirtAddr:
        """The address of the symbol; LookupError under CPython while no model is set."""
        if self.model is None:
            raise LookupError(f"the linker symbol {self.name} has no model: set .model first")
        return self.model


_code_addresses: dict[Any, VirtAddr] = {}


@intrinsic("code_address")
def code_address(function: Callable[..., Any]) -> VirtAddr:
    """The address of a function's machine code; under CPython a unique number that nothing is mapped at."""
    if function not in _code_addresses:
        _code_addresses[function] = VirtAddr(0x6000_0000_0000 + 16 * (len(_code_addresses) + 1))
    return _code_addresses[function]


def function_at(address: VirtAddr) -> Callable[..., Any]:
    """The function that `code_address` gave this address: for models of jumps. LookupError for any other."""
    for function, known in _code_addresses.items():
        if known == address:
            return function  # type: ignore[no-any-return]
    raise LookupError(f"no function has the code address {address}")
