"""Small random programs that are well typed by construction, as source text.

A program has a static struct of mixed fields, helper functions and entry functions. Every variable is assigned before
any branch, loops are bounded, and a function calls only those above it, so that every program ends. Each entry returns
its result and a digest of the static state: a store lost anywhere shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

C = TypeVar("C")
Choose = Callable[[int], int]
"""Gives a number from 0 to below its argument; small numbers are the simple choices."""

CONSTANT = re.compile(r"[UI]\d+\(-?\d+\)")
INTEGERS = ("U8", "U16", "U32", "U64", "I8", "I16", "I32", "I64")
ERRORS = ("First", "Second", "Third")

HEAD = '''\
"""A generated program."""

from __future__ import annotations

from typing import Literal

from cloudos.lang import I8, I16, I32, I64, U8, U16, U32, U64, Array, Error, struct, zeroed


class First(Error):
    code = 921


class Second(First):
    code = 922


class Third(Error):
    code = 923


@struct
class Inner:
    small: I8 = I8(-3)
    wide: I64 = I64(7)


@struct
class State:
    a: U8 = U8(1)
    b: I16 = I16(-2)
    c: U32 = U32(3)
    d: I64 = I64(-4)
    e: bool = True
    inner: Inner = zeroed()
    others: Array[Inner, Literal[3]] = zeroed()
    bytes: Array[U8, Literal[5]] = zeroed()
    words: Array[I32, Literal[4]] = zeroed()


STATE = State()


def _reset() -> None:
    """A panic runs finally clauses under CPython only: no call may depend on what an earlier one left behind."""
    STATE.a = U8(1)
    STATE.b = I16(-2)
    STATE.c = U32(3)
    STATE.d = I64(-4)
    STATE.e = True
    STATE.inner = Inner()
    STATE.others.fill(Inner(I8(5), I64(1 << 40)))
    STATE.bytes.fill(U8(200))
    STATE.words.fill(I32(-70000))


def _digest() -> U64:
    x = U64(STATE.a).wrapping_mul(31).wrapping_add(U64.truncate(STATE.b))
    x = x.wrapping_mul(31).wrapping_add(U64(STATE.c)).rotate_left(7) ^ U64.truncate(STATE.d)
    x = x.wrapping_mul(31).wrapping_add(U64(STATE.e)).wrapping_add(U64.truncate(STATE.inner.small))
    x = x.wrapping_mul(31).wrapping_add(U64.truncate(STATE.inner.wide))
    for other in STATE.others:
        x = x.wrapping_mul(31).wrapping_add(U64.truncate(other.small)) ^ U64.truncate(other.wide).rotate_left(9)
    for byte in STATE.bytes:
        x = x.wrapping_mul(31).wrapping_add(U64(byte))
    for word in STATE.words:
        x = x.wrapping_mul(31).wrapping_add(U64.truncate(word))
    return x
'''

FIELDS = (
    ("STATE.a", "U8"),
    ("STATE.b", "I16"),
    ("STATE.c", "U32"),
    ("STATE.d", "I64"),
    ("STATE.e", "bool"),
    ("STATE.inner.small", "I8"),
    ("STATE.inner.wide", "I64"),
)
ITEMS = (
    ("STATE.bytes[{}]", "U8", 5),
    ("STATE.words[{}]", "I32", 4),
    ("STATE.others[{}].small", "I8", 3),
    ("STATE.others[{}].wide", "I64", 3),
)


def limits(name: str) -> tuple[int, int]:
    """Smallest and largest value of the type."""
    bits = int(name[1:])
    return (0, 2**bits - 1) if name[0] == "U" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


@dataclass
class Signature:
    name: str
    parameters: tuple[str, ...]
    result: str


@dataclass
class Scope:
    """What an expression or statement may name."""

    variables: dict[str, str]
    functions: list[Signature]
    result: str
    loops: int = 0
    fixed: set[str] = field(default_factory=set)
    """Loop variables: read, never assigned, so that loops end."""
    objects: dict[str, str] = field(default_factory=dict)
    """Names of objects, for generators that have some, with their kind."""

    def inner(self, loop_variable: str = "", kind: str = "") -> Scope:
        """The scope of a block in this one; the body of a loop has one variable more."""
        if not loop_variable:
            return Scope(dict(self.variables), self.functions, self.result, self.loops, self.fixed, dict(self.objects))
        variables = {**self.variables, loop_variable: kind}
        return Scope(variables, self.functions, self.result, 1, self.fixed | {loop_variable}, dict(self.objects))


class Generator:
    """Writes one program, asking `choose` at every point where it could go on in several ways."""

    head = HEAD

    def __init__(self, choose: Choose) -> None:
        self._choose = choose
        self._names = 0

    def program(self, entries: int) -> str:
        """Text of a program with this many entry functions, `entry0` and on."""
        functions: list[Signature] = []
        parts = [self.head]
        for index in range(entries):
            helper = Signature(f"_helper{index}", self._types(3), self._type())
            parts.append(self._function(helper, functions, False))
            functions.append(helper)
            parts.append(self._function(Signature(f"entry{index}", self._types(3), self._type()), functions, True))
        return "".join(parts)

    def _pick(self, options: Sequence[C]) -> C:
        return options[self._choose(len(options))]

    def _type(self) -> str:
        return self._pick((*INTEGERS, "bool"))

    def _types(self, most: int) -> tuple[str, ...]:
        return tuple(self._type() for _ in range(1 + self._choose(most)))

    def _name(self, kind: str) -> str:
        self._names += 1
        return f"{kind.lower()}_{self._names}"

    def _function(self, signature: Signature, functions: list[Signature], entry: bool) -> str:
        variables = {f"p{index}": kind for index, kind in enumerate(signature.parameters)}
        head = ", ".join(f"{name}: {kind}" for name, kind in variables.items())
        result = f"tuple[{signature.result}, U64]" if entry else signature.result
        scope = Scope(variables, functions, signature.result)
        lines = [f"def {signature.name}({head}) -> {result}:", *(["    _reset()"] if entry else [])]
        lines += self._first_lines(scope)
        for _ in range(1 + self._choose(3)):
            kind = self._type()
            value = self._expression(kind, scope, 1)
            name = self._name(kind)
            lines.append(f"    {name} = {value}")
            scope.variables[name] = kind
        # A raise or return as the last statement of a block must not leave dead code behind it.
        body = self._block(scope, 2, 1, returns=not entry)
        lines += body
        value = self._expression(signature.result, scope, 2)
        if not ends(body):
            lines.append(f"    return {value}, _digest()" if entry else f"    return {value}")
        return "\n\n\n" + "\n".join(lines) + "\n"

    def _first_lines(self, scope: Scope) -> list[str]:
        """What every function begins with."""
        return []

    def _block(self, scope: Scope, depth: int, indent: int, returns: bool) -> list[str]:
        inner = scope.inner()
        lines: list[str] = []
        for _ in range(1 + self._choose(3)):
            lines += self._statement(inner, depth, indent, returns)
            if ends(lines):
                break
        return lines

    def _statement(self, scope: Scope, depth: int, indent: int, returns: bool) -> list[str]:
        simple = self._simple()
        nested = (self._if, self._for, self._while, self._try, self._match)
        pad = "    " * indent
        if depth and self._choose(5) >= 3:
            return self._pick(nested)(scope, depth, indent, returns)
        last = self._choose(24)
        if last == 23 and self._choose(2):
            return [f"{pad}raise {self._pick(ERRORS)}"]
        if last == 22 and returns:
            return [f"{pad}return {self._expression(scope.result, scope, 2)}"]
        if last >= 20 and scope.loops:
            return [pad + self._pick(("break", "continue"))]
        if last == 19:
            return [f"{pad}assert {self._expression('bool', scope, 1)} or {self._expression('bool', scope, 2)}"]
        return [pad + line for line in self._pick(simple)(scope).split("\n")]

    def _simple(self) -> Sequence[Callable[[Scope], str]]:
        """The statements that are not made of others."""
        return (self._assign, self._augment, self._store, self._store_item, self._new_variable)

    def _assign(self, scope: Scope) -> str:
        name, kind = self._pick([pair for pair in scope.variables.items() if pair[0] not in scope.fixed])
        return f"{name} = {self._expression(kind, scope, 2)}"

    def _new_variable(self, scope: Scope) -> str:
        kind = self._type()
        value = self._expression(kind, scope, 2)
        name = self._name(kind)
        scope.variables[name] = kind
        return f"{name} = {value}"

    def _augment(self, scope: Scope) -> str:
        numbers = [pair for pair in scope.variables.items() if pair[1] != "bool" and pair[0] not in scope.fixed]
        name, kind = self._pick([*numbers, *(pair for pair in FIELDS if pair[1] != "bool")])
        operator = self._pick(("^", "|", "&", "^", "|", "&", "^", "&", "+", "-", "//", "%", "*"))
        return f"{name} {operator}= {self._expression(kind, scope, 1)}"

    def _store(self, scope: Scope) -> str:
        if self._choose(6) == 5:
            return self._pick(("STATE.others[1] = STATE.inner", "STATE.inner = STATE.others[2]"))
        place, kind = self._pick(FIELDS)
        return f"{place} = {self._expression(kind, scope, 2)}"

    def _store_item(self, scope: Scope) -> str:
        place, kind, length = self._pick(ITEMS)
        index = self._index(scope, length)
        operator = self._pick(("=", "=", "=", "^="))
        return f"{place.format(index)} {operator} {self._expression(kind, scope, 2)}"

    def _index(self, scope: Scope, length: int) -> str:
        # One index in a dozen may be out of bounds.
        bound = length + 1 if self._choose(12) == 11 else length
        return f"{self._expression('U8', scope, 1)} % {bound}" if self._choose(3) else str(self._choose(length))

    def _if(self, scope: Scope, depth: int, indent: int, returns: bool) -> list[str]:
        pad = "    " * indent
        lines = [f"{pad}if {self._expression('bool', scope, 2)}:", *self._block(scope, depth - 1, indent + 1, returns)]
        if self._choose(3) == 2:
            lines.append(f"{pad}elif {self._expression('bool', scope, 1)}:")
            lines += self._block(scope, depth - 1, indent + 1, returns)
        if self._choose(2):
            lines += [f"{pad}else:", *self._block(scope, depth - 1, indent + 1, returns)]
        return [*lines, f"{pad}pass"]

    def _for(self, scope: Scope, depth: int, indent: int, returns: bool) -> list[str]:
        pad = "    " * indent
        kind = self._pick(INTEGERS)
        stop = f"{self._expression(kind, scope, 1)} % 5" if self._choose(2) else str(self._choose(5))
        name = self._name(kind)
        inner = scope.inner(name, kind)
        lines = [f"{pad}for {name} in {kind}.range({stop}):", *self._block(inner, depth - 1, indent + 1, returns)]
        if self._choose(4) == 3:
            lines += [f"{pad}else:", *self._block(scope, depth - 1, indent + 1, returns)]
        return [*lines, f"{pad}pass"]

    def _while(self, scope: Scope, depth: int, indent: int, returns: bool) -> list[str]:
        pad = "    " * indent
        name = self._name("count")
        inner = scope.inner(name, "U8")
        condition = self._expression("bool", scope, 1)
        lines = [f"{pad}{name} = U8({self._choose(4)})", f"{pad}while {name} > 0 and ({condition}):"]
        lines += [f"{pad}    {name} -= 1", *self._block(inner, depth - 1, indent + 1, returns)]
        return [*lines, f"{pad}pass"]

    def _try(self, scope: Scope, depth: int, indent: int, returns: bool) -> list[str]:
        pad = "    " * indent
        lines = [f"{pad}try:", *self._block(scope, depth - 1, indent + 1, returns)]
        handlers = self._choose(3)
        for error in ("Second", "First", "Error")[handlers:]:
            lines += [f"{pad}except {error}:", *self._block(scope, depth - 1, indent + 1, returns)]
        if self._choose(4) == 3:
            lines += [f"{pad}else:", *self._block(scope, depth - 1, indent + 1, returns)]
        if self._choose(3) == 2:
            quiet = Scope(scope.variables, [], scope.result, 0, scope.fixed)
            lines += [f"{pad}finally:", f"{pad}    {self._store(quiet)}"]
        return [*lines, f"{pad}pass"]

    def _match(self, scope: Scope, depth: int, indent: int, returns: bool) -> list[str]:
        pad = "    " * indent
        lines = [f"{pad}match {self._expression('U8', scope, 1)} % 4:"]
        for case in ("0", "1 | 3"):
            lines += [f"{pad}    case {case}:", *self._block(scope, depth - 1, indent + 2, returns)]
        if self._choose(2):
            lines += [f"{pad}    case _:", *self._block(scope, depth - 1, indent + 2, returns)]
        return [*lines, f"{pad}pass"]

    def _expression(self, kind: str, scope: Scope, depth: int) -> str:
        if depth <= 0 or self._choose(4) == 0:
            return self._leaf(kind, scope)
        if self._choose(12) == 11:
            yes, no = self._expression(kind, scope, depth - 1), self._expression(kind, scope, depth - 1)
            return f"({yes} if {self._expression('bool', scope, depth - 1)} else {no})"
        calls = [function for function in scope.functions if function.result == kind]
        if calls and self._choose(6) == 5:
            called = self._pick(calls[-3:])
            return f"{called.name}({', '.join(self._expression(t, scope, depth - 1) for t in called.parameters)})"
        return self._truth(scope, depth) if kind == "bool" else self._number(kind, scope, depth)

    def _truth(self, scope: Scope, depth: int) -> str:
        form = self._choose(5)
        if form == 0:
            return f"(not {self._expression('bool', scope, depth - 1)})"
        if form == 1:
            left, right = self._expression("bool", scope, depth - 1), self._expression("bool", scope, depth - 1)
            return f"({left} {self._pick(('and', 'or'))} {right})"
        kind = self._pick(INTEGERS)
        left, right = self._expression(kind, scope, depth - 1), self._expression(kind, scope, depth - 1)
        return f"({left} {self._pick(('<', '<=', '==', '!=', '>', '>='))} {right})"

    def _number(self, kind: str, scope: Scope, depth: int) -> str:
        left = self._expression(kind, scope, depth - 1)
        # Most forms cannot panic, else hardly a program would get past its first line.
        form = self._choose(40)
        if form < 6:
            return f"{kind}.truncate({self._expression(self._pick(INTEGERS), scope, depth - 1)})"
        if form == 6:
            operand = self._expression(self._type(), scope, depth - 1)
            # A constant that does not fit is refused when compiling, not found when running.
            return f"{kind}({operand})" if not CONSTANT.fullmatch(operand) else self._leaf(kind, scope)
        right = self._expression(kind, scope, depth - 1)
        if form < 18:
            return f"{left}.{self._pick(('wrapping_add', 'wrapping_sub', 'wrapping_mul', 'saturating_add'))}({right})"
        if form == 18:
            return f"({left} << {self._choose(6)})"
        if form < 22:
            return f"({left} >> {self._choose(7)})"
        if form < 26:
            # Only MIN // -1 fails here.
            return f"({left} {self._pick(('//', '%'))} ({right} | 1))"
        if form < 28:
            return f"({left} {self._pick(('+', '-', '*', '//', '%'))} {right})"
        if form < 32:
            return f"{self._pick(('min', 'max'))}({left}, {right})"
        return f"({left} {self._pick(('&', '|', '^'))} {right})"

    def _leaf(self, kind: str, scope: Scope) -> str:
        named = [name for name, other in scope.variables.items() if other == kind]
        form = self._choose(5)
        if named and form < 3:
            return self._pick(named)
        stored = [place for place, other in FIELDS if other == kind]
        if stored and form == 3:
            return self._pick(stored)
        items = [(place, length) for place, other, length in ITEMS if other == kind]
        if items and form == 4:
            place, length = self._pick(items)
            return place.format(self._choose(length))
        if kind == "bool":
            return self._pick(("True", "False"))
        low, high = limits(kind)
        return f"{kind}({self._pick((1, 0, 2, 5, 7, 9, 100, high, low, high // 2))})"


def ends(lines: list[str]) -> bool:
    """Whether the last statement leaves the block, so that nothing may follow it."""
    return bool(lines) and lines[-1].strip().split(" ")[0] in ("raise", "return", "break", "continue")
