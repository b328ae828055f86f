"""The line that is edited: bytes, and a cursor that stands only between characters as they are seen."""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U8, U64, Array, Slice, struct, zeroed
from cloudos.services.console.glyphs import Glyph, glyph_at

LONGEST = 4000  # bytes


@struct
class Line:
    """A line. `cursor` counts bytes."""

    bytes: Array[U8, Literal[4000]] = zeroed()
    used: U64 = U64(0)
    cursor: U64 = U64(0)

    def text(self) -> Slice[U8]:
        """The line; valid until it changes."""
        return self.bytes.slice()[0 : self.used]

    def set(self, text: Slice[U8], cursor: U64) -> None:
        """Become this text, as much of it as there is room for. A cursor within a character moves before it."""
        self.used = min(text.length, U64(LONGEST))
        self.bytes.slice()[0 : self.used].copy_from(text[0 : self.used])
        wanted = min(cursor, self.used)
        self.cursor = U64(0)
        while self.cursor < self.used and self.after(self.cursor) <= wanted:
            self.cursor = self.after(self.cursor)

    def insert(self, text: Slice[U8]) -> bool:
        """Put text before the cursor; False when there is no room for it."""
        count = text.length
        if count > U64(LONGEST) - self.used:
            return False
        index = self.used
        while index > self.cursor:
            index -= 1
            self.bytes[index + count] = self.bytes[index]
        self.bytes.slice()[self.cursor : self.cursor + count].copy_from(text)
        self.used += count
        self.cursor += count
        return True

    def remove(self, start: U64, stop: U64) -> None:
        """Remove the bytes between two positions; the cursor is then where they were."""
        for index in U64.range(stop, self.used):
            self.bytes[start + (index - stop)] = self.bytes[index]
        self.used -= stop - start
        self.cursor = start

    def after(self, position: U64) -> U64:
        """The position behind the character at `position`, and behind what combines with it."""
        if position >= self.used:
            return self.used
        at = position + self.glyph(position).length
        while at < self.used and self.glyph(at).width == 0:
            at += self.glyph(at).length
        return at

    def before(self, position: U64) -> U64:
        """The position before the character that ends at `position`."""
        at = U64(0)
        while self.after(at) < position:
            at = self.after(at)
        return at

    def glyph(self, position: U64) -> Glyph:
        """The character at a position."""
        return glyph_at(self.text(), position)

    def word_start(self, by_space: bool) -> U64:
        """Where the word before the cursor starts: up to a space, or of letters and digits only."""
        at = self.cursor
        while at > 0 and not is_word(self.bytes[at - 1], by_space):
            at -= 1
        while at > 0 and is_word(self.bytes[at - 1], by_space):
            at -= 1
        return at

    def word_end(self) -> U64:
        """Where the word behind the cursor ends."""
        at = self.cursor
        while at < self.used and not is_word(self.bytes[at], False):
            at += 1
        while at < self.used and is_word(self.bytes[at], False):
            at += 1
        return at

    def transpose(self) -> bool:
        """Exchange the characters around the cursor, or the last two at the end; False when there are none."""
        middle = self.cursor if self.cursor < self.used else self.before(self.used)
        if middle == 0:
            return False
        start, stop = self.before(middle), self.after(middle)
        # Rotate: the second character, then the first, with a copy of the first on the way.
        first = Array[U8, Literal[256]]()
        length = middle - start
        if length > 256:
            return False
        first.slice()[0:length].copy_from(self.bytes.slice()[start:middle])
        for index in U64.range(middle, stop):
            self.bytes[index - length] = self.bytes[index]
        self.bytes.slice()[stop - length : stop].copy_from(first.slice()[0:length])
        self.cursor = stop
        return True


def is_word(byte: U8, by_space: bool) -> bool:
    """Whether a byte is part of a word. All characters beyond ASCII are."""
    if by_space:
        return byte != 0x20 and byte != 0x09
    return 0x30 <= byte <= 0x39 or 0x41 <= byte <= 0x5A or 0x61 <= byte <= 0x7A or byte == 0x5F or byte >= 0x80
