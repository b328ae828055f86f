"""`Text`: an immutable string of bytes that are UTF-8 by convention.

Arguments, file names and file contents come from outside and may hold any bytes, so a `Text` may too; only
`code_points` interprets them, and it replaces what is not UTF-8 by U+FFFD. Lengths and positions count bytes.
"""

from __future__ import annotations

from cloudos.lang import I64, U8, U32, U64, Formattable, Sink, Slice, data, interpreted, managed, new_slice
from cloudos.sdk.collections.byte_store import discard, formatted
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.parsing import parse_integer
from cloudos.sdk.collections.slices import (
    bytes_less,
    copy_bytes,
    find_bytes,
    hash_bytes,
    is_space,
    lower_letter,
)
from cloudos.sdk.collections.utf8 import decode_at

ZERO = U64(0)
EMPTY = data(b"")


@managed
class Text(Formattable):
    """An immutable text. `Text("…")` takes a literal or an f-string; `owned` is for `adopt_text` alone."""

    content: Slice[U8]  # owned; read it, never store into it, and not longer than the Text lives

    def __init__(self, text: str, owned: Slice[U8] = EMPTY) -> None:
        self.content = owned if owned.length > 0 else formatted(text)

    def drop(self) -> None:
        discard(self.content)

    @staticmethod
    def from_bytes(content: Slice[U8]) -> Text:
        """A text with a copy of these bytes."""
        return adopt_text(copy_bytes(content))

    @property
    def length(self) -> U64:
        """Length in bytes."""
        return self.content.length

    def __getitem__(self, index: U64 | int) -> U8:
        return self.content[index]

    def format_to(self, sink: Sink) -> None:
        sink.write(self.content)

    def format_data(self) -> Slice[U8]:
        """The bytes, for formats with a width."""
        return self.content

    def hash(self) -> U64:
        return hash_bytes(self.content)

    def __eq__(self, other: Text) -> bool:  # type: ignore[override]
        return self.content.equals(other.content)

    def __lt__(self, other: Text) -> bool:
        """Byte order, which for UTF-8 is code point order."""
        return bytes_less(self.content, other.content)

    def __gt__(self, other: Text) -> bool:
        return other < self

    def __le__(self, other: Text) -> bool:
        return not other < self

    def __ge__(self, other: Text) -> bool:
        return not self < other

    @interpreted
    def __hash__(self) -> int:
        return int(self.hash())

    def equals(self, text: str) -> bool:
        """Whether this is the same text as a literal or f-string."""
        return self == Text(text)

    def __add__(self, other: Text) -> Text:
        result = new_slice(U8, self.length + other.length)
        result[0 : self.length].copy_from(self.content)
        result[self.length : result.length].copy_from(other.content)
        return adopt_text(result)

    def slice(self, start: U64, stop: U64) -> Text:
        """The bytes from `start` up to `stop`; panics unless start <= stop <= length."""
        return Text.from_bytes(self.content[start:stop])

    def find(self, wanted: str, start: U64 = ZERO) -> U64 | None:
        """The first position from `start` on at which `wanted` occurs."""
        needle = Text(wanted)
        return find_bytes(self.content, needle.content, start)

    def __contains__(self, wanted: Text) -> bool:
        return find_bytes(self.content, wanted.content, U64(0)) is not None

    def starts_with(self, prefix: str) -> bool:
        wanted = Text(prefix)
        if wanted.length > self.length:
            return False
        return self.content[0 : wanted.length].equals(wanted.content)

    def ends_with(self, suffix: str) -> bool:
        wanted = Text(suffix)
        if wanted.length > self.length:
            return False
        return self.content[self.length - wanted.length : self.length].equals(wanted.content)

    def split(self, separator: str) -> List[Text]:
        """The parts between occurrences of `separator`, which must not be empty. `words` splits at white space."""
        wanted = Text(separator)
        assert wanted.length > 0, "empty separator"
        parts = List[Text]()
        start = U64(0)
        while True:
            position = find_bytes(self.content, wanted.content, start)
            if position is None:
                break
            parts.append(self.slice(start, position))
            start = position + wanted.length
        parts.append(self.slice(start, self.length))
        return parts

    def words(self) -> List[Text]:
        """The maximal runs of bytes that are not ASCII white space."""
        parts = List[Text]()
        start = U64(0)
        for i in U64.range(self.length):
            if is_space(self.content[i]):
                if start < i:
                    parts.append(self.slice(start, i))
                start = i + 1
        if start < self.length:
            parts.append(self.slice(start, self.length))
        return parts

    def join(self, parts: List[Text]) -> Text:
        """All parts with this text between them."""
        total = U64(0)
        for part in parts:
            total += part.length + self.length
        if total == 0:
            return Text("")
        result = new_slice(U8, total - self.length)
        position = U64(0)
        for part in parts:
            result[position : position + part.length].copy_from(part.content)
            position += part.length
            if position < result.length:
                result[position : position + self.length].copy_from(self.content)
                position += self.length
        return adopt_text(result)

    def strip(self) -> Text:
        """Without ASCII white space at both ends."""
        start = U64(0)
        stop = self.length
        while start < stop and is_space(self.content[start]):
            start += 1
        while start < stop and is_space(self.content[stop - 1]):
            stop -= 1
        return self.slice(start, stop)

    def lower(self) -> Text:
        """ASCII capital letters made small; other bytes stay."""
        result = new_slice(U8, self.length)
        for i in U64.range(self.length):
            result[i] = lower_letter(self.content[i])
        return adopt_text(result)

    def to_integer(self) -> I64:
        """The decimal integer that the text spells, with an optional sign; raises InvalidNumber."""
        return parse_integer(self.content)

    def code_points(self) -> CodePoints:
        """Iterates over the code points, each a U32."""
        return CodePoints(self)


@managed
class CodePoints:
    """Iterator over the code points of a text."""

    text: Text
    position: U64

    def __init__(self, text: Text) -> None:
        self.text = text
        self.position = U64(0)

    def __iter__(self) -> CodePoints:
        return self

    def __next__(self) -> U32:
        if self.position >= self.text.length:
            raise StopIteration
        point, size = decode_at(self.text.content, self.position)
        self.position += size
        return point


def adopt_text(content: Slice[U8]) -> Text:
    """A text that takes over a heap slice: the caller must not use or free it any more."""
    return Text("", content)
