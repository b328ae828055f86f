"""Text: `write_text` and objects that can stand in f-strings.

In compiled code a `str` is a text that is formatted when it is written: it goes to a sink piece by piece
and never lies in memory whole.
"""

from __future__ import annotations

from cloudos.lang.formatting import Sink
from cloudos.lang.integers import U8
from cloudos.lang.panics import intrinsic
from cloudos.lang.slices import Slice, read_only


@intrinsic("write_text")
def write_text(sink: Sink, text: str) -> None:
    """Write a literal, an f-string or a `str` parameter to a sink, as UTF-8.

    Compiled code may call `sink.write` once per piece; the bytes together are the same. Bytes that are not
    UTF-8 pass through a `str` as surrogates (PEP 383) and come out unchanged.
    """
    sink.write(read_only(text.encode(errors="surrogateescape")))


class TextBuffer:
    """A sink that keeps what was written: for tests and models that run under CPython only."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, data: Slice[U8]) -> None:
        """Keep the bytes."""
        self.content += bytes(data)

    def __str__(self) -> str:
        return self.content.decode(errors="surrogateescape")


class Formattable:
    """Mixin: a class that defines `format_to` can stand in f-strings, also under CPython."""

    __slots__ = ()

    def format_to(self, sink: Sink) -> None:
        """Write this object's text to the sink."""
        raise NotImplementedError

    def __str__(self) -> str:
        buffer = TextBuffer()
        self.format_to(buffer)
        return str(buffer)

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)
