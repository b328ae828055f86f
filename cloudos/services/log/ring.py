"""Records in memory of fixed size: a new one takes the place of the oldest ones.

Positions count bytes since the start and never wrap; modulo the size they are places in memory. A record lies in one
piece: what is left at the end of the memory is skipped when the next one does not fit there.
"""

from __future__ import annotations

from cloudos.lang import U8, U32, U64, Slice, managed, new_slice, struct

HEADER = 32
LONGEST = 1000  # bytes of text
SMALLEST_RING = 4096
SKIPPED = 0xFFFF_FFFF


@struct
class Header:
    """Precedes the text of a record. `level` SKIPPED: no record follows until the end of the memory."""

    number: U64
    time: U64
    badge: U64
    level: U32
    length: U32


@managed
class Ring:
    """Records `first` to `next` - 1, at positions `start` to `end`. `cursor` is where record `cursor_number` lies."""

    memory: Slice[U8]
    start: U64 = U64(0)
    end: U64 = U64(0)
    first: U64 = U64(1)
    next: U64 = U64(1)
    cursor: U64 = U64(0)
    cursor_number: U64 = U64(1)

    def add(self, time: U64, badge: U64, level: U64, text: Slice[U8]) -> None:
        """Add a record; of a longer text, the first 1,000 bytes. Control characters become question marks."""
        length = min(text.length, U64(LONGEST))
        size = (U64(HEADER) + length + 7) // 8 * 8
        rest = self.memory.length - self.end % self.memory.length
        if rest < size:
            self.free(rest)
            if rest >= HEADER:
                self.header(self.end).level = U32(SKIPPED)
            self.end += rest
        self.free(size)
        header = self.header(self.end)
        header.number = self.next
        header.time = time
        header.badge = badge
        header.level = U32(level)
        header.length = U32(length)
        at = self.end % self.memory.length + HEADER
        for i in U64.range(length):
            byte = text[i]
            self.memory[at + i] = byte if byte >= 0x20 and byte != 0x7F else U8(0x3F)
        self.end += size
        self.next += 1

    def header(self, position: U64) -> Header:
        """The header at a position."""
        place = self.memory.pointer.offset(position % self.memory.length)
        return place.cast(Header).value

    def text(self, position: U64) -> Slice[U8]:
        """The text of the record at a position, valid until the next one is added."""
        at = position % self.memory.length + HEADER
        return self.memory[at : at + U64(self.header(position).length)]

    def free(self, size: U64) -> None:
        """Forget the oldest records until so many bytes are free behind the newest."""
        while self.memory.length - (self.end - self.start) < size:
            if self.is_gap(self.start):
                self.start = self.over_gap(self.start)
            else:
                self.start = self.after(self.start)
                self.first += 1

    def is_gap(self, position: U64) -> bool:
        """Whether the rest of the memory was skipped here."""
        rest = self.memory.length - position % self.memory.length
        return rest < HEADER or self.header(position).level == SKIPPED

    def over_gap(self, position: U64) -> U64:
        """The position at which the memory begins again."""
        return position + self.memory.length - position % self.memory.length

    def after(self, position: U64) -> U64:
        """The position behind a record."""
        return position + (U64(HEADER) + U64(self.header(position).length) + 7) // 8 * 8

    def find(self, number: U64, level: U64) -> U64 | None:
        """The position of the first record from `number` on that is at least as urgent as `level`."""
        at, here = self.start, self.first
        # A reader goes through the ring in order: begin where it was last time.
        if self.first <= self.cursor_number <= number and self.cursor >= self.start:
            at, here = self.cursor, self.cursor_number
        while here < self.next:
            if self.is_gap(at):
                at = self.over_gap(at)
            if here >= number and U64(self.header(at).level) <= level:
                self.cursor, self.cursor_number = at, here
                return at
            at = self.after(at)
            here += 1
        return None


def new_ring(size: U64) -> Ring:
    """An empty ring of so many bytes, at least 4,096."""
    return Ring(new_slice(U8, max(size, U64(SMALLEST_RING)) // 8 * 8))
