"""Containers and iterators of one's own, properties, default and keyword arguments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Literal, TypeVar

from cloudos.lang import U8, U16, U32, U64, Array, Ptr, interpreted, iterate, sequence, struct, zeroed

T = TypeVar("T")


@sequence
@struct
class Numbers(Generic[T]):
    items: Array[T, Literal[10]] = zeroed()
    used: U64 = U64(0)

    @interpreted
    def __iter__(self) -> Iterator[T]:
        return iterate(self)

    @property
    def length(self) -> U64:
        return self.used

    def __getitem__(self, index: U64 | int) -> T:
        assert index < self.used
        return self.items[index]

    def __setitem__(self, index: U64 | int, value: T) -> None:
        assert index < self.used
        self.items[index] = value

    def add(self, value: T) -> None:
        self.items[self.used] = value
        self.used += 1

    @property
    def last(self) -> T:
        return self.items[self.used - 1]

    @last.setter
    def last(self, value: T) -> None:
        self.items[self.used - 1] = value

    def __contains__(self, value: T) -> bool:
        for i in U64.range(self.used):
            if self.items[i] == value:
                return True
        return False

    @interpreted
    def as_list(self) -> list[T]:
        return [self.items[i] for i in range(int(self.used))]


@struct
class Countdown:
    left: U8

    def __iter__(self) -> Countdown:
        return self

    def __next__(self) -> U8:
        if self.left == 0:
            raise StopIteration
        self.left -= 1
        return self.left


@struct
class Pairs:
    limit: U8

    def __iter__(self) -> PairIterator:
        return PairIterator(self.limit, U8(0))


@struct
class PairIterator:
    limit: U8
    at: U8

    def __iter__(self) -> PairIterator:
        return self

    def __next__(self) -> tuple[U8, U16]:
        if self.at >= self.limit:
            raise StopIteration
        self.at += 1
        return self.at, U16(self.at) * 10


@struct
class Matrix:
    cells: Array[U32, Literal[9]] = zeroed()

    def at(self, row: U64, column: U64 = U64(0), *, scale: U32 = U32(1)) -> U32:
        return self.cells[row * 3 + column] * scale


NUMBERS = Numbers[U32]()
MATRIX = Matrix()


def _fill(n: U8) -> None:
    NUMBERS.used = U64(0)
    for i in U32.range(U32(n % 12)):
        NUMBERS.add(i * i)


def walk(n: U8) -> U32:
    _fill(n)
    total = U32(0)
    for number in NUMBERS:
        total = total * 7 % 100003 + number
    return total


def iterate_while_growing(n: U8) -> U32:
    """The length is read again every round."""
    _fill(n % 5)
    rounds = U32(0)
    for number in NUMBERS:
        rounds += 1
        if NUMBERS.used < 9:
            NUMBERS.add(number + 1)
    return rounds


def index(n: U8, i: U8) -> U32:
    _fill(n)
    NUMBERS[U64(i % 11)] = U32(77)
    NUMBERS[0] += 1
    return NUMBERS[U64(i % 12)]


def properties(n: U8) -> U32:
    _fill(n)
    NUMBERS.last = U32(500)
    NUMBERS.last += 1
    return NUMBERS.last + U32(NUMBERS.length)


def contains(n: U8, a: U8) -> tuple[bool, bool]:
    _fill(n)
    return U32(a % 30) in NUMBERS, U32(a % 30) not in NUMBERS


def iterator(n: U8) -> U32:
    total = U32(0)
    for value in Countdown(n % 40):
        if value == 13:
            continue
        if value == 3:
            break
        total = total * 3 % 100003 + U32(value)
    else:
        total += 1_000_000
    return total


def iterator_of_tuples(n: U8) -> U32:
    total = U32(0)
    for a, b in Pairs(n % 20):
        total = total * 3 % 100003 + U32(a) + U32(b)
    return total


def nested_iterators(n: U8) -> U32:
    total = U32(0)
    for i in Countdown(n % 6):
        for j in Countdown(i):
            total = total * 5 % 100003 + U32(j)
    return total


def iterator_by_hand(n: U8) -> U32:
    countdown = Countdown(n % 4)
    total = U32(0)
    while True:
        try:
            total = total * 10 + U32(countdown.__next__()) + 1
        except StopIteration:
            break
    return total


def defaults(a: U8) -> U32:
    for i in U64.range(9):
        MATRIX.cells[i] = U32(i) + U32(a)
    return MATRIX.at(U64(1)) + MATRIX.at(U64(2), U64(1)) + MATRIX.at(U64(0), scale=U32(3))


def keyword_order(a: U8, b: U8) -> U32:
    return _weigh(b=U32(a), a=U32(b)) * 100 + _weigh(U32(a), c=U32(b))


def _weigh(a: U32, b: U32 = U32(2), c: U32 = U32(3)) -> U32:
    return a * 100 + b * 10 + c


def pointer_to_sequence(n: U8) -> U32:
    _fill(n)
    pointer = Ptr.to(NUMBERS)
    total = U32(0)
    for number in pointer.value:
        total += number
    return total
