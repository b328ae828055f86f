"""System calls on the memory of the calling process, for ordinary programs."""

from __future__ import annotations

from cloudos.abi import layout
from cloudos.abi.errors import BadArgument, Denied, OutOfMemory, QuotaExceeded
from cloudos.abi.objects import Rights
from cloudos.kernel.hal.interface import PAGE_SIZE, Access
from cloudos.kernel.memory import address_space, regions
from cloudos.kernel.memory.structures import Space
from cloudos.kernel.objects import cleanup, memory
from cloudos.kernel.objects.header import Header
from cloudos.kernel.restart import Restart
from cloudos.kernel.sched.processor import PROCESSOR
from cloudos.lang import U64

__all__ = ["BadArgument", "OutOfMemory"]

LARGE_PAGE_SIZE = layout.LARGE_PAGE_SIZE


def memory_map(length: U64) -> U64:
    """System call. Raises OutOfMemory, BadArgument, Restart."""
    try:
        return map_anonymous(own_space(), length)
    except (QuotaExceeded, OutOfMemory, Denied):
        pass
    # What has ended, but was not given back yet, may be enough.
    if not cleanup.PENDING.first.is_null():
        raise Restart
    raise OutOfMemory


def memory_unmap(address: U64, length: U64) -> None:
    """System call. Raises BadArgument, OutOfMemory, Restart."""
    address_space.check_range(address, length)
    end = address + length
    try:
        reached = unmap_anonymous_step(own_space(), address, end)
        if reached >= end:
            return
        # The rest is another system call, so that interrupts can come in between.
        PROCESSOR.current.value.frame.set_range(reached, end - reached)
        raise Restart
    except QuotaExceeded:
        pass
    raise OutOfMemory


def own_space() -> Space:
    """The caller's."""
    return PROCESSOR.current.value.process.value.space.value


def map_anonymous(space: Space, length: U64) -> U64:
    """Zeroed memory where there is room, paid for in full; its address.

    Raises OutOfMemory, QuotaExceeded, BadArgument, Denied, having changed nothing.
    """
    if length > layout.HEAP_END:
        raise OutOfMemory
    made = memory.create(space.header.quota.value, length, True)
    size = made.value.length * PAGE_SIZE
    alignment = U64(LARGE_PAGE_SIZE) if size >= LARGE_PAGE_SIZE else U64(PAGE_SIZE)
    start = regions.find_room(space, U64(layout.HEAP_START), U64(layout.HEAP_END), size, alignment)
    try:
        if start == 0:
            raise OutOfMemory
        access = Access.READ | Access.WRITE
        region = address_space.map(space, made, Rights.READ | Rights.WRITE, start, U64(0), size, access)
        region.value.anonymous = True
    except (OutOfMemory, QuotaExceeded, BadArgument, Denied):
        memory.destroy_untouched(made)
        raise
    # The region keeps it.
    cleanup.drop(made.cast(Header))
    return start


def unmap_anonymous_step(space: Space, start: U64, end: U64) -> U64:
    """Give back some pages of `map_anonymous`, from `start` on; where it came to.

    Raises BadArgument, OutOfMemory, QuotaExceeded; then nothing has changed.
    """
    _check_anonymous(space, start, end)
    address_space.split(space, start, end)
    found = regions.at(space, start)
    region = found.value
    passed = region.end
    if not address_space.close_step(region):
        return start
    # An object without other users goes as a whole.
    object = region.memory.value
    if object.header.references > 1:
        last = (region.offset + (region.end - region.start)) // PAGE_SIZE
        if region.discarded < last:
            region.discarded = memory.discard_step(object, region.discarded, last)
            return start
    if not address_space.unmap_region_step(space, found):
        return start
    return min(passed, end)


def _check_anonymous(space: Space, start: U64, end: U64) -> None:
    """BadArgument unless anonymous regions cover [start, end) without a gap."""
    address = start
    while address < end:
        found = regions.at(space, address)
        if found.is_null() or not found.value.anonymous:
            raise BadArgument
        address = found.value.end
