"""The memory of a machine that has ended, as the host sees it: words by physical or by kernel address."""

from __future__ import annotations

import functools
import mmap
import struct
from pathlib import Path

from cloudos.host.symbols import Symbols

DIRECT_BASE = 0xFFFF_8000_0000_0000
KERNEL_BASE = 0xFFFF_FFFF_8000_0000
SHF_WRITE, SHF_ALLOC = 1, 2


class MemoryImage:
    """A file with the machine's memory, and the kernel that ran."""

    def __init__(self, path: Path, kernel: Path) -> None:
        with path.open("rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        self.kernel = kernel

    @functools.cached_property
    def symbols(self) -> dict[str, int]:
        """Addresses by name."""
        table = Symbols(self.kernel).elf.get_section_by_name(".symtab")
        return {symbol.name: symbol["st_value"] for symbol in table.iter_symbols() if symbol["st_value"]}

    def symbol(self, name: str) -> int:
        """The address of a symbol. Raises KeyError."""
        return self.symbols[name]

    def physical(self, address: int) -> int:
        """Where a kernel address lies in the file. Raises ValueError when it is neither direct nor of the image."""
        if address >= KERNEL_BASE:
            return address - KERNEL_BASE
        if address >= DIRECT_BASE:
            return address - DIRECT_BASE
        raise ValueError(f"{address:#x} is not an address of the kernel's")

    @functools.cached_property
    def statics(self) -> list[tuple[int, int]]:
        """Where the kernel's own data lies: addresses and sizes of the sections that can be written."""
        found = []
        for section in Symbols(self.kernel).elf.iter_sections():
            if section["sh_flags"] & SHF_WRITE and section["sh_flags"] & SHF_ALLOC:
                found.append((section["sh_addr"], section["sh_size"]))
        return found

    def words(self, address: int, count: int) -> list[int]:
        """So many words from a kernel address on."""
        start = self.physical(address)
        return list(struct.unpack_from(f"<{count}Q", self.data, start))

    def word(self, address: int) -> int:
        """Eight bytes at a kernel address."""
        start = self.physical(address)
        return int.from_bytes(self.data[start : start + 8], "little")
