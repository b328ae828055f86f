"""Page tables of four levels: AMD64 manual volume 2, chapter 5.

Kernel half of every address space (fourth-level entries 256 to 511):
- the direct map, where all memory appears, writable, never executable;
- the window for devices, uncached;
- the kernel image: text read and execute, constants read, data read and write.
User half: entries 0 to 255, one set per process.

Levels count from 0 (pages of 4 KB) to 3 (the root); a mapping of level n covers 4096 << (9 * n) bytes.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import OutOfMemory
from cloudos.kernel.hal.interface import Access, BootInformation, FrameSink, FrameSource, Mapping
from cloudos.kernel.hal.x86_64 import cpu
from cloudos.kernel.hal.x86_64.boot import KERNEL_BASE
from cloudos.lang import U32, U64, Array, LinkerSymbol, PhysAddr, Ptr, VirtAddr, fast, inlined, struct, zeroed

__all__ = ["OutOfMemory"]

DIRECT_BASE = 0xFFFF_8000_0000_0000
DEVICE_BASE = 0xFFFF_FF00_0000_0000
PAGE_SIZE = 4096
LARGE_PAGE = 2 << 20
FIRST_KERNEL_ENTRY = 256
ENTRIES = 512

PRESENT = 1
WRITABLE = 1 << 1
USER = 1 << 2
WRITE_THROUGH = 1 << 3
UNCACHED = 1 << 4
# Set from the start, so that the processor need not write the tables.
ACCESSED_DIRTY = 0x60
LARGE = 1 << 7
GLOBAL = 1 << 8
NO_EXECUTE = 1 << 63
ADDRESS_MASK = 0x000F_FFFF_FFFF_F000
# Permissions of a table never restrict; only the last level does.
TABLE_FLAGS = PRESENT | WRITABLE | USER | ACCESSED_DIRTY

TEXT_START = LinkerSymbol("kernel_text_start")
RODATA_START = LinkerSymbol("kernel_rodata_start")
DATA_START = LinkerSymbol("kernel_data_start")
KERNEL_END = LinkerSymbol("kernel_end")
TRAP_GUARD = LinkerSymbol("trap_stacks_guard")
STACK_GUARD = LinkerSymbol("kernel_stack_guard")


@struct(align=4096)
class Table:
    """One page table."""

    entries: Array[U64, Literal[512]] = zeroed()


def direct(frame: PhysAddr) -> VirtAddr:
    """Where the kernel sees physical memory."""
    return VirtAddr(frame.value | DIRECT_BASE)


def direct_to_physical(address: VirtAddr) -> PhysAddr:
    """Inverse of `direct`."""
    return PhysAddr(address.value - DIRECT_BASE)


def _table(frame: PhysAddr) -> Table:
    return Ptr.at(Table, direct(frame)).value


def _index(address: VirtAddr, level: U64) -> U64:
    return (address.value >> (level * 9 + 12)) & 511


def page_bytes(level: U64) -> U64:
    """How much memory an entry of this level maps."""
    return U64(PAGE_SIZE) << (level * 9)


def largest_level() -> U64:
    """The largest pages that this processor knows: 1 for 2 MB, 2 for 1 GB."""
    return KERNEL.largest


@fast
def _flags(access: Access, level: U64) -> U64:
    flags = U64(PRESENT | ACCESSED_DIRTY)
    if Access.WRITE in access:
        flags = flags | WRITABLE
    if Access.EXECUTE not in access:
        flags = flags | NO_EXECUTE
    if Access.USER in access:
        flags = flags | USER
    else:
        flags = flags | GLOBAL
    if Access.DEVICE in access:
        flags = flags | (UNCACHED | WRITE_THROUGH)
    if level > 0:
        flags = flags | LARGE
    return flags


def _access(entry: U64) -> Access:
    access = Access.READ
    if entry & WRITABLE != 0:
        access = access | Access.WRITE
    if entry & NO_EXECUTE == 0:
        access = access | Access.EXECUTE
    if entry & USER != 0:
        access = access | Access.USER
    if entry & UNCACHED != 0:
        access = access | Access.DEVICE
    return access


def _largest_level(low_bits: U64, length: U64, largest: U64) -> U64:
    """The largest page that may start at addresses with these bits and is no longer than `length`."""
    level = largest
    while level > 0:
        size = page_bytes(level)
        if low_bits & (size - 1) == 0 and length >= size:
            break
        level = level - 1
    return level


@struct
class Walk:
    """Where the way to an address ends: at the level asked for, at a missing table, or at a larger page.

    `entry` is the entry of that level. `is_table`: it leads to a table of smaller pages.
    """

    entry: Ptr[U64]
    level: U64
    present: bool
    is_table: bool

    @property
    def frame(self) -> PhysAddr:
        """What the entry points at."""
        return PhysAddr(self.entry.value & ADDRESS_MASK)

    @property
    def is_writable(self) -> bool:
        """Whether the page may be written."""
        return self.entry.value & WRITABLE != 0

    @inlined
    def set_page(self, frame: PhysAddr, access: Access) -> None:
        """Map a page. If there was one, the caller must invalidate its translation."""
        self.entry.value = frame.value | _flags(access, self.level)

    def set_table(self, frame: PhysAddr) -> None:
        """Go on to a zeroed table."""
        self.entry.value = frame.value | TABLE_FLAGS

    def forbid_writing(self) -> None:
        """Make a page read-only. The caller must invalidate its translation."""
        self.entry.value = self.entry.value & ~U64(WRITABLE)

    def clear(self) -> None:
        """Map nothing. The caller must invalidate the translation."""
        self.entry.value = U64(0)


@struct
class PageTable:
    """The translations of one address space."""

    root: PhysAddr = zeroed()

    @fast
    def walk(self, address: VirtAddr, level: U64) -> Walk:
        """Go towards the entry of this level for an address."""
        table = self.root.value
        current = U64(3)
        # Turned, so that the index of the level at hand stands in the low bits, times 8.
        bits = address.value.rotate_left(64 - 39 + 3)
        while True:
            place = Ptr.at(U64, VirtAddr((table | DIRECT_BASE) + (bits & (511 * 8))))
            entry = place.value
            present = entry & PRESENT != 0
            is_table = present and current > 0 and entry & LARGE == 0
            if current == level or not is_table:
                return Walk(place, current, present, is_table)
            table = entry & ADDRESS_MASK
            current = current - 1
            bits = bits.rotate_left(9)

    def invalidate(self, address: VirtAddr, level: U64) -> None:
        """Forget the translations of one page of this level, on every processor that may hold them.

        This is the hook for remote invalidation: it returns when no processor uses the old translation any more. With
        one processor, that is the present one, and only if it uses these tables.
        """
        if cpu.page_table_root() == self.root.value:
            cpu.invalidate_page(address.value)

    def map(self, address: VirtAddr, frame: PhysAddr, level: U64, access: Access, frames: FrameSource) -> None:
        """Map one page of the given level. Raises OutOfMemory, having changed nothing that is visible."""
        table = self._descend(address, level, frames)
        table.entries[_index(address, level)] = frame.value | _flags(access, level)

    def _descend(self, address: VirtAddr, level: U64, frames: FrameSource) -> Table:
        """The table of the given level that covers `address`, made if need be."""
        table = _table(self.root)
        current = U64(3)
        while current > level:
            index = _index(address, current)
            entry = table.entries[index]
            if entry & PRESENT == 0:
                entry = frames.allocate_zeroed().value | TABLE_FLAGS
                table.entries[index] = entry
            assert entry & LARGE == 0, "page already mapped by a larger one"
            table = _table(PhysAddr(entry & ADDRESS_MASK))
            current = current - 1
        return table

    def map_range(
        self, address: VirtAddr, frame: PhysAddr, length: U64, access: Access, frames: FrameSource, largest: U64
    ) -> None:
        """Map consecutive memory with the largest pages that fit, at most of level `largest`. Raises OutOfMemory."""
        flags = _flags(access, U64(0))
        done = U64(0)
        while done < length:
            level = _largest_level((address.value + done) | (frame.value + done), length - done, largest)
            size = page_bytes(level)
            table = self._descend(address.offset(done), level, frames)
            index = _index(address.offset(done), level)
            entry = (frame.value + done) | flags
            if level > 0:
                entry = entry | LARGE
            # A larger page can begin only where this table ends.
            for slot in U64.range(index, min(index + (length - done) // size, U64(ENTRIES))):
                table.entries[slot] = entry
                entry = entry + size
                done = done + size

    def lookup(self, address: VirtAddr) -> Mapping:
        """How `address` is mapped; level and frame are those of its page. Not present: level of the missing entry."""
        table = _table(self.root)
        level = U64(3)
        while True:
            entry = table.entries[_index(address, level)]
            present = entry & PRESENT != 0
            if not present or level == 0 or entry & LARGE != 0:
                return Mapping(present, PhysAddr(entry & ADDRESS_MASK), level, _access(entry))
            table = _table(PhysAddr(entry & ADDRESS_MASK))
            level = level - 1

    def unmap(self, address: VirtAddr) -> Mapping:
        """Remove the page that holds `address`, if there is one, and return what it was."""
        mapping = self.lookup(address)
        if mapping.present:
            self._set(address, mapping.level, U64(0))
        return mapping

    def protect(self, address: VirtAddr, access: Access) -> None:
        """Change what may be done with a mapped page."""
        mapping = self.lookup(address)
        assert mapping.present, "protecting a page that is not mapped"
        self._set(address, mapping.level, mapping.frame.value | _flags(access, mapping.level))

    def _set(self, address: VirtAddr, level: U64, entry: U64) -> None:
        table = _table(self.root)
        current = U64(3)
        while current > level:
            table = _table(PhysAddr(table.entries[_index(address, current)] & ADDRESS_MASK))
            current = current - 1
        table.entries[_index(address, level)] = entry
        cpu.invalidate_page(address.value)

    def split(self, address: VirtAddr, frames: FrameSource) -> None:
        """Replace the 2 MB page that holds `address` by 512 pages of 4 KB. Raises OutOfMemory."""
        mapping = self.lookup(address)
        assert mapping.present and mapping.level == 1, "only pages of 2 MB are split"
        frame = frames.allocate_zeroed()
        table = _table(frame)
        flags = _flags(mapping.access, U64(0))
        for index in U64.range(ENTRIES):
            table.entries[index] = (mapping.frame.value + index * PAGE_SIZE) | flags
        self._set(address, U64(1), frame.value | TABLE_FLAGS)

    def release(self, frames: FrameSink) -> None:
        """Free the tables of the user half, which map nothing any more, and the root."""
        table = _table(self.root)
        for index in U64.range(FIRST_KERNEL_ENTRY):
            _release_table(table.entries[index], U64(2), frames)
        frames.free(self.root, U64(0))
        self.root = PhysAddr(0)

    def activate(self) -> None:
        """Make these the translations in use."""
        cpu.load_page_table_root(self.root.value)


def _release_table(entry: U64, level: U64, frames: FrameSink) -> None:
    """Free the table that an entry names, and those below it. `level`: of the table's entries."""
    if entry & PRESENT == 0 or entry & LARGE != 0:
        return
    frame = PhysAddr(entry & ADDRESS_MASK)
    if level > 0:
        table = _table(frame)
        for index in U64.range(ENTRIES):
            _release_table(table.entries[index], level - 1, frames)
    frames.free(frame, U64(0))


@struct
class KernelSpace:
    """The kernel half, shared by all address spaces."""

    pages: PageTable
    next_device: U64
    largest: U64


KERNEL = KernelSpace(PageTable(PhysAddr(0)), U64(DEVICE_BASE), U64(1))


def new_user_table(frames: FrameSource) -> PageTable:
    """Page tables with an empty user half. Raises OutOfMemory."""
    root = frames.allocate_zeroed()
    copy_kernel_half(root)
    return PageTable(root)


def copy_kernel_half(root: PhysAddr) -> None:
    """Let a root table with an empty user half show the kernel."""
    table = _table(root)
    kernel = _table(KERNEL.pages.root)
    for index in U64.range(FIRST_KERNEL_ENTRY, ENTRIES):
        table.entries[index] = kernel.entries[index]


def _map_image(start: VirtAddr, end: VirtAddr, access: Access, frames: FrameSource) -> None:
    frame = PhysAddr(start.value - KERNEL_BASE)
    KERNEL.pages.map_range(start, frame, end.distance(start), access, frames, U64(0))


def start(boot: BootInformation, frames: FrameSource) -> None:
    """Build the kernel's translations and use them; the boot tables are not used any more. Raises OutOfMemory.

    Frames used here must lie in the first gigabyte, which is what the boot tables map.
    """
    # Pages of 1 GB: AMD64 manual volume 3, CPUID Fn8000_0001_EDX.
    _, _, _, features = cpu.cpuid(U32(0x8000_0001), U32(0))
    if features.bit(26):
        KERNEL.largest = U64(2)
    KERNEL.pages.root = frames.allocate_zeroed()
    data = Access.READ | Access.WRITE
    # Tables of the firmware and the loader lie in the first megabyte.
    _map_direct(U64(0), U64(LARGE_PAGE), frames)
    for index in U64.range(boot.count):
        _map_direct(boot.ranges[index].start, boot.ranges[index].end, frames)
    _map_image(TEXT_START.address, RODATA_START.address, Access.READ | Access.EXECUTE, frames)
    _map_image(RODATA_START.address, DATA_START.address, Access.READ, frames)
    _map_image(DATA_START.address, KERNEL_END.address, data, frames)
    KERNEL.pages.unmap(TRAP_GUARD.address)
    KERNEL.pages.unmap(STACK_GUARD.address)
    # Every later address space copies the kernel's root entries, so all that will be used must exist now.
    KERNEL.pages.map(VirtAddr(DEVICE_BASE), PhysAddr(0), U64(0), Access.READ, frames)
    KERNEL.pages.unmap(VirtAddr(DEVICE_BASE))
    KERNEL.pages.activate()


def _map_direct(start: U64, end: U64, frames: FrameSource) -> None:
    """Map memory for the kernel, rounded outwards to 2 MB; skips what an earlier range has mapped."""
    address = PhysAddr(start).align_down(LARGE_PAGE)
    limit = PhysAddr(end).align_up(LARGE_PAGE)
    while address < limit and KERNEL.pages.lookup(direct(address)).present:
        address = address.offset(LARGE_PAGE)
    if address < limit:
        length = limit.distance(address)
        KERNEL.pages.map_range(direct(address), address, length, Access.READ | Access.WRITE, frames, KERNEL.largest)


def map_device(frame: PhysAddr, length: U64, frames: FrameSource) -> VirtAddr:
    """Map registers of a device, uncached, for the kernel's use. `frame` is page-aligned. Raises OutOfMemory."""
    address = VirtAddr(KERNEL.next_device)
    size = (length + (PAGE_SIZE - 1)) // PAGE_SIZE * PAGE_SIZE
    access = Access.READ | Access.WRITE | Access.DEVICE
    KERNEL.pages.map_range(address, frame, size, access, frames, U64(0))
    KERNEL.next_device = KERNEL.next_device + size
    return address
