"""The typed tree: what `check` makes of the syntax and `lower` turns into instructions.

Every name is resolved, every expression has its type, every implicit conversion is a node of its own. Lines are those
of the .py file, for panics, `#line` and debuggers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cloudos.compiler.typesystem import ProtocolType, Type


@dataclass
class Expr:
    type: Type
    line: int = field(kw_only=True, default=0)


@dataclass
class Const(Expr):
    """A number, a bool, None, a null pointer or an all-zero value (None stands for the latter three)."""

    value: int | float | bool | None


@dataclass
class Local(Expr):
    name: str


@dataclass
class Static(Expr):
    """The address of an object that exists since import; `offset` bytes into the region's root."""

    region: Any
    offset: int


@dataclass
class Located(Expr):
    """The struct at the address that a function gives."""

    target: Any


@dataclass
class StaticSlice(Expr):
    base: Expr
    length: int


@dataclass
class BytesData(Expr):
    value: bytes


@dataclass
class TextLiteral(Expr):
    value: str


@dataclass
class TextFormat(Expr):
    """An f-string: captured values and the function (a synthetic instance) that writes them to a sink."""

    captures: list[Expr]
    writer: Any


@dataclass
class Unary(Expr):
    op: str
    operand: Expr


@dataclass
class Binary(Expr):
    op: str
    left: Expr
    right: Expr


@dataclass
class Compare(Expr):
    op: str
    left: Expr
    right: Expr


@dataclass
class Logic(Expr):
    """`and` / `or`: the right side runs only when it decides."""

    op: str
    left: Expr
    right: Expr


@dataclass
class Choose(Expr):
    condition: Expr
    yes: Expr
    no: Expr


@dataclass
class IsNone(Expr):
    operand: Expr
    negated: bool


@dataclass
class Bind(Expr):
    """Keeps the value under a name for a later part of the same expression."""

    name: str
    value: Expr


@dataclass
class LoadField(Expr):
    base: Expr
    name: str


@dataclass
class LoadIndex(Expr):
    base: Expr
    index: Expr


@dataclass
class Deref(Expr):
    pointer: Expr


@dataclass
class Call(Expr):
    target: Any
    arguments: list[Expr]


@dataclass
class CallVirtual(Expr):
    protocol: ProtocolType
    method: str
    receiver: Expr
    arguments: list[Expr]


@dataclass
class Intrinsic(Expr):
    """A primitive the back end knows; `types` are its type arguments."""

    name: str
    arguments: list[Expr]
    types: tuple[Type, ...] = ()


@dataclass
class Construct(Expr):
    """A new struct on the stack, or a new managed object; `initial` gives fields in evaluation order."""

    initial: list[tuple[str, Expr]]
    init: Any = None
    init_arguments: list[Expr] = field(default_factory=list)


@dataclass
class MakeTuple(Expr):
    items: list[Expr]


@dataclass
class TupleItem(Expr):
    base: Expr
    index: int


@dataclass
class Wrap(Expr):
    """A value as an optional one."""

    operand: Expr


@dataclass
class Unwrap(Expr):
    """An optional value known to be present."""

    operand: Expr


@dataclass
class Convert(Expr):
    """A checked conversion between numbers."""

    operand: Expr


@dataclass
class Reinterpret(Expr):
    """The same bits under another type (enum to integer, pointer cast, unchecked truncation)."""

    operand: Expr


@dataclass
class ToProtocol(Expr):
    operand: Expr


# Statements


@dataclass
class Stmt:
    line: int


@dataclass
class SetLocal(Stmt):
    name: str
    value: Expr


@dataclass
class StoreField(Stmt):
    base: Expr
    name: str
    value: Expr


@dataclass
class StoreIndex(Stmt):
    base: Expr
    index: Expr
    value: Expr


@dataclass
class StoreDeref(Stmt):
    pointer: Expr
    value: Expr


@dataclass
class Evaluate(Stmt):
    value: Expr


@dataclass
class If(Stmt):
    condition: Expr
    body: list[Stmt]
    orelse: list[Stmt]


@dataclass
class Loop(Stmt):
    """while: `step` runs after the body and after `continue`, before the condition is tested again."""

    condition: Expr | None
    body: list[Stmt]
    step: list[Stmt]
    orelse: list[Stmt]


@dataclass
class Break(Stmt):
    pass


@dataclass
class Continue(Stmt):
    pass


@dataclass
class Return(Stmt):
    value: Expr | None


@dataclass
class Raise(Stmt):
    """`error` None raises the current one again."""

    error: Any


@dataclass
class Handler:
    errors: tuple[Any, ...]
    body: list[Stmt]
    line: int


@dataclass
class Try(Stmt):
    body: list[Stmt]
    handlers: list[Handler]
    orelse: list[Stmt]
    final: list[Stmt]
    raised: frozenset[Any] = frozenset()
    """What the body can raise; `raises` fills it in."""


@dataclass
class Panic(Stmt):
    kind: int
    message: Expr | None


@dataclass
class Switch(Stmt):
    """match: each case a tuple of numbers; `default` is None when the cases are exhaustive."""

    subject: Expr
    cases: list[tuple[tuple[int, ...], list[Stmt]]]
    default: list[Stmt] | None
