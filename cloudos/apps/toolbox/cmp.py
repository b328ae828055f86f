"""cmp: where two files differ."""

from __future__ import annotations

from cloudos.apps.inputs import open_input, reason
from cloudos.apps.options import Options, Usage, parse
from cloudos.lang import U8, U64, Error, error_code, write_text
from cloudos.sdk import Bytes, List, Text, print_error, stdout

NEWLINE = ord("\n")
DIFFERENT = 1
TROUBLE = 2


def content_of(path: Text, silent: bool) -> Bytes:
    """All bytes of a file; raises Usage after a complaint."""
    try:
        return open_input(path).read_all()
    except Error:
        if not silent:
            print_error(f"cmp: {path}: {reason(error_code())}")
        raise Usage from None


def compare(left: Bytes, right: Bytes, options: Options) -> U8:
    """Write the first difference, or with `-l` all of them."""
    common = min(left.length, right.length)
    status = U8(0)
    line = U64(1)
    first = options.operands[0]
    second = options.operands[1]
    width = Text(f"{common}").length
    for i in U64.range(common):
        if left[i] != right[i]:
            status = U8(DIFFERENT)
            if options.has("l"):
                digits = Text(f"{i + 1}")
                for _ in U64.range(digits.length, width):
                    write_text(stdout, " ")
                write_text(stdout, f"{digits} {left[i]:>3o} {right[i]:>3o}\n")
                continue
            if not options.has("s"):
                write_text(stdout, f"{first} {second} differ: char {i + 1}, line {line}\n")
            return status
        if left[i] == NEWLINE:
            line += 1
    if left.length == right.length:
        return status
    if not options.has("s"):
        shorter = first if left.length < right.length else second
        empty = common == 0
        if empty:
            print_error(f"cmp: EOF on {shorter} which is empty")
        else:
            print_error(f"cmp: EOF on {shorter} after byte {common}")
    return U8(DIFFERENT)


def cmp(arguments: List[Text]) -> U8:
    """Compare two files byte by byte. 0: they are the same; 1: they differ; 2: something went wrong."""
    try:
        options = parse(arguments, "ls")
        if options.operands.length == 1:
            options.operands.append(Text("-"))
        if options.operands.length != 2:
            print_error("cmp: two files are compared")
            return U8(TROUBLE)
        left = content_of(options.operands[0], options.has("s"))
        right = content_of(options.operands[1], options.has("s"))
    except Usage:
        return U8(TROUBLE)
    return compare(left, right, options)
