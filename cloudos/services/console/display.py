"""How a line with its prompt is shown on a terminal: as many rows as it needs, redrawn in place.

Positions are relative to the row in which the line begins. A terminal goes to the next row only when a character comes
that does not fit any more: after a full row its cursor stays at the right edge. Of a line with more rows than the
window has, as many are shown as fit around the cursor.
"""

from __future__ import annotations

from cloudos.lang import U8, U32, U64, Slice, data, managed, struct, write_text
from cloudos.sdk.collections.byte_buffer import ByteBuffer
from cloudos.services.console.glyphs import REPLACEMENT, glyph_at

LEAST_COLUMNS = 8
LEAST_ROWS = 2
ESCAPE = 0x1B
NEWLINE = 0x0A


@struct
class Pen:
    """Where the next character goes. Rows from `top` up to `bottom` are drawn when `drawing`."""

    columns: U64
    row: U64
    column: U64
    top: U64 = U64(0)
    bottom: U64 = U64(0)
    drawing: bool = False

    @property
    def visible(self) -> bool:
        """Whether the row is drawn."""
        return self.drawing and self.top <= self.row < self.bottom

    def put(self, out: ByteBuffer, glyph: Slice[U8], width: U64) -> None:
        """Draw a character."""
        if self.column + width > self.columns:
            if self.column < self.columns and self.visible:
                out.write(data(b"\x1b[K"))
            self.row += 1
            self.column = U64(0)
        self.column += width
        if self.visible:
            out.write(glyph)

    def newline(self, out: ByteBuffer) -> None:
        """Begin the next row."""
        if self.visible and self.row + 1 < self.bottom:
            out.write(data(b"\x1b[K\r\n") if self.column < self.columns else data(b"\r\n"))
        self.row += 1
        self.column = U64(0)

    def put_text(self, out: ByteBuffer, text: Slice[U8], is_prompt: bool) -> None:
        """Draw text: control characters as `^X`; but of a prompt, new lines and escape sequences are obeyed."""
        at = U64(0)
        while at < text.length:
            glyph = glyph_at(text, at)
            if is_prompt and text[at] == ESCAPE:
                stop = end_of_sequence(text, at)
                if self.drawing:
                    out.write(text[at:stop])
                at = stop
                continue
            if is_prompt and text[at] == NEWLINE:
                self.newline(out)
            elif glyph.code == REPLACEMENT:
                self.put(out, data(b"\xef\xbf\xbd"), U64(1))
            elif text[at] < 0x20 or text[at] == 0x7F:
                self.put(out, data(b"^"), U64(1))
                self.put(out, caret_letter(text[at]), U64(1))
            else:
                self.put(out, text[at : at + glyph.length], glyph.width)
            at += glyph.length


@struct
class Position:
    """A row, relative to the first one of the line, and a column."""

    row: U64
    column: U64


@managed
class Display:
    """`origin` is the column in which the line begins. `shown` is the row of the cursor, relative to the first row
    that is drawn, and `column` its column, as they are on the screen now; `top` is the first row that is drawn."""

    out: ByteBuffer
    columns: U64
    rows: U64
    origin: U64
    top: U64
    shown: U64
    column: U64
    # Whether the whole line was shown and the cursor was at its end, with room behind it.
    at_end: bool

    def resize(self, columns: U64, rows: U64) -> None:
        """The window has another size."""
        self.columns = max(columns, U64(LEAST_COLUMNS))
        self.rows = max(rows, U64(LEAST_ROWS))

    def start(self, column: U64) -> None:
        """A line begins in this column of the row where the cursor is. A full row is left."""
        self.origin = column
        if column >= self.columns:
            self.out.write(data(b" \r"))
            self.origin = U64(0)
        self.top, self.shown, self.column, self.at_end = U64(0), U64(0), self.origin, False

    def go_home(self) -> None:
        """To where the line begins on the screen."""
        self.out.append(U8(0x0D))
        move(self.out, self.shown, U8(0x41))
        if self.top == 0:
            move(self.out, self.origin, U8(0x43))

    def hide(self) -> None:
        """Take the line away; what comes next is written where it began."""
        self.go_home()
        self.out.write(data(b"\x1b[J"))
        self.shown, self.at_end = U64(0), False
        self.column = self.origin if self.top == 0 else U64(0)

    def draw(self, prompt: Slice[U8], text: Slice[U8], cursor: U64) -> None:
        """Show the line, in place of what was shown, with the cursor behind `cursor` bytes of the text."""
        at = self.measure(prompt, text[0:cursor])
        end = self.measure(prompt, text)
        self.go_home()
        origin = self.origin
        if end.row < self.rows:
            self.scroll(U64(0))
        else:
            low = at.row - min(at.row, self.rows - 1)
            self.scroll(min(max(self.top, low), min(at.row, end.row + 1 - self.rows)))
        bottom = self.top + self.rows
        pen = Pen(self.columns, U64(0), origin, self.top, bottom, True)
        pen.put_text(self.out, prompt, True)
        pen.put_text(self.out, text, False)
        last = min(end.row, bottom - 1)
        if end.row < bottom:
            if pen.column == self.columns:
                # The cursor waits at the right edge: a space takes it to the next row.
                self.out.write(data(b" \r"))
            self.out.write(data(b"\x1b[J"))
        self.out.append(U8(0x0D))
        move(self.out, last - at.row, U8(0x41))
        move(self.out, at.column, U8(0x43))
        self.shown, self.column = at.row - self.top, at.column
        self.at_end = cursor == text.length and end.row < self.rows

    def scroll(self, top: U64) -> None:
        """Draw from another row on. Where the first row was left of the line's beginning, that is drawn over."""
        if self.top == 0 and top != 0:
            self.out.append(U8(0x0D))
        elif self.top != 0 and top == 0:
            move(self.out, self.origin, U8(0x43))
        self.top = top

    def append(self, glyph: Slice[U8], width: U64) -> bool:
        """Show one more character at the end of the line, if that needs nothing but writing it; whether it did."""
        if not self.at_end or width == 0 or self.column + width >= self.columns:
            return False
        self.out.write(glyph)
        self.column += width
        return True

    def measure(self, prompt: Slice[U8], text: Slice[U8]) -> Position:
        """Where a cursor behind the text is."""
        pen = Pen(self.columns, U64(0), self.origin)
        pen.put_text(self.out, prompt, True)
        pen.put_text(self.out, text, False)
        if pen.column == self.columns:
            return Position(pen.row + 1, U64(0))
        return Position(pen.row, pen.column)


def new_display() -> Display:
    """A display of 80 columns and 24 rows."""
    none = U64(0)
    return Display(ByteBuffer(), U64(80), U64(24), none, none, none, none, False)


def move(out: ByteBuffer, count: U64, direction: U8) -> None:
    """Move the cursor: 0x41 up, 0x43 to the right."""
    if count > 0:
        write_text(out, f"\x1b[{count}")
        out.append(direction)


def caret_letter(control: U8) -> Slice[U8]:
    """What stands behind `^` for a control character."""
    index = U32(control ^ 0x40)
    letters = data(b"?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_")
    place = U64(0) if index == 0x3F else U64(index - 0x3F)
    return letters[place : place + 1]


def end_of_sequence(text: Slice[U8], at: U64) -> U64:
    """Where the escape sequence that begins at `at` ends."""
    if at + 1 >= text.length:
        return text.length
    if text[at + 1] != 0x5B:
        return at + 2
    position = at + 2
    while position < text.length and not 0x40 <= text[position] <= 0x7E:
        position += 1
    return min(position + 1, text.length)
