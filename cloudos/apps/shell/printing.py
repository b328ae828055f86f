"""`echo` and `printf`."""

from __future__ import annotations

from cloudos.apps.shell.arithmetic import constant
from cloudos.apps.shell.characters import (
    BACKSLASH,
    BIG_X,
    DASH,
    DOT,
    NEWLINE,
    PERCENT,
    PLUS,
    SMALL_B,
    SMALL_C,
    SMALL_D,
    SMALL_I,
    SMALL_O,
    SMALL_S,
    SMALL_U,
    SMALL_X,
    STAR,
    ZERO,
    is_digit,
    octal_value,
)
from cloudos.apps.shell.output import put
from cloudos.apps.shell.state import State
from cloudos.lang import I64, U8, U64, managed, write_text
from cloudos.sdk import ByteBuffer, List, Text

FAILED = 2
WIDEST = 10000


def echo(state: State, fields: List[Text]) -> None:
    """`echo [-n] …`: backslash sequences mean what they mean in `%b`. Raises ExitShell when nobody reads."""
    buffer = ByteBuffer()
    first = U64(1)
    newline = True
    if fields.length > 1 and fields[1].equals("-n"):
        first = U64(2)
        newline = False
    for number in U64.range(first, fields.length):
        if number > first:
            buffer.append(U8(0x20))
        if not unescape(fields[number], buffer, True):
            newline = False
            break
    if newline:
        buffer.append(U8(NEWLINE))
    put(state, buffer)


def simple_escape(letter: U8) -> U8:
    """The byte that a letter behind a backslash means; 0 when it means none."""
    match letter:
        case 0x61:
            return U8(7)
        case 0x62:
            return U8(8)
        case 0x65:
            return U8(27)
        case 0x66:
            return U8(12)
        case 0x6E:
            return U8(10)
        case 0x72:
            return U8(13)
        case 0x74:
            return U8(9)
        case 0x76:
            return U8(11)
        case 0x5C:
            return U8(BACKSLASH)
        case _:
            return U8(0)


def unescape(text: Text, into: ByteBuffer, zero_first: bool) -> bool:
    """Append a text with its backslash sequences replaced; False when `\\c` ended the output.

    `zero_first`: octal numbers begin with a zero, as in `echo`; else they have one to three digits, as in a format.
    """
    at = U64(0)
    while at < text.length:
        byte = text[at]
        at += 1
        if byte != BACKSLASH or at == text.length:
            into.append(byte)
            continue
        letter = text[at]
        if letter == SMALL_C:
            return False
        meant = simple_escape(letter)
        if meant != 0:
            into.append(meant)
            at += 1
        elif zero_first and letter == ZERO:
            at = octal(text, at + 1, into)
        elif octal_value(letter) is not None:
            at = octal(text, at, into)
        else:
            into.append(U8(BACKSLASH))
    return True


def octal(text: Text, start: U64, into: ByteBuffer) -> U64:
    """Append the byte that up to three octal digits mean; the position behind them."""
    at, value = start, U64(0)
    while at < text.length and at < start + 3:
        digit = octal_value(text[at])
        if digit is None:
            break
        value = value * 8 + digit
        at += 1
    into.append(U8.truncate(value))
    return at


@managed
class Conversion:
    """One `%…` of a format."""

    left: bool
    plus: bool
    space: bool
    zero: bool
    alternative: bool
    width: U64
    precision: U64
    # Whether there was one.
    precise: bool
    letter: U8


@managed
class Printer:
    """`printf` at work."""

    state: State
    format: Text
    values: List[Text]
    used: U64
    output: ByteBuffer
    ended: bool

    def run(self) -> None:
        """Use the format once, and again as long as there are values."""
        while True:
            before = self.used
            self.once()
            if self.ended or self.used >= self.values.length or self.used == before:
                return

    def next_value(self) -> Text | None:
        """The next value; None when there are no more."""
        if self.used >= self.values.length:
            self.used += 1
            return None
        self.used += 1
        return self.values[self.used - 1]

    def once(self) -> None:
        """Go through the format."""
        at = U64(0)
        while at < self.format.length and not self.ended:
            byte = self.format[at]
            if byte == BACKSLASH:
                stop = at + 1
                while stop < self.format.length and stop < at + 4 and octal_value(self.format[stop]) is not None:
                    stop += 1
                stop = min(max(stop, at + 2), self.format.length)
                self.ended = not unescape(self.format.slice(at, stop), self.output, False)
                at = stop
            elif byte != PERCENT:
                self.output.append(byte)
                at += 1
            elif at + 1 < self.format.length and self.format[at + 1] == PERCENT:
                self.output.append(byte)
                at += 2
            else:
                at = self.conversion(at + 1)

    def conversion(self, start: U64) -> U64:
        """One conversion; the position behind it."""
        made = Conversion(False, False, False, False, False, U64(0), U64(0), False, U8(0))
        at = self.read_flags(made, start)
        at, width = self.read_number(at)
        if width is not None:
            made.width = width
        if at < self.format.length and self.format[at] == DOT:
            at, precision = self.read_number(at + 1)
            made.precision = U64(0) if precision is None else precision
            made.precise = True
        if at == self.format.length:
            self.state.complain("printf: missing format character")
            self.state.status = U64(FAILED)
            self.ended = True
            return at
        made.letter = self.format[at]
        self.convert(made)
        return at + 1

    def read_flags(self, made: Conversion, start: U64) -> U64:
        """The flags; the position behind them."""
        at = start
        while at < self.format.length:
            match self.format[at]:
                case 0x2D:
                    made.left = True
                case 0x2B:
                    made.plus = True
                case 0x20:
                    made.space = True
                case 0x30:
                    made.zero = True
                case 0x23:
                    made.alternative = True
                case _:
                    return at
            at += 1
        return at

    def read_number(self, start: U64) -> tuple[U64, U64 | None]:
        """A width or precision, perhaps `*`; the position behind it."""
        at = start
        if at < self.format.length and self.format[at] == STAR:
            return at + 1, U64(min(max(self.integer(self.next_value()), I64(0)), I64(WIDEST)))
        value: U64 | None = None
        while at < self.format.length and is_digit(self.format[at]):
            before = U64(0) if value is None else value
            value = min(before * 10 + U64(self.format[at]) - ZERO, U64(WIDEST))
            at += 1
        return at, value

    def convert(self, made: Conversion) -> None:
        """Write one value."""
        letter = made.letter
        if letter == SMALL_S or letter == SMALL_B or letter == SMALL_C:
            self.text(made, self.next_value())
        elif letter == SMALL_D or letter == SMALL_I:
            value = self.integer(self.next_value())
            self.number(made, U64.truncate(value.wrapping_neg() if value < 0 else value), value < 0, U64(10), True)
        elif letter == SMALL_U:
            self.number(made, U64.truncate(self.integer(self.next_value())), False, U64(10), False)
        elif letter == SMALL_O:
            self.number(made, U64.truncate(self.integer(self.next_value())), False, U64(8), False)
        elif letter == SMALL_X or letter == BIG_X:
            self.number(made, U64.truncate(self.integer(self.next_value())), False, U64(16), False)
        else:
            bad = ByteBuffer()
            bad.append(letter)
            self.state.complain(f"printf: %{bad.to_text()}: invalid directive")
            self.state.status = U64(FAILED)
            self.ended = True

    def text(self, made: Conversion, value: Text | None) -> None:
        """`%s`, `%b` and `%c`."""
        content = ByteBuffer()
        if value is not None:
            if made.letter == SMALL_B:
                self.ended = not unescape(value, content, True)
            else:
                content.write(value.content)
        length = content.length
        if made.precise:
            length = min(length, made.precision)
        if made.letter == SMALL_C:
            length = min(length, U64(1))
        padding = made.width.saturating_sub(length)
        if not made.left:
            self.pad(padding, U8(0x20))
        self.output.write(content.content()[0:length])
        if made.left:
            self.pad(padding, U8(0x20))

    def integer(self, value: Text | None) -> I64:
        """A value as a number; what is none is shown, and status 1."""
        if value is None or value.length == 0:
            return I64(0)
        text = value.strip()
        if text.length > 1 and (text[0] == 0x27 or text[0] == 0x22):
            return I64(text[1])
        negative = text.length > 0 and text[0] == DASH
        start = U64(1) if negative or (text.length > 0 and text[0] == PLUS) else U64(0)
        stop = text.length
        found = constant(text.content[start:stop])
        # The number at the front counts, whatever follows.
        while found is None and stop > start:
            stop -= 1
            found = constant(text.content[start:stop])
        if found is None or stop < text.length:
            self.state.complain(f"printf: {value}: expected numeric value")
            self.state.status = U64(1)
        if found is None:
            return I64(0)
        return found.wrapping_neg() if negative else found

    def number(self, made: Conversion, value: U64, negative: bool, base: U64, signed: bool) -> None:
        """Digits with sign, prefix, precision and width."""
        digits = ByteBuffer()
        if base == 8:
            write_text(digits, f"{value:o}")
        elif base == 16 and made.letter == BIG_X:
            write_text(digits, f"{value:X}")
        elif base == 16:
            write_text(digits, f"{value:x}")
        else:
            write_text(digits, f"{value}")
        if made.precise and made.precision == 0 and value == 0:
            digits.clear()
        front = ByteBuffer()
        if negative:
            write_text(front, "-")
        elif signed and made.plus:
            write_text(front, "+")
        elif signed and made.space:
            write_text(front, " ")
        zeros = made.precision.saturating_sub(digits.length)
        if made.alternative and base == 16 and value != 0:
            write_text(front, "0x" if made.letter == SMALL_X else "0X")
        elif made.alternative and base == 8 and value != 0:
            zeros = max(zeros, U64(1))
        padding = made.width.saturating_sub(front.length + zeros + digits.length)
        if made.zero and not made.left and not made.precise:
            zeros += padding
            padding = U64(0)
        if not made.left:
            self.pad(padding, U8(0x20))
        self.output.write(front.content())
        self.pad(zeros, U8(ZERO))
        self.output.write(digits.content())
        if made.left:
            self.pad(padding, U8(0x20))

    def pad(self, count: U64, byte: U8) -> None:
        """Write a byte several times."""
        for _ in U64.range(count):
            self.output.append(byte)


def has_floats(fields: List[Text]) -> bool:
    """Whether a format has one of `%e %f %g`: those are the program printf's business."""
    for number in U64.range(1, min(fields.length, U64(3))):
        format = fields[number]
        behind = False
        for byte in format.content:
            if behind and 0x65 <= byte | 0x20 <= 0x67:
                return True
            # Flags, width and precision stand between.
            behind = (byte == PERCENT and not behind) or (behind and 0x20 <= byte <= 0x39 and byte != PERCENT)
        if not format.equals("--"):
            return False
    return False


def printf(state: State, fields: List[Text]) -> None:
    """`printf format value …`: `%s %b %c %d %i %u %o %x %X %%`. Raises ExitShell when nobody reads."""
    first = U64(2) if fields.length > 1 and fields[1].equals("--") else U64(1)
    if fields.length <= first:
        state.complain("printf: usage: printf format [arg ...]")
        state.status = U64(FAILED)
        return
    values = fields.slice(first + 1, fields.length)
    printer = Printer(state, fields[first], values, U64(0), ByteBuffer(), False)
    printer.run()
    put(state, printer.output)
