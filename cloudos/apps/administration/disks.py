"""df and mount: what is mounted where, and how full it is."""

from __future__ import annotations

from cloudos.apps.administration.access import Failed, complain, fields, need
from cloudos.apps.administration.columns import Table, table
from cloudos.apps.administration.formats import human, percent
from cloudos.apps.options import Options, parse
from cloudos.lang import U8, U64, Error, error_code, write_text
from cloudos.sdk import List, Text, print_error, stdout
from cloudos.sdk.filesystem import absolute, mounts, space

KILO = 1024
MOUNT_FIELDS = U64(3)
SLASH = ord("/")


def list_mounts(utility: str) -> List[Text]:
    """The mounts, each `kind path options`. Raises Failed."""
    need(utility, "files", "Files.mounts")
    try:
        return mounts()
    except Error:
        complain(utility, "Files.mounts", error_code())
        raise Failed from None


def mount(arguments: List[Text]) -> U8:
    """List the mounts."""
    if arguments.length > 1:
        print_error("mount: what is mounted where is fixed when the file service starts; without operands it is listed")
        raise Failed
    for line in list_mounts("mount"):
        parts = fields(line, MOUNT_FIELDS)
        if parts.length == MOUNT_FIELDS:
            write_text(stdout, f"{parts[0]} on {parts[1]} ({parts[2]})\n")
    return U8(0)


def within(path: Text, place: Text) -> bool:
    """Whether a path is a mount point or lies below it."""
    if place.length > path.length or not path.content[0 : place.length].equals(place.content):
        return False
    return place.ends_with("/") or place.length == path.length or path[place.length] == SLASH


def resolved(path: Text) -> Text:
    """An absolute path without `.`, `..` and repeated slashes: there are no links that could change its meaning."""
    kept = List[Text]()
    for part in path.split("/"):
        if part.equals(".."):
            if kept.length > 0:
                kept.pop()
        elif part.length > 0 and not part.equals("."):
            kept.append(part)
    joined = Text("/").join(kept)
    return Text(f"/{joined}")


def mount_of(path: Text, all: List[Text]) -> Text:
    """The mount that holds an absolute path: the longest that it lies in."""
    best = Text("")
    longest = U64(0)
    for line in all:
        parts = fields(line, MOUNT_FIELDS)
        if parts.length == MOUNT_FIELDS and parts[1].length >= longest and within(path, parts[1]):
            best = line
            longest = parts[1].length
    return best


def size(bytes: U64, options: Options) -> Text:
    """Bytes as the options ask: in units of 1,024 bytes, rounded up, unless `-h`."""
    if options.wins("h", "hk"):
        return human(bytes)
    return Text(f"{bytes // KILO + (U64(1) if bytes % KILO != 0 else U64(0))}")


def add_row(shown: Table, line: Text, path: Text, options: Options) -> bool:
    """One mount, asked for by a path in it; whether that worked, and it says so if not."""
    parts = fields(line, MOUNT_FIELDS)
    if parts.length != MOUNT_FIELDS:
        print_error(f"df: {path}: nothing is mounted there")
        return False
    try:
        total, used = space(path)
    except Error:
        complain("df", f"{path}", error_code())
        return False
    shown.add_text(parts[0])
    shown.add_text(size(total, options))
    shown.add_text(size(used, options))
    shown.add_text(size(total.saturating_sub(used), options))
    if total == 0:
        shown.add("-")
    else:
        shown.add(f"{percent(used, total)}%")
    shown.add_text(parts[1])
    return True


def add_headings(shown: Table, options: Options) -> None:
    """The first row: of POSIX with `-P`."""
    shown.add("Filesystem")
    if options.wins("h", "hk"):
        shown.add("Size")
    elif options.has("P"):
        shown.add("1024-blocks")
    else:
        shown.add("1K-blocks")
    shown.add_words("Used Available Capacity" if options.has("P") else "Used Available Use%")
    shown.add("Mounted on")


def df(arguments: List[Text]) -> U8:
    """Show how full the mounts are, all or those that hold the operands. 1: some cannot be asked."""
    options = parse(arguments, "hkP")
    all = list_mounts("df")
    shown = table(U64(6), U64(0b011110))
    add_headings(shown, options)
    status = U8(0)
    if options.operands.length == 0:
        for line in all:
            parts = fields(line, MOUNT_FIELDS)
            if parts.length == MOUNT_FIELDS and not add_row(shown, line, parts[1], options):
                status = U8(1)
    for operand in options.operands:
        line = Text("") if operand.length == 0 else mount_of(resolved(absolute(operand)), all)
        if not add_row(shown, line, operand, options):
            status = U8(1)
    if shown.rows > 1:
        shown.show()
    return status
