"""Random programs with references: managed objects, structs under several names, slices.

What is made here has no rings, so that every call must leave as many objects alive as it found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.dual.generator import HEAD, Generator, Scope

OBJECT_HEAD = (
    HEAD.replace("Error, struct, zeroed", "Error, Slice, copy, managed, struct, zeroed")
    + """

@managed
class Node:
    value: I32
    next: Node | None = None

    def pushed(self, value: I32) -> Node:
        return Node(value, self)

    def rest(self) -> Node | None:
        return self.next

    def checked(self) -> Node:
        if self.value % 11 == 7:
            raise Third
        return self


def _sum(node: Node | None) -> I32:
    total = I32(0)
    at = node
    while at is not None:
        total = total.wrapping_mul(3).wrapping_add(at.value)
        at = at.next
    return total


def _either(a: Node, b: Node | None, first: bool) -> Node:
    if b is None or first:
        return a
    return b


def _both(a: Node) -> tuple[Node, Node | None]:
    return a.checked(), a.next


def _weight(inner: Inner) -> I64:
    inner.small = inner.small.wrapping_add(1)
    return inner.wide ^ I64(inner.small)


def _made(small: I8, wide: I64) -> Inner:
    return Inner(small, wide)


def _named(inner: Inner, other: Inner, first: bool) -> Inner:
    return inner if first else other
"""
)


class ObjectGenerator(Generator):
    """Programs whose functions have two objects, an optional one, two structs and a slice each."""

    head = OBJECT_HEAD

    def _first_lines(self, scope: Scope) -> list[str]:
        scope.objects.update(n="Node", m="Node", o="Node?", p="Inner", q="Inner", s="slice")
        return [
            f"    n = Node({self._expression('I32', scope, 1)})",
            "    m = n",
            "    o: Node | None = None",
            "    p = STATE.inner",
            "    q = STATE.others[1]",
            "    s = STATE.bytes.slice()",
        ]

    def _simple(self) -> Sequence[Callable[[Scope], str]]:
        return (*super()._simple(), self._objects, self._objects, self._structs, self._structs, self._slices)

    def _objects(self, scope: Scope) -> str:
        value = self._expression("I32", scope, 1)
        flag = self._expression("bool", scope, 1)
        return self._pick(
            (
                f"n = Node({value})",
                f"n = Node({value}, o)",
                f"m = Node({value}, Node({value}, m))",
                "m = n",
                "n, m = m, n",
                "o = n",
                "o = None",
                "o = m.next",
                "o = n.rest()",
                f"m.next = Node({value})",
                "n.next = None",
                f"n = n.pushed({value})",
                f"n = n.pushed({value}).pushed({value}).checked()",
                f"m = _either(n, o, {flag})",
                f"m = n if {flag} else m.checked()",
                "n, o = _both(m)",
                f"n.value = {value}",
                "STATE.words[1] = _sum(n)",
                "STATE.words[2] = _sum(o)",
                "STATE.words[3] = _sum(n.checked().next)",
                "if o is not None:\n    o.value ^= 5\n    o = o.next",
                f"STATE.e = o is None or o.checked().value > {value}",
                f"STATE.e = n is m or Node({value}).checked() is n",
            )
        )

    def _structs(self, scope: Scope) -> str:
        small, wide = self._expression("I8", scope, 1), self._expression("I64", scope, 1)
        flag = self._expression("bool", scope, 1)
        return self._pick(
            (
                f"p.small = {small}",
                f"q.wide = {wide}",
                "p = q",
                "p, q = q, p",
                "p = STATE.others[2]",
                f"p = STATE.inner if {flag} else q",
                f"STATE.others[1] = Inner({small}, {wide})",
                f"STATE.inner = _made({small}, {wide})",
                "STATE.others[0] = copy(p)",
                "STATE.others[0] = p",
                f"STATE.d = _weight(Inner({small}, {wide}))",
                "STATE.d = _weight(p) ^ _weight(copy(q))",
                f"p = _named(p, q, {flag})",
                f"_named(STATE.inner, STATE.others[2], {flag}).small = {small}",
                "STATE.inner, STATE.others[1] = STATE.others[1], STATE.inner",
            )
        )

    def _slices(self, scope: Scope) -> str:
        value = self._expression("U8", scope, 1)
        index = self._index(scope, 3)
        return self._pick(
            (
                f"s = STATE.bytes.slice()[{index} :]",
                f"s = s[: {value} % 4]",
                f"s.fill({value})",
                f"if s.length > 2:\n    s[{index}] = {value}",
                "s[:1].copy_from(STATE.bytes.slice()[2:3])",
                "for part in s:\n    STATE.a ^= part",
                "STATE.e = s.equals(STATE.bytes.slice()[:2])",
            )
        )
