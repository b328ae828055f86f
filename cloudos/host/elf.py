"""Executables as a guest needs them: without symbols and debug information, which stay on the host."""

from __future__ import annotations

import struct
from dataclasses import dataclass

MAGIC = b"\x7fELF\x02\x01"
"""ELF of 64 bits, little endian."""

PROGRAM_TABLE = struct.Struct("<32xQ14xHH")
"""Of the header: offset of the program headers, size of one, how many (System V ABI, figure 4-3)."""

SECTION_FIELDS = ((0x28, 8), (0x3C, 2), (0x3E, 2))
"""Offset and size of the fields that say where sections are, how many, and which has their names."""

LOADED = struct.Struct("<I4xQ16xQ")
"""Of a program header: type, offset in the file, bytes in the file."""


def stripped(content: bytes) -> bytes:
    """An executable without what lies behind its segments; anything else as it is."""
    if not content.startswith(MAGIC) or len(content) < 64:
        return content
    offset, size, count = PROGRAM_TABLE.unpack_from(content)
    end = offset + size * count
    if end > len(content) or size < LOADED.size:
        return content
    for number in range(count):
        _, begin, length = LOADED.unpack_from(content, offset + size * number)
        end = max(end, begin + length)
    kept = bytearray(content[:end])
    for place, width in SECTION_FIELDS:
        kept[place : place + width] = bytes(width)
    return bytes(kept)


ARCHITECTURES = {62: "x86_64", 183: "aarch64"}
"""By the number in the header (System V ABI, figure 4-2)."""


def architecture(content: bytes) -> str:
    """The name of the architecture that an executable is for; "x86_64" for what is none."""
    return ARCHITECTURES.get(int.from_bytes(content[18:20], "little"), "x86_64")


PLACED = struct.Struct("<I4xQ8xQQQ")
"""Of a program header: type, offset in the file, physical address, bytes in the file and in memory."""

LARGEST = 1 << 30
"""Bytes that an executable may take in memory."""

LOADABLE = 1
"""Type of a segment that is loaded."""


def _loaded(content: bytes) -> list[tuple[int, int, int, int]]:
    """Of all that is loaded: physical address, offset and bytes in the file, bytes in memory. Raises ValueError."""
    if not content.startswith(MAGIC) or len(content) < 64:
        raise ValueError("not an ELF file of 64 bits")
    offset, size, count = PROGRAM_TABLE.unpack_from(content)
    if offset + size * count > len(content) or size < PLACED.size:
        raise ValueError("its program headers lie outside of the file")
    headers = [PLACED.unpack_from(content, offset + size * number) for number in range(count)]
    loaded = [(place, at, length, whole) for kind, at, place, length, whole in headers if kind == LOADABLE]
    if not any(length for _, _, length, _ in loaded):
        raise ValueError("it has nothing to load")
    return loaded


def extent(content: bytes) -> tuple[int, int]:
    """The lowest physical address of an executable, and the first behind all of its memory. Raises ValueError."""
    loaded = _loaded(content)
    return min(place for place, *_ in loaded), max(place + whole for place, _, _, whole in loaded)


def flat(content: bytes) -> bytes:
    """What an executable looks like in memory, from the lowest of its physical addresses to the last byte that is not
    zero by itself: the form in which loaders of AArch64 want kernels that get a device tree. Raises ValueError."""
    parts = [(place, content[at : at + length]) for place, at, length, _ in _loaded(content) if length]
    base = min(place for place, _ in parts)
    length = max(place + len(part) for place, part in parts) - base
    if length > LARGEST:
        raise ValueError("its parts are far from each other")
    memory = bytearray(length)
    for place, part in parts:
        memory[place - base : place - base + len(part)] = part
    return bytes(memory)


MAPPED = struct.Struct("<I4xQQ8xQ")
"""Of a program header: type, offset in the file, virtual address, bytes in the file."""

BRANCH, BRANCH_MASK = 0x1400_0000, 0xFC00_0000
"""AArch64's `b`, whose other 26 bits are the distance in instructions (Arm ARM, C6.2.26)."""


def entry_offset(content: bytes) -> int:
    """Where in an executable its first instruction lies, after the branch over the header that kernels for AArch64
    begin with. Raises ValueError when it is in no segment."""
    entry = int.from_bytes(content[24:32], "little")
    offset, size, count = PROGRAM_TABLE.unpack_from(content)
    for number in range(count):
        kind, begin, address, length = MAPPED.unpack_from(content, offset + size * number)
        if kind == LOADABLE and address <= entry < address + length:
            place: int = begin + entry - address
            word = int.from_bytes(content[place : place + 4], "little")
            if architecture(content) == "aarch64" and word & BRANCH_MASK == BRANCH:
                place += 4 * (word & ~BRANCH_MASK)  # forwards: it has no sign to care for
            return place
    raise ValueError("the entry is in no segment of the file")


def overwritten(content: bytes, code: bytes) -> bytes:
    """An executable whose first instructions are others. Raises ValueError."""
    place = entry_offset(content)
    return content[:place] + code + content[place + len(code) :]


HEADER = struct.Struct("<16xHHIQQ14xHH6x")
"""Type, machine, version, entry, offset of the program headers; size of one, how many (System V ABI, figure 4-3)."""

SEGMENT = struct.Struct("<IIQQ8xQQ8x")
"""A program header: type, flags, offset, address, bytes in the file, bytes in memory (figure 5-1)."""

EXECUTABLE, DYNAMIC, INTERPRETER, THREAD_LOCAL = 2, 2, 3, 7
FLAG_EXECUTE, FLAG_WRITE = 1, 2
READ, WRITE, EXECUTE = 1, 2, 4
"""Access to a segment, as boot bundles have it."""


@dataclass(frozen=True)
class Segment:
    """A part of a program in memory; its contents stand in the file."""

    address: int
    memory_size: int
    offset: int
    file_size: int
    access: int


@dataclass(frozen=True)
class Layout:
    """How a program lies in memory."""

    entry: int
    machine: int
    segments: tuple[Segment, ...]


def layout(content: bytes) -> Layout:
    """How an executable lies in memory. Raises ValueError for one that cannot be loaded without other files."""
    if not content.startswith(MAGIC) or len(content) < HEADER.size:
        raise ValueError("it is not an ELF file of 64 bits")
    kind, machine, _, entry, offset, size, count = HEADER.unpack_from(content)
    if kind != EXECUTABLE or size != SEGMENT.size or offset + size * count > len(content):
        raise ValueError("it is not an executable with a table of segments")
    segments = []
    for number in range(count):
        what, flags, *numbers = SEGMENT.unpack_from(content, offset + size * number)
        if what in (DYNAMIC, INTERPRETER, THREAD_LOCAL):
            raise ValueError("it is linked dynamically, or has thread-local data")
        if what == LOADABLE and numbers[3] > 0:
            begin, address, stored, needed = numbers
            access = READ | (WRITE if flags & FLAG_WRITE else 0) | (EXECUTE if flags & FLAG_EXECUTE else 0)
            if begin + stored > len(content):
                raise ValueError("a segment lies outside the file")
            segments.append(Segment(address, needed, begin, stored, access))
    executable = (one for one in segments if one.access & EXECUTE)
    if not any(one.address <= entry < one.address + one.file_size for one in executable):
        raise ValueError("its entry is not in executable memory")
    return Layout(entry, machine, tuple(segments))
