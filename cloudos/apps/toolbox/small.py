"""Utilities of a few lines: true, false, yes, basename, dirname, pwd, sleep, env, uname, tee,"""

from __future__ import annotations

from cloudos.apps.counts import to_count
from cloudos.apps.inputs import CHUNK, reason
from cloudos.apps.options import Usage, parse, parse_leading
from cloudos.apps.paths import base_name, directory_name
from cloudos.contracts.files import APPEND, CREATE, TRUNCATE, WRITE
from cloudos.lang import U8, U64, Error, error_code, free_slice, new_slice, write_text
from cloudos.sdk import InvalidNumber, List, Text, print_error, stdin, stdout, variable
from cloudos.sdk.filesystem import OpenFile, open_path, working_directory
from cloudos.sdk.system import thread_sleep

SLASH = ord("/")
EQUALS = ord("=")
DOT = ord(".")
MINUS = ord("-")
SECOND = 1_000_000_000  # nanoseconds


def true(arguments: List[Text]) -> U8:
    """Succeed."""
    return U8(0)


def false(arguments: List[Text]) -> U8:
    """Fail."""
    return U8(1)


def yes(arguments: List[Text]) -> U8:
    """Write the arguments, or `y`, again and again, until nobody reads any more."""
    line = Text("y")
    if arguments.length > 1:
        line = Text(" ").join(arguments.slice(U64(1), arguments.length))
    while True:
        write_text(stdout, f"{line}\n")


def basename(arguments: List[Text]) -> U8:
    """Write the last component of a path, without a suffix."""
    try:
        options = parse_leading(arguments, "as:")
    except Usage:
        return U8(1)
    operands = options.operands
    if operands.length == 0:
        print_error("basename: missing operand")
        return U8(1)
    suffix = options.value("s")
    if suffix is None and operands.length == 2 and not options.has("a"):
        suffix = operands.pop()
    if operands.length > 1 and not options.has("as"):
        print_error(f"basename: extra operand '{operands[operands.length - 1]}'")
        return U8(1)
    for path in operands:
        name = base_name(path)
        if suffix is not None and suffix.length < name.length:
            cut = name.length - suffix.length
            if name.content[cut : name.length].equals(suffix.content):
                name = name.slice(U64(0), cut)
        write_text(stdout, f"{name}\n")
    return U8(0)


def dirname(arguments: List[Text]) -> U8:
    """Write all but the last component of paths."""
    try:
        options = parse(arguments, "")
    except Usage:
        return U8(1)
    if options.operands.length == 0:
        print_error("dirname: missing operand")
        return U8(1)
    for path in options.operands:
        write_text(stdout, f"{directory_name(path)}\n")
    return U8(0)


def pwd(arguments: List[Text]) -> U8:
    """Write the working directory. There are no links, so `-L` and `-P` are the same."""
    try:
        parse(arguments, "LP")
    except Usage:
        return U8(1)
    write_text(stdout, f"{working_directory()}\n")
    return U8(0)


def nanoseconds(text: Text) -> U64:
    """A time in seconds, perhaps with a fraction and one of the units s, m, h, d; raises InvalidNumber."""
    unit = U64(SECOND)
    end = text.length
    if text.ends_with("s") or text.ends_with("m") or text.ends_with("h") or text.ends_with("d"):
        end -= 1
        if text.ends_with("m"):
            unit = unit * 60
        elif text.ends_with("h"):
            unit = unit * 3600
        elif text.ends_with("d"):
            unit = unit * 86400
    number = text.slice(U64(0), end)
    point = number.find(".")
    if point is None:
        return to_count(number).saturating_mul(unit)
    whole = U64(0) if point == 0 else to_count(number.slice(U64(0), point))
    result = whole.saturating_mul(unit)
    for i in U64.range(point + 1, number.length):
        unit = unit // 10
        result = result.saturating_add(to_count(number.slice(i, i + 1)) * unit)
    return result


def sleep(arguments: List[Text]) -> U8:
    """Wait for the sum of the times."""
    try:
        options = parse(arguments, "")
    except Usage:
        return U8(1)
    if options.operands.length == 0:
        print_error("sleep: missing operand")
        return U8(1)
    total = U64(0)
    for text in options.operands:
        try:
            total = total.saturating_add(nanoseconds(text))
        except InvalidNumber:
            print_error(f"sleep: invalid time interval '{text}'")
            return U8(1)
    stdout.flush()
    thread_sleep(total)
    return U8(0)


def uname(arguments: List[Text]) -> U8:
    """Write what the system is: `-s` its name (or nothing given), `-n -r -v -m`, `-a` all."""
    try:
        options = parse(arguments, "asnrvm")
    except Usage:
        return U8(1)
    if options.operands.length > 0:
        print_error(f"uname: extra operand '{options.operands[0]}'")
        return U8(1)
    parts = List[Text]()
    every = options.has("a")
    if every or options.has("s") or options.letters.length == 0:
        parts.append(Text("CloudOS"))
    if every or options.has("n"):
        host = variable("HOSTNAME")
        parts.append(Text("cloudos") if host is None else host)
    if every or options.has("r"):
        parts.append(Text("0.1.0"))
    if every or options.has("v"):
        parts.append(Text("#1"))
    if every or options.has("m"):
        machine = variable("MACHTYPE")
        parts.append(Text("unknown") if machine is None else machine)
    write_text(stdout, f"{Text(' ').join(parts)}\n")
    return U8(0)


def tee(arguments: List[Text]) -> U8:
    """Copy standard input to standard output and to files; `-a` appends."""
    try:
        options = parse(arguments, "ai")
    except Usage:
        return U8(1)
    status = U8(0)
    files = List[OpenFile]()
    flags = U64(WRITE | CREATE | APPEND) if options.has("a") else U64(WRITE | CREATE | TRUNCATE)
    for path in options.operands:
        try:
            files.append(open_path(path, flags))
        except Error:
            print_error(f"tee: {path}: {reason(error_code())}")
            status = U8(1)
    room = new_slice(U8, CHUNK)
    while True:
        count = stdin.read(room)
        if count == 0:
            break
        stdout.write(room[0:count])
        for file in files:
            try:
                file.write(room[0:count])
            except Error:
                print_error(f"tee: {reason(error_code())}")
                status = U8(1)
    free_slice(room)
    return status
