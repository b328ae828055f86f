"""`@sequence`: containers that `for` walks by index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, TypeVar

from cloudos.lang.integers import U64

C = TypeVar("C")
T_co = TypeVar("T_co", covariant=True)


class Indexable(Protocol[T_co]):
    """What a sequence offers: a length and elements by index."""

    @property
    def length(self) -> U64:
        """How many elements there are now."""

    def __getitem__(self, index: U64 | int, /) -> T_co:
        """The element at `index`."""


def iterate(container: Indexable[T_co]) -> Iterator[T_co]:
    """Walk a container by index, reading its length again before every round."""
    index = U64(0)
    while index < container.length:
        yield container[index]
        index = index + 1


def sequence(cls: type[C]) -> type[C]:
    """Let `for` walk a class with `length` and `__getitem__`: compiled as an index loop, no iterator made.

    So that type checkers know too, such a class may spell out
    `@interpreted def __iter__(self) -> Iterator[T]: return iterate(self)`; else this adds it.
    """
    made: Any = cls
    for name in ("length", "__getitem__"):
        if not hasattr(cls, name):
            raise TypeError(f"@sequence: {cls.__name__} has no {name}")
    made.__sequence__ = True
    if "__iter__" not in vars(cls):
        made.__iter__ = iterate
    return cls
