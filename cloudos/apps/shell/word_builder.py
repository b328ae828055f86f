"""A word of a script while its pieces are read."""

from __future__ import annotations

from cloudos.apps.shell.tree import Part, PartKind, Word, plain_part
from cloudos.lang import U8, Slice, managed
from cloudos.sdk import ByteBuffer, Text


@managed
class Builder:
    """A word in the making."""

    word: Word
    literal: ByteBuffer

    def __init__(self) -> None:
        self.word = Word()
        self.literal = ByteBuffer()

    def flush(self) -> None:
        """Make a piece of the unquoted bytes so far."""
        if self.literal.length > 0:
            self.word.parts.append(plain_part(PartKind.LITERAL, self.literal.to_text()))
            self.literal.clear()

    def add(self, part: Part) -> None:
        """One more piece."""
        self.flush()
        self.word.parts.append(part)

    def quote(self, text: Slice[U8]) -> None:
        """Bytes that stand for themselves."""
        self.add(plain_part(PartKind.QUOTED, Text.from_bytes(text)))

    def done(self) -> Word:
        """The word."""
        self.flush()
        return self.word
