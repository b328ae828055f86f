"""Taking pieces out of the machine's memory map."""

from __future__ import annotations

from cloudos.kernel.hal.interface import MAXIMUM_RANGES, PAGE_SIZE, BootInformation, MemoryRange
from cloudos.lang import U64


def reserve(boot: BootInformation, start: U64, end: U64) -> None:
    """Take the pages that [start, end) touches out of the usable ranges, which stay in order of address."""
    first = start // PAGE_SIZE * PAGE_SIZE
    limit = (end + (PAGE_SIZE - 1)) // PAGE_SIZE * PAGE_SIZE
    index = U64(0)
    while index < boot.count:
        range = boot.ranges[index]
        if first >= range.end or limit <= range.start:
            index = index + 1
        elif first > range.start and limit < range.end:
            _insert(boot, index + 1, limit, range.end)
            range.end = first
            index = index + 2
        elif first > range.start:
            range.end = first
            index = index + 1
        elif limit < range.end:
            range.start = limit
            index = index + 1
        else:
            _remove(boot, index)


def _insert(boot: BootInformation, index: U64, start: U64, end: U64) -> None:
    """Add a range at `index`; memory is left unused when there is no room to describe it."""
    if boot.count == MAXIMUM_RANGES:
        return
    position = boot.count
    while position > index:
        boot.ranges[position] = boot.ranges[position - 1]
        position = position - 1
    boot.ranges[index] = MemoryRange(start, end)
    boot.count = boot.count + 1


def _remove(boot: BootInformation, index: U64) -> None:
    for position in U64.range(index + 1, boot.count):
        boot.ranges[position - 1] = boot.ranges[position]
    boot.count = boot.count - 1
