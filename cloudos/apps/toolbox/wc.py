"""wc: counts of lines, words, characters and bytes."""

from __future__ import annotations

from cloudos.apps.inputs import CHUNK, open_input, operands_or_input, reason
from cloudos.apps.options import Options, Usage, parse
from cloudos.contracts.files import FILE
from cloudos.contracts.streams import Status, Stream
from cloudos.lang import U8, U64, Error, Slice, error_code, free_slice, managed, new_slice, write_text
from cloudos.sdk import List, Reader, Text, print_error, stdout
from cloudos.sdk.component import held
from cloudos.sdk.filesystem import status

NEWLINE = ord("\n")


@managed
class Counts:
    """The counts of one file or of all."""

    lines: U64
    words: U64
    bytes: U64
    in_word: bool

    def update(self, piece: Slice[U8]) -> None:
        """Count more bytes."""
        self.bytes += piece.length
        lines = U64(0)
        words = U64(0)
        in_word = self.in_word
        for byte in piece:
            if byte == 0x20 or (byte >= 0x09 and byte <= 0x0D):
                in_word = False
                if byte == NEWLINE:
                    lines += 1
            elif byte > 0x20 and byte < 0x7F and not in_word:
                in_word = True
                words += 1
        self.in_word = in_word
        self.lines += lines
        self.words += words

    def add(self, other: Counts) -> None:
        """Add the counts of a file to the sum."""
        self.lines += other.lines
        self.words += other.words
        self.bytes += other.bytes


def count(reader: Reader, into: Counts) -> None:
    """Count all that is read."""
    room = new_slice(U8, CHUNK)
    try:
        while True:
            length = reader.read(room)
            if length == 0:
                return
            into.update(room[0:length])
    finally:
        free_slice(room)


def digits(number: U64) -> U64:
    """How many decimal digits a number has."""
    result = U64(1)
    rest = number
    while rest >= 10:
        rest = rest // 10
        result += 1
    return result


def input_status() -> Status:
    """What is known of standard input; nothing when it is no stream of a service. Raises ServiceGone."""
    handle = held("stdin")
    return Status() if handle == 0 else Stream(handle).status()


def field_width(paths: List[Text], shown: U64) -> U64:
    """As GNU's: digits of the sum of all sizes; 1 for one number, at least 7 when something has no size."""
    if paths.length == 1 and shown == 1:
        return U64(1)
    total = U64(0)
    least = U64(1)
    for path in paths:
        try:
            found = input_status() if path.equals("-") else status(path)
            if found.kind == FILE:
                total += found.length
            else:
                least = U64(7)
        except Error:
            pass
    return max(digits(total), least)


@managed
class Columns:
    """Which counts are shown, and how wide."""

    lines: bool
    words: bool
    characters: bool
    bytes: bool
    width: U64
    first: bool

    def number(self, shown: bool, value: U64) -> None:
        """Write one count."""
        if not shown:
            return
        if not self.first:
            write_text(stdout, " ")
        self.first = False
        for _ in U64.range(digits(value), self.width):
            write_text(stdout, " ")
        write_text(stdout, f"{value}")

    def show(self, counts: Counts, name: Text) -> None:
        """Write one line."""
        self.first = True
        self.number(self.lines, counts.lines)
        self.number(self.words, counts.words)
        self.number(self.characters, counts.bytes)
        self.number(self.bytes, counts.bytes)
        if name.length > 0:
            write_text(stdout, f" {name}")
        write_text(stdout, "\n")


def columns(options: Options, paths: List[Text]) -> Columns:
    """What the options ask for."""
    none = options.letters.length == 0
    result = Columns(
        none or options.has("l"), none or options.has("w"), options.has("m"), none or options.has("c"), U64(1), True
    )
    shown = one(result.lines) + one(result.words) + one(result.characters) + one(result.bytes)
    result.width = field_width(paths, shown)
    return result


def one(shown: bool) -> U64:
    return U64(1) if shown else U64(0)


def wc(arguments: List[Text]) -> U8:
    """Count lines, words and bytes of files; `-l -w -m -c` choose which."""
    try:
        options = parse(arguments, "lwcm")
    except Usage:
        return U8(1)
    status = U8(0)
    from_input = options.operands.length == 0
    paths = operands_or_input(options.operands)
    shown = columns(options, paths)
    total = Counts(U64(0), U64(0), U64(0), False)
    for path in paths:
        counts = Counts(U64(0), U64(0), U64(0), False)
        try:
            count(open_input(path), counts)
        except Error:
            print_error(f"wc: {path}: {reason(error_code())}")
            status = U8(1)
            continue
        shown.show(counts, Text("") if from_input else path)
        total.add(counts)
    if paths.length > 1:
        shown.show(total, Text("total"))
    return status
