"""Structs that lie wherever a function says: reads, writes, methods, parts, and pointers to them."""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U8, U32, Array, Atomic, Ptr, VirtAddr, located, struct, zeroed


@struct
class Part:
    first: U32 = U32(0)
    second: U32 = U32(0)


@struct
class Account:
    total: U32 = U32(0)
    part: Part = zeroed()
    history: Array[U32, Literal[3]] = zeroed()
    next: Ptr[Account] = zeroed()
    visits: Atomic[U32] = Atomic(U32(0))

    def add(self, amount: U32) -> None:
        self.total += amount


@struct
class Choice:
    second: bool = False


LEFT = Account(U32(1))
RIGHT = Account(U32(1000))
CHOICE = Choice()


def _where() -> VirtAddr:
    return Ptr.to(RIGHT).address if CHOICE.second else Ptr.to(LEFT).address


HERE = located(Account, _where)


def choose(second: bool) -> None:
    CHOICE.second = second


def reads(a: U8) -> U32:
    choose(a.bit(0))
    return HERE.total


def writes(a: U8, b: U8) -> tuple[U32, U32]:
    choose(a.bit(0))
    HERE.total = U32(b)
    HERE.part.second = U32(b) + 1
    HERE.history[a % 3] = U32(b) + 2
    choose(not a.bit(0))
    HERE.total = U32(7)
    return LEFT.total * 1000 + RIGHT.total, LEFT.part.second * 1000 + RIGHT.part.second + LEFT.history[a % 3]


def methods(a: U8) -> U32:
    choose(a.bit(1))
    HERE.add(U32(a))
    HERE.part.first += 1
    return HERE.total + HERE.part.first


def part_stays(a: U8) -> U32:
    """A reference to a part is taken once; what is chosen later does not change it."""
    choose(False)
    part = HERE.part
    choose(True)
    part.first = U32(a)
    return LEFT.part.first


def pointers(a: U8) -> bool:
    choose(a.bit(0))
    pointer = Ptr.to(HERE)
    pointer.value.total = U32(a)
    HERE.next = pointer
    return pointer == Ptr.to(RIGHT) and HERE.next.value.total == U32(a)


def atomics(a: U8, b: U8) -> tuple[U32, U32]:
    choose(a.bit(0))
    HERE.visits.store(U32(b))
    before = HERE.visits.fetch_add(U32(a))
    swapped = HERE.visits.compare_exchange(U32(b) + U32(a), U32(9))
    choose(not a.bit(0))
    return before * 1000 + HERE.visits.load(), U32(swapped) + LEFT.visits.load() * 2


def refused(a: U8) -> U32:
    """The line that panics is the same."""
    choose(a.bit(0))
    return HERE.history[a]
