"""The regions of a space: a table in order of address."""

from __future__ import annotations

from cloudos.abi.errors import OutOfMemory, QuotaExceeded
from cloudos.kernel.memory import heap
from cloudos.kernel.memory.structures import MAXIMUM_REGIONS, Memory, Region, Space
from cloudos.kernel.objects import cleanup
from cloudos.kernel.objects.header import Header
from cloudos.lang import U8, U64, Ptr, copy, fast, never_inlined, null, size_of

__all__ = ["OutOfMemory"]


@never_inlined
def find(space: Space, address: U64) -> U64:
    """Index of the first region that ends above `address`; `count` when there is none."""
    low = U64(0)
    high = space.count
    while low < high:
        middle = (low + high) // 2
        if space.regions.value.at[middle].value.end <= address:
            low = middle + 1
        else:
            high = middle
    return low


@fast
def at(space: Space, address: U64) -> Ptr[Region]:
    """The region that holds `address`; null when there is none."""
    found = space.found
    if found.is_null() or address < found.value.start or address >= found.value.end:
        found = null()
        index = find(space, address)
        if index < space.count and space.regions.value.at[index].value.start <= address:
            found = space.regions.value.at[index]
            space.found = found
    return found


@never_inlined
def add(space: Space, like: Region) -> None:
    """Add a copy of a region that overlaps none. Raises QuotaExceeded (there are too many), OutOfMemory."""
    if space.count == MAXIMUM_REGIONS:
        raise QuotaExceeded
    made = heap.allocate(space.header.quota.value, U64(size_of(Region))).cast(Region)
    made.value = like
    memory = like.memory.value
    made.value.previous = null()
    made.value.next = memory.regions
    if not memory.regions.is_null():
        memory.regions.value.previous = made
    memory.regions = made
    # A sweep has passed the place where it stands, whatever it was split from.
    memory.sweeping = False
    cleanup.retain(like.memory.cast(Header))
    table = space.regions.value
    index = find(space, like.start)
    position = space.count
    while position > index:
        table.at[position] = table.at[position - 1]
        position -= 1
    table.at[index] = made
    space.count += 1


@never_inlined
def remove(space: Space, index: U64) -> None:
    """Take out a region whose pages are not in the page tables any more."""
    table = space.regions.value
    region = table.at[index]
    space.found = null()
    space.count -= 1
    for position in U64.range(index, space.count):
        table.at[position] = table.at[position + 1]
    old = region.value
    memory = old.memory.value
    _unlink(memory, old)
    # A sweep that stood at it begins again.
    memory.sweeping = False
    cleanup.drop(old.memory.cast(Header))
    heap.free(space.header.quota.value, region.cast(U8), U64(size_of(Region)))


def _unlink(memory: Memory, old: Region) -> None:
    if old.previous.is_null():
        memory.regions = old.next
    else:
        old.previous.value.next = old.next
    if not old.next.is_null():
        old.next.value.previous = old.previous


@never_inlined
def split(space: Space, address: U64) -> None:
    """Make `address` a border between regions. Raises QuotaExceeded, OutOfMemory; then nothing has changed."""
    found = at(space, address)
    if found.is_null() or found.value.start == address:
        return
    left = found.value
    right = copy(left)
    right.start = address
    right.offset += address - left.start
    end = left.end
    left.end = address
    try:
        add(space, right)
    except (OutOfMemory, QuotaExceeded):
        left.end = end
        raise


def join(space: Space, address: U64) -> None:
    """Undo a split at `address`."""
    index = find(space, address)
    space.regions.value.at[index - 1].value.end = space.regions.value.at[index].value.end
    remove(space, index)


def find_room(space: Space, low: U64, high: U64, size: U64, alignment: U64) -> U64:
    """The lowest start, a multiple of `alignment`, of `size` free bytes in [low, high). Raises OutOfMemory."""
    start = low
    for index in U64.range(find(space, low), space.count):
        region = space.regions.value.at[index].value
        if region.start >= start + size:
            break
        start = (region.end + (alignment - 1)) // alignment * alignment
    if start + size > high:
        raise OutOfMemory
    return start
