"""What the kernel keeps for itself, and what the machine does not have: no driver can be given any of it."""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U64, Array, never_inlined, place, struct, zeroed

MAXIMUM = 64


@struct
class Range:
    """[first, end) of a resource of `cloudos.abi.devices`."""

    resource: U64
    first: U64
    end: U64


@struct
class Kept:
    """In no order; they may overlap."""

    count: U64 = U64(0)
    ranges: Array[Range, Literal[64]] = zeroed()


KEPT = place(Kept())


@never_inlined
def keep(resource: U64, first: U64, end: U64) -> None:
    """While booting: keep [first, end)."""
    KEPT.ranges[KEPT.count] = Range(resource, first, end)
    KEPT.count = KEPT.count + 1


def is_kept(resource: U64, first: U64, end: U64) -> bool:
    """Whether [first, end) has a part that is kept."""
    for index in U64.range(KEPT.count):
        range = KEPT.ranges[index]
        if range.resource == resource and range.first < end and first < range.end:
            return True
    return False
