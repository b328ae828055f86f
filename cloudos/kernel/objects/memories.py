"""System calls on memory objects."""

from __future__ import annotations

from typing import Literal

from cloudos.abi import objects
from cloudos.abi.errors import (
    BadAddress,
    BadArgument,
    BadState,
    OutOfMemory,
    PeerGone,
    QuotaExceeded,
    TooManyHandles,
)
from cloudos.abi.objects import Rights
from cloudos.kernel.hal.interface import PAGE_SIZE
from cloudos.kernel.memory import address_space, pages, user_memory
from cloudos.kernel.memory.frames import FRAMES
from cloudos.kernel.memory.structures import Memory
from cloudos.kernel.objects import cleanup
from cloudos.kernel.objects.header import Capability, Header, Quota
from cloudos.kernel.objects.memory import create, create_run, reserve
from cloudos.kernel.objects.notifications import hold
from cloudos.kernel.restart import Restart
from cloudos.kernel.sched.processor import PROCESSOR
from cloudos.lang import U8, U64, Array, Ptr, Slice, UserPtr, never_inlined

__all__ = ["BadAddress", "OutOfMemory", "PeerGone", "QuotaExceeded", "TooManyHandles"]

# Pages supplied, or discarded, by one system call at most.
PAGES_AT_ONCE = 8
MAXIMUM_PAGES = 1 << 36


@never_inlined
def pages_in(length: U64) -> U64:
    """A length in bytes as pages. BadArgument unless it is some whole pages."""
    if length % PAGE_SIZE != 0 or length == 0 or length // PAGE_SIZE > MAXIMUM_PAGES:
        raise BadArgument
    return length // PAGE_SIZE


def memory_create(quota: Ptr[Quota], length: U64, kind: U64) -> U64:
    """System call."""
    count = pages_in(length)
    node = kind // objects.MEMORY_NODE
    kind = kind % objects.MEMORY_NODE
    if kind > objects.MEMORY_CONTIGUOUS or node > FRAMES.last_node + 1:
        raise BadArgument
    if kind == objects.MEMORY_CONTIGUOUS:
        return hold(create_run(quota.value, count, node).cast(Header))
    made = create(quota.value, count)
    made.value.node = U8(node)
    if kind == objects.MEMORY_PAID:
        try:
            reserve(made.value, count)
        except QuotaExceeded:
            cleanup.drop(made.cast(Header))
            raise
    return hold(made.cast(Header))


def memory_create_paged(quota: Ptr[Quota], pager: Ptr[Capability], length: U64) -> U64:
    """System call."""
    made = create(quota.value, pages_in(length))
    made.value.pager = pager.value.object
    made.value.badge = pager.value.badge
    cleanup.retain(pager.value.object)
    return hold(made.cast(Header))


def memory_clone(memory: Ptr[Memory], quota: Ptr[Quota], made: U64) -> U64:
    """System call. The clone is there at once; what follows, in steps, is that writing separates the two."""
    origin = memory.value
    if origin.base.value != 0 or not origin.pager.is_null():
        raise BadState
    if made == 0:
        copy = create(quota.value, origin.length)
        try:
            pages.clone(origin, copy.value)
        except QuotaExceeded:
            cleanup.drop(copy.cast(Header))
            raise
        made = hold(copy.cast(Header))
    if not address_space.sweep(origin, U64(0), origin.length):
        PROCESSOR.current.value.frame.argument2 = made
        raise Restart
    return made


@never_inlined
def _part(memory: Memory, offset: U64, length: U64) -> U64:
    """The first page of a part. BadArgument: not whole pages of the object."""
    count = pages_in(length)
    if offset % PAGE_SIZE != 0 or offset // PAGE_SIZE > memory.length or count > memory.length - offset // PAGE_SIZE:
        raise BadArgument
    return offset // PAGE_SIZE


def memory_supply(memory: Ptr[Memory], source: Ptr[Memory], offset: U64, source_offset: U64, length: U64) -> U64:
    """System call."""
    giver = source.value
    taker = memory.value
    if taker.pager.is_null() or not giver.pager.is_null() or giver.base.value != 0 or giver.cloned:
        raise BadState
    first = _part(giver, source_offset, length)
    index = _part(taker, offset, length)
    count = min(length // PAGE_SIZE, U64(PAGES_AT_ONCE))
    if not address_space.sweep(giver, first, first + count):
        raise Restart
    pages.drop_block(giver)
    for number in U64.range(count):
        try:
            pages.move(giver, first + number, taker, index + number)
        except (OutOfMemory, QuotaExceeded):
            # What was moved is done; the next call says what is in the way.
            if number == 0:
                raise
            return number * PAGE_SIZE
    return count * PAGE_SIZE


def memory_discard(memory: Ptr[Memory], offset: U64, length: U64) -> None:
    """System call."""
    object = memory.value
    if object.base.value != 0:
        raise BadState
    first = _part(object, offset, length)
    end = first + length // PAGE_SIZE
    limit = min(end, first + PAGES_AT_ONCE)
    if not address_space.sweep(object, first, limit):
        raise Restart
    reached = pages.release_step(object, first, limit, False)
    if reached < end:
        frame = PROCESSOR.current.value.frame
        frame.argument1 = reached * PAGE_SIZE
        frame.argument2 = (end - reached) * PAGE_SIZE
        raise Restart


def memory_inspect(memory: Ptr[Capability], buffer: UserPtr[U8]) -> None:
    """System call."""
    object = memory.value.object.cast(Memory).value
    numbers = Array[U64, Literal[3]]()
    numbers[0] = object.length * PAGE_SIZE
    numbers[1] = object.claims * PAGE_SIZE
    # Where it lies concerns only those who may tell a device.
    numbers[2] = object.base.value if Rights.CONTROL in memory.value.rights else U64(0)
    user_memory.copy_out(buffer.address, Slice.of(Ptr.to(numbers).cast(U8), U64(24)))
