"""Memory of processes as their code sees it.

What a process maps, its stack, its message buffer and what it shares lie in the machine's memory, behind its page
tables. `Mapped` lets code under CPython use it: every access is translated like one of the machine's own instructions,
and one that the tables do not allow becomes that instruction, so that the kernel supplies the page or ends the process.
Static data, variables and the heap of a process are CPython's: the kernel reaches them through
`Board.private_memory`, without page tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloudos.abi import layout
from cloudos.lang import Region, current_address_space
from tests.simulation.kernel import board, user
from tests.simulation.modules import PRIVATE_END, PRIVATE_START

PAGE = layout.PAGE_SIZE
READ = board.Access()
WRITE = board.Access(write=True)
Enter = Callable[[user.Instruction], Any]


class _Bytes:
    """Stands for the bytes of a region: those that the process that runs has mapped there."""

    def __init__(self, base: int, enter: Enter) -> None:
        self.base = base
        self.enter = enter

    def __getitem__(self, key: slice) -> bytes:
        address = self.base + key.start
        length = key.stop - key.start
        machine = board.current()
        if address % PAGE + length <= PAGE:
            found = machine.translate(address, READ)
            if not isinstance(found, board.Denied):
                return machine.memory.content(found, length)
        result: bytes = self.enter(user.Read(address, length))
        return result

    def __setitem__(self, key: slice, data: bytes) -> None:
        address = self.base + key.start
        machine = board.current()
        if address % PAGE + len(data) <= PAGE:
            found = machine.translate(address, WRITE)
            if not isinstance(found, board.Denied):
                memory = machine.memory
                memory.data[found : found + len(data)] = data
                if memory.mask is not None:
                    memory.mask[found : found + len(data)] = b"\1" * len(data)
                return
        self.enter(user.Write(address, bytes(data)))


class Mapped(Region):
    """Addresses behind page tables."""

    def __init__(self, start: int, end: int, enter: Enter) -> None:
        super().__init__(0, PAGE)
        self.size = end - start
        self.data = _Bytes(start, enter)  # type: ignore[assignment]
        self.plain = False

    def read(self, offset: int, size: int) -> int:
        """The number of `size` bytes at `offset`."""
        self.check(offset, size)
        return int.from_bytes(self.data[offset : offset + size], "little")

    def write(self, offset: int, size: int, value: int) -> None:
        """Store the low `size` bytes of a number."""
        self.check(offset, size, write=True)
        self.data[offset : offset + size] = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")

    def write_shadowed(self, offset: int, raw: int, value: Any) -> None:
        """A pointer is a number here: others may read it, and change it."""
        self.write(offset, 8, raw)

    def copy_from(self, offset: int, source: Region, source_offset: int, size: int) -> None:
        """Move bytes from another region, or from this one."""
        self.check(offset, size, write=True, scalar=False)
        self.data[offset : offset + size] = source.content(source_offset, size)

    def clear(self, offset: int, size: int) -> None:
        """Fill with zero bytes."""
        self.check(offset, size, write=True, scalar=False)
        self.data[offset : offset + size] = bytes(size)

    def content(self, offset: int, size: int) -> bytes:
        """The bytes of a stretch."""
        self.check(offset, size, scalar=False)
        return bytes(self.data[offset : offset + size])


def map_user_half(enter: Enter) -> None:
    """From now on, user addresses outside of the private part are what the process that runs has mapped."""
    space = current_address_space()
    space.map(Mapped(layout.USER_START, PRIVATE_START, enter), layout.USER_START)
    space.map(Mapped(PRIVATE_END, layout.USER_END, enter), PRIVATE_END)


def private_memory(address: int, length: int) -> tuple[Region, int] | None:
    """For `Board.private_memory`."""
    if not PRIVATE_START <= address < PRIVATE_END:
        return None
    found = current_address_space().find(address)
    return found if found is not None and found[1] + length <= found[0].size else None
