"""Bracket expressions: `[a-z]`, `[^[:space:]]`, `[]-]`. In the C locale a collating element is a byte."""

from __future__ import annotations

from cloudos.apps.byte_classes import NoSuchClass, class_number, in_class
from cloudos.apps.regex_errors import BadClass, BadRange, UnmatchedBracket
from cloudos.lang import U8, U64, managed
from cloudos.sdk import List, Text

CARET = ord("^")
CLOSE = ord("]")
COLON = ord(":")
DASH = ord("-")
DOT = ord(".")
EQUALS = ord("=")
OPEN = ord("[")


@managed
class BracketReader:
    """Reads one bracket expression from behind its `[`; `words` is then the set, `at` the position behind it."""

    pattern: Text
    at: U64
    words: List[U64]

    def __init__(self, pattern: Text, at: U64) -> None:
        self.pattern = pattern
        self.at = at
        self.words = List[U64]()
        for _ in U64.range(4):
            self.words.append(U64(0))

    def add(self, byte: U8) -> None:
        word = U64(byte >> 6)
        self.words[word] = self.words[word] | U64(1) << U64(byte & 63)

    def next(self) -> U8:
        """The byte at the position; raises UnmatchedBracket at the end."""
        if self.at >= self.pattern.length:
            raise UnmatchedBracket
        return self.pattern[self.at]

    def read(self) -> None:
        """Read up to the closing bracket. Raises UnmatchedBracket, BadClass, BadRange."""
        inverted = self.next() == CARET
        if inverted:
            self.at += 1
        self.read_members()
        if inverted:
            for i in U64.range(4):
                self.words[i] = ~self.words[i]

    def read_members(self) -> None:
        """Read up to the closing bracket what the set holds; a bracket that comes first is a member."""
        first = True
        while first or self.next() != CLOSE:
            first = False
            self.item()
        self.at += 1

    def has(self, byte: U8) -> bool:
        """Whether a byte is in the set."""
        return self.words[U64(byte >> 6)] >> U64(byte & 63) & 1 != 0

    def item(self) -> None:
        """A class, a byte or a range."""
        if self.next() == OPEN and self.at + 1 < self.pattern.length and self.pattern[self.at + 1] == COLON:
            self.named_class(self.enclosed(U8(COLON)))
            return
        low = self.element()
        if self.next() != DASH or self.at + 1 >= self.pattern.length or self.pattern[self.at + 1] == CLOSE:
            self.add(low)
            return
        self.at += 1
        high = self.element()
        if low > high:
            raise BadRange
        for byte in U64.range(U64(low), U64(high) + 1):
            self.add(U8(byte))

    def element(self) -> U8:
        """A byte, or one as `[.x.]` or `[=x=]`."""
        byte = self.next()
        if byte == OPEN and self.at + 1 < self.pattern.length:
            mark = self.pattern[self.at + 1]
            if mark == DOT or mark == EQUALS:
                name = self.enclosed(mark)
                if name.length != 1:
                    raise BadClass
                return name[0]
        self.at += 1
        return byte

    def enclosed(self, mark: U8) -> Text:
        """What stands between `[:` and `:]`, or two others of the kind; they are passed."""
        start = self.at + 2
        end = start
        while True:
            if end + 1 >= self.pattern.length:
                raise UnmatchedBracket
            if self.pattern[end] == mark and self.pattern[end + 1] == CLOSE:
                break
            end += 1
        self.at = end + 2
        return self.pattern.slice(start, end)

    def named_class(self, name: Text) -> None:
        try:
            number = class_number(name)
        except NoSuchClass:
            raise BadClass from None
        for byte in U64.range(256):
            if in_class(number, U8(byte)):
                self.add(U8(byte))
