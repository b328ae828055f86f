"""What standard input and files have in common."""

from __future__ import annotations

from typing import Protocol

from cloudos.lang import U8, U64, Slice, managed
from cloudos.sdk.collections.bytes import Bytes
from cloudos.sdk.collections.text import Text


class Reader(Protocol):
    """A source of bytes: `stdin`, or a `File`."""

    def read(self, into: Slice[U8]) -> U64:
        """Read some bytes, at least one unless `into` is empty; returns how many. 0 means the end."""

    def read_line(self) -> Text | None:
        """The next line without its newline; None at the end."""

    def read_all(self) -> Bytes:
        """All bytes up to the end."""


@managed
class Lines:
    """Iterator over the lines of a reader, each a `Text` without its newline."""

    reader: Reader

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> Text:
        line = self.reader.read_line()
        if line is None:
            raise StopIteration
        return line


def lines(reader: Reader) -> Lines:
    """The lines of `stdin` or a `File`: `for line in lines(stdin): …`."""
    return Lines(reader)
