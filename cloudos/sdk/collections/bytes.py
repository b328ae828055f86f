"""`Bytes`: an immutable run of bytes."""

from __future__ import annotations

from collections.abc import Iterator

from cloudos.lang import U8, U64, Slice, interpreted, iterate, managed, sequence
from cloudos.sdk.collections.byte_store import discard
from cloudos.sdk.collections.slices import bytes_less, copy_bytes, find_bytes, hash_bytes

ZERO = U64(0)


@sequence
@managed
class Bytes:
    """Immutable bytes on the heap. `Bytes(data(b"…"))` copies a literal; a buffer's `to_bytes` makes others."""

    content: Slice[U8]  # owned; read it, never store into it, and not longer than the Bytes live

    def __init__(self, content: Slice[U8]) -> None:
        self.content = copy_bytes(content)

    def drop(self) -> None:
        discard(self.content)

    @property
    def length(self) -> U64:
        return self.content.length

    @interpreted
    def __iter__(self) -> Iterator[U8]:
        return iterate(self)

    def __getitem__(self, index: U64 | int) -> U8:
        return self.content[index]

    def hash(self) -> U64:
        return hash_bytes(self.content)

    def __eq__(self, other: Bytes) -> bool:  # type: ignore[override]
        return self.content.equals(other.content)

    def __lt__(self, other: Bytes) -> bool:
        return bytes_less(self.content, other.content)

    def __gt__(self, other: Bytes) -> bool:
        return other < self

    def __le__(self, other: Bytes) -> bool:
        return not other < self

    def __ge__(self, other: Bytes) -> bool:
        return not self < other

    @interpreted
    def __hash__(self) -> int:
        return int(self.hash())

    def slice(self, start: U64, stop: U64) -> Bytes:
        """A copy of the bytes from `start` up to `stop`; panics unless start <= stop <= length."""
        return Bytes(self.content[start:stop])

    def find(self, wanted: Slice[U8], start: U64 = ZERO) -> U64 | None:
        """The first position from `start` on at which `wanted` occurs."""
        return find_bytes(self.content, wanted, start)


def adopt_bytes(content: Slice[U8]) -> Bytes:
    """Bytes that take over a heap slice: the caller must not use or free it any more."""
    result = Bytes(content[0:0])
    result.content = content
    return result
