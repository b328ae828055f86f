"""Page tables of four levels, of 512 entries each, in a format of this machine's own (see `board.py`).

The kernel half of every address space holds the direct map alone: the kernel's code and data lie outside physical
memory here. Levels count from 0 (pages of 4 KB) to 3 (the root); a mapping of level n covers 4096 << (9 * n) bytes.
"""

from __future__ import annotations

import struct as struct_module

from cloudos.abi.errors import OutOfMemory
from cloudos.kernel.hal.interface import Access, BootInformation, FrameSink, FrameSource, Mapping
from cloudos.kernel.hal.simulated import board, cpu
from cloudos.lang import U64, PhysAddr, VirtAddr, struct, zeroed

__all__ = ["OutOfMemory"]

DIRECT_BASE = board.DIRECT_BASE
PAGE_SIZE = 4096
LARGE_PAGE = 2 << 20
FIRST_KERNEL_ENTRY = 256
ENTRIES = 512
ENTRY = struct_module.Struct("<Q")
LARGEST_LEVEL = 2

BITS = (
    (Access.WRITE, board.WRITE),
    (Access.EXECUTE, board.EXECUTE),
    (Access.USER, board.USER),
    (Access.DEVICE, board.DEVICE),
)


def direct(frame: PhysAddr) -> VirtAddr:
    """Where the kernel sees physical memory."""
    return VirtAddr(frame.value | DIRECT_BASE)


def direct_to_physical(address: VirtAddr) -> PhysAddr:
    """Inverse of `direct`."""
    return PhysAddr(address.value - DIRECT_BASE)


def page_bytes(level: U64) -> U64:
    """How much memory an entry of this level maps."""
    return U64(PAGE_SIZE) << (level * 9)


def _place(table: int, address: int, level: int) -> int:
    """The physical address of the entry for an address."""
    return table + 8 * (address >> (12 + 9 * level) & 511)


def _read(place: int) -> int:
    return board.current().memory.read(place, 8)


def _write(place: int, entry: int) -> None:
    board.current().memory.write(place, 8, entry)


def _leaf(frame: int, access: Access) -> int:
    return frame | board.PRESENT | board.LEAF | sum(bit for flag, bit in BITS if flag in access)


def _access(entry: int) -> Access:
    access = Access.READ
    for flag, bit in BITS:
        if entry & bit:
            access = access | flag
    return access


def _level_for(low_bits: int, length: int, largest: int) -> int:
    """The level of the largest page that may start at addresses with these bits and is no longer than `length`."""
    sizes = [(level, PAGE_SIZE << (9 * level)) for level in range(largest + 1)]
    return max(level for level, size in sizes if level == 0 or (low_bits % size == 0 and length >= size))


def largest_level() -> U64:
    """The largest pages that this processor knows: 1 for 2 MB, 2 for 1 GB."""
    return U64(LARGEST_LEVEL)


@struct
class Walk:
    """Where the way to an address ends: at the level asked for, at a missing table, or at a larger page.

    `place`: of the entry of that level. `is_table`: it leads to a table of smaller pages.
    """

    place: PhysAddr
    level: U64
    present: bool
    is_table: bool

    @property
    def frame(self) -> PhysAddr:
        """What the entry points at."""
        return PhysAddr(_read(int(self.place.value)) & board.FRAME)

    @property
    def is_writable(self) -> bool:
        """Whether the page may be written."""
        return bool(_read(int(self.place.value)) & board.WRITE)

    def set_page(self, frame: PhysAddr, access: Access) -> None:
        """Map a page. If there was one, the caller must invalidate its translation."""
        _write(int(self.place.value), _leaf(int(frame.value), access))

    def set_table(self, frame: PhysAddr) -> None:
        """Go on to a zeroed table."""
        _write(int(self.place.value), int(frame.value) | board.PRESENT)

    def forbid_writing(self) -> None:
        """Make a page read-only. The caller must invalidate its translation."""
        _write(int(self.place.value), _read(int(self.place.value)) & ~board.WRITE)

    def clear(self) -> None:
        """Map nothing. The caller must invalidate the translation."""
        _write(int(self.place.value), 0)


@struct
class PageTable:
    """The translations of one address space."""

    root: PhysAddr = zeroed()

    def walk(self, address: VirtAddr, level: U64) -> Walk:
        """Go towards the entry of this level for an address."""
        table = int(self.root.value)
        current = board.LEVELS - 1
        while True:
            place = _place(table, int(address.value), current)
            entry = _read(place)
            present = bool(entry & board.PRESENT)
            is_table = present and not entry & board.LEAF
            if current == int(level) or not is_table:
                return Walk(PhysAddr(place), U64(current), present, is_table)
            table = entry & board.FRAME
            current -= 1

    def invalidate(self, address: VirtAddr, level: U64) -> None:
        """Forget the translations of one page of this level, on every processor that may hold them."""
        if cpu.page_table_root() == self.root.value:
            cpu.invalidate_page(address.value)

    def map(self, address: VirtAddr, frame: PhysAddr, level: U64, access: Access, frames: FrameSource) -> None:
        """Map one page of the given level. Raises OutOfMemory, having changed nothing that is visible."""
        place = self._descend(int(address.value), int(level), frames)
        _write(place, _leaf(int(frame.value), access))

    def _descend(self, address: int, level: int, frames: FrameSource) -> int:
        """Where the entry of the given level for `address` is, tables made if need be."""
        table = int(self.root.value)
        for current in range(board.LEVELS - 1, level, -1):
            place = _place(table, address, current)
            entry = _read(place)
            if not entry & board.PRESENT:
                entry = int(frames.allocate_zeroed().value) | board.PRESENT
                _write(place, entry)
            assert not entry & board.LEAF, "page already mapped by a larger one"
            table = entry & board.FRAME
        return _place(table, address, level)

    def map_range(
        self, address: VirtAddr, frame: PhysAddr, length: U64, access: Access, frames: FrameSource, largest: U64
    ) -> None:
        """Map consecutive memory with the largest pages that fit, at most of level `largest`. Raises OutOfMemory."""
        virtual, physical, left = int(address.value), int(frame.value), int(length)
        while left > 0:
            level = _level_for(virtual | physical, left, int(largest))
            size = PAGE_SIZE << (9 * level)
            _write(self._descend(virtual, level, frames), _leaf(physical, access))
            virtual, physical, left = virtual + size, physical + size, left - size

    def _find(self, address: int) -> tuple[int, int, int]:
        """Place, level and value of the entry that maps an address, or of the one that is missing."""
        table = int(self.root.value)
        level = board.LEVELS - 1
        while True:
            place = _place(table, address, level)
            entry = _read(place)
            if not entry & board.PRESENT or entry & board.LEAF:
                return place, level, entry
            table = entry & board.FRAME
            level -= 1

    def lookup(self, address: VirtAddr) -> Mapping:
        """How `address` is mapped; level and frame are those of its page. Not present: level of the missing entry."""
        _, level, entry = self._find(int(address.value))
        return Mapping(bool(entry & board.PRESENT), PhysAddr(entry & board.FRAME), U64(level), _access(entry))

    def unmap(self, address: VirtAddr) -> Mapping:
        """Remove the page that holds `address`, if there is one, and return what it was."""
        mapping = self.lookup(address)
        if mapping.present:
            _write(self._find(int(address.value))[0], 0)
            cpu.invalidate_page(address.value)
        return mapping

    def protect(self, address: VirtAddr, access: Access) -> None:
        """Change what may be done with a mapped page."""
        place, _, entry = self._find(int(address.value))
        assert entry & board.PRESENT, "protecting a page that is not mapped"
        _write(place, _leaf(entry & board.FRAME, access))
        cpu.invalidate_page(address.value)

    def split(self, address: VirtAddr, frames: FrameSource) -> None:
        """Replace the 2 MB page that holds `address` by 512 pages of 4 KB. Raises OutOfMemory."""
        place, level, entry = self._find(int(address.value))
        assert entry & board.PRESENT and level == 1, "only pages of 2 MB are split"
        table = int(frames.allocate_zeroed().value)
        for index in range(ENTRIES):
            _write(table + 8 * index, entry + index * PAGE_SIZE)
        _write(place, table | board.PRESENT)
        cpu.invalidate_page(address.value)

    def release(self, frames: FrameSink) -> None:
        """Free the tables of the user half, which map nothing any more, and the root."""
        _release(int(self.root.value), FIRST_KERNEL_ENTRY, frames)
        self.root = PhysAddr(0)

    def activate(self) -> None:
        """Make these the translations in use."""
        cpu.load_page_table_root(self.root.value)


def _release(table: int, entries: int, frames: FrameSink) -> None:
    """Free a table and those that its first entries name."""
    content = board.current().memory.content(table, 8 * entries)
    for (entry,) in ENTRY.iter_unpack(content):
        if entry & board.PRESENT and not entry & board.LEAF:
            _release(entry & board.FRAME, ENTRIES, frames)
    frames.free(PhysAddr(table), U64(0))


@struct
class KernelSpace:
    """The kernel half, shared by all address spaces."""

    pages: PageTable


KERNEL = KernelSpace(PageTable(PhysAddr(0)))


def new_user_table(frames: FrameSource) -> PageTable:
    """Page tables with an empty user half. Raises OutOfMemory."""
    root = frames.allocate_zeroed()
    copy_kernel_half(root)
    return PageTable(root)


def copy_kernel_half(root: PhysAddr) -> None:
    """Let a root table with an empty user half show the kernel."""
    kernel_half = 8 * FIRST_KERNEL_ENTRY
    memory = board.current().memory
    memory.copy_from(int(root.value) + kernel_half, memory, int(KERNEL.pages.root.value) + kernel_half, kernel_half)


def start(boot: BootInformation, frames: FrameSource) -> None:
    """Build the kernel's translations and use them. Raises OutOfMemory."""
    KERNEL.pages.root = frames.allocate_zeroed()
    end = PhysAddr(U64(board.current().memory.size)).align_up(LARGE_PAGE)
    access = Access.READ | Access.WRITE
    KERNEL.pages.map_range(direct(PhysAddr(0)), PhysAddr(0), end.value, access, frames, U64(LARGEST_LEVEL))
    KERNEL.pages.activate()


def map_device(frame: PhysAddr, length: U64, frames: FrameSource) -> VirtAddr:
    """There are no devices with registers in memory."""
    raise NotImplementedError("the simulated machine has no device registers")
