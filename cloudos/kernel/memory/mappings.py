"""Regions in page tables: entries made when pages are touched, and taken away in bounded steps."""

from __future__ import annotations

from cloudos.abi.errors import OutOfMemory, QuotaExceeded
from cloudos.kernel.hal import cpu, mmu
from cloudos.kernel.hal.interface import PAGE_SIZE, Access
from cloudos.kernel.memory import heap
from cloudos.kernel.memory.frames import FRAMES
from cloudos.kernel.memory.pages import promised_frame
from cloudos.kernel.memory.structures import Memory, Region, Space, Sweep
from cloudos.lang import U64, PhysAddr, Ptr, VirtAddr, never_inlined

__all__ = ["OutOfMemory", "QuotaExceeded"]

# Entries of page tables looked at, and tables freed, between preemption points.
STEP = 64
PRUNE_STEP = 16
TABLE_LEVELS = 3


def tables_for(start: U64, end: U64) -> U64:
    """How many page tables, the root not counted, [start, end) may need."""
    total = U64(0)
    for level in U64.range(1, TABLE_LEVELS + 1):
        size = mmu.page_bytes(level)
        total += (end - 1) // size - start // size + 1
    return total


def reserve_tables(region: Region, count: U64) -> None:
    """Pay for page tables that will be needed. Raises QuotaExceeded, OutOfMemory."""
    heap.FAILURES.check()
    quota = region.space.value.header.quota.value
    quota.charge(count * PAGE_SIZE)
    try:
        FRAMES.promise(count)
    except OutOfMemory:
        quota.refund(count * PAGE_SIZE)
        raise
    region.spare += count


@never_inlined
def claim_tables(region: Region, address: U64, level: U64) -> U64:
    """Make sure that `put` has the tables that it needs; how many frames were claimed for it just now.

    Raises QuotaExceeded, OutOfMemory, having changed nothing.
    """
    needed = region.space.value.pages.walk(VirtAddr(address), level).level - level
    if needed <= region.spare:
        return U64(0)
    claimed = needed - region.spare
    reserve_tables(region, claimed)
    return claimed


@never_inlined
def unclaim_tables(region: Region, count: U64) -> None:
    """Give frames back that `claim_tables` claimed and nobody used."""
    region.spare -= count
    FRAMES.withdraw(count)
    region.space.value.header.quota.value.refund(count * PAGE_SIZE)


def drop_spare(region: Region) -> None:
    """Give back what was paid for tables and not used."""
    unclaim_tables(region, region.spare)


def _table_frame(region: Region) -> PhysAddr:
    """A zeroed frame for a page table, which was claimed."""
    frame = promised_frame()
    region.spare -= 1
    region.space.value.tables += 1
    cpu.zero(mmu.direct(frame), U64(PAGE_SIZE))
    return frame


@never_inlined
def put(region: Region, address: U64, frame: PhysAddr, level: U64, access: Access) -> None:
    """Map one page of a region, in place of what was there. The tables have been claimed."""
    table = region.space.value.pages
    walk = table.walk(VirtAddr(address), level)
    while walk.level != level:
        if walk.present:
            # A larger page is in the way; whatever else it showed will be mapped again when touched.
            walk.clear()
            table.invalidate(VirtAddr(address), walk.level)
        walk.set_table(_table_frame(region))
        walk = table.walk(VirtAddr(address), level)
    walk.set_page(frame, access | Access.USER)
    if walk.present:
        table.invalidate(VirtAddr(address), level)


def put_free(region: Region, address: U64, frame: PhysAddr, access: Access) -> bool:
    """Map a small page if nothing is mapped there and the tables for it exist; whether that was so."""
    walk = region.space.value.pages.walk(VirtAddr(address), U64(0))
    if walk.level != 0 or walk.present:
        return False
    walk.set_page(frame, access | Access.USER)
    return True


@never_inlined
def accepts(region: Region, address: U64, level: U64) -> bool:
    """Whether a page of this level may be put here: the region covers it, and there are no smaller ones."""
    size = mmu.page_bytes(level)
    start = address // size * size
    if start < region.start or region.end < size or start > region.end - size:
        return False
    return not region.space.value.pages.walk(VirtAddr(address), level).is_table


def clear_some(region: Region, address: U64, end: U64, kind: Sweep) -> U64:
    """Take away the page at `address`, or only the right to write it, or skip what is absent.

    Returns the address after it, at most `end`.
    """
    table = region.space.value.pages
    walk = table.walk(VirtAddr(address), U64(0))
    size = mmu.page_bytes(walk.level)
    if walk.present:
        if kind == Sweep.UNMAPPED:
            walk.clear()
            table.invalidate(VirtAddr(address), walk.level)
        elif walk.is_writable:
            walk.forbid_writing()
            table.invalidate(VirtAddr(address), walk.level)
    return min((address // size + 1) * size, end)


def clear_step(region: Region, end: U64) -> bool:
    """Take away mappings from `region.cursor` on; True when that has come to `end`."""
    for _ in U64.range(STEP):
        if region.cursor >= end:
            return True
        region.cursor = clear_some(region, region.cursor, end, Sweep.UNMAPPED)
    return region.cursor >= end


# All mappings of some pages of an object


def sweep(memory: Memory, kind: Sweep, first: U64, end: U64) -> bool:
    """Take the pages [first, end) away from all mappings, or the right to write them, in steps.

    True when all is done; until the next page fault nothing of it comes back. False: call again. One sweep runs at a
    time; another one that is under way is helped first.
    """
    if memory.regions.is_null():
        return True
    if memory.sweep == Sweep.NONE:
        memory.sweep = kind
        memory.sweep_first = first
        memory.sweep_end = end
        memory.sweep_page = first
        memory.sweep_region = memory.regions
    wanted = memory.sweep == kind and memory.sweep_first == first and memory.sweep_end == end
    return sweep_step(memory) and wanted


def sweep_step(memory: Memory) -> bool:
    """Go on with the sweep that is under way; True when it is over."""
    for _ in U64.range(STEP):
        if memory.sweep_region.is_null():
            memory.sweep = Sweep.NONE
            return True
        region = memory.sweep_region.value
        base = region.offset // PAGE_SIZE
        low = max(memory.sweep_page, base)
        high = min(memory.sweep_end, base + (region.end - region.start) // PAGE_SIZE)
        if low >= high:
            _next_region(memory)
        else:
            address = region.start + (low - base) * PAGE_SIZE
            limit = region.start + (high - base) * PAGE_SIZE
            reached = clear_some(region, address, limit, memory.sweep)
            memory.sweep_page = base + (reached - region.start) // PAGE_SIZE
    return False


def _next_region(memory: Memory) -> None:
    memory.sweep_region = memory.sweep_region.value.next_mapping
    memory.sweep_page = memory.sweep_first


def leave_sweep(memory: Memory, region: Ptr[Region]) -> None:
    """The region goes: a sweep must not stand at it."""
    if memory.sweep_region == region:
        _next_region(memory)


# Page tables that nobody needs


def prune_step(space: Space, start: U64, low: U64, high: U64, end: U64) -> U64:
    """Free page tables for [start, end) that lie in [low, high), where no region is. Where to go on; `end`: done."""
    address = start
    for _ in U64.range(PRUNE_STEP):
        if address >= end:
            break
        walk = space.pages.walk(VirtAddr(address), U64(0))
        size = mmu.page_bytes(max(walk.level, U64(1)))
        address = min((address // size + 1) * size, end)
        for level in U64.range(1, TABLE_LEVELS + 1):
            _prune(space, address - 1, level, low, high, address == end)
    return address


def _prune(space: Space, address: U64, level: U64, low: U64, high: U64, last: bool) -> None:
    """Free the table that an entry of this level names, once the walk has passed it, if nothing else needs it."""
    size = mmu.page_bytes(level)
    first = address // size * size
    if (not last and address + 1 != first + size) or first < low or high - first < size:
        return
    walk = space.pages.walk(VirtAddr(address), level)
    if walk.level == level and walk.is_table:
        frame = walk.frame
        walk.clear()
        space.pages.invalidate(VirtAddr(address), level)
        heap.free_frame(space.header.quota.value, frame)
        space.tables -= 1
