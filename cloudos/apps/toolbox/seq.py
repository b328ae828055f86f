"""seq: numbers in a row. They are decimal fractions with a fixed number of places, so steps do not add up errors."""

from __future__ import annotations

from cloudos.apps.options import Options, Usage, parse_leading
from cloudos.apps.toolbox.printf import Printer
from cloudos.lang import I64, U8, U64, managed, write_text
from cloudos.sdk import ByteBuffer, InvalidNumber, List, Text, print_error, stdout

MINUS = ord("-")
PLUS = ord("+")
DOT = ord(".")
PERCENT = ord("%")
LARGEST = 100_000_000_000_000_000  # so that a digit more fits
MOST_PLACES = 17


@managed
class Fixed:
    """A number of so many decimal places, as a whole number of the last of them."""

    value: I64
    places: U64

    def scale(self, places: U64) -> None:
        """Have more places. Raises InvalidNumber when it gets too large."""
        while self.places < places:
            if self.value > LARGEST or self.value < -LARGEST:
                raise InvalidNumber
            self.value = self.value * 10
            self.places += 1


def parse_fixed(text: Text) -> Fixed:
    """A decimal number, perhaps with a fraction and a power of ten. Raises InvalidNumber."""
    result = Fixed(I64(0), U64(0))
    at = U64(1) if text.length > 0 and (text[0] == MINUS or text[0] == PLUS) else U64(0)
    behind, digits = False, False
    while at < text.length:
        byte = text[at]
        if byte == DOT and not behind:
            behind = True
        elif 0x30 <= byte <= 0x39:
            if result.value > LARGEST or result.places == MOST_PLACES:
                raise InvalidNumber
            result.value = result.value * 10 + I64(byte - 0x30)
            result.places += 1 if behind else 0
            digits = True
        else:
            break
        at += 1
    if not digits:
        raise InvalidNumber
    if at < text.length:
        if text[at] | 0x20 != 0x65:
            raise InvalidNumber
        shift(result, text.slice(at + 1, text.length).to_integer())
    if text[0] == MINUS:
        result.value = -result.value
    return result


def shift(number: Fixed, power: I64) -> None:
    """Multiply by a power of ten. Raises InvalidNumber when it gets too large or too small."""
    if power > MOST_PLACES or power < -MOST_PLACES:
        raise InvalidNumber
    for _ in I64.range(power):
        if number.places > 0:
            number.places -= 1
        else:
            if number.value > LARGEST:
                raise InvalidNumber
            number.value = number.value * 10
    for _ in I64.range(-power):
        number.places += 1
    if number.places > MOST_PLACES:
        raise InvalidNumber


def fixed_text(value: I64, places: U64, shown: U64) -> Text:
    """A number with `shown` of its places."""
    out = ByteBuffer()
    magnitude = U64.truncate(value.wrapping_neg() if value < 0 else value)
    unit = U64(1)
    for _ in U64.range(places):
        unit = unit * 10
    write_text(out, "-" if value < 0 else "")
    write_text(out, f"{magnitude // unit}")
    if shown > 0:
        write_text(out, ".")
    rest = magnitude % unit
    for _ in U64.range(shown):
        unit = unit // 10 if unit > 1 else U64(1)
        write_text(out, f"{rest // unit}")
        rest = rest % unit
    return out.to_text()


def is_negative(text: Text) -> bool:
    """Whether an argument of seq is a negative number and not an option."""
    return text.length > 1 and text[0] == MINUS and (0x30 <= text[1] <= 0x39 or text[1] == DOT)


def seq_options(arguments: List[Text]) -> Options:
    """The options of seq; negative numbers are operands. Raises Usage."""
    guarded = List[Text]()
    i = U64(0)
    while i < arguments.length:
        if is_negative(arguments[i]):
            guarded.append(Text("--"))
        if i > 0 and (is_negative(arguments[i]) or not arguments[i].starts_with("-")):
            break
        guarded.append(arguments[i])
        i += 1
        if i < arguments.length and (arguments[i - 1].equals("-s") or arguments[i - 1].equals("-f")):
            guarded.append(arguments[i])
            i += 1
    guarded.extend(arguments.slice(i, arguments.length))
    return parse_leading(guarded, "ws:f:")


@managed
class Sequence:
    """What is to be written, all at the same number of places."""

    first: I64
    step: I64
    last: I64
    places: U64
    shown: U64
    separator: Text
    width: U64
    format: Text | None

    def run(self) -> None:
        """Write the numbers."""
        value, begun = self.first, False
        while (value <= self.last) if self.step > 0 else (value >= self.last):
            if begun:
                stdout.write(self.separator.content)
            begun = True
            self.show(fixed_text(value, self.places, self.shown))
            if value.wrapping_add(self.step) != value.saturating_add(self.step):
                break
            value += self.step
        if begun:
            write_text(stdout, "\n")

    def show(self, text: Text) -> None:
        """Write one number."""
        format = self.format
        if format is not None:
            values = List[Text]()
            values.append(text)
            Printer(format, U64(0), values, U64(0), False, False, True).once()
            return
        start = U64(1) if text[0] == MINUS else U64(0)
        stdout.write(text.content[0:start])
        for _ in U64.range(min(text.length, self.width), self.width):
            write_text(stdout, "0")
        stdout.write(text.content[start : text.length])


def check_format(format: Text) -> None:
    """Raises Usage, after saying why, unless there is exactly one conversion, and it is one of floats."""
    found, at = False, U64(0)
    while at < format.length:
        if format[at] == PERCENT and at + 1 < format.length and format[at + 1] == PERCENT:
            at += 1
        elif format[at] == PERCENT:
            if found:
                print_error(f"seq: format '{format}' has too many % directives")
                raise Usage
            found = True
            at += 1
            while at < format.length and (format[at] < 0x41 or format[at] > 0x7A):
                at += 1
            letter = format[at] | 0x20 if at < format.length else U8(0)
            if letter < 0x65 or letter > 0x67:
                print_error(f"seq: format '{format}' has an unknown directive")
                raise Usage
        at += 1
    if not found:
        print_error(f"seq: format '{format}' has no % directive")
        raise Usage


def numbers_of(operands: List[Text]) -> List[Fixed]:
    """The operands as numbers. Raises Usage, after saying why."""
    result = List[Fixed]()
    for text in operands:
        try:
            result.append(parse_fixed(text))
        except InvalidNumber:
            print_error(f"seq: invalid floating point argument: '{text}'")
            raise Usage from None
    return result


def sequence_of(options: Options) -> Sequence:
    """What the command line asks for. Raises Usage."""
    operands = options.operands
    if operands.length == 0 or operands.length > 3:
        print_error("seq: missing operand" if operands.length == 0 else f"seq: extra operand '{operands[3]}'")
        raise Usage
    numbers = numbers_of(operands)
    last = numbers[numbers.length - 1]
    first = numbers[0] if numbers.length > 1 else Fixed(I64(1), U64(0))
    step = numbers[1] if numbers.length > 2 else Fixed(I64(1), U64(0))
    if step.value == 0:
        print_error(f"seq: invalid Zero increment value: '{operands[1]}'")
        raise Usage
    shown = max(first.places, step.places)
    places = max(shown, last.places)
    try:
        first.scale(places)
        step.scale(places)
        last.scale(places)
    except InvalidNumber:
        print_error("seq: a number is too large")
        raise Usage from None
    format = options.value("f")
    if format is not None:
        check_format(format)
    width = U64(0)
    if options.has("w"):
        width = max(fixed_text(first.value, places, shown).length, fixed_text(last.value, places, shown).length)
    separator = options.value("s")
    between = Text("\n") if separator is None else separator
    return Sequence(first.value, step.value, last.value, places, shown, between, width, format)


def seq(arguments: List[Text]) -> U8:
    """Write numbers from FIRST by STEP to LAST; `-s` what stands between them, `-w` all of one width, `-f` a format."""
    try:
        sequence_of(seq_options(arguments)).run()
        return U8(0)
    except Usage:
        return U8(1)
