"""Address spaces: memory objects in ordered regions, and what happens when a page is touched.

Contract. Regions never overlap. No region allows both write and execute, nor do two mappings of one memory object. An
operation that raises has changed nothing that can be seen. Operations whose work grows with the number of pages are
steps: they return the address that they came to, and are called again from there.
"""

from __future__ import annotations

from enum import IntEnum

from cloudos.abi import layout
from cloudos.abi.errors import BadArgument, Denied, OutOfMemory, QuotaExceeded
from cloudos.abi.objects import Rights
from cloudos.kernel.hal import cpu, mmu
from cloudos.kernel.hal.interface import PAGE_SIZE, Access
from cloudos.kernel.memory import heap, mappings, pages, regions
from cloudos.kernel.memory.structures import Memory, Region, Source, Space, Sweep
from cloudos.kernel.objects import cleanup
from cloudos.kernel.objects.header import Header
from cloudos.lang import U8, U64, PhysAddr, Ptr, VirtAddr, enum, fast, never_inlined, null, size_of, struct

__all__ = ["OutOfMemory", "QuotaExceeded"]

# Pages of foreign memory that are mapped together.
AROUND = 16
# The end of the lower half of the address space, whose last page is not used.
TABLES_END = 1 << 47


@enum(U8)
class Outcome(IntEnum):
    """What came of a page fault."""

    # The access is not allowed, or there is nothing.
    REFUSED = 0
    # The access may be tried again: it succeeds, or another step is done.
    RETRY = 1
    # The pager must be asked for the page, once; the thread waits.
    ASK = 2
    # The pager was asked before; the thread waits.
    WAIT = 3


@struct
class Request:
    """A page that only a pager can supply."""

    memory: Ptr[Memory]
    page: U64


def check_range(start: U64, length: U64) -> None:
    """BadArgument unless these are whole pages of user space."""
    if (start | length) % PAGE_SIZE != 0 or length == 0 or start < layout.USER_START:
        raise BadArgument
    if start > layout.USER_END or length > layout.USER_END - start:
        raise BadArgument


def _check_access(access: Access, rights: Rights) -> None:
    """BadArgument: nothing, or both write and execute. Denied: more than the rights to the object allow."""
    if Access.READ not in access or (Access.WRITE in access and Access.EXECUTE in access):
        raise BadArgument
    if Rights.READ not in rights or (Access.WRITE in access and Rights.WRITE not in rights):
        raise Denied
    if Access.EXECUTE in access and Rights.EXECUTE not in rights:
        raise Denied


def map(
    space: Space, memory: Ptr[Memory], rights: Rights, start: U64, offset: U64, length: U64, access: Access
) -> Ptr[Region]:
    """Show [offset, offset + length) of an object at `start`. All in bytes.

    BadArgument: not whole pages, outside user space or the object, overlapping, both writable and executable. Denied:
    `rights` do not allow it, or the object is mapped executable and is to be writable, or the other way round.
    """
    check_range(start, length)
    _check_access(access, rights)
    object = memory.value
    if offset % PAGE_SIZE != 0 or offset // PAGE_SIZE > object.length:
        raise BadArgument
    if length // PAGE_SIZE > object.length - offset // PAGE_SIZE:
        raise BadArgument
    following = regions.find(space, start)
    if not following.is_null() and following.value.start < start + length:
        raise BadArgument
    if (Access.WRITE in access and object.executors > 0) or (Access.EXECUTE in access and object.writers > 0):
        raise Denied
    made = heap.allocate(space.header.quota.value, U64(size_of(Region))).cast(Region)
    region = made.value
    region.start = start
    region.end = start + length
    region.offset = offset
    region.access = access
    region.rights = rights
    region.space = Ptr.to(space)
    region.memory = memory
    if object.committed:
        try:
            mappings.reserve_tables(region, mappings.tables_for(start, start + length))
        except (OutOfMemory, QuotaExceeded):
            heap.free(space.header.quota.value, made.cast(U8), U64(size_of(Region)))
            raise
    _enter(space, made)
    return made


def give(space: Space, memory: Ptr[Memory], rights: Rights, start: U64, length: U64, access: Access) -> None:
    """Map all of a new object, to which the caller's reference ends here in any case. `rights` allow `access`.

    Raises BadArgument, QuotaExceeded, OutOfMemory.
    """
    refused = False
    try:
        map(space, memory, rights, start, U64(0), length, access)
    except Denied:
        refused = True
    finally:
        cleanup.drop(memory.cast(Header))
    if refused:
        raise BadArgument


def _enter(space: Space, region: Ptr[Region]) -> None:
    regions.insert(space, region)
    memory = region.value.memory.value
    first = memory.regions
    region.value.next_mapping = first
    region.value.previous_mapping = null()
    if not first.is_null():
        first.value.previous_mapping = region
    memory.regions = region
    count_access(memory, region.value.access, True)
    cleanup.retain(region.value.memory.cast(Header))


def count_access(memory: Memory, access: Access, more: bool) -> None:
    """One mapping more or less that may write or execute."""
    if Access.WRITE in access:
        memory.writers = memory.writers + 1 if more else memory.writers - 1
    if Access.EXECUTE in access:
        memory.executors = memory.executors + 1 if more else memory.executors - 1


def remove(space: Space, region: Ptr[Region]) -> None:
    """Take out a region that is not in the page tables any more."""
    old = region.value
    memory = old.memory.value
    mappings.leave_sweep(memory, region)
    if old.previous_mapping.is_null():
        memory.regions = old.next_mapping
    else:
        old.previous_mapping.value.next_mapping = old.next_mapping
    if not old.next_mapping.is_null():
        old.next_mapping.value.previous_mapping = old.previous_mapping
    count_access(memory, old.access, False)
    regions.remove(space, region)
    mappings.drop_spare(old)
    cleanup.drop(old.memory.cast(Header))
    heap.free(space.header.quota.value, region.cast(U8), U64(size_of(Region)))


def _inside(space: Space, address: U64) -> Ptr[Region]:
    """The region that must be split to make `address` a border; null when there is none."""
    found = regions.at(space, address)
    nothing: Ptr[Region] = null()
    if found.is_null() or found.value.start == address or found.value.closing:
        return nothing
    return found


def split(space: Space, start: U64, end: U64) -> None:
    """Make both addresses borders between regions. Raises QuotaExceeded, OutOfMemory, having changed nothing."""
    quota = space.header.quota.value
    first: Ptr[Region] = null()
    if not _inside(space, start).is_null():
        first = heap.allocate(quota, U64(size_of(Region))).cast(Region)
    if not _inside(space, end).is_null():
        try:
            second = heap.allocate(quota, U64(size_of(Region))).cast(Region)
        except (OutOfMemory, QuotaExceeded):
            if not first.is_null():
                heap.free(quota, first.cast(U8), U64(size_of(Region)))
            raise
        _divide(space, _inside(space, end).value, second, end)
    if not first.is_null():
        _divide(space, _inside(space, start).value, first, start)


def _divide(space: Space, left: Region, made: Ptr[Region], address: U64) -> None:
    """Let `made` be the part of a region from `address` on."""
    made.value = left
    right = made.value
    right.start = address
    right.offset = left.offset + (address - left.start)
    right.cursor = max(left.cursor, address)
    left.cursor = min(left.cursor, address)
    left.end = address
    left.spare = min(left.spare, mappings.tables_for(left.start, left.end))
    right.spare -= left.spare
    _enter(space, made)


def unmap_step(space: Space, start: U64, end: U64) -> U64:
    """Take away what is mapped in [start, end), which `check_range` allowed; where it came to.

    Raises QuotaExceeded, OutOfMemory, before anything has changed, when a region must be split and there is no room.
    """
    split(space, start, end)
    found = regions.find(space, start)
    if found.is_null() or found.value.start >= end:
        return end
    passed = found.value.end
    if not unmap_region_step(space, found):
        return start
    return min(passed, end)


def unmap_region_step(space: Space, found: Ptr[Region]) -> bool:
    """Take a region away; False: call again."""
    region = found.value
    if not close_step(region):
        return False
    low = U64(0)
    high = U64(TABLES_END)
    if not region.previous.is_null():
        low = region.previous.value.end
    if not region.next.is_null():
        high = region.next.value.start
    region.pruned = mappings.prune_step(space, region.pruned, low, high, region.end)
    if region.pruned < region.end:
        return False
    remove(space, found)
    return True


def close_step(region: Region) -> bool:
    """Refuse further use of a region and take it out of the page tables; False: call again."""
    if not region.closing:
        region.closing = True
        region.cursor = region.start
        region.pruned = region.start
        region.discarded = region.offset // PAGE_SIZE
    return mappings.clear_step(region, region.end)


def protect_step(space: Space, start: U64, end: U64, access: Access) -> U64:
    """Change what may be done with [start, end), all of which is mapped; where it came to.

    BadArgument: a gap, or both write and execute. Denied: see `map`. QuotaExceeded, OutOfMemory: see `unmap_step`.
    """
    _check_protect(space, start, end, access)
    split(space, start, end)
    region = regions.at(space, start).value
    if region.access != access:
        count_access(region.memory.value, region.access, False)
        count_access(region.memory.value, access, True)
        region.access = access
        region.changing = True
        region.cursor = region.start
    if region.changing and not mappings.clear_step(region, region.end):
        return start
    region.changing = False
    return region.end


def _check_protect(space: Space, start: U64, end: U64, access: Access) -> None:
    address = start
    while address < end:
        found = regions.at(space, address)
        if found.is_null() or found.value.closing:
            raise BadArgument
        region = found.value
        _check_access(access, region.rights)
        memory = region.memory.value
        executors = memory.executors
        writers = memory.writers
        # Of a region that lies in the range only in part, the rest keeps its permissions.
        if region.start >= start and region.end <= end:
            executors -= U64(Access.EXECUTE in region.access)
            writers -= U64(Access.WRITE in region.access)
        if (Access.WRITE in access and executors > 0) or (Access.EXECUTE in access and writers > 0):
            raise Denied
        address = region.end


def is_executable(space: Space, address: U64) -> bool:
    """Whether there may be instructions at `address`."""
    region = regions.at(space, address)
    return not region.is_null() and Access.EXECUTE in region.value.access


# Page faults


@fast
def resolve(space: Space, address: U64, write: bool, execute: bool) -> Outcome:
    """Deal with an access that the page tables did not allow.

    QuotaExceeded, OutOfMemory: it is allowed, but there is no memory for it.
    """
    found = regions.at(space, address)
    if found.is_null() or found.value.closing:
        return Outcome.REFUSED
    region = found.value
    if (write and Access.WRITE not in region.access) or (execute and Access.EXECUTE not in region.access):
        return Outcome.REFUSED
    page = address // PAGE_SIZE * PAGE_SIZE
    index = (region.offset + (page - region.start)) // PAGE_SIZE
    memory = region.memory.value
    if memory.sweep != Sweep.NONE and not mappings.sweep_step(memory):
        return Outcome.RETRY
    if memory.source != Source.DEMAND:
        return _show_run(region, memory, page, index)
    present = pages.find(memory, index)
    walk = space.pages.walk(VirtAddr(page), U64(0))
    if not present.present and walk.level == 0 and memory.pager.is_null():
        # By far the most frequent: a new page, with its node and its page table in place.
        if present.exclusive and not present.slot.is_null():
            walk.set_page(pages.fill_slot(memory, present.slot), region.access | Access.USER)
            return Outcome.RETRY
    if not present.present:
        return _supply(region, memory, page, index, present.entry)
    if write and not present.exclusive:
        return _separate(region, memory, page, index)
    if present.together and _is_congruent(region) and mappings.accepts(region, page, U64(1)):
        _show_block(region, memory, page, index, present.exclusive)
    else:
        _show(region, page, present.frame, present.exclusive)
    return Outcome.RETRY


def request(space: Space, address: U64) -> Request:
    """What the pager must be asked for, after `resolve` gave ASK or WAIT for an address."""
    region = regions.at(space, address).value
    return Request(region.memory, (region.offset + (address - region.start)) // PAGE_SIZE)


def _is_congruent(region: Region) -> bool:
    """Whether blocks of the object begin where large pages can."""
    return (region.offset ^ region.start) % mmu.page_bytes(U64(1)) == 0


@never_inlined
def _separate(region: Region, memory: Memory, page: U64, index: U64) -> Outcome:
    """A write to a page that other objects see as well."""
    mappings.claim_tables(region, page, U64(0))
    if memory.regions.value.next_mapping.is_null() or mappings.sweep(memory, Sweep.UNMAPPED, index, index + 1):
        mappings.put(region, page, pages.make_exclusive(memory, index), U64(0), region.access)
    return Outcome.RETRY


@never_inlined
def _show(region: Region, page: U64, frame: PhysAddr, exclusive: bool) -> None:
    """Map a small page."""
    access = region.access
    if not exclusive:
        access = access & ~Access.WRITE
    mappings.claim_tables(region, page, U64(0))
    mappings.put(region, page, frame, U64(0), access)


@never_inlined
def _show_block(region: Region, memory: Memory, page: U64, index: U64, exclusive: bool) -> None:
    """Map 2 MB at once, if that can be done with the same permissions for all of it."""
    number = index % pages.BLOCK_PAGES
    frame = pages.find(memory, index - number).frame
    access = region.access
    if not exclusive:
        access = access & ~Access.WRITE
    elif Access.WRITE in access and not pages.block_is_exclusive(memory, index):
        _show(region, page, frame.offset(number * PAGE_SIZE), exclusive)
        return
    mappings.claim_tables(region, page, U64(1))
    mappings.put(region, page - number * PAGE_SIZE, frame, U64(1), access)


@never_inlined
def _supply(region: Region, memory: Memory, page: U64, index: U64, entry: U64) -> Outcome:
    """A page that is not there: from the pager, as a part of a block, or zeroed."""
    if not memory.pager.is_null():
        if entry & pages.DENIED != 0:
            return Outcome.REFUSED
        if entry & pages.WAITING != 0:
            return Outcome.WAIT
        pages.mark(memory, index, U64(pages.WAITING))
        return Outcome.ASK
    if memory.committed and _is_congruent(region) and pages.block_fits(memory, index):
        if mappings.accepts(region, page, U64(1)):
            if pages.block_step(memory, index) or pages.find(memory, index).present:
                return Outcome.RETRY
    claimed = mappings.claim_tables(region, page, U64(0))
    try:
        frame = pages.fill(memory, index)
    except (OutOfMemory, QuotaExceeded):
        mappings.unclaim_tables(region, claimed)
        raise
    mappings.put(region, page, frame, U64(0), region.access)
    return Outcome.RETRY


@never_inlined
def _show_run(region: Region, memory: Memory, page: U64, index: U64) -> Outcome:
    """Memory that lies in one piece: with the largest pages that fit, or several small ones."""
    if index >= memory.ready:
        ready = memory.base.offset(memory.ready * PAGE_SIZE)
        count = min(memory.length - memory.ready, U64(pages.ZERO_STEP))
        cpu.zero(mmu.direct(ready), count * PAGE_SIZE)
        memory.ready += count
        return Outcome.RETRY
    access = region.access
    if memory.uncached:
        access = access | Access.DEVICE
    frame = memory.base.offset(index * PAGE_SIZE)
    level = mmu.largest_level()
    while level > 0:
        size = mmu.page_bytes(level)
        if (page ^ frame.value) % size == 0 and mappings.accepts(region, page, level):
            if index - page % size // PAGE_SIZE + size // PAGE_SIZE <= memory.ready:
                mappings.claim_tables(region, page, level)
                mappings.put(region, page // size * size, frame.align_down(size), level, access)
                return Outcome.RETRY
        level -= 1
    mappings.claim_tables(region, page, U64(0))
    mappings.put(region, page, frame, U64(0), access)
    count = min(AROUND - index % AROUND, min(memory.ready - index, (region.end - page) // PAGE_SIZE))
    for number in U64.range(1, count):
        if not mappings.put_free(region, page + number * PAGE_SIZE, frame.offset(number * PAGE_SIZE), access):
            break
    return Outcome.RETRY
