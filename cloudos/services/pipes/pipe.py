"""One pipe: bytes on their way, who holds its ends, who waits at them."""

from __future__ import annotations

from cloudos.contracts.errors import BrokenPipe
from cloudos.lang import U8, U64, Slice, free_slice, managed, new_slice
from cloudos.sdk import transport
from cloudos.sdk.collections.bytes import Bytes
from cloudos.sdk.collections.list import List

CAPACITY = 16384  # bytes


@managed
class Waiter:
    """A call that is answered later: how many bytes it wants, or the bytes that it brings."""

    reply: U64
    length: U64
    data: Bytes


@managed
class Pipe:
    """A ring of bytes. `readers` and `writers` count the holders of its ends; `maker` is the badge of who made it."""

    maker: U64
    # Handles from which those of all holders of an end are derived.
    kept_reading: U64
    kept_writing: U64
    ring: Slice[U8]
    start: U64
    used: U64
    readers: U64
    writers: U64
    reading: List[Waiter]
    writing: List[Waiter]

    def drop(self) -> None:
        """The ring and the handles go with the pipe."""
        free_slice(self.ring)
        transport.close(self.kept_reading)
        transport.close(self.kept_writing)

    def is_waited_for(self) -> bool:
        """Whether a call waits at it."""
        return self.reading.length > 0 or self.writing.length > 0

    def put(self, data: Slice[U8]) -> bool:
        """Take all bytes, if there is room for all of them. Raises BrokenPipe."""
        if self.readers == 0:
            raise BrokenPipe
        if data.length > U64(CAPACITY) - self.used:
            return False
        at = (self.start + self.used) % CAPACITY
        first = min(data.length, U64(CAPACITY) - at)
        self.ring[at : at + first].copy_from(data[0:first])
        self.ring[0 : data.length - first].copy_from(data[first : data.length])
        self.used += data.length
        return True

    def peek(self, into: Slice[U8]) -> U64:
        """Copy the first bytes; how many."""
        count = min(into.length, self.used)
        first = min(count, U64(CAPACITY) - self.start)
        into[0:first].copy_from(self.ring[self.start : self.start + first])
        into[first:count].copy_from(self.ring[0 : count - first])
        return count

    def skip(self, count: U64) -> None:
        """Forget the first bytes."""
        self.start = (self.start + count) % CAPACITY
        self.used -= count


def new_pipe(maker: U64, reading: U64, writing: U64) -> Pipe:
    """An empty pipe, each end of which has one holder, and the handles that are kept for it."""
    one, none = U64(1), U64(0)
    ring = new_slice(U8, U64(CAPACITY))
    return Pipe(maker, reading, writing, ring, none, none, one, one, List[Waiter](), List[Waiter]())
