"""What happens when a page is touched that is not mapped so.

Pages come into being here, and page tables are filled. Each call does a bounded part: long work, such as zeroing 2 MB,
takes several faults of the same access, between which interrupts are served.

Most faults are resolved without being alone in the kernel: where the space, the object and what they are paid from
belong to this processor (`Header.home`), or to one that it keeps out, and frames are at hand, or there. What clones
share is copied as `pages.py` says. What turns out to need more raises OutOfMemory, before anything is out of order, and
is tried again, visiting or alone. From then on all of that belongs to this processor.
"""

from __future__ import annotations

from enum import IntEnum

from cloudos.abi.errors import OutOfMemory, QuotaExceeded
from cloudos.kernel.hal import cpu, mmu, processors
from cloudos.kernel.hal.interface import PAGE_SIZE, Access
from cloudos.kernel.memory import address_space, heap, pages, regions
from cloudos.kernel.memory.frames import FRAMES
from cloudos.kernel.memory.structures import Memory, Region, Space
from cloudos.kernel.sched import requests
from cloudos.lang import U8, U64, PhysAddr, VirtAddr, enum, inlined, never_inlined

__all__ = ["OutOfMemory", "QuotaExceeded"]

BLOCK_BYTES = pages.BLOCK_BYTES


@enum(U8)
class Outcome(IntEnum):
    """What came of a page fault."""

    # The access is not allowed, or there is nothing.
    REFUSED = 0
    # The access may be tried again: it succeeds, or another step is done.
    RETRY = 1
    # Only the object's pager has the page.
    ASK = 2


def resolve_within_reach(space: Space, address: U64, write: bool, execute: bool) -> bool:
    """Supply a page, or do a step of it, without being alone in the kernel; False: another processor's word is wanted,
    or only whoever is alone can do it."""
    try:
        return resolve(space, address, write, execute, True) == Outcome.RETRY
    except (OutOfMemory, QuotaExceeded):
        return False


@never_inlined
def _settle(space: Space, memory: Memory) -> bool:
    """Whether this processor may resolve a fault. Then what that changes belongs to it."""
    FRAMES.put_by()
    return (
        requests.bring(space.header)
        and requests.bring(memory.header)
        and requests.bring_far(space.header.quota.value.header)
        and requests.bring_far(memory.header.quota.value.header)
    )


def resolve(space: Space, address: U64, write: bool, execute: bool, large: bool) -> Outcome:
    """Supply a page, in steps; with `large`, the 2 MB around it where that fits. Raises QuotaExceeded, OutOfMemory."""
    found = regions.at(space, address)
    if found.is_null():
        return Outcome.REFUSED
    region = found.value
    if (write and Access.WRITE not in region.access) or (execute and Access.EXECUTE not in region.access):
        return Outcome.REFUSED
    memory = region.memory.value
    if processors.are_several() and not _settle(space, memory):
        return Outcome.REFUSED
    if memory.base.value != 0:
        _show_run(space, region, memory, address)
        return Outcome.RETRY
    page = page_at(region, address)
    place = pages.find(memory, page, U64(0))
    if not place.exclusive and (write or place.entry == 0) and pages.copy_node(memory, page):
        return Outcome.RETRY
    if place.entry == 0:
        if not memory.pager.is_null():
            return Outcome.ASK
        if place.level == 0:
            _put(space, memory, address, pages.fill_slot(memory, place.slot), U64(0), region.access)
        elif not large or not _covers(region, address, U64(1)) or not _fill_block(memory, page):
            pages.own(memory, page, U64(0))
        return Outcome.RETRY
    access = region.access
    if not place.exclusive:
        if write:
            if address_space.sweep(memory, page, page + 1):
                _put(space, memory, address, pages.make_exclusive(memory, page), U64(0), access)
            return Outcome.RETRY
        access = access & ~Access.WRITE
    elif large and _covers(region, address, U64(1)):
        block = pages.block_at(memory, page)
        if block.value != 0:
            _put(space, memory, address, block, U64(1), access)
            return Outcome.RETRY
    _put(space, memory, address, place.frame, U64(0), access)
    return Outcome.RETRY


@inlined
def page_at(region: Region, address: U64) -> U64:
    """The page of the object that a region shows at an address."""
    return _offset_at(region, address) // PAGE_SIZE


@inlined
def _offset_at(region: Region, address: U64) -> U64:
    """Where in the object that is. Both lie in the region, and it in the object, so nothing overflows."""
    return region.offset.wrapping_add(address.wrapping_sub(region.start))


def _fill_block(memory: Memory, page: U64) -> bool:
    """Do a part of making the 2 MB around an absent page; whether it is or was possible."""
    return pages.block_step(memory, page) or pages.find(memory, page, U64(0)).entry != 0


@never_inlined
def _covers(region: Region, address: U64, level: U64) -> bool:
    """Whether a page of this level fits into the region here, at the same place in the object."""
    size = mmu.page_bytes(level)
    below = size.wrapping_sub(1)
    start = address & ~below
    fits = start >= region.start and region.end.wrapping_sub(start) >= size
    return fits and _offset_at(region, start) & below == 0


@never_inlined
def _put(space: Space, memory: Memory, address: U64, frame: PhysAddr, level: U64, access: Access) -> None:
    """Map a page of this level, in place of what was there. Raises QuotaExceeded, OutOfMemory."""
    memory.sweeping = False
    table = space.pages
    walk = table.walk(VirtAddr(address), level)
    while walk.level != level:
        if walk.present:
            # A larger page is in the way; whatever else it shows is mapped again when touched.
            _replace(space, walk, address)
        walk.set_table(heap.allocate_frame(space.header.quota.value))
        walk = table.walk(VirtAddr(address), level)
    if walk.present:
        _replace(space, walk, address)
    walk.set_page(frame, access | Access.USER)


def _replace(space: Space, walk: mmu.Walk, address: U64) -> None:
    """Before another entry takes its place: no processor may find two different ones for an address.

    Raises OutOfMemory where this processor would have to be alone.
    """
    if not address_space.take_away(space, walk, address):
        raise OutOfMemory


@never_inlined
def _show_run(space: Space, region: Region, memory: Memory, address: U64) -> None:
    """Map frames that follow one another, with the largest page that fits."""
    level = mmu.largest_level()
    offset = page_at(region, address) * PAGE_SIZE
    while level > 0:
        if _covers(region, address, level) and memory.base.is_aligned(mmu.page_bytes(level)):
            break
        level -= 1
    access = region.access | Access.DEVICE if memory.uncached else region.access
    frame = memory.base.offset(offset // mmu.page_bytes(level) * mmu.page_bytes(level))
    _put(space, memory, address, frame, level, access)


def prepare_run(memory: Memory) -> bool:
    """Zero a part of a run; whether all of it is ready."""
    if memory.ready < memory.length:
        count = min(memory.length - memory.ready, U64(pages.ZERO_STEP))
        cpu.zero(mmu.direct(memory.base.offset(memory.ready * PAGE_SIZE)), count * PAGE_SIZE)
        memory.ready += count
    return memory.ready == memory.length
