"""Address spaces: memory objects shown in ordered regions.

Contract. Regions never overlap, and none allows both write and execute. Page tables are filled when pages are touched
(`page_faults.py`), so they never say more than the regions do. Operations whose work grows with the number of pages
are steps: they return the address that they came to, and are called again from there.
"""

from __future__ import annotations

from cloudos.abi import layout
from cloudos.abi.errors import BadArgument, Denied, OutOfMemory, QuotaExceeded
from cloudos.abi.objects import Rights
from cloudos.kernel.hal import mmu
from cloudos.kernel.hal.interface import PAGE_SIZE, Access
from cloudos.kernel.memory import heap, pages, regions
from cloudos.kernel.memory.structures import Memory, Region, Space
from cloudos.kernel.objects import cleanup
from cloudos.kernel.objects.header import Header
from cloudos.kernel.sched import requests
from cloudos.lang import U64, Ptr, VirtAddr, never_inlined, null

__all__ = ["OutOfMemory", "QuotaExceeded"]

# Entries of page tables looked at between preemption points.
STEP = 4
# The end of a space is a part of other system calls, of which several steps are done at once.
CLOSE_STEP = 2
LARGE_PAGE = layout.LARGE_PAGE_SIZE


@never_inlined
def check_range(start: U64, length: U64) -> None:
    """BadArgument unless these are whole pages of user space."""
    if (start | length) % PAGE_SIZE != 0 or length == 0 or start < layout.USER_START:
        raise BadArgument
    end = mmu.user_end()
    if start > end or length > end - start:
        raise BadArgument


def access_of(bits: U64) -> Access:
    """What a caller asks for: 1 read, 2 write, 4 execute. BadArgument: no read, or both write and execute."""
    if bits & 1 == 0 or bits > 5:
        raise BadArgument
    access = Access.READ
    if bits & 2 != 0:
        access = access | Access.WRITE
    if bits & 4 != 0:
        access = access | Access.EXECUTE
    return access


def check_access(access: Access, rights: Rights) -> None:
    """Denied unless the rights to an object allow it to be seen so."""
    if Rights.READ not in rights or (Access.WRITE in access and Rights.WRITE not in rights):
        raise Denied
    if Access.EXECUTE in access and Rights.EXECUTE not in rights:
        raise Denied


@never_inlined
def map(
    space: Space, memory: Ptr[Memory], rights: Rights, start: U64, offset: U64, length: U64, access: Access
) -> None:
    """Show [offset, offset + length) of an object at `start`, all in bytes; continues the region before if it can.

    BadArgument: not whole pages, outside user space or the object, or overlapping. Raises QuotaExceeded, OutOfMemory.
    """
    check_range(start, length)
    first = offset // PAGE_SIZE
    limit = memory.value.length
    if offset % PAGE_SIZE != 0 or first > limit or length // PAGE_SIZE > limit - first:
        raise BadArgument
    index = regions.find(space, start)
    if index < space.count and space.regions.value.at[index].value.start < start + length:
        raise BadArgument
    if index > 0:
        before = space.regions.value.at[index - 1].value
        same = before.memory == memory and before.access == access and before.rights == rights
        if same and before.end == start and before.offset + (before.end - before.start) == offset:
            before.end = start + length
            return
    nothing: Ptr[Region] = null()
    region = Region(start, start + length, offset, access, rights, memory, Ptr.to(space), nothing, nothing)
    regions.add(space, region)


@never_inlined
def clear(space: Space, address: U64, end: U64) -> U64:
    """Take one entry of [address, end) out of the page tables, a whole table where that is all of it.

    Returns where to go on: absent entries that follow in the same table are passed. `address`: see `take_away`.
    """
    level = U64(1) if address % LARGE_PAGE == 0 and end - address >= LARGE_PAGE else U64(0)
    walk = space.pages.walk(VirtAddr(address), level)
    if walk.present and not take_away(space, walk, address):
        return address
    size = mmu.page_bytes(walk.level)
    return min((address // size + walk.count_absent()) * size, end)


@never_inlined
def take_away(space: Space, walk: mmu.Walk, address: U64) -> bool:
    """Take an entry out of the page tables; no processor finds any more what it stood for.

    False, and it is still there: somebody out of reach uses the page tables, or a table goes with it and others may.
    """
    is_table = walk.is_table
    if not requests.is_alone() and (is_table or not requests.reaches(space.header.home)):
        return False
    walk.clear()
    space.pages.invalidate(VirtAddr(address), walk.level)
    if not requests.forget(space.pages):
        walk.restore()
        return False
    if is_table:
        heap.free_frame(space.header.quota.value, walk.frame)
    return True


@never_inlined
def clear_step(space: Space, address: U64, end: U64) -> U64:
    """`clear` so many entries; the address that it came to."""
    for _ in U64.range(STEP):
        if address >= end:
            break
        address = clear(space, address, end)
    return address


def unmap_step(space: Space, start: U64, end: U64) -> U64:
    """Take away what is mapped at the beginning of [start, end); the address that it came to.

    Pages of `memory_map` are given back: nobody else can reach them. Raises QuotaExceeded, OutOfMemory when a region
    would have to be split and cannot; then nothing has changed.
    """
    regions.split(space, start)
    index = regions.find(space, start)
    if index == space.count:
        return end
    region = space.regions.value.at[index].value
    if region.start >= end:
        return end
    reached = clear_step(space, region.start, min(end, region.end))
    if region.memory == space.program:
        first = region.offset // PAGE_SIZE
        last = first + (reached - region.start) // PAGE_SIZE
        count = pages.release_step(region.memory.value, first, last, False) - first
        pages.unreserve(region.memory.value, count)
        reached = region.start + count * PAGE_SIZE
    if reached >= region.end:
        regions.remove(space, index)
    else:
        region.offset += reached - region.start
        region.start = reached
    return reached


def check_protect(space: Space, start: U64, end: U64, access: Access) -> None:
    """BadArgument unless regions cover [start, end). Denied unless their objects may be seen so."""
    address = start
    while address < end:
        region = regions.at(space, address)
        if region.is_null():
            raise BadArgument
        check_access(access, region.value.rights)
        address = region.value.end


def protect_step(space: Space, start: U64, end: U64, access: Access) -> U64:
    """Change what may be done at the beginning of [start, end), which is mapped; the address that it came to.

    Raises QuotaExceeded, OutOfMemory when a region would have to be split and cannot; then nothing has changed.
    """
    region = regions.at(space, start)
    if region.value.access != access:
        count = space.count
        regions.split(space, end)
        try:
            regions.split(space, start)
        except (OutOfMemory, QuotaExceeded):
            if space.count > count:
                regions.join(space, end)
            raise
        region = regions.at(space, start)
        region.value.access = access
    # Pages are mapped with the new access when they are touched again.
    return clear_step(space, start, min(end, region.value.end))


# All mappings of some pages of an object


def sweep(memory: Memory, first: U64, end: U64) -> bool:
    """Take the pages [first, end) out of all page tables, in steps: True when none of them is mapped now.

    False: call again. When one of the object's pages is mapped meanwhile, it begins again; nobody waits for that long,
    because it is done again at once, and one turn of a thread is enough for thousands of mappings. Raises OutOfMemory
    where this processor would have to be alone.
    """
    if not memory.sweeping or memory.sweep_first != first or memory.sweep_end != end:
        memory.sweeping = True
        memory.sweep_first = first
        memory.sweep_end = end
        memory.sweep_page = first
        memory.sweep_region = memory.regions
    for _ in U64.range(STEP):
        if memory.sweep_region.is_null():
            memory.sweeping = False
            return True
        _sweep_one(memory, memory.sweep_region.value)
    return False


def _sweep_one(memory: Memory, region: Region) -> None:
    """Take one entry out of one region, or go to the next."""
    base = region.offset // PAGE_SIZE
    low = max(memory.sweep_page, base)
    high = min(memory.sweep_end, base + (region.end - region.start) // PAGE_SIZE)
    if low >= high:
        memory.sweep_region = region.next
        memory.sweep_page = memory.sweep_first
        return
    address = region.start + (low - base) * PAGE_SIZE
    reached = clear(region.space.value, address, region.start + (high - base) * PAGE_SIZE)
    if reached == address:
        raise OutOfMemory
    memory.sweep_page = base + (reached - region.start) // PAGE_SIZE


# The end


def close_step(space: Space) -> bool:
    """Give back some pages or a region, or some page tables, at last the others; whether nothing is left.

    The space is not in use. Objects that only it refers to are emptied first, so that they end with it.
    """
    if space.count > 0:
        region = space.regions.value.at[space.count - 1].value
        if _is_empty(region.memory):
            regions.remove(space, space.count - 1)
        return False
    if not space.program.is_null():
        if _is_empty(space.program):
            cleanup.drop(space.program.cast(Header))
            space.program = null()
        return False
    # The last table is a whole one.
    end = mmu.user_end() + PAGE_SIZE
    for _ in U64.range(CLOSE_STEP):
        if space.cursor >= end:
            return True
        space.cursor = clear(space, space.cursor, end)
        _release_tables(space, space.cursor)
    return False


def _is_empty(memory: Ptr[Memory]) -> bool:
    """Whether an object has no pages left for its end, after a step towards that; or others refer to it as well."""
    return memory.value.header.references > 1 or memory.value.base.value != 0 or pages.empty_step(memory.value)


def _release_tables(space: Space, passed: U64) -> None:
    """Free the tables of tables that end at an address. All below them are gone.

    No user address is a multiple of what an entry would map that is above the root's.
    """
    level = U64(2)
    while passed % mmu.page_bytes(level) == 0:
        walk = space.pages.walk(VirtAddr(passed - mmu.page_bytes(level)), level)
        if walk.level == level and walk.is_table:
            walk.clear()
            heap.free_frame(space.header.quota.value, walk.frame)
        level = walk.level + 1
