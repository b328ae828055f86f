"""ls: what is in directories."""

from __future__ import annotations

from cloudos.apps.inputs import reason
from cloudos.apps.options import Options, Usage, parse
from cloudos.apps.paths import join
from cloudos.apps.toolbox.listing import Entry, Listing, entry_of, write_columns, write_long
from cloudos.contracts.files import DIRECTORY
from cloudos.lang import U8, U64, Error, error_code, write_text
from cloudos.sdk import List, Text, is_terminal, print_error, stdout
from cloudos.sdk.filesystem import list_directory

TROUBLE = 2
DOT = ord(".")


def listing_of(options: Options) -> Listing:
    """What the options ask for."""
    by_time = options.wins("t", "tSU")
    by_size = options.wins("S", "tSU")
    columns = options.wins("C", "1Cl") or (is_terminal() and not options.has("1l"))
    return Listing(
        options.wins("l", "l1C") or (options.has("l") and not options.wins("C", "lC")),
        columns,
        options.has("F"),
        options.has("p"),
        options.has("h"),
        by_time,
        by_size,
        options.has("r"),
        options.has("i"),
        options.has("U"),
    )


def show(entries: List[Entry], listing: Listing) -> None:
    """Write entries in order."""
    if not listing.unsorted:
        entries.sort_by(listing)
    if listing.long:
        write_long(entries, listing)
    elif listing.columns:
        write_columns(entries, listing)
    else:
        for entry in entries:
            write_text(stdout, f"{entry.shown(listing)}\n")


def show_directory(path: Text, listing: Listing, options: Options, headed: bool, first: bool) -> U8:
    """Write what is in a directory, with `-R` in those below too; the exit status."""
    try:
        names = list_directory(path)
    except Error:
        print_error(f"ls: cannot open directory '{path}': {reason(error_code())}")
        return U8(TROUBLE)
    if headed:
        lead = "" if first else "\n"
        write_text(stdout, f"{lead}{path}:\n")
    result = U8(0)
    entries = List[Entry]()
    if options.wins("a", "aA"):
        names.insert(U64(0), Text("."))
        names.insert(U64(1), Text(".."))
    for name in names:
        if name[0] == DOT and not options.has("aA"):
            continue
        try:
            entries.append(entry_of(name, join(path, name)))
        except Error:
            print_error(f"ls: cannot access '{join(path, name)}': {reason(error_code())}")
            result = U8(1)
    if listing.long:
        write_text(stdout, f"total {total(entries, listing)}\n")
    show(entries, listing)
    if options.has("R"):
        for entry in entries:
            if entry.kind == DIRECTORY and not entry.name.equals(".") and not entry.name.equals(".."):
                result = max(result, show_directory(join(path, entry.name), listing, options, True, False))
    return result


def total(entries: List[Entry], listing: Listing) -> Text:
    """How much room the entries take, in units of 1,024 bytes, each file being whole pages of 4,096."""
    pages = U64(0)
    for entry in entries:
        pages += (entry.length + 4095) // 4096
    if listing.human:
        return listing.size(pages * 4096)
    return Text(f"{pages * 4}")


def ls(arguments: List[Text]) -> U8:
    """List files, and what is in directories. 1: something in a directory is wrong; 2: an operand is."""
    try:
        options = parse(arguments, "aA1lRdFprtShCiUu")
    except Usage:
        return U8(TROUBLE)
    listing = listing_of(options)
    operands = options.operands
    if operands.length == 0:
        operands.append(Text("."))
    files = List[Entry]()
    directories = List[Entry]()
    result = U8(0)
    for path in operands:
        try:
            entry = entry_of(path, path)
        except Error:
            print_error(f"ls: cannot access '{path}': {reason(error_code())}")
            result = U8(TROUBLE)
            continue
        if entry.kind == DIRECTORY and not options.has("d"):
            directories.append(entry)
        else:
            files.append(entry)
    show(files, listing)
    directories.sort_by(listing)
    headed = operands.length > 1 or options.has("R")
    first = files.length == 0
    for directory in directories:
        result = max(result, show_directory(directory.name, listing, options, headed, first))
        first = False
    return result
