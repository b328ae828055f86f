"""Executables as a guest needs them: without symbols and debug information, which stay on the host."""

from __future__ import annotations

import struct

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
