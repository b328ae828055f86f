"""Patterns: `*`, `?` and `[…]` (POSIX.1-2017, 2.13), over bytes that carry marks of how they were written."""

from __future__ import annotations

from cloudos.apps.shell.characters import (
    BACKSLASH,
    BANG,
    CARET,
    CLOSE_BRACKET,
    COLON,
    DASH,
    DOT,
    EQUALS,
    OPEN_BRACKET,
    QUESTION,
    SLASH,
    STAR,
)
from cloudos.lang import U8, U64, Slice, data, managed
from cloudos.sdk import ByteBuffer, Text

# How a byte came into a word. BREAK and EMPTY stand with bytes that are none: a boundary of fields that `$@` has, and
# quotes with nothing in them.
PLAIN = U8(0)
SPLIT = U8(1)
QUOTED = U8(2)
BREAK = U8(3)
EMPTY = U8(4)


@managed
class Marked:
    """Bytes and their marks."""

    bytes: ByteBuffer
    marks: ByteBuffer

    def __init__(self) -> None:
        self.bytes = ByteBuffer()
        self.marks = ByteBuffer()

    @property
    def length(self) -> U64:
        """How many bytes, boundaries included."""
        return self.bytes.length

    def add(self, byte: U8, mark: U8) -> None:
        """One more byte."""
        self.bytes.append(byte)
        self.marks.append(mark)

    def write(self, content: Slice[U8], mark: U8) -> None:
        """More bytes with the same mark."""
        for byte in content:
            self.add(byte, mark)

    def is_active(self, position: U64) -> bool:
        """Whether the byte there was not quoted."""
        return self.marks[position] <= SPLIT

    def has_pattern(self) -> bool:
        """Whether an unquoted `*`, `?` or `[` is in it."""
        for position in U64.range(self.length):
            byte = self.bytes[position]
            if self.is_active(position) and (byte == STAR or byte == QUESTION or byte == OPEN_BRACKET):
                return True
        return False

    def text(self) -> Text:
        """The bytes, boundaries left out."""
        result = ByteBuffer()
        for position in U64.range(self.length):
            if self.marks[position] <= QUOTED:
                result.append(self.bytes[position])
        return result.to_text()

    def part(self, start: U64, stop: U64) -> Marked:
        """Some of it."""
        result = Marked()
        result.bytes.write(self.bytes.content()[start:stop])
        result.marks.write(self.marks.content()[start:stop])
        return result


def matches(pattern: Marked, text: Slice[U8]) -> bool:
    """Whether the whole text is of the pattern."""
    # The last `*` and how far the text had come: where the rest does not match, `*` takes one byte more.
    star: U64 | None = None
    resume = U64(0)
    at, position = U64(0), U64(0)
    while True:
        at = skip_marks(pattern, at)
        if at < pattern.length and pattern.is_active(at) and pattern.bytes[at] == STAR:
            star = at
            resume = position
            at += 1
            continue
        if position == text.length and at == pattern.length:
            return True
        behind: U64 | None = None
        if position < text.length and at < pattern.length:
            behind = match_one(pattern, at, text[position])
        if behind is not None:
            at = behind
            position += 1
        elif star is not None and resume < text.length:
            resume += 1
            position = resume
            at = star + 1
        else:
            return False


def skip_marks(pattern: Marked, at: U64) -> U64:
    """The next position that holds a byte."""
    while at < pattern.length and pattern.marks[at] > QUOTED:
        at += 1
    return at


def match_one(pattern: Marked, at: U64, byte: U8) -> U64 | None:
    """Match one byte; the position behind what matched it, or None."""
    wanted = pattern.bytes[at]
    if pattern.is_active(at):
        if wanted == QUESTION:
            return at + 1
        if wanted == OPEN_BRACKET:
            stop = bracket_end(pattern, at)
            if stop is not None:
                return stop + 1 if in_bracket(pattern, at + 1, stop, byte) else None
        if wanted == BACKSLASH and at + 1 < pattern.length:
            return at + 2 if pattern.bytes[at + 1] == byte else None
    return at + 1 if wanted == byte else None


def is_negation(pattern: Marked, at: U64) -> bool:
    """Whether a `!` or `^` begins the bracket expression."""
    byte = pattern.bytes[at]
    return pattern.is_active(at) and (byte == BANG or byte == CARET)


def bracket_end(pattern: Marked, start: U64) -> U64 | None:
    """Where the `]` is that ends the bracket expression; None: the `[` stands for itself."""
    at = start + 1
    if at < pattern.length and is_negation(pattern, at):
        at += 1
    first = True
    while at < pattern.length:
        byte = pattern.bytes[at]
        if pattern.is_active(at):
            if byte == CLOSE_BRACKET and not first:
                return at
            if byte == SLASH:
                return None
            if byte == OPEN_BRACKET and at + 1 < pattern.length:
                stop = class_end(pattern, at)
                if stop is not None:
                    at = stop
        first = False
        at += 1
    return None


def class_end(pattern: Marked, at: U64) -> U64 | None:
    """Where `[:name:]` ends: the position of its last bracket."""
    kind = pattern.bytes[at + 1]
    if kind != COLON and kind != DOT and kind != EQUALS:
        return None
    for stop in U64.range(at + 3, pattern.length):
        if pattern.bytes[stop] == CLOSE_BRACKET and pattern.bytes[stop - 1] == kind:
            return stop
    return None


def in_bracket(pattern: Marked, start: U64, stop: U64, byte: U8) -> bool:
    """Whether a bracket expression has the byte."""
    at = start
    negated = is_negation(pattern, at)
    if negated:
        at += 1
    found = False
    while at < stop:
        low = pattern.bytes[at]
        if low == OPEN_BRACKET and pattern.is_active(at) and at + 1 < stop:
            end = class_end(pattern, at)
            if end is not None and end < stop:
                name = pattern.bytes.content()[at + 2 : end - 1]
                found = found or is_member(name, pattern.bytes[at + 1], byte)
                at = end + 1
                continue
        if low == BACKSLASH and pattern.is_active(at) and at + 1 < stop:
            at += 1
            low = pattern.bytes[at]
        if at + 2 < stop and pattern.bytes[at + 1] == DASH and pattern.is_active(at + 1):
            found = found or low <= byte <= pattern.bytes[at + 2]
            at += 3
        else:
            found = found or low == byte
            at += 1
    return found != negated


def is_member(name: Slice[U8], kind: U8, byte: U8) -> bool:
    """Whether a byte is of a class like `alpha`; `[.x.]` and `[=x=]` are the byte itself."""
    if kind != COLON:
        return name.length == 1 and name[0] == byte
    upper = 0x41 <= byte <= 0x5A
    lower = 0x61 <= byte <= 0x7A
    digit = 0x30 <= byte <= 0x39
    if name.equals(data(b"alpha")):
        return upper or lower
    if name.equals(data(b"digit")):
        return digit
    if name.equals(data(b"alnum")):
        return upper or lower or digit
    if name.equals(data(b"upper")):
        return upper
    if name.equals(data(b"lower")):
        return lower
    if name.equals(data(b"space")):
        return byte == 0x20 or 0x09 <= byte <= 0x0D
    if name.equals(data(b"blank")):
        return byte == 0x20 or byte == 0x09
    if name.equals(data(b"punct")):
        return 0x21 <= byte <= 0x7E and not (upper or lower or digit)
    if name.equals(data(b"print")):
        return 0x20 <= byte <= 0x7E
    if name.equals(data(b"graph")):
        return 0x21 <= byte <= 0x7E
    if name.equals(data(b"cntrl")):
        return byte < 0x20 or byte == 0x7F
    if name.equals(data(b"xdigit")):
        return digit or 0x41 <= byte <= 0x46 or 0x61 <= byte <= 0x66
    return False
