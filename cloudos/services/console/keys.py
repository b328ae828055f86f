"""From the bytes that a terminal sends to keys: characters, control characters, and the keys of escape sequences
(ECMA-48, and what xterm sends)."""

from __future__ import annotations

from cloudos.lang import U8, U32, U64, struct
from cloudos.services.console.glyphs import is_character, sequence_length

# Above all code points.
NONE = 0x20_0000
"""The byte completed no key that means something."""
LEFT = 0x20_0001
RIGHT = 0x20_0002
UP = 0x20_0003
DOWN = 0x20_0004
HOME = 0x20_0005
END = 0x20_0006
DELETE = 0x20_0007
WORD_LEFT = 0x20_0008
WORD_RIGHT = 0x20_0009
ERASE_WORD_LEFT = 0x20_000A
ERASE_WORD_RIGHT = 0x20_000B

GROUND = 0
ESCAPE = 1
SEQUENCE = 2
SHIFT = 3
CHARACTER = 4
LARGEST = 9999


@struct
class Keys:
    """The state between two bytes."""

    state: U64 = U64(GROUND)
    # The numbers of a control sequence.
    first: U64 = U64(0)
    second: U64 = U64(0)
    in_second: bool = False
    # A character of several bytes, how many are still to come, and how many it has.
    code: U32 = U32(0)
    missing: U64 = U64(0)
    length: U64 = U64(0)

    def feed(self, byte: U8) -> U32:
        """The key that this byte completes, or NONE. A control character breaks off whatever was going on."""
        if byte == 0x1B:
            self.state = U64(ESCAPE)
            return U32(NONE)
        if byte < 0x20 or self.state == GROUND:
            return self.begin(byte)
        if self.state == ESCAPE:
            return self.after_escape(byte)
        if self.state == SEQUENCE:
            return self.in_sequence(byte)
        if self.state == SHIFT:
            self.state = U64(GROUND)
            return key_of(byte, U64(0))
        return self.in_character(byte)

    def begin(self, byte: U8) -> U32:
        """A byte that belongs to nothing before it."""
        self.state = U64(GROUND)
        if byte < 0x80:
            return U32(byte)
        self.length = sequence_length(byte)
        if self.length != 0:
            self.state = U64(CHARACTER)
            self.missing = self.length - 1
            self.code = U32(byte) & (U32(0x7F) >> U32(self.length))
        return U32(NONE)

    def in_character(self, byte: U8) -> U32:
        """A further byte of a character; what is not one begins anew."""
        if byte & 0xC0 != 0x80:
            return self.begin(byte)
        self.code = self.code << 6 | U32(byte & 0x3F)
        self.missing -= 1
        if self.missing > 0:
            return U32(NONE)
        self.state = U64(GROUND)
        return self.code if is_character(self.code, self.length) else U32(NONE)

    def after_escape(self, byte: U8) -> U32:
        """The byte behind an escape: the beginning of a sequence, or a key with Alt."""
        self.state = U64(GROUND)
        match byte:
            case 0x5B:  # [
                self.state = U64(SEQUENCE)
                self.first, self.second, self.in_second = U64(0), U64(0), False
                return U32(NONE)
            case 0x4F:  # O
                self.state = U64(SHIFT)
                return U32(NONE)
            case 0x62:  # b
                return U32(WORD_LEFT)
            case 0x66:  # f
                return U32(WORD_RIGHT)
            case 0x64:  # d
                return U32(ERASE_WORD_RIGHT)
            case 0x7F:
                return U32(ERASE_WORD_LEFT)
            case _:
                return U32(NONE)

    def in_sequence(self, byte: U8) -> U32:
        """A byte of a control sequence: numbers, and at the end what it is."""
        if 0x30 <= byte <= 0x39:
            digit = U64(byte - 0x30)
            if self.in_second:
                self.second = min(self.second * 10 + digit, U64(LARGEST))
            else:
                self.first = min(self.first * 10 + digit, U64(LARGEST))
        elif byte == 0x3B:  # ;
            self.in_second = True
        elif 0x40 <= byte <= 0x7E:
            self.state = U64(GROUND)
            if byte == 0x7E:  # ~
                return numbered_key(self.first)
            return key_of(byte, self.second)
        return U32(NONE)


def key_of(final: U8, modifiers: U64) -> U32:
    """The key that a sequence with this end is. `modifiers` as xterm counts them: 3 Alt, 5 Ctrl."""
    by_word = modifiers == 3 or modifiers == 5
    match final:
        case 0x41:
            return U32(UP)
        case 0x42:
            return U32(DOWN)
        case 0x43:
            return U32(WORD_RIGHT) if by_word else U32(RIGHT)
        case 0x44:
            return U32(WORD_LEFT) if by_word else U32(LEFT)
        case 0x46:
            return U32(END)
        case 0x48:
            return U32(HOME)
        case _:
            return U32(NONE)


def numbered_key(number: U64) -> U32:
    """The key of a sequence that ends with a tilde."""
    match number:
        case 1 | 7:
            return U32(HOME)
        case 3:
            return U32(DELETE)
        case 4 | 8:
            return U32(END)
        case _:
            return U32(NONE)
