"""Loads the first program: from the boot bundle to a process that can run.

The bundle says how the program lies in memory, so the kernel knows no file format. Nothing in it is trusted: every
offset, size and address is checked before it is used. What is refused raises BadProgram, after a line in the log that
says why.
"""

from __future__ import annotations

from cloudos.abi import layout
from cloudos.abi.bundle import MAGIC, VERSION, BundleHeader, Segment, Start
from cloudos.abi.errors import BadArgument, OutOfMemory, QuotaExceeded
from cloudos.abi.objects import ALL_RIGHTS
from cloudos.kernel import log
from cloudos.kernel.hal import mmu, platform
from cloudos.kernel.memory import address_space, pages
from cloudos.kernel.memory.structures import Memory, Space
from cloudos.kernel.objects import memory, space
from cloudos.lang import U8, U64, Error, PhysAddr, Ptr, Slice, data, inlined, size_of

__all__ = ["BadArgument", "OutOfMemory", "QuotaExceeded"]

PAGE_SIZE = layout.PAGE_SIZE


class BadProgram(Error):
    """The bundle or the program in it cannot be used."""


def _check(good: bool, reason: Slice[U8]) -> None:
    """Refuse the bundle unless something is as it must be. Raises BadProgram."""
    if not good:
        log.record(reason)
        raise BadProgram


def bundle_of(module: PhysAddr, length: U64) -> Slice[U8]:
    """The bundle in the boot module, as the kernel sees it. Raises BadProgram."""
    header = Ptr.at(BundleHeader, mmu.direct(module)).value
    is_there = length >= size_of(BundleHeader) and module.is_aligned(PAGE_SIZE)
    is_known = is_there and header.magic == MAGIC and header.version == VERSION
    _check(is_known, data(b"no boot bundle of this version"))
    _check(header.total_size <= length, data(b"bundle longer than its module"))
    return Slice.of(Ptr.at(U8, mmu.direct(module)), header.total_size)


def load(target: Ptr[Space], bundle: Slice[U8]) -> U64:
    """Put the first program into an empty address space; the address of its entry.

    Raises BadProgram, BadArgument (segments that share a page, or can be written and executed), QuotaExceeded,
    OutOfMemory.
    """
    base = bundle.pointer.address
    place = Ptr.at(BundleHeader, base).value.start
    is_there = place != 0 and place % 8 == 0 and _fits(place, U64(size_of(Start)), bundle.length)
    _check(is_there, data(b"no start table"))
    start = Ptr.at(Start, base.offset(place)).value
    _check(start.machine == platform.ELF_MACHINE, data(b"program for another processor"))
    place += size_of(Start)
    for _ in U64.range(U64(start.count)):
        _check(_fits(place, U64(size_of(Segment)), bundle.length), data(b"start table too long"))
        _load_segment(target, Ptr.at(Segment, base.offset(place)).value, bundle)
        place += size_of(Segment)
    return start.entry


@inlined
def _fits(offset: U64, length: U64, limit: U64) -> bool:
    return offset <= limit and length <= limit - offset


def _load_segment(target: Ptr[Space], segment: Segment, bundle: Slice[U8]) -> None:
    """Give the segment memory of its own and copy its contents. Raises as `load` does."""
    address = segment.address
    is_inside = address >= layout.USER_START and _fits(address, segment.memory_size, U64(layout.BUNDLE_START))
    has_contents = segment.file_size <= segment.memory_size and _fits(segment.offset, segment.file_size, bundle.length)
    is_sound = is_inside and has_contents and segment.memory_size != 0
    _check(is_sound, data(b"damaged segment"))
    access = address_space.access_of(segment.access)
    start = address // PAGE_SIZE * PAGE_SIZE
    count = (address + segment.memory_size - start + (PAGE_SIZE - 1)) // PAGE_SIZE
    made = memory.create(target.value.header.quota.value, count)
    _fill(made.value, address - start, bundle[segment.offset : segment.offset + segment.file_size])
    space.show(target, made, start, access, ALL_RIGHTS)


def _fill(object: Memory, offset: U64, contents: Slice[U8]) -> None:
    """Copy contents into new pages, through the direct map. Raises QuotaExceeded, OutOfMemory."""
    done = U64(0)
    while done < contents.length:
        place = (offset + done) % PAGE_SIZE
        count = min(PAGE_SIZE - place, contents.length - done)
        frame = pages.fill(object, (offset + done) // PAGE_SIZE)
        page = Slice.of(Ptr.at(U8, mmu.direct(frame.offset(place))), count)
        page.copy_from(contents[done : done + count])
        done = done + count
