"""Which program each process of a run was, told by its code: programs all lie at the same addresses."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cloudos.host.elf import LOADABLE, PROGRAM_TABLE
from cloudos.host.observer.watching import HIGH_HALF, Block, Record

FNV_BASIS, FNV_PRIME = 0xCBF2_9CE4_8422_2325, 0x100_0000_01B3
"""http://www.isthe.com/chongo/tech/comp/fnv: FNV-1a with 64 bits."""

SEGMENT = struct.Struct("<I4xQQ8xQ")
"""Of a program header: type, offset in the file, virtual address, bytes in the file."""

LONGEST_INSTRUCTION = 15
COMPARED = 24
"""Blocks that are compared: those with most instructions."""


@dataclass(frozen=True)
class Candidate:
    """A program that may run: the name that people know it by, and its ELF file."""

    name: str
    elf: Path


@dataclass(frozen=True)
class Process:
    """A process that ran: its number, which the kernel gave, its name, and its ELF file, if that is known."""

    number: int
    name: str
    elf: Path | None


class Code:
    """The bytes of an ELF file by the addresses that they are loaded at."""

    def __init__(self, path: Path) -> None:
        content = path.read_bytes()
        offset, size, count = PROGRAM_TABLE.unpack_from(content)
        headers = [SEGMENT.unpack_from(content, offset + size * number) for number in range(count)]
        self.parts = [(address, content[at : at + n]) for kind, at, address, n in headers if kind == LOADABLE]

    def at(self, address: int, length: int) -> bytes:
        """Bytes from an address on, fewer where the segment ends."""
        for start, content in self.parts:
            if start <= address < start + len(content):
                return content[address - start : address - start + length]
        return b""

    def has(self, block: Block) -> bool:
        """Whether a block of instructions, of which the last one's length is not known, is in here."""
        start, last = block.addresses[0], block.addresses[-1]
        digest = FNV_BASIS
        for position, byte in enumerate(self.at(start, last - start + LONGEST_INSTRUCTION)):
            digest = (digest ^ byte) * FNV_PRIME & 0xFFFF_FFFF_FFFF_FFFF
            if position >= last - start and digest == block.digest:
                return True
        return False


def roots(record: Record) -> list[int]:
    """For each node of the tree of calls the number of the process that it belongs to; parents come first."""
    found = [0] * len(record.nodes)
    for index, (parent, site) in enumerate(record.nodes):
        found[index] = found[parent] if parent else site
    return found


def identify(record: Record, candidates: Iterable[Candidate]) -> dict[int, Process]:
    """The processes of a run by their numbers. Of one that is no candidate the name is its number."""
    owners = roots(record)
    blocks: dict[int, set[Block]] = defaultdict(set)
    for count in record.counts:
        owner = owners[count.node]
        if owner and count.block.addresses[0] < HIGH_HALF:
            blocks[owner].add(count.block)
    known = [(candidate, Code(candidate.elf)) for candidate in candidates]
    found = {}
    for number, seen in sorted(blocks.items()):
        longest = sorted(seen, key=lambda block: (-len(block.addresses), block.addresses))[:COMPARED]
        fitting = (one for one, code in known if all(code.has(block) for block in longest))
        match = next(fitting, None)
        found[number] = Process(number, match.name if match else f"process {number}", match.elf if match else None)
    return found
