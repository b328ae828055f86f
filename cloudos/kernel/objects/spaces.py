"""System calls on address spaces, and on the memory of the calling program."""

from __future__ import annotations

from cloudos.abi import layout
from cloudos.abi.errors import BadArgument, Denied, OutOfMemory, PeerGone, QuotaExceeded, TooManyHandles
from cloudos.abi.objects import ALL_RIGHTS
from cloudos.kernel.hal.interface import PAGE_SIZE, Access
from cloudos.kernel.memory import address_space, page_faults, pages, regions
from cloudos.kernel.memory.structures import Memory, Space
from cloudos.kernel.objects import memory
from cloudos.kernel.objects.header import Capability, Header
from cloudos.kernel.objects.process import Process
from cloudos.kernel.objects.threads import check_control, own_table
from cloudos.kernel.restart import Restart
from cloudos.kernel.sched.processor import PROCESSOR
from cloudos.kernel.security import capabilities
from cloudos.lang import U64, Ptr

__all__ = ["Denied", "OutOfMemory", "PeerGone", "QuotaExceeded", "TooManyHandles"]

LARGE_PAGE = layout.LARGE_PAGE_SIZE
HEAP_PAGES = (layout.HEAP_END - layout.HEAP_START) // PAGE_SIZE
# Of the pages of a mapping, and at least: left of the quota for nodes and page tables.
SLACK_SHARE = 128
SLACK_LEAST = 16


def process_space(process: Ptr[Process]) -> U64:
    """System call."""
    if process.value.ended:
        raise PeerGone
    check_control(process)
    return capabilities.insert_root(own_table(), process.value.space.cast(Header), ALL_RIGHTS, U64(0))


def space_map(space: Ptr[Space], source: Ptr[Capability], address: U64, offset: U64, length: U64, access: U64) -> None:
    """System call."""
    allowed = address_space.access_of(access)
    rights = source.value.rights
    address_space.check_access(allowed, rights)
    object = source.value.object.cast(Memory)
    if object.value.base.value != 0 and not page_faults.prepare_run(object.value):
        raise Restart
    address_space.map(space.value, object, rights, address, offset, length, allowed)


def _left(address: U64, end: U64) -> None:
    """Unless all is done, make the system call again for the rest of its range, the second and third argument."""
    if address < end:
        frame = PROCESSOR.current.value.frame
        frame.argument1 = address
        frame.argument2 = end - address
        raise Restart


def space_unmap(space: Ptr[Space], address: U64, length: U64) -> None:
    """System call."""
    address_space.check_range(address, length)
    _left(address_space.unmap_step(space.value, address, address + length), address + length)


def space_protect(space: Ptr[Space], address: U64, length: U64, access: U64) -> None:
    """System call."""
    address_space.check_range(address, length)
    allowed = address_space.access_of(access)
    address_space.check_protect(space.value, address, address + length, allowed)
    _left(address_space.protect_step(space.value, address, address + length, allowed), address + length)


def memory_map(length: U64) -> U64:
    """System call."""
    if length == 0:
        raise BadArgument
    if length > layout.HEAP_END:
        raise OutOfMemory
    try:
        return _map_program(PROCESSOR.current.value.process.value.space.value, (length + (PAGE_SIZE - 1)) // PAGE_SIZE)
    except QuotaExceeded:
        raise OutOfMemory from None


def _map_program(space: Space, count: U64) -> U64:
    """Map new pages where there is room, large sizes where large pages can be. Raises QuotaExceeded, OutOfMemory."""
    size = count * PAGE_SIZE
    quota = space.header.quota.value
    alignment = U64(LARGE_PAGE) if size >= LARGE_PAGE else U64(PAGE_SIZE)
    start = regions.find_room(space, U64(layout.HEAP_START), U64(layout.HEAP_END), size, alignment)
    if quota.limit - quota.used < size + (count // SLACK_SHARE + SLACK_LEAST) * PAGE_SIZE:
        raise QuotaExceeded
    if space.program.is_null():
        space.program = memory.create(quota, U64(HEAP_PAGES))
    offset = start - layout.HEAP_START
    memory.reserve(space.program.value, count)
    try:
        address_space.map(space, space.program, ALL_RIGHTS, start, offset, size, Access.READ | Access.WRITE)
    except (OutOfMemory, QuotaExceeded, BadArgument):
        pages.unreserve(space.program.value, count)
        raise QuotaExceeded from None
    return start


def memory_unmap(address: U64, length: U64) -> None:
    """System call."""
    address_space.check_range(address, length)
    space = PROCESSOR.current.value.process.value.space.value
    end = address + length
    _check_program(space, address, end)
    try:
        reached = address_space.unmap_step(space, address, end)
    except QuotaExceeded:
        raise OutOfMemory from None
    if reached < end:
        frame = PROCESSOR.current.value.frame
        frame.argument0 = reached
        frame.argument1 = end - reached
        raise Restart


def _check_program(space: Space, address: U64, end: U64) -> None:
    """BadArgument unless all of [address, end) is mapped by `memory_map`."""
    while address < end:
        region = regions.at(space, address)
        if region.is_null() or region.value.memory != space.program:
            raise BadArgument
        address = region.value.end
