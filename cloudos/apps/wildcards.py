"""Patterns of file names: `*`, `?`, `[a-z]`, as the shell and `find -name` use them."""

from __future__ import annotations

from cloudos.apps.byte_classes import lower
from cloudos.apps.regex_brackets import BracketReader
from cloudos.apps.regex_errors import BadPattern
from cloudos.lang import U8, U64, managed
from cloudos.sdk import Text

BACKSLASH = ord("\\")
CARET = ord("^")
EXCLAMATION = ord("!")
OPEN = ord("[")
QUESTION = ord("?")
SLASH = ord("/")
STAR = ord("*")


@managed
class Wildcard:
    """A pattern of file names."""

    pattern: Text
    ignore_case: bool
    paths: bool  # a slash matches only a slash

    def matches(self, name: Text) -> bool:
        """Whether the whole name matches."""
        at = U64(0)
        place = U64(0)
        star: U64 | None = None  # the place behind the last star, and what it took up to
        taken = U64(0)
        while True:
            if place < self.pattern.length and self.pattern[place] == STAR:
                place += 1
                star = place
                taken = at
                continue
            if at == name.length:
                if place == self.pattern.length:
                    return True
            elif place < self.pattern.length:
                length = self.one(place, name[at])
                if length > 0:
                    place += length
                    at += 1
                    continue
            if star is None or taken == name.length or (self.paths and name[taken] == SLASH):
                return False
            taken += 1
            at = taken
            place = star

    def one(self, place: U64, byte: U8) -> U64:
        """The length of the part of the pattern from `place` on that stands for this byte; 0 when it does not."""
        wanted = self.pattern[place]
        if wanted == QUESTION:
            return U64(0) if self.paths and byte == SLASH else U64(1)
        if wanted == OPEN:
            length = self.bracket(place, byte)
            if length is not None:
                return length
        if wanted == BACKSLASH and place + 1 < self.pattern.length:
            return U64(2) if self.same(self.pattern[place + 1], byte) else U64(0)
        return U64(1) if self.same(wanted, byte) else U64(0)

    def same(self, left: U8, right: U8) -> bool:
        return left == right or (self.ignore_case and lower(left) == lower(right))

    def bracket(self, place: U64, byte: U8) -> U64 | None:
        """`one` for a bracket expression; None when it is none."""
        inverted = place + 1 < self.pattern.length and (
            self.pattern[place + 1] == EXCLAMATION or self.pattern[place + 1] == CARET
        )
        reader = BracketReader(self.pattern, place + 2 if inverted else place + 1)
        try:
            reader.read_members()
        except BadPattern:
            return None
        found = reader.has(byte) or (self.ignore_case and (reader.has(lower(byte)) or reader.has(byte & 0xDF)))
        if found == inverted or (self.paths and byte == SLASH):
            return U64(0)
        return reader.at - place


def wildcard_matches(pattern: Text, name: Text) -> bool:
    """Whether a whole name matches a pattern."""
    return Wildcard(pattern, False, False).matches(name)
