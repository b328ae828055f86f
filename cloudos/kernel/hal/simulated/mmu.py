"""Page tables of four levels or five, of 512 entries each, in a format of this machine's own (see `board.py`).

The kernel half of every address space holds the direct map alone: the kernel's code and data lie outside physical
memory here. Levels count from 0 (pages of 4 KB) to 3 or 4, the root; a mapping of level n covers 4096 << (9 * n) bytes.
"""

from __future__ import annotations

from cloudos.abi.errors import OutOfMemory
from cloudos.kernel.hal.interface import Access, BootInformation, FrameSource
from cloudos.kernel.hal.simulated import board, cpu
from cloudos.lang import U64, PhysAddr, VirtAddr, struct, zeroed

__all__ = ["OutOfMemory"]

DIRECT_BASE = board.DIRECT_BASE
PAGE_SIZE = 4096
LARGE_PAGE = 2 << 20
FIRST_KERNEL_ENTRY = 256
LARGEST_LEVEL = 2
# Nobody invalidates the translations of another processor.
BROADCASTS = False
# 32 entries.
PASSED_BYTES = 256

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
    """How much memory an entry of this level, 4 at most, maps."""
    return U64(PAGE_SIZE).wrapping_shl(level.wrapping_mul(9) % 64)


def _place(table: int, address: int, level: int) -> int:
    """The physical address of the entry for an address."""
    return table + 8 * (address >> (12 + 9 * level) & 511)


def _write(place: int, entry: int) -> None:
    board.current().memory.write(place, 8, entry)


def _leaf(frame: int, access: Access) -> int:
    return frame | board.PRESENT | board.LEAF | sum(bit for flag, bit in BITS if flag in access)


def _level_for(low_bits: int, length: int, largest: int) -> int:
    """The level of the largest page that may start at addresses with these bits and is no longer than `length`."""
    sizes = [(level, PAGE_SIZE << (9 * level)) for level in range(largest + 1)]
    return max(level for level, size in sizes if level == 0 or (low_bits % size == 0 and length >= size))


def user_end() -> U64:
    """Where the addresses end that programs may have."""
    return U64(board.current().half - PAGE_SIZE)


def largest_level() -> U64:
    """The largest pages that this processor knows: 1 for 2 MB, 2 for 1 GB."""
    return U64(LARGEST_LEVEL)


@struct
class Walk:
    """Where the way to an address ends: at the level asked for, at an entry that is absent, or at a larger page.

    `value` is what the entry at `place` was; setting and clearing change the entry, not this copy of it.
    """

    place: PhysAddr
    value: U64
    level: U64

    @property
    def present(self) -> bool:
        """Whether there is a page or a table."""
        return bool(self.value & board.PRESENT != 0)

    @property
    def is_table(self) -> bool:
        """Whether the entry leads to a table of smaller pages."""
        return bool(self.value & (board.PRESENT | board.LEAF) == board.PRESENT)

    @property
    def frame(self) -> PhysAddr:
        """What the entry points at."""
        return PhysAddr(self.value & board.FRAME)

    @property
    def is_writable(self) -> bool:
        """Whether the page may be written."""
        return bool(self.value & board.WRITE != 0)

    def set_page(self, frame: PhysAddr, access: Access) -> None:
        """Map a page. If something was mapped, the caller must invalidate its translation."""
        _write(int(self.place.value), _leaf(int(frame.value), access))

    def set_table(self, frame: PhysAddr) -> None:
        """Go on to a zeroed table."""
        _write(int(self.place.value), int(frame.value) | board.PRESENT)

    def clear(self) -> None:
        """Map nothing. The caller must invalidate the translation."""
        _write(int(self.place.value), 0)

    def restore(self) -> None:
        """What was cleared is mapped again."""
        _write(int(self.place.value), int(self.value))

    def count_absent(self) -> U64:
        """How many entries are absent from this one, which is, to the next that is not, 32 at most: time is bounded."""
        place = int(self.place.value) + 8
        memory = board.current().memory
        behind = memory.content(place, -place % PASSED_BYTES)
        for count, entry in enumerate(memoryview(behind).cast("Q"), 1):
            if entry & board.PRESENT:
                return U64(count)
        return U64(1 + len(behind) // 8)


@struct
class PageTable:
    """The translations of one address space."""

    root: PhysAddr = zeroed()

    def walk(self, address: VirtAddr, level: U64) -> Walk:
        """Go towards the entry of this level for an address."""
        table, towards, last = int(self.root.value), int(address.value), int(level)
        current = board.current().levels - 1
        read = board.current().memory.read
        while True:
            place = _place(table, towards, current)
            entry = read(place, 8)
            if current == last or not entry & board.PRESENT or entry & board.LEAF:
                return Walk(PhysAddr(place), U64(entry), U64(current))
            table = entry & board.FRAME
            current -= 1

    def invalidate(self, address: VirtAddr, level: U64) -> None:
        """Forget the translations under one entry of this level on this processor, if it uses these tables."""
        if cpu.page_table_root() == self.root.value:
            if level == 0:
                cpu.invalidate_page(address.value)
            else:
                cpu.load_page_table_root(self.root.value)

    def map_range(
        self, address: VirtAddr, frame: PhysAddr, length: U64, access: Access, frames: FrameSource, largest: U64
    ) -> None:
        """Map consecutive memory with the largest pages that fit, at most of level `largest`. Raises OutOfMemory."""
        done = 0
        while done < int(length):
            virtual, physical = int(address.value) + done, int(frame.value) + done
            level = _level_for(virtual | physical, int(length) - done, int(largest))
            place = self.walk(VirtAddr(virtual), U64(level))
            if int(place.level) == level:
                place.set_page(PhysAddr(physical), access)
                done += PAGE_SIZE << (9 * level)
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
    board.current().translations.clear()


def begin_generation() -> None:
    """Address spaces have no tags: there are no generations of them."""


@struct
class KernelSpace:
    """The kernel half, shared by all address spaces."""

    pages: PageTable


KERNEL = KernelSpace(PageTable(PhysAddr(0)))


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
