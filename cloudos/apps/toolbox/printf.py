"""printf: arguments in a format."""

from __future__ import annotations

from cloudos.apps.decimals import format_decimal, is_finite, is_negative, parse_float
from cloudos.apps.toolbox.escapes import expand, hex_digit
from cloudos.lang import F64, I64, U8, U64, Slice, managed, write_text
from cloudos.sdk import ByteBuffer, List, Text, print_error, stdout

BACKSLASH = ord("\\")
PERCENT = ord("%")
ZERO = ord("0")
MINUS = ord("-")
PLUS = ord("+")
STAR = ord("*")
DOT = ord(".")
QUOTE = ord("'")
DOUBLE_QUOTE = ord('"')
NONE = 0xFFFF_FFFF_FFFF_FFFF
WIDEST = 100_000  # of a field


@managed
class Field:
    """One conversion of a format."""

    left: bool
    sign: bool
    space: bool
    other: bool  # the flag #
    zeros: bool
    width: U64
    precision: U64  # NONE when it has none


@managed
class Printer:
    """Goes through a format, again and again until the arguments are used up."""

    format: Text
    at: U64
    arguments: List[Text]
    next: U64
    failed: bool
    stopped: bool  # `\\c` was met
    plain: bool  # backslashes in the format stand for themselves

    def argument(self) -> Text | None:
        """The next argument."""
        if self.next >= self.arguments.length:
            return None
        self.next += 1
        return self.arguments[self.next - 1]

    def peek(self) -> U8:
        return self.format[self.at] if self.at < self.format.length else U8(0)

    def once(self) -> None:
        """Write the format once."""
        self.at = U64(0)
        while self.at < self.format.length and not self.stopped:
            byte = self.format[self.at]
            if byte == BACKSLASH and not self.plain:
                self.escape()
            elif byte == PERCENT:
                self.at += 1
                self.conversion()
            else:
                stdout.write(self.format.content[self.at : self.at + 1])
                self.at += 1

    def escape(self) -> None:
        """Write what a backslash of the format stands for."""
        result = ByteBuffer()
        used, stop = expand(self.format.content[self.at : self.format.length], result, False)
        self.at += used
        self.stopped = stop
        stdout.write(result.content())

    def conversion(self) -> None:
        """Write one argument as what follows a percent sign says."""
        if self.peek() == PERCENT:
            self.at += 1
            write_text(stdout, "%")
            return
        start = self.at
        field = Field(False, False, False, False, False, U64(0), U64(NONE))
        while self.flag(field):
            self.at += 1
        self.size(field)
        if self.at == self.format.length:
            print_error("printf: missing conversion after %")
            self.failed = True
            self.stopped = True
            return
        letter = self.format[self.at]
        self.at += 1
        match letter:
            case 0x64 | 0x69:
                self.signed(field)
            case 0x6F | 0x75 | 0x78 | 0x58:
                self.unsigned(field, letter)
            case 0x63:
                text = self.argument()
                content = Text("") if text is None or text.length == 0 else text.slice(U64(0), U64(1))
                self.padded(field, content.content)
            case 0x73:
                text = self.argument()
                self.text(field, Text("") if text is None else text)
            case 0x62:
                self.expanded(field)
            case 0x65 | 0x66 | 0x67 | 0x45 | 0x46 | 0x47:
                self.floating(field, letter)
            case _:
                print_error(f"printf: %{self.format.slice(start, self.at)}: invalid conversion specification")
                self.failed = True
                self.stopped = True

    def flag(self, field: Field) -> bool:
        """Take a flag into account, if one comes next."""
        match self.peek():
            case 0x2D:
                field.left = True
            case 0x2B:
                field.sign = True
            case 0x20:
                field.space = True
            case 0x23:
                field.other = True
            case 0x30:
                field.zeros = True
            case _:
                return False
        return True

    def size(self, field: Field) -> None:
        """Width and precision."""
        if self.peek() == STAR:
            self.at += 1
            width = self.number()
            field.left = field.left or width < 0
            field.width = min(U64(-width) if width < 0 else U64(width), U64(WIDEST))
        else:
            field.width = self.digits()
        if self.peek() == DOT:
            self.at += 1
            if self.peek() == STAR:
                self.at += 1
                precision = self.number()
                field.precision = U64(NONE) if precision < 0 else min(U64(precision), U64(WIDEST))
            else:
                field.precision = self.digits()

    def digits(self) -> U64:
        value = U64(0)
        while self.peek() >= 0x30 and self.peek() <= 0x39:
            value = min(value * 10 + U64(self.peek() - 0x30), U64(WIDEST))
            self.at += 1
        return value

    def number(self) -> I64:
        """The next argument as a number: decimal, 0x…, 0…, or the code behind a quote."""
        text = self.argument()
        if text is None or text.length == 0:
            return I64(0)
        if text[0] == QUOTE or text[0] == DOUBLE_QUOTE:
            return I64(0) if text.length == 1 else I64(text[1])
        value, used = integer(text)
        if used == 0:
            print_error(f"printf: '{text}': expected a numeric value")
            self.failed = True
        elif used < text.length:
            print_error(f"printf: '{text}': value not completely converted")
            self.failed = True
        return value

    def signed(self, field: Field) -> None:
        value = self.number()
        magnitude = U64.truncate(value)
        lead = ""
        if value < 0:
            lead = "-"
            magnitude = magnitude.wrapping_neg()
        elif field.sign:
            lead = "+"
        elif field.space:
            lead = " "
        self.integer_field(field, lead, Text(f"{magnitude}"))

    def unsigned(self, field: Field, letter: U8) -> None:
        value = U64.truncate(self.number())
        match letter:
            case 0x6F:
                digits = Text(f"{value:o}")
                if field.other and value != 0:
                    digits = Text(f"0{digits}")
                self.integer_field(field, "", digits)
            case 0x78:
                self.integer_field(field, "0x" if field.other and value != 0 else "", Text(f"{value:x}"))
            case 0x58:
                self.integer_field(field, "0X" if field.other and value != 0 else "", Text(f"{value:X}"))
            case _:
                self.integer_field(field, "", Text(f"{value}"))

    def floating(self, field: Field, letter: U8) -> None:
        """`%e`, `%f`, `%g` and their capitals."""
        text = self.argument()
        value = F64(0)
        if text is not None and text.length > 0:
            if text[0] == QUOTE or text[0] == DOUBLE_QUOTE:
                value = F64(0) if text.length == 1 else F64(text[1])
            else:
                value = self.float_of(text)
        result = ByteBuffer()
        if is_negative(value):
            write_text(result, "-")
        elif field.sign:
            write_text(result, "+")
        elif field.space:
            write_text(result, " ")
        precision = U64(6) if field.precision == NONE else field.precision
        digits = format_decimal(value, letter, precision, field.other)
        if field.zeros and not field.left and is_finite(value):
            for _ in U64.range(min(result.length + digits.length, field.width), field.width):
                result.append(U8(ZERO))
        result.write(digits.content)
        self.padded(field, result.content())

    def float_of(self, text: Text) -> F64:
        """An argument as a float; what is none is shown."""
        if text.starts_with("0x") or text.starts_with("0X") or text.starts_with("-0x"):
            whole, used = integer(text)
            value = F64(whole)
        else:
            value, used = parse_float(text)
        if used == 0:
            print_error(f"printf: '{text}': expected a numeric value")
            self.failed = True
        elif used < text.length:
            print_error(f"printf: '{text}': value not completely converted")
            self.failed = True
        return value

    def integer_field(self, field: Field, lead: str, digits: Text) -> None:
        """Sign or prefix, zeros and digits, as wide as the field."""
        result = ByteBuffer()
        write_text(result, lead)
        least = field.precision if field.precision != NONE else U64(1)
        if field.precision == NONE and field.zeros and not field.left and field.width > result.length:
            least = field.width - result.length
        for _ in U64.range(min(digits.length, least), least):
            result.append(U8(ZERO))
        if not (field.precision == 0 and digits.equals("0")):
            result.write(digits.content)
        self.padded(field, result.content())

    def text(self, field: Field, text: Text) -> None:
        self.padded(field, text.content[0 : min(text.length, field.precision)])

    def expanded(self, field: Field) -> None:
        """An argument in which backslashes have their meaning."""
        text = self.argument()
        if text is None:
            self.text(field, Text(""))
            return
        result = ByteBuffer()
        at = U64(0)
        while at < text.length and not self.stopped:
            if text[at] == BACKSLASH:
                used, stop = expand(text.content[at : text.length], result, True)
                at += used
                self.stopped = stop
            else:
                result.append(text[at])
                at += 1
        self.text(field, result.to_text())

    def padded(self, field: Field, content: Slice[U8]) -> None:
        """Write a text as wide as the field."""
        if field.left:
            stdout.write(content)
        for _ in U64.range(min(content.length, field.width), field.width):
            write_text(stdout, " ")
        if not field.left:
            stdout.write(content)


def integer(text: Text) -> tuple[I64, U64]:
    """The number that a text begins with, as C's strtol reads it, and of how many bytes it is made."""
    at = U64(0)
    negative = text[0] == MINUS
    if negative or text[0] == PLUS:
        at = U64(1)
    base = U64(10)
    start = at
    if at + 2 < text.length and text[at] == ZERO and (text[at + 1] | 0x20) == 0x78 and hex_digit(text[at + 2]) < 16:
        base = U64(16)
        at += 2
        start = at
    elif at < text.length and text[at] == ZERO:
        base = U64(8)
    value = U64(0)
    while at < text.length and hex_digit(text[at]) < base:
        value = value.saturating_mul(base).saturating_add(hex_digit(text[at]))
        at += 1
    if at == start:
        return I64(0), U64(0)
    return I64.truncate(value.wrapping_neg() if negative else value), at


def printf(arguments: List[Text]) -> U8:
    """Write arguments as a format says, which is used again as long as arguments are left."""
    first = U64(2) if arguments.length > 1 and arguments[1].equals("--") else U64(1)
    if arguments.length <= first:
        print_error("printf: missing operand")
        return U8(1)
    rest = arguments.slice(first + 1, arguments.length)
    printer = Printer(arguments[first], U64(0), rest, U64(0), False, False, False)
    while True:
        before = printer.next
        printer.once()
        if printer.stopped or printer.next == before or printer.next >= rest.length:
            return U8(1) if printer.failed else U8(0)
