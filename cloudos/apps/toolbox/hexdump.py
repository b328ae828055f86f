"""hexdump: bytes as numbers."""

from __future__ import annotations

from cloudos.apps.counts import to_count
from cloudos.apps.inputs import open_input, operands_or_input, reason
from cloudos.apps.options import Options, Usage, parse
from cloudos.lang import U8, U16, U64, Error, Slice, error_code, write_text
from cloudos.sdk import ByteBuffer, InvalidNumber, List, Text, print_error, stdout

ROW = 16  # bytes in a line
NEVER = 0xFFFF_FFFF_FFFF_FFFF


def canonical(row: Slice[U8], offset: U64) -> None:
    """One line of `-C`: hexadecimal bytes and characters."""
    write_text(stdout, f"{offset:08x} ")
    for i in U64.range(ROW):
        if i % 8 == 0 and i > 0:
            write_text(stdout, " ")
        if i < row.length:
            write_text(stdout, f" {row[i]:02x}")
        else:
            write_text(stdout, "   ")
    write_text(stdout, "  |")
    for byte in row:
        shown = byte if byte >= 0x20 and byte < 0x7F else U8(0x2E)
        write_text(stdout, f"{shown:c}")
    write_text(stdout, "|\n")


def words(row: Slice[U8], offset: U64) -> None:
    """One line of two-byte numbers, the low byte first."""
    write_text(stdout, f"{offset:07x}")
    for i in U64.range(0, ROW, 2):
        if i + 1 < row.length:
            write_text(stdout, f" {U16(row[i]) | U16(row[i + 1]) << 8:04x}")
        elif i < row.length:
            write_text(stdout, f" {row[i]:04x}")
        else:
            write_text(stdout, "     ")
    write_text(stdout, "\n")


def dump(content: Slice[U8], first: U64, options: Options) -> None:
    """All lines; a run of equal ones after the first becomes a star, unless `-v` was given."""
    at = U64(0)
    starred = False
    while at < content.length:
        end = min(at + ROW, content.length)
        row = content[at:end]
        repeats = at > 0 and row.length == ROW and content[at - ROW : at].equals(row)
        if repeats and not options.has("v"):
            if not starred:
                write_text(stdout, "*\n")
            starred = True
        else:
            starred = False
            if options.has("C"):
                canonical(row, first + at)
            else:
                words(row, first + at)
        at = end
    if content.length > 0:
        total = first + content.length
        if options.has("C"):
            write_text(stdout, f"{total:08x}\n")
        else:
            write_text(stdout, f"{total:07x}\n")


def count_of(options: Options, letter: str, default: U64) -> U64:
    """The value of `-n` or `-s`; raises Usage."""
    text = options.value(letter)
    if text is None:
        return default
    try:
        return to_count(text)
    except InvalidNumber:
        print_error(f"hexdump: failed to parse length: '{text}'")
        raise Usage from None


def hexdump(arguments: List[Text]) -> U8:
    """Write the bytes of files as numbers; `-C` with characters, `-s` from where, `-n` how many."""
    try:
        options = parse(arguments, "Cvn:s:")
        length = count_of(options, "n", U64(NEVER))
        skipped = count_of(options, "s", U64(0))
    except Usage:
        return U8(1)
    status = U8(0)
    content = ByteBuffer()
    for path in operands_or_input(options.operands):
        try:
            read = open_input(path).read_all()
            content.write(read.content)
        except Error:
            print_error(f"hexdump: {path}: {reason(error_code())}")
            status = U8(1)
    start = min(skipped, content.length)
    end = min(start.saturating_add(length), content.length)
    dump(content.content()[start:end], start, options)
    return status
