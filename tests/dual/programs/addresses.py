"""PhysAddr and VirtAddr."""

from __future__ import annotations

from cloudos.lang import U8, U64, PhysAddr, VirtAddr, struct


@struct
class Range:
    start: PhysAddr
    end: PhysAddr


def values(a: U64) -> tuple[U64, U64]:
    return PhysAddr(a).value, VirtAddr(a).value


def offset(a: U64, n: U64) -> U64:
    return PhysAddr(a).offset(n).value


def alignment(a: U64, n: U8) -> tuple[U64, bool]:
    unit = U64(1) << U64(n % 64)
    return VirtAddr(a).align_down(unit).value, VirtAddr(a).is_aligned(unit)


def align_up(a: U64) -> U64:
    return PhysAddr(a).align_up(4096).value


def comparisons(a: U64, b: U64) -> tuple[bool, bool, bool, bool]:
    x, y = VirtAddr(a), VirtAddr(b)
    return x < y, x == y, x >= y, x != y


def distance(a: U64, b: U64) -> U64:
    return PhysAddr(a).distance(PhysAddr(b))


def in_a_struct(a: U64, b: U64) -> U64:
    r = Range(PhysAddr(a), PhysAddr(b))
    r.start = r.start.align_down(4096)
    return r.end.distance(r.start)
