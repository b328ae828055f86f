"""What a program writes, on its way to a terminal: new lines become CR LF, and the column of the cursor is known."""

from __future__ import annotations

from cloudos.lang import U8, U64, Slice, data, struct
from cloudos.sdk.collections.byte_buffer import ByteBuffer

TEXT = 0
ESCAPE = 1
SEQUENCE = 2


@struct
class Column:
    """The column of the cursor, counting from 0, as far as text, tabs and simple controls tell it. It is `columns`
    when a row is full: the next character goes to the next row."""

    columns: U64 = U64(80)
    at: U64 = U64(0)
    state: U64 = U64(TEXT)

    def follow(self, byte: U8) -> None:
        """A byte was shown, a new line as CR LF."""
        if self.state == ESCAPE:
            self.state = U64(SEQUENCE) if byte == 0x5B else U64(TEXT)
        elif self.state == SEQUENCE:
            if 0x40 <= byte <= 0x7E:
                self.state = U64(TEXT)
        elif byte == 0x1B:
            self.state = U64(ESCAPE)
        elif byte == 0x0A or byte == 0x0D:
            self.at = U64(0)
        elif byte == 0x08:
            self.at = self.at.saturating_sub(U64(1))
        elif byte == 0x09:
            self.at = min((self.at // 8 + 1) * 8, self.columns - 1)
        elif byte >= 0x20 and byte != 0x7F and byte & 0xC0 != 0x80:
            self.at = self.at + 1 if self.at < self.columns else U64(1)


def cook(text: Slice[U8], column: Column, out: ByteBuffer) -> None:
    """Write text for a terminal (ONLCR)."""
    start = U64(0)
    for index in U64.range(text.length):
        column.follow(text[index])
        if text[index] == 0x0A:
            out.write(text[start:index])
            out.write(data(b"\r\n"))
            start = index + 1
    out.write(text[start : text.length])
