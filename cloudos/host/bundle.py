"""The boot bundle: everything that a program is started with, as one file that the boot loader hands to the kernel.

Little endian. A header of 32 bytes: magic, version (u32), number of entries (u32), total size (u64), offset of the
start table (u64, 0 for none), which says how the first program lies in memory: its entry (u64), the number of its
machine in ELF files (u32), number of segments (u32), and for each of these address, bytes in memory, offset and length
of its contents, and access (u64 each; 1 to read, 2 to write, 4 to execute).
Then 40 bytes per entry: kind (u32), length of the name (u32), offset of the name, offset of the data, length of
the data, zero (u64 each). Offsets count from the start of the bundle. Data of programs, and of files of a page or
more, begins on a page, so that it can be mapped; entries with the same data share it. Shorter files follow each other:
a page for each would be most of what many manual pages take.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from cloudos.host import elf

MAGIC = b"CLOUDOS\x01"
VERSION = 1
HEADER = struct.Struct("<8sIIQQ")
ENTRY = struct.Struct("<IIQQQQ")
START = struct.Struct("<QII")
SEGMENT = struct.Struct("<QQQQQ")
PAGE = 4096


class Kind(IntEnum):
    """What an entry holds."""

    PROGRAM = 1
    ARGUMENT = 2
    ENVIRONMENT = 3
    FILE = 4
    POLICY = 5
    HANDLE = 6
    WIRING = 7


SHARED = (Kind.PROGRAM, Kind.FILE)
SMALL = 16
"""Where short files begin: at multiples of so many bytes."""


class BundleError(Exception):
    """Not a valid bundle."""


@dataclass(frozen=True)
class Entry:
    """One entry. Arguments have no name and come in order; a variable's name is its key, a file's its guest path."""

    kind: Kind
    name: bytes
    data: bytes


def alignment(kind: Kind, length: int) -> int:
    """Data of an entry begins at a multiple of this."""
    if kind is Kind.PROGRAM or (kind is Kind.FILE and length >= PAGE):
        return PAGE
    return SMALL if kind is Kind.FILE else 1


def contents(
    program: bytes,
    arguments: Sequence[bytes],
    environment: Mapping[bytes, bytes],
    files: Mapping[bytes, bytes],
    policy: bytes = b"",
) -> list[Entry]:
    """The entries that start `program` (an ELF file); argument 0 is the program's name. No policy when it is empty."""
    name = arguments[0] if arguments else b""
    return [Entry(Kind.PROGRAM, name, program), *given(arguments, environment, files, policy)]


def given(
    arguments: Sequence[bytes], environment: Mapping[bytes, bytes], files: Mapping[bytes, bytes], policy: bytes = b""
) -> list[Entry]:
    """`contents` without the program."""
    entries = [Entry(Kind.ARGUMENT, b"", argument) for argument in arguments]
    entries += [Entry(Kind.ENVIRONMENT, key, value) for key, value in environment.items()]
    if policy:
        entries.append(Entry(Kind.POLICY, b"", policy))
    return entries + [Entry(Kind.FILE, path, data) for path, data in files.items()]


def layout_of(entries: Sequence[Entry]) -> tuple[bytes, elf.Layout | None]:
    """The first program, and how it lies in memory, if it is one."""
    program = next((entry.data for entry in entries if entry.kind is Kind.PROGRAM), b"")
    try:
        return program, elf.layout(program)
    except ValueError:
        return program, None


def start_table(layout: elf.Layout, program: int) -> bytes:
    """What the kernel knows of a program that stands at an offset in the bundle."""
    table = START.pack(layout.entry, layout.machine, len(layout.segments))
    for one in layout.segments:
        table += SEGMENT.pack(one.address, one.memory_size, program + one.offset, one.file_size, one.access)
    return table


def encode(entries: Sequence[Entry]) -> bytes:
    """The bundle with `entries` in their order: tables, then names and small data, short files, data on pages.

    A program that is no executable has no start table: the kernel says so.
    """
    program, layout = layout_of(entries)
    start = HEADER.size + ENTRY.size * len(entries)
    position = start + (0 if layout is None else START.size + SEGMENT.size * len(layout.segments))
    names: list[int] = []
    places: dict[int, int] = {}
    pieces: list[bytes] = []

    def put(data: bytes, alignment: int = 1) -> int:
        nonlocal position
        padding = -position % alignment
        pieces.extend((bytes(padding), data))
        position += padding + len(data)
        return position - len(data)

    for index, entry in enumerate(entries):
        names.append(put(entry.name))
        if entry.kind not in SHARED:
            places[index] = put(entry.data)
    # Those on pages come last, so that one hole is before all of them.
    shared = [index for index, entry in enumerate(entries) if entry.kind in SHARED]
    written: dict[tuple[bytes, int], int] = {}
    for index in sorted(shared, key=lambda index: alignment(entries[index].kind, len(entries[index].data))):
        entry = entries[index]
        wanted = (entry.data, alignment(entry.kind, len(entry.data)))
        if wanted not in written:
            written[wanted] = put(*wanted)
        places[index] = written[wanted]
    put(b"", PAGE)  # whole pages: the kernel maps the bundle as it stands
    table = [HEADER.pack(MAGIC, VERSION, len(entries), position, 0 if layout is None else start)]
    for index, entry in enumerate(entries):
        table.append(ENTRY.pack(entry.kind, len(entry.name), names[index], places[index], len(entry.data), 0))
    if layout is not None:
        table.append(start_table(layout, written[program, PAGE]))
    return b"".join(table + pieces)


def decode(data: bytes) -> list[Entry]:
    """The entries of a bundle. Raises BundleError naming the first thing that is wrong."""
    if len(data) < HEADER.size:
        raise BundleError(f"{len(data)} bytes are less than a header")
    magic, version, count, total, _ = HEADER.unpack_from(data)
    if magic != MAGIC or version != VERSION:
        raise BundleError(f"not a bundle of version {VERSION}")
    if total != len(data) or HEADER.size + ENTRY.size * count > total:
        raise BundleError(f"{count} entries and {total} bytes announced, {len(data)} bytes there")
    entries = []
    for index in range(count):
        fields = ENTRY.unpack_from(data, HEADER.size + ENTRY.size * index)
        kind, name_length, name_offset, data_offset, data_length, _ = fields
        if name_offset + name_length > total or data_offset + data_length > total:
            raise BundleError(f"entry {index} reaches beyond the end")
        if kind not in list(Kind):
            raise BundleError(f"entry {index} has the unknown kind {kind}")
        if data_offset % alignment(Kind(kind), data_length):
            raise BundleError(f"the data of entry {index} does not begin where it can be mapped")
        name = data[name_offset : name_offset + name_length]
        entries.append(Entry(Kind(kind), name, data[data_offset : data_offset + data_length]))
    return entries
