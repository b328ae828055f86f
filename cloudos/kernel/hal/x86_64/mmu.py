"""Page tables of four levels, or of five where the processor has them: AMD64 manual volume 2, chapter 5.

Kernel half of every address space (the root's entries 256 to 511, of which five levels need the last alone):
- the direct map, where all memory appears, writable, never executable;
- the window for devices, uncached;
- the kernel image: text read and execute, constants read, data read and write.
User half: entries 0 to 255, one set per process.

Levels count from 0 (pages of 4 KB) to 3 or 4 (the root); a mapping of level n covers 4096 << (9 * n) bytes.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import layout
from cloudos.abi.errors import OutOfMemory
from cloudos.kernel.hal.interface import Access, BootInformation, FrameSource
from cloudos.kernel.hal.shared.direct import DIRECT_BASE, direct, direct_to_physical
from cloudos.kernel.hal.x86_64 import cpu
from cloudos.kernel.hal.x86_64.boot import CONTROL_4_WIDE, KERNEL_BASE
from cloudos.kernel.hal.x86_64.processor import GUARD_PAGES, STACK_PAGES, TRAP_STACKS
from cloudos.lang import (
    U8,
    U32,
    U64,
    Array,
    LinkerSymbol,
    PhysAddr,
    Ptr,
    VirtAddr,
    fast,
    never_inlined,
    place,
    struct,
    zeroed,
)

__all__ = ["DIRECT_BASE", "OutOfMemory", "direct", "direct_to_physical"]

DEVICE_BASE = 0xFFFF_FF00_0000_0000
PAGE_SIZE = 4096
LARGE_PAGE = 2 << 20
FIRST_KERNEL_ENTRY = 256
ENTRIES = 512
# 32 entries.
PASSED_BYTES = 256
TOP_LEVEL = 3

# Nobody invalidates the translations of another processor.
BROADCASTS = False

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


def _table(frame: PhysAddr) -> Table:
    return Ptr.at(Table, direct(frame)).value


def page_bytes(level: U64) -> U64:
    """How much memory an entry of this level, 4 at most, maps."""
    return U64(PAGE_SIZE).wrapping_shl(level.wrapping_mul(9) % 64)


WRITE, EXECUTE, USED_BY_USER, DEVICE = (int(bit) for bit in (Access.WRITE, Access.EXECUTE, Access.USER, Access.DEVICE))


def _flags(access: Access, level: U64) -> U64:
    """Bits of an entry for a page. The bits of Access are moved to their places, without branches."""
    bits = U64(U8(access))
    flags = bits & (WRITE | DEVICE) | (PRESENT | ACCESSED_DIRTY)
    flags = flags | (bits & (USED_BY_USER | DEVICE)) >> 1
    flags = flags | (bits & USED_BY_USER ^ USED_BY_USER) << 5 | (bits & EXECUTE ^ EXECUTE) << 61
    if level > 0:
        flags = flags | LARGE
    return flags


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
    """Where the way to an address ends: at the level asked for, at an entry that is absent, or at a larger page.

    `value` is what the entry of that level was; setting and clearing change the entry, not this copy of it.
    """

    entry: Ptr[U64]
    value: U64
    level: U64

    @property
    def present(self) -> bool:
        """Whether there is a page or a table."""
        return self.value & PRESENT != 0

    @property
    def is_table(self) -> bool:
        """Whether the entry leads to a table of smaller pages."""
        return self.level > 0 and self.value & (PRESENT | LARGE) == PRESENT

    @property
    def frame(self) -> PhysAddr:
        """What the entry points at."""
        return PhysAddr(self.value & ADDRESS_MASK)

    @property
    def is_writable(self) -> bool:
        """Whether the page may be written."""
        return self.value & WRITABLE != 0

    def set_page(self, frame: PhysAddr, access: Access) -> None:
        """Map a page. If something was mapped, the caller must invalidate its translation."""
        self.entry.value = frame.value | _flags(access, self.level)

    def set_table(self, frame: PhysAddr) -> None:
        """Go on to a zeroed table."""
        self.entry.value = frame.value | TABLE_FLAGS

    def clear(self) -> None:
        """Map nothing. The caller must invalidate the translation."""
        self.entry.value = U64(0)

    def restore(self) -> None:
        """What was cleared is mapped again."""
        self.entry.value = self.value

    def count_absent(self) -> U64:
        """How many entries are absent from this one, which is, to the next that is not, 32 at most: time is bounded."""
        entry = self.entry
        count = U64(0)
        while True:
            entry = entry.offset(1)
            count += 1
            if entry.address.value % PASSED_BYTES == 0 or entry.value & PRESENT != 0:
                return count


@struct
class PageTable:
    """The translations of one address space."""

    root: PhysAddr = zeroed()

    @fast
    @never_inlined
    def walk(self, address: VirtAddr, level: U64) -> Walk:
        """Go towards the entry of this level for an address."""
        table = self.root.value
        current = U64(KERNEL.top)
        # Turned, so that the index of the level at hand stands in the low bits, times 8.
        bits = address.value.rotate_left(U64(KERNEL.turn))
        while True:
            place = Ptr.at(U64, VirtAddr(table | DIRECT_BASE | bits & (511 * 8)))
            entry = place.value
            if current == level or entry & (PRESENT | LARGE) != PRESENT:
                return Walk(place, entry, current)
            table = entry & ADDRESS_MASK
            current = current - 1
            bits = bits.rotate_left(9)

    def invalidate(self, address: VirtAddr, level: U64) -> None:
        """Forget the translations under one entry of this level on this processor, if it uses these tables.

        On the others that do, `forget_translations` must run before what was mapped is used for anything else.
        """
        if cpu.page_table_root() == self.root.value:
            if level == 0:
                cpu.invalidate_page(address.value)
            else:
                # A table may have gone: all of its pages, and what the processor remembers of the table itself.
                cpu.load_page_table_root(self.root.value)

    def map_range(
        self, address: VirtAddr, frame: PhysAddr, length: U64, access: Access, frames: FrameSource, largest: U64
    ) -> None:
        """Map consecutive memory with the largest pages that fit, at most of level `largest`. Raises OutOfMemory."""
        done = U64(0)
        while done < length:
            level = _largest_level((address.value + done) | (frame.value + done), length - done, largest)
            place = self.walk(address.offset(done), level)
            if place.level == level:
                entry = place.entry
                size = page_bytes(level)
                # A larger page can begin only where this table ends.
                while True:
                    entry.value = (frame.value + done) | _flags(access, level)
                    entry = entry.offset(1)
                    done = done + size
                    if length - done < size or entry.address.value % PAGE_SIZE == 0:
                        break
            else:
                assert not place.present, "page already mapped by a larger one"
                place.set_table(frames.allocate_zeroed())

    @property
    def is_stale(self) -> bool:
        """Whether `activate` is not enough: never, as translations have no tags."""
        return False

    def renew(self) -> bool:
        """Get a tag. Whether all processors must change theirs: never."""
        return False

    def activate(self) -> None:
        """Make these the translations in use."""
        cpu.load_page_table_root(self.root.value)


def forget_translations() -> None:
    """Forget all translations of user memory on this processor."""
    cpu.load_page_table_root(cpu.page_table_root())


def begin_generation() -> None:
    """Address spaces have no tags: there are no generations of them."""


@struct
class KernelSpace:
    """The kernel half, shared by all address spaces, and what the processor knows.

    `largest`: level of the largest pages; `top`: of the root, whose index `turn` brings to where `walk` wants it.
    """

    pages: PageTable
    next_device: U64
    user_end: U64
    largest: U64
    top: U8
    turn: U8


KERNEL = place(
    KernelSpace(PageTable(PhysAddr(0)), U64(DEVICE_BASE), U64(layout.USER_END), U64(1), U8(TOP_LEVEL), U8(64 - 39 + 3)),
    symbol="kernel_space",
)


def user_end() -> U64:
    """Where the addresses end that programs may have."""
    return KERNEL.user_end


def largest_level() -> U64:
    """The largest pages that this processor knows: 1 for 2 MB, 2 for 1 GB."""
    return KERNEL.largest


def copy_kernel_half(root: PhysAddr) -> None:
    """Let a root table with an empty user half show the kernel."""
    table = _table(root)
    kernel = _table(KERNEL.pages.root)
    index = U64(FIRST_KERNEL_ENTRY)
    while index < ENTRIES:
        table.entries[index] = kernel.entries[index]
        index += 1
        if kernel.entries[index - 1] == 0:
            # The end of the direct map. Devices and the kernel have the last two.
            index = max(index, U64(ENTRIES - 2))


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
    if cpu.control_register_4() & CONTROL_4_WIDE != 0:
        KERNEL.user_end = U64(layout.WIDE_USER_END)
        KERNEL.top += 1
        KERNEL.turn -= 9
    KERNEL.pages.root = frames.allocate_zeroed()
    data = Access.READ | Access.WRITE
    # Tables of the firmware and the loader lie in the first megabyte.
    map_direct(U64(0), U64(LARGE_PAGE), frames)
    for index in U64.range(boot.count):
        map_direct(boot.ranges[index].start, boot.ranges[index].end, frames)
    # The loader may leave the module out of the ranges.
    map_direct(boot.module.value, boot.module.value + boot.module_length, frames)
    _map_image(TEXT_START.address, RODATA_START.address, Access.READ | Access.EXECUTE, frames)
    _map_image(RODATA_START.address, DATA_START.address, Access.READ, frames)
    _map_image(DATA_START.address, KERNEL_END.address, data, frames)
    KERNEL.pages.walk(TRAP_GUARD.address, U64(0)).clear()
    KERNEL.pages.walk(STACK_GUARD.address, U64(0)).clear()
    # Every later address space copies the kernel's root entries, so all that will be used must exist now.
    KERNEL.pages.map_range(VirtAddr(DEVICE_BASE), PhysAddr(0), U64(PAGE_SIZE), Access.READ, frames, U64(0))
    KERNEL.pages.walk(VirtAddr(DEVICE_BASE), U64(0)).clear()
    KERNEL.pages.activate()


def map_direct(start: U64, end: U64, frames: FrameSource) -> None:
    """Map memory for the kernel, rounded outwards to 2 MB; skips what ranges at both ends have mapped."""
    address = PhysAddr(start).align_down(LARGE_PAGE)
    limit = PhysAddr(end).align_up(LARGE_PAGE)
    while address < limit and KERNEL.pages.walk(direct(address), U64(1)).present:
        address = address.offset(LARGE_PAGE)
    while address < limit and KERNEL.pages.walk(direct(PhysAddr(limit.value - LARGE_PAGE)), U64(1)).present:
        limit = PhysAddr(limit.value - LARGE_PAGE)
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


def map_stacks(pages: U64, frames: FrameSource) -> VirtAddr:
    """Where new stacks of a processor end, with guard pages as those of the first one. So many pages follow, zeroed.

    Raises OutOfMemory.
    """
    for page in U64.range(GUARD_PAGES + TRAP_STACKS + GUARD_PAGES + STACK_PAGES + pages):
        if page != 0 and page != GUARD_PAGES + TRAP_STACKS:
            address = VirtAddr(KERNEL.next_device)
            access = Access.READ | Access.WRITE
            KERNEL.pages.map_range(address, frames.allocate_zeroed(), U64(PAGE_SIZE), access, frames, U64(0))
        KERNEL.next_device = KERNEL.next_device + PAGE_SIZE
    return VirtAddr(KERNEL.next_device - pages * PAGE_SIZE)
