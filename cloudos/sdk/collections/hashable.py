"""What the containers ask of their elements."""

from __future__ import annotations

from typing import Protocol, Self

from cloudos.lang import U64


class Hashable(Protocol):
    """A key of a `Map`: equal keys have equal hashes. Integers, `Text` and `Bytes` are hashable."""

    def hash(self) -> U64: ...


class Ordered(Protocol):
    """An element with a natural order. Integers, `Text` and `Bytes` are ordered."""

    def __lt__(self, other: Self, /) -> bool: ...
