"""The memory object: pages that can be shown in address spaces.

Kinds. Demand-zero: pages come into being, zeroed, when they are touched, and are paid for then, or all at once when
made `committed`. A clone is a copy of a demand-zero object, made at once; what neither changes since stays shared. A
pager can be asked for the pages of an object. Contiguous: one run of frames, for devices. Foreign: memory that the
kernel knows from elsewhere, as a device's registers.

Steps. What may take long returns null or False when it must be called again.
"""

from __future__ import annotations

from cloudos.abi.errors import BadArgument, BadState, OutOfMemory, QuotaExceeded
from cloudos.abi.objects import Kind, Rights
from cloudos.kernel.hal.interface import PAGE_SIZE
from cloudos.kernel.memory import heap, mappings, pages
from cloudos.kernel.memory.frames import FRAMES, MAXIMUM_ORDER
from cloudos.kernel.memory.structures import Memory, Source, Sweep
from cloudos.kernel.objects import cleanup
from cloudos.kernel.objects.header import Header, Quota
from cloudos.lang import U8, U64, PhysAddr, Ptr, Slice, null, size_of, struct

__all__ = ["BadArgument", "BadState", "OutOfMemory", "QuotaExceeded"]

# 128 TB: what an address space can show.
MAXIMUM_PAGES = 1 << 35
ENTRY = 8


@struct
class MemoryHandler:
    """See `cleanup.Handler`."""

    unused: U64 = U64(0)

    def capability_added(self, object: Ptr[Header], rights: Rights) -> None:
        """Nothing to do."""

    def capability_removed(self, object: Ptr[Header], rights: Rights) -> None:
        """Nothing to do."""

    def cleanup_step(self, object: Ptr[Header]) -> bool:
        """Give back some pages, at last the object."""
        memory = object.cast(Memory).value
        quota = memory.header.quota.value
        if not memory.ending:
            memory.ending = True
            memory.cursor = U64(0)
        if memory.source == Source.DEMAND:
            if not pages.release_step(memory, memory.length, True):
                return False
            heap.free(quota, memory.root.cast(U8), memory.width * ENTRY)
            pages.finish(memory)
        elif memory.source == Source.CONTIGUOUS:
            for index in U64.range(memory.length):
                FRAMES.free(memory.base.offset(index * PAGE_SIZE), U64(0))
            quota.refund(memory.length * PAGE_SIZE)
        if not memory.pager.is_null():
            cleanup.drop(memory.pager)
        cleanup.destroy(object)
        return True


cleanup.handled_by(Kind.MEMORY, MemoryHandler())


def pages_of(length: U64) -> U64:
    """How many pages `length` bytes take. Raises BadArgument: none, or too many."""
    if length == 0 or length > MAXIMUM_PAGES * PAGE_SIZE:
        raise BadArgument
    return (length + (PAGE_SIZE - 1)) // PAGE_SIZE


def _make(quota: Quota, source: Source, length: U64) -> Ptr[Memory]:
    made = cleanup.create(quota, Kind.MEMORY, U64(size_of(Memory))).cast(Memory)
    made.value.source = source
    made.value.length = length
    return made


def _unmake(made: Ptr[Memory]) -> None:
    """Free an object that holds nothing yet."""
    made.value.header.references = U64(0)
    cleanup.destroy(made.cast(Header))


def _make_tree(quota: Quota, length: U64) -> Ptr[Memory]:
    made = _make(quota, Source.DEMAND, length)
    memory = made.value
    memory.levels = pages.levels_for(length)
    memory.width = ((length - 1) >> (memory.levels * pages.NODE_BITS)) + 1
    try:
        memory.root = heap.allocate(quota, memory.width * ENTRY).cast(U64)
    except (OutOfMemory, QuotaExceeded):
        _unmake(made)
        raise
    return made


def create(quota: Quota, length: U64, committed: bool) -> Ptr[Memory]:
    """Zeroed memory of `length` bytes, with one reference, the caller's.

    `committed`: all of it is paid for now, so that using it cannot fail. Raises BadArgument, QuotaExceeded,
    OutOfMemory.
    """
    count = pages_of(length)
    made = _make_tree(quota, count)
    memory = made.value
    if committed:
        memory.committed = True
        try:
            pages.claim(memory, count + pages.nodes_for(count, memory.levels))
        except (OutOfMemory, QuotaExceeded):
            destroy_untouched(made)
            raise
    return made


def destroy_untouched(made: Ptr[Memory]) -> None:
    """The end, at once, of a demand-zero object to which only the caller refers, and without pages."""
    memory = made.value
    heap.free(memory.header.quota.value, memory.root.cast(U8), memory.width * ENTRY)
    pages.finish(memory)
    _unmake(made)


def create_contiguous(quota: Quota, length: U64) -> Ptr[Memory]:
    """Zeroed memory in one piece, at most 2 MB. Raises BadArgument, QuotaExceeded, OutOfMemory."""
    count = pages_of(length)
    if count > U64(1) << MAXIMUM_ORDER:
        raise BadArgument
    made = _make(quota, Source.CONTIGUOUS, count)
    order = U64(0)
    while U64(1) << order < count:
        order += 1
    try:
        quota.charge(count * PAGE_SIZE)
    except QuotaExceeded:
        _unmake(made)
        raise
    try:
        heap.FAILURES.check()
        made.value.base = FRAMES.allocate(order)
    except OutOfMemory:
        quota.refund(count * PAGE_SIZE)
        _unmake(made)
        raise
    # What is left of the block goes back.
    for index in U64.range(count, U64(1) << order):
        FRAMES.free(made.value.base.offset(index * PAGE_SIZE), U64(0))
    return made


def create_foreign(quota: Quota, base: PhysAddr, length: U64, uncached: bool) -> Ptr[Memory]:
    """Memory at a physical address that somebody else takes care of. Raises BadArgument, QuotaExceeded, OutOfMemory."""
    count = pages_of(length)
    if not base.is_aligned(PAGE_SIZE):
        raise BadArgument
    made = _make(quota, Source.FOREIGN, count)
    made.value.base = base
    made.value.ready = count
    made.value.uncached = uncached
    return made


def clone_step(quota: Quota, origin: Memory) -> Ptr[Memory]:
    """A copy of an object, with one reference, the caller's; null: call again.

    The copy is charged for all that it shows. BadState: the object is not demand-zero, or has a pager. Raises
    QuotaExceeded, OutOfMemory.
    """
    again: Ptr[Memory] = null()
    if origin.source != Source.DEMAND or not origin.pager.is_null():
        raise BadState
    # From here on the pages must not change through mappings that were made before.
    if origin.writers > 0 and not mappings.sweep(origin, Sweep.READ_ONLY, U64(0), origin.length):
        return again
    pages.drop_block(origin)
    made = _make_tree(quota, origin.length)
    memory = made.value
    try:
        pages.claim(memory, origin.claims + origin.reserve)
    except (OutOfMemory, QuotaExceeded):
        destroy_untouched(made)
        raise
    memory.committed = origin.committed
    memory.claims = origin.claims
    memory.reserve = origin.reserve
    entries = Slice.of(memory.root, memory.width)
    entries.copy_from(Slice.of(origin.root, origin.width))
    pages.share_all(entries)
    return made


def set_pager(memory: Memory, pager: Ptr[Header], key: U64) -> None:
    """From here on, absent pages are asked for there. BadState: it has a pager, or is no demand-zero memory."""
    if memory.source != Source.DEMAND or memory.committed or not memory.pager.is_null():
        raise BadState
    cleanup.retain(pager)
    memory.pager = pager
    memory.key = key


def supply_step(memory: Memory, page: U64, origin: Memory, origin_page: U64) -> bool:
    """Let an absent page have the contents of a page of another object; False: call again.

    The frame is shared until one of the two changes it; a page that is absent there is one of zeroes. Whoever waits on
    `memory.waiters` may try again. BadState: no pager, or the page is there already. BadArgument: no such page. Raises
    QuotaExceeded, OutOfMemory, having changed nothing.
    """
    if page >= memory.length or origin_page >= origin.length or origin.source != Source.DEMAND:
        raise BadArgument
    if memory.pager.is_null() or pages.find(memory, page).present:
        raise BadState
    given = pages.find(origin, origin_page)
    if not given.present:
        pages.fill(memory, page)
        return True
    if origin.writers > 0 and not mappings.sweep(origin, Sweep.READ_ONLY, origin_page, origin_page + 1):
        return False
    pages.put_shared(memory, page, given.frame)
    return True


def deny(memory: Memory, page: U64) -> None:
    """The pager refuses an absent page: touching it is a fault, until it is supplied.

    Raises what `supply_step` does.
    """
    if page >= memory.length:
        raise BadArgument
    if memory.pager.is_null() or pages.find(memory, page).present:
        raise BadState
    pages.mark(memory, page, U64(pages.DENIED))


def discard_step(memory: Memory, first: U64, end: U64) -> U64:
    """Give back some of the pages [first, end), which read as zeroes afterwards; the page that it came to.

    Of committed memory, what was paid for them is given back too. They must not be mapped anywhere.
    """
    memory.cursor = first
    pages.release_step(memory, end, False)
    return memory.cursor


def frame_for_writing(memory: Memory, page: U64) -> PhysAddr:
    """The frame of a page of an object that is mapped nowhere, for the kernel's own use.

    Raises QuotaExceeded, OutOfMemory.
    """
    if not pages.find(memory, page).present:
        return pages.fill(memory, page)
    return pages.make_exclusive(memory, page)
