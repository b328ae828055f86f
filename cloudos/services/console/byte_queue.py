"""Bytes that wait, in order."""

from __future__ import annotations

from cloudos.lang import U8, U64, Slice, managed
from cloudos.sdk.collections.byte_buffer import ByteBuffer


@managed
class Queue:
    """Bytes of which the first `taken` of `content` are gone already."""

    content: ByteBuffer
    taken: U64

    @property
    def length(self) -> U64:
        """How many bytes wait."""
        return self.content.length - self.taken

    def waiting(self) -> Slice[U8]:
        """The bytes; valid until some are added or taken."""
        return self.content.content()[self.taken : self.content.length]

    def put(self, data: Slice[U8]) -> None:
        """Add bytes."""
        if self.taken > 0 and self.taken * 2 >= self.content.length:
            # No more is moved than has gone, and no memory is needed for it.
            rest = self.length
            content = self.content.content()
            content[0:rest].copy_from(content[self.taken : content.length])
            self.content.shorten(rest)
            self.taken = U64(0)
        self.content.write(data)

    def skip(self, count: U64) -> None:
        """The first bytes go; there must be so many."""
        assert count <= self.length
        self.taken += count
        if self.taken == self.content.length:
            self.clear()

    def take(self) -> U8:
        """The first byte; there must be one."""
        byte = self.content[self.taken]
        self.skip(U64(1))
        return byte

    def clear(self) -> None:
        """All bytes go."""
        self.content.clear()
        self.taken = U64(0)


def new_queue() -> Queue:
    """A queue without bytes."""
    return Queue(ByteBuffer(), U64(0))
