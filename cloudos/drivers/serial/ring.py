"""A ring of bytes between an interrupt and a client."""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U8, U64, Array, Slice, struct, zeroed

CAPACITY = 4096  # bytes


@struct
class Ring:
    """Bytes in the order in which they came. `lost` counts those for which there was no room."""

    bytes: Array[U8, Literal[4096]] = zeroed()
    start: U64 = U64(0)
    used: U64 = U64(0)
    lost: U64 = U64(0)

    def put(self, byte: U8) -> bool:
        """Add a byte; False when there is no room for it: it is lost, and counted."""
        if self.used == CAPACITY:
            self.lost = self.lost.wrapping_add(U64(1))
            return False
        self.bytes[(self.start + self.used) % CAPACITY] = byte
        self.used += 1
        return True

    def put_all(self, data: Slice[U8]) -> U64:
        """Add bytes, as many as there is room for; how many. The others are not counted as lost."""
        count = min(data.length, U64(CAPACITY) - self.used)
        for index in U64.range(count):
            self.put(data[index])
        return count

    def peek(self, into: Slice[U8]) -> U64:
        """Copy the first bytes; how many."""
        count = min(into.length, self.used)
        first = min(count, U64(CAPACITY) - self.start)
        into[0:first].copy_from(self.bytes.slice()[self.start : self.start + first])
        into[first:count].copy_from(self.bytes.slice()[0 : count - first])
        return count

    def skip(self, count: U64) -> None:
        """Forget the first bytes; there must be so many."""
        assert count <= self.used
        self.start = (self.start + count) % CAPACITY
        self.used -= count

    def take(self) -> U8:
        """Remove the first byte; there must be one."""
        byte = self.bytes[self.start]
        self.skip(U64(1))
        return byte
