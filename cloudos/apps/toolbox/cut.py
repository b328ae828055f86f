"""cut: parts of each line."""

from __future__ import annotations

from cloudos.apps.counts import to_count
from cloudos.apps.inputs import open_input, operands_or_input, reason
from cloudos.apps.options import Options, Usage, parse
from cloudos.lang import U8, U64, Error, error_code, managed, write_text
from cloudos.sdk import InvalidNumber, List, Text, lines, print_error, stdout

MANY = 0xFFFF_FFFF_FFFF_FFFF
TAB = ord("\t")


@managed
class Selection:
    """Numbers from 1 on, as ranges."""

    lows: List[U64]
    highs: List[U64]

    def __init__(self) -> None:
        self.lows = List[U64]()
        self.highs = List[U64]()

    def add(self, text: Text) -> None:
        """`N`, `N-`, `-M` or `N-M`; raises InvalidNumber for others and for 0."""
        dash = text.find("-")
        low = U64(1)
        high = U64(MANY)
        if dash is None:
            low = to_count(text)
            high = low
        else:
            if text.length == 1:
                raise InvalidNumber
            if dash > 0:
                low = to_count(text.slice(U64(0), dash))
            if dash + 1 < text.length:
                high = to_count(text.slice(dash + 1, text.length))
        if low == 0 or high < low:
            raise InvalidNumber
        self.lows.append(low)
        self.highs.append(high)

    def has(self, number: U64) -> bool:
        """Whether a number is chosen."""
        for i in U64.range(self.lows.length):
            if number >= self.lows[i] and number <= self.highs[i]:
                return True
        return False


def selection(text: Text) -> Selection:
    """A list of numbers and ranges between commas or blanks; raises InvalidNumber."""
    result = Selection()
    start = U64(0)
    for i in U64.range(text.length + 1):
        if i == text.length or text[i] == 0x2C or text[i] == 0x20 or text[i] == TAB:
            result.add(text.slice(start, i))
            start = i + 1
    return result


def cut_bytes(line: Text, chosen: Selection) -> None:
    """Write the chosen bytes of a line."""
    start = U64(0)
    for i in U64.range(line.length):
        if not chosen.has(i + 1):
            stdout.write(line.content[start:i])
            start = i + 1
    stdout.write(line.content[start : line.length])
    write_text(stdout, "\n")


def cut_fields(line: Text, chosen: Selection, delimiter: U8, only_delimited: bool) -> None:
    """Write the chosen fields of a line; a line without delimiter as it is, if at all."""
    number = U64(1)
    start = U64(0)
    written = False
    for i in U64.range(line.length + 1):
        if i < line.length and line[i] != delimiter:
            continue
        if i == line.length and number == 1:
            if not only_delimited:
                write_text(stdout, f"{line}\n")
            return
        if chosen.has(number):
            if written:
                write_text(stdout, f"{delimiter:c}")
            written = True
            stdout.write(line.content[start:i])
        number += 1
        start = i + 1
    write_text(stdout, "\n")


def check(options: Options) -> Selection:
    """What is to be cut; raises Usage."""
    kinds = U64(1) if options.has("f") else U64(0)
    kinds += U64(1) if options.has("bc") else U64(0)
    if kinds != 1:
        print_error("cut: you must specify a list of bytes, characters, or fields")
        raise Usage
    delimiter = options.value("d")
    if not options.has("f") and (delimiter is not None or options.has("s")):
        print_error("cut: delimiters are of use only when operating on fields")
        raise Usage
    if delimiter is not None and delimiter.length > 1:
        print_error("cut: the delimiter must be a single character")
        raise Usage
    at = options.last("bcf")
    text = Text("") if at is None else options.values[at]
    try:
        return selection(text)
    except InvalidNumber:
        print_error(f"cut: invalid list of numbers: '{text}'")
        raise Usage from None


def cut(arguments: List[Text]) -> U8:
    """Write chosen bytes (`-b`, `-c`) or fields (`-f`) of each line."""
    try:
        options = parse(arguments, "b:c:f:d:sn")
        chosen = check(options)
    except Usage:
        return U8(1)
    given = options.value("d")
    delimiter = U8(TAB)
    if given is not None:
        delimiter = U8(0) if given.length == 0 else given[0]
    status = U8(0)
    for path in operands_or_input(options.operands):
        try:
            for line in lines(open_input(path)):
                if options.has("f"):
                    cut_fields(line, chosen, delimiter, options.has("s"))
                else:
                    cut_bytes(line, chosen)
        except Error:
            print_error(f"cut: {path}: {reason(error_code())}")
            status = U8(1)
    return status
