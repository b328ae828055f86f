"""uniq: lines that repeat the one before."""

from __future__ import annotations

from cloudos.apps.byte_classes import is_blank, lower
from cloudos.apps.counts import to_count
from cloudos.apps.inputs import open_input, reason
from cloudos.apps.options import Options, Usage, parse
from cloudos.lang import U8, U64, Error, Sink, Slice, error_code, managed, write_text
from cloudos.sdk import InvalidNumber, List, Reader, Text, lines, print_error, stdout
from cloudos.sdk.filesystem import FileWriter, create_file


@managed
class Filter:
    """What the options ask for."""

    counts: bool
    repeated: bool  # only these
    unique: bool  # only these
    ignore_case: bool
    fields: U64  # not compared
    bytes: U64  # not compared, after the fields

    def key(self, line: Slice[U8]) -> Slice[U8]:
        """The part of a line that is compared."""
        at = U64(0)
        for _ in U64.range(self.fields):
            while at < line.length and is_blank(line[at]):
                at += 1
            while at < line.length and not is_blank(line[at]):
                at += 1
        return line[min(at + self.bytes, line.length) : line.length]

    def same(self, left: Text, right: Text) -> bool:
        """Whether two lines count as one."""
        a = self.key(left.content)
        b = self.key(right.content)
        if not self.ignore_case:
            return a.equals(b)
        if a.length != b.length:
            return False
        for i in U64.range(a.length):
            if lower(a[i]) != lower(b[i]):
                return False
        return True

    def show(self, sink: Sink, line: Text, count: U64) -> None:
        """Write a line that came so often, if it is of those wanted."""
        if (self.repeated and count == 1) or (self.unique and count > 1):
            return
        if self.counts:
            write_text(sink, f"{count:>7} ")
        write_text(sink, f"{line}\n")

    def run(self, reader: Reader, sink: Sink) -> None:
        """Go through all lines."""
        held: Text | None = None
        count = U64(0)
        for line in lines(reader):
            if held is not None and self.same(held, line):
                count += 1
                continue
            if held is not None:
                self.show(sink, held, count)
            held = line
            count = U64(1)
        if held is not None:
            self.show(sink, held, count)


def number(options: Options, letter: str, what: str) -> U64:
    """The value of `-f` or `-s`, 0 without; raises Usage."""
    text = options.value(letter)
    if text is None:
        return U64(0)
    try:
        return to_count(text)
    except InvalidNumber:
        print_error(f"uniq: {text}: invalid number of {what} to skip")
        raise Usage from None


def uniq(arguments: List[Text]) -> U8:
    """Write each line that is not like the one before; `-c` counts, `-d` and `-u` choose."""
    try:
        options = parse(arguments, "cdiuf:s:")
        fields = number(options, "f", "fields")
        skipped = number(options, "s", "bytes")
    except Usage:
        return U8(1)
    operands = options.operands
    if operands.length > 2:
        print_error(f"uniq: extra operand '{operands[2]}'")
        return U8(1)
    wanted = Filter(options.has("c"), options.has("d"), options.has("u"), options.has("i"), fields, skipped)
    path = Text("-") if operands.length == 0 else operands[0]
    try:
        reader = open_input(path)
        if operands.length == 2 and not operands[1].equals("-"):
            path = operands[1]
            writer = FileWriter(create_file(path))
            wanted.run(reader, writer)
            writer.finish()
        else:
            wanted.run(reader, stdout)
    except Error:
        print_error(f"uniq: {path}: {reason(error_code())}")
        return U8(1)
    return U8(0)
