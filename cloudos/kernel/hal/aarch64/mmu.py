"""Page tables of four levels with pages of 4 KB: Arm Architecture Reference Manual (DDI 0487), chapter D8.

TTBR1, kernel addresses, shared by all address spaces:
- the direct map, where all memory appears, writable, never executable;
- the window for devices, uncached;
- the kernel image: text read and execute, constants read, data read and write.
TTBR0, user addresses: one set of tables per process, whose translations are tagged with its ASID.

Levels count from 0 (pages of 4 KB) to 3 (the root); a mapping of level n covers 4096 << (9 * n) bytes.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import layout
from cloudos.abi.errors import OutOfMemory
from cloudos.kernel.hal.aarch64 import cpu
from cloudos.kernel.hal.aarch64.boot import KERNEL_BASE
from cloudos.kernel.hal.aarch64.processor import DATA_PAGE, GUARD_PAGE, OVERFLOW_PAGE, OWN, PLACE_BYTES, PLACES
from cloudos.kernel.hal.interface import Access, BootInformation, FrameSource
from cloudos.kernel.hal.shared.direct import DIRECT_BASE, direct, direct_to_physical
from cloudos.lang import (
    U8,
    U64,
    Array,
    LinkerSymbol,
    PhysAddr,
    Ptr,
    VirtAddr,
    inlined,
    never_inlined,
    place,
    struct,
    zeroed,
)

__all__ = ["DIRECT_BASE", "OutOfMemory", "direct", "direct_to_physical"]

DEVICE_BASE = 0xFFFF_FF00_0000_0000
PAGE_SIZE = 4096
LARGE_PAGE = 2 << 20
ENTRIES = 512
# 32 entries.
PASSED_BYTES = 256
TOP_LEVEL = 3
LARGEST_LEVEL = 2

VALID = 1
# At level 0 it is a page, above a table and not a larger page.
TABLE = 1 << 1
# Attribute 1 of those that the boot code has set; 0 is a device.
MEMORY = 1 << 2
READ_ONLY = 1 << 7
SHARED_ACCESSED = 7 << 8
KERNEL_NO_EXECUTE = 1 << 53
USER_NO_EXECUTE = 1 << 54
# Indirect branches may lead only to instructions that say so, where the processor has FEAT_BTI (DDI 0487, D8.4).
GUARDED = 1 << 50
ADDRESS_MASK = 0x0000_FFFF_FFFF_F000
TABLE_FLAGS = VALID | TABLE
DEVICE_FLAGS = VALID | SHARED_ACCESSED | KERNEL_NO_EXECUTE | USER_NO_EXECUTE
ASID_SHIFT = 48
ASID_MASK = 0xFFFF << ASID_SHIFT
# All processors have 8 bits of them, and those that say so in this bit of TCR_EL1, 16.
LAST_ASID = 255
WIDE_ASIDS = 36
# Invalidating reaches all processors.
BROADCASTS = True

TEXT_START = LinkerSymbol("kernel_text_start")
RODATA_START = LinkerSymbol("kernel_rodata_start")
DATA_START = LinkerSymbol("kernel_data_start")
KERNEL_END = LinkerSymbol("kernel_end")
STACK_GUARD = LinkerSymbol("kernel_stack_guard")
BOOT_TABLES = LinkerSymbol("boot_tables")
BOOT_FACTS = LinkerSymbol("boot_facts")


@struct(align=4096)
class Table:
    """One page table."""

    entries: Array[U64, Literal[512]] = zeroed()


@struct
class BootFacts:
    """What the boot code leaves: physical addresses of the device tree, and of what stands at KERNEL_BASE."""

    tree: PhysAddr
    base: PhysAddr


def boot_facts() -> BootFacts:
    """Where things lie."""
    return Ptr.at(BootFacts, BOOT_FACTS.address).value


def image_address(address: VirtAddr) -> PhysAddr:
    """Where a part of the kernel lies in memory."""
    return boot_facts().base.offset(address.value - KERNEL_BASE)


def page_bytes(level: U64) -> U64:
    """How much memory an entry of this level, 4 at most, maps."""
    return U64(PAGE_SIZE).wrapping_shl(level.wrapping_mul(9) % 64)


WRITE, EXECUTE, USED_BY_USER, DEVICE = (int(bit) for bit in (Access.WRITE, Access.EXECUTE, Access.USER, Access.DEVICE))


def _flags(access: Access, level: U64) -> U64:
    """Bits of an entry for a page. The bits of Access are moved to their places."""
    bits = U64(U8(access))
    flags = (bits & DEVICE ^ DEVICE) >> 2 | (bits & WRITE ^ WRITE) << 6 | (VALID | SHARED_ACCESSED | GUARDED)
    closed = bits & EXECUTE ^ EXECUTE
    if bits & USED_BY_USER != 0:
        # User pages are reached by programs, and tagged.
        flags = flags | (1 << 6 | 1 << 11 | KERNEL_NO_EXECUTE) | closed << 52
    else:
        flags = flags | USER_NO_EXECUTE | closed << 51
    if level == 0:
        flags = flags | TABLE
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
        return self.value & VALID != 0

    @property
    def is_table(self) -> bool:
        """Whether the entry leads to a table of smaller pages."""
        return self.level > 0 and self.value & TABLE_FLAGS == TABLE_FLAGS

    @property
    def frame(self) -> PhysAddr:
        """What the entry points at."""
        return PhysAddr(self.value & ADDRESS_MASK)

    @property
    def is_writable(self) -> bool:
        """Whether the page may be written."""
        return self.value & READ_ONLY == 0

    def set_page(self, frame: PhysAddr, access: Access) -> None:
        """Map a page. If something was mapped, the caller must have invalidated its translation."""
        if Access.EXECUTE in access:
            cpu.synchronize_code(direct(frame), page_bytes(self.level))
        # Whoever finds the entry finds what the page holds.
        cpu.publish_tables()
        self.entry.value = frame.value | _flags(access, self.level)
        cpu.publish_tables()

    def set_table(self, frame: PhysAddr) -> None:
        """Go on to a zeroed table."""
        cpu.publish_tables()
        self.entry.value = frame.value | TABLE_FLAGS

    def clear(self) -> None:
        """Map nothing. The caller must invalidate the translation."""
        self.entry.value = U64(0)

    def restore(self) -> None:
        """What was cleared is mapped again."""
        self.entry.value = self.value
        cpu.publish_tables()

    def count_absent(self) -> U64:
        """How many entries are absent from this one, which is, to the next that is not, 32 at most: time is bounded."""
        entry = self.entry
        count = U64(0)
        while True:
            entry = entry.offset(1)
            count += 1
            if entry.address.value % PASSED_BYTES == 0 or entry.value & VALID != 0:
                return count


@struct
class Tags:
    """The ASIDs, of which 0 is the empty user half's. In a generation each is given out once."""

    generation: U64 = U64(1)
    latest: U64 = U64(0)
    last: U64 = U64(LAST_ASID)


TAGS = place(Tags())


@struct
class PageTable:
    """The translations of one address space. `loaded`: what TTBR0 gets, root and ASID, in this generation of ASIDs."""

    root: PhysAddr = zeroed()
    generation: U64 = U64(0)
    loaded: U64 = U64(0)

    @never_inlined
    def walk(self, address: VirtAddr, level: U64) -> Walk:
        """Go towards the entry of this level for an address."""
        table = self.root.value
        current = U64(TOP_LEVEL)
        # Turned, so that the index of the level at hand stands in the low bits, times 8.
        bits = address.value.rotate_left(64 - 39 + 3)
        while True:
            place = Ptr.at(U64, VirtAddr((table | DIRECT_BASE) + (bits & (511 * 8))))
            entry = place.value
            if current == level or entry & TABLE_FLAGS != TABLE_FLAGS:
                return Walk(place, entry, current)
            table = entry & ADDRESS_MASK
            current = current - 1
            bits = bits.rotate_left(9)

    def invalidate(self, address: VirtAddr, level: U64) -> None:
        """Forget the translations under one entry of this level, on every processor that may hold them.

        It returns when no processor uses the old translations any more: the hardware tells the others.
        """
        tag = self.loaded & ASID_MASK
        if level == 0:
            cpu.invalidate_page(tag | (address.value >> 12) & 0xFFF_FFFF_FFFF)
        else:
            # A table may have gone: all of its pages, and what the processor remembers of the table itself.
            cpu.invalidate_space(tag)

    def map_range(
        self, address: VirtAddr, frame: PhysAddr, length: U64, access: Access, frames: FrameSource, largest: U64
    ) -> None:
        """Map consecutive memory with the largest pages that fit, at most of level `largest`. Raises OutOfMemory."""
        done = U64(0)
        while done < length:
            level = _largest_level((address.value + done) | (frame.value + done), length - done, largest)
            place = self.walk(address.offset(done), level)
            if place.level == level:
                place.entry.value = (frame.value + done) | _flags(access, level)
                done = done + page_bytes(level)
            else:
                assert not place.present, "page already mapped by a larger one"
                place.set_table(frames.allocate_zeroed())

    @property
    def is_stale(self) -> bool:
        """Whether it needs `renew` in place of `activate`."""
        return self.generation != TAGS.generation

    @inlined
    def activate(self) -> None:
        """Make these the translations in use."""
        cpu.load_user_root(self.loaded)

    @never_inlined
    def renew(self) -> bool:
        """Get an ASID that nobody has in this generation, and use it. Whether a generation has begun with that."""
        TAGS.latest = TAGS.latest + 1
        begins = TAGS.latest > TAGS.last
        if begins:
            TAGS.latest = U64(1)
            TAGS.generation = TAGS.generation + 1
        self.generation = TAGS.generation
        self.loaded = self.root.value | TAGS.latest << ASID_SHIFT
        cpu.load_user_root(self.loaded)
        return begins


def forget_translations() -> None:
    """`PageTable.invalidate` has told all processors; but the ASID in use here may be of an old generation."""
    if OWN.pages.value != 0:
        pages = Ptr.at(PageTable, OWN.pages).value
        if pages.is_stale:
            pages.renew()


def begin_generation() -> None:
    """All processors use ASIDs of this generation: forget what is tagged with old ones."""
    cpu.synchronize()
    cpu.invalidate_all()


@struct
class NoUserSpace:
    """An empty user half: what is in use while no process is. Has the one method that generic code calls."""

    root: PhysAddr = zeroed()

    def activate(self) -> None:
        """Nothing can be reached at user addresses, from now on. No ASID is 0."""
        cpu.load_user_root(self.root.value)
        cpu.synchronize()


@struct
class KernelSpace:
    """`pages`: the empty user half; `tables`: the translations of kernel addresses. A processor begins with both."""

    pages: NoUserSpace
    tables: PageTable
    next_device: U64


KERNEL = place(KernelSpace(NoUserSpace(PhysAddr(0)), PageTable(PhysAddr(0)), U64(DEVICE_BASE)), symbol="kernel_space")


def user_end() -> U64:
    """Where the addresses end that programs may have."""
    return U64(layout.USER_END)


def largest_level() -> U64:
    """The largest pages that this processor knows: 1 for 2 MB, 2 for 1 GB."""
    return U64(LARGEST_LEVEL)


def copy_kernel_half(root: PhysAddr) -> None:
    """Kernel addresses have tables of their own."""


def _map_image(start: VirtAddr, end: VirtAddr, access: Access, frames: FrameSource) -> None:
    KERNEL.tables.map_range(start, image_address(start), end.distance(start), access, frames, U64(0))


def start(boot: BootInformation, frames: FrameSource) -> None:
    """Build the kernel's translations and use them; of the boot tables the devices' stay. Raises OutOfMemory.

    Frames used here must lie in the gigabytes that the boot tables map.
    """
    tables = KERNEL.tables
    tables.root = frames.allocate_zeroed()
    data = Access.READ | Access.WRITE
    for index in U64.range(boot.count):
        _map_direct(boot.ranges[index].start, boot.ranges[index].end, frames)
    _map_direct(boot.module.value, boot.module.value + boot.module_length, frames)
    _map_image(TEXT_START.address, RODATA_START.address, Access.READ | Access.EXECUTE, frames)
    _map_image(RODATA_START.address, DATA_START.address, Access.READ, frames)
    _map_image(DATA_START.address, KERNEL_END.address, data, frames)
    tables.walk(STACK_GUARD.address, U64(0)).clear()
    tables.walk(VirtAddr(DEVICE_BASE), U64(TOP_LEVEL)).set_table(
        image_address(BOOT_TABLES.address).offset(4 * PAGE_SIZE)
    )
    KERNEL.pages.root = frames.allocate_zeroed()
    cpu.publish_tables()
    cpu.load_kernel_root(tables.root.value)
    KERNEL.pages.activate()
    cpu.forbid_writable_code()


def _map_direct(start: U64, end: U64, frames: FrameSource) -> None:
    """Map memory for the kernel, rounded outwards to 2 MB; skips what ranges at both ends have mapped."""
    address = PhysAddr(start).align_down(LARGE_PAGE)
    limit = PhysAddr(end).align_up(LARGE_PAGE)
    tables = KERNEL.tables
    while address < limit and tables.walk(direct(address), U64(1)).present:
        address = address.offset(LARGE_PAGE)
    while address < limit and tables.walk(direct(PhysAddr(limit.value - LARGE_PAGE)), U64(1)).present:
        limit = PhysAddr(limit.value - LARGE_PAGE)
    if address < limit:
        length = limit.distance(address)
        tables.map_range(direct(address), address, length, Access.READ | Access.WRITE, frames, U64(LARGEST_LEVEL))


def map_device(frame: PhysAddr, length: U64) -> VirtAddr:
    """Map registers of a device, uncached, for the kernel's use. Works from the first instruction of the kernel on.

    The window is one table of 2 MB blocks, a part of the kernel, in which each mapping takes the blocks it needs.
    """
    window = Ptr.at(Table, BOOT_TABLES.address.offset(5 * PAGE_SIZE)).value
    first = frame.align_down(LARGE_PAGE)
    address = KERNEL.next_device + frame.distance(first)
    while first < frame.offset(length):
        window.entries[(KERNEL.next_device - DEVICE_BASE) // LARGE_PAGE] = first.value | DEVICE_FLAGS
        first = first.offset(LARGE_PAGE)
        KERNEL.next_device = KERNEL.next_device + LARGE_PAGE
    cpu.publish_tables()
    return VirtAddr(address)


def map_place(number: U64, pages: U64, frames: FrameSource) -> VirtAddr:
    """Map a processor's stacks, and so many pages for its data, zeroed: where those are. Raises OutOfMemory."""
    place = VirtAddr(PLACES + number * PLACE_BYTES)
    for page in U64.range(OVERFLOW_PAGE, DATA_PAGE + pages):
        if page != GUARD_PAGE:
            address = place.offset(page * PAGE_SIZE)
            access = Access.READ | Access.WRITE
            KERNEL.tables.map_range(address, frames.allocate_zeroed(), U64(PAGE_SIZE), access, frames, U64(0))
    cpu.publish_tables()
    cpu.synchronize()
    return place.offset(DATA_PAGE * PAGE_SIZE)
