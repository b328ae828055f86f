"""The memory object: pages that can be shown in address spaces, cloned, and supplied by a pager."""

from __future__ import annotations

from cloudos.abi.errors import BadArgument, OutOfMemory, QuotaExceeded
from cloudos.abi.objects import Kind
from cloudos.kernel.hal.interface import PAGE_SIZE
from cloudos.kernel.memory import heap, pages
from cloudos.kernel.memory.frames import FRAMES, MAXIMUM_ORDER
from cloudos.kernel.memory.structures import Memory
from cloudos.kernel.objects import cleanup
from cloudos.kernel.objects.header import Header, Quota
from cloudos.lang import U64, PhysAddr, Ptr, never_inlined, size_of

__all__ = ["OutOfMemory", "QuotaExceeded"]


@never_inlined
def create(quota: Quota, length: U64) -> Ptr[Memory]:
    """An object of `length` absent pages with one reference, the caller's. Raises QuotaExceeded, OutOfMemory."""
    made = cleanup.create(quota, Kind.MEMORY, U64(size_of(Memory))).cast(Memory)
    made.value.length = length
    if length >= pages.BLOCK_PAGES:
        # So that blocks have their place also when the first page is touched first.
        made.value.levels = U64(1)
    return made


def create_foreign(quota: Quota, base: PhysAddr, length: U64, uncached: bool) -> Ptr[Memory]:
    """An object for `length` pages from `base` on that are not the kernel's to give. Raises as `create`."""
    made = create(quota, length)
    made.value.base = base
    made.value.ready = length
    made.value.foreign = True
    made.value.uncached = uncached
    return made


def create_run(quota: Quota, length: U64, node: U64) -> Ptr[Memory]:
    """An object whose frames follow one another, not zeroed yet. `node`: as of a Memory.

    Raises BadArgument, QuotaExceeded, OutOfMemory.
    """
    order = order_of(length)
    if order > MAXIMUM_ORDER:
        raise BadArgument
    made = create(quota, length)
    try:
        heap.FAILURES.check()
        quota.charge(U64(PAGE_SIZE) << order)
        made.value.claims = U64(1) << order
        made.value.base = FRAMES.allocate_near(order, node)
    except (OutOfMemory, QuotaExceeded):
        cleanup.drop(made.cast(Header))
        raise
    return made


def order_of(length: U64) -> U64:
    """The smallest block that has `length` pages, as a power of two."""
    order = U64(0)
    while U64(1) << order < length:
        order += 1
    return order


def reserve(memory: Memory, count: U64) -> None:
    """Pay for pages that will be touched. Raises QuotaExceeded."""
    memory.header.quota.value.charge(count * PAGE_SIZE)
    memory.reserve += count
    memory.keeps = True


def end_step(memory: Memory) -> bool:
    """Give back some pages of an object that goes; whether that was all. Mappings refer to it, so it is unmapped."""
    if memory.base.value != 0:
        if not memory.foreign:
            FRAMES.free(memory.base, order_of(memory.length))
    elif not pages.empty_step(memory):
        return False
    memory.header.quota.value.refund((memory.claims + memory.reserve) * PAGE_SIZE)
    if not memory.pager.is_null():
        cleanup.drop(memory.pager)
    return True
