"""Loads the first program: from the boot bundle to a process that can run.

Nothing in a bundle or an ELF file is trusted: every offset, size and address is checked before it is used. What is
refused raises BadProgram, after a line in the log that says why. Sources: System V ABI, chapters 4 and 5 (ELF-64).
"""

from __future__ import annotations

from cloudos.abi import layout
from cloudos.abi.bundle import MAGIC, VERSION, BundleEntry, BundleHeader, EntryKind
from cloudos.abi.errors import BadArgument, OutOfMemory, QuotaExceeded
from cloudos.abi.objects import ALL_RIGHTS
from cloudos.kernel import log
from cloudos.kernel.hal import mmu, platform
from cloudos.kernel.hal.interface import Access
from cloudos.kernel.memory import pages
from cloudos.kernel.memory.structures import Memory, Space
from cloudos.kernel.objects import memory, space
from cloudos.lang import U8, U16, U32, U64, Error, PhysAddr, Ptr, Slice, data, size_of, struct

__all__ = ["OutOfMemory", "QuotaExceeded"]

PAGE_SIZE = layout.PAGE_SIZE
# 7F "ELF", 64 bits, little endian, version 1.
ELF_IDENTIFICATION = 0x0001_0102_464C_457F
ELF_IDENTIFICATION_MASK = 0x00FF_FFFF_FFFF_FFFF
TYPE_EXECUTABLE = 2
SEGMENT_LOAD = 1
SEGMENT_DYNAMIC = 2
SEGMENT_INTERPRETER = 3
SEGMENT_THREAD_LOCAL = 7
FLAG_EXECUTE = 1
FLAG_WRITE = 2
MAXIMUM_SEGMENTS = 16
MAXIMUM_ENTRIES = 65536


class BadProgram(Error):
    """The bundle or the program in it cannot be used."""


@struct
class ElfHeader:
    """Elf64_Ehdr."""

    identification: U64
    padding: U64
    type: U16
    machine: U16
    version: U32
    entry: U64
    segment_offset: U64
    section_offset: U64
    flags: U32
    header_size: U16
    segment_size: U16
    segment_count: U16
    section_size: U16
    section_count: U16
    names: U16


@struct
class Segment:
    """Elf64_Phdr."""

    type: U32
    flags: U32
    offset: U64
    address: U64
    physical: U64
    file_size: U64
    memory_size: U64
    alignment: U64


def _refuse(reason: Slice[U8]) -> None:
    log.begin_line()
    log.text(data(b"the program cannot be loaded: "))
    log.record(reason)
    raise BadProgram


def bundle_of(module: PhysAddr, length: U64) -> Slice[U8]:
    """The bundle in the boot module, as the kernel sees it. Raises BadProgram."""
    if length < size_of(BundleHeader) or not module.is_aligned(PAGE_SIZE):
        _refuse(data(b"there is no boot bundle"))
    header = Ptr.at(BundleHeader, mmu.direct(module)).value
    if header.magic != MAGIC or header.version != VERSION:
        _refuse(data(b"the boot module is not a bundle of this version"))
    if header.total_size > length or header.entry_count > MAXIMUM_ENTRIES:
        _refuse(data(b"the bundle is longer than the boot module"))
    if header.total_size < size_of(BundleHeader) + U64(header.entry_count) * size_of(BundleEntry):
        _refuse(data(b"the bundle is shorter than its table"))
    return Slice.of(Ptr.at(U8, mmu.direct(module)), header.total_size)


def program_in(bundle: Slice[U8]) -> Slice[U8]:
    """The first program of a bundle. Raises BadProgram."""
    base = bundle.pointer.address
    count = U64(Ptr.at(BundleHeader, base).value.entry_count)
    entries = Slice.of(Ptr.at(BundleEntry, base.offset(size_of(BundleHeader))), count)
    for index in U64.range(count):
        entry = entries[index]
        if entry.kind == U32(EntryKind.PROGRAM):
            if not _fits(entry.data_offset, entry.data_length, bundle.length) or entry.data_offset % PAGE_SIZE != 0:
                _refuse(data(b"the program lies outside the bundle"))
            return bundle[entry.data_offset : entry.data_offset + entry.data_length]
    _refuse(data(b"there is no program in the bundle"))
    return bundle


def _fits(offset: U64, length: U64, limit: U64) -> bool:
    return offset <= limit and length <= limit - offset


def load(target: Ptr[Space], image: Slice[U8]) -> U64:
    """Put an ELF program into an empty address space; the address of its entry. Raises BadProgram, OutOfMemory."""
    header = _header_of(image)
    table = Ptr.at(Segment, image.pointer.address.offset(header.segment_offset))
    segments = Slice.of(table, U64(header.segment_count))
    executable = False
    for index in U64.range(segments.length):
        segment = segments[index]
        if segment.type == SEGMENT_LOAD and segment.memory_size > 0:
            _check_segment(segment, image.length)
            _load_segment(target, segment, image)
            if segment.flags & FLAG_EXECUTE != 0 and _contains(segment, header.entry):
                executable = True
        elif segment.type == SEGMENT_DYNAMIC or segment.type == SEGMENT_INTERPRETER:
            _refuse(data(b"it is linked dynamically"))
        elif segment.type == SEGMENT_THREAD_LOCAL:
            _refuse(data(b"it has thread-local data"))
    if not executable:
        _refuse(data(b"its entry is not in executable memory"))
    return header.entry


def _header_of(image: Slice[U8]) -> ElfHeader:
    """The header, once it has been checked."""
    if image.length < size_of(ElfHeader):
        _refuse(data(b"it is too short for an ELF file"))
    header = Ptr.at(ElfHeader, image.pointer.address).value
    if header.identification & ELF_IDENTIFICATION_MASK != ELF_IDENTIFICATION:
        _refuse(data(b"it is not an ELF file of 64 bits, little endian"))
    if header.type != TYPE_EXECUTABLE or header.machine != platform.ELF_MACHINE:
        _refuse(data(b"it is not an executable for this processor"))
    if header.segment_size != size_of(Segment) or header.segment_count > MAXIMUM_SEGMENTS:
        _refuse(data(b"its segment table has an unknown form"))
    if header.segment_offset % 8 != 0:
        _refuse(data(b"its segment table is not aligned"))
    if not _fits(header.segment_offset, U64(header.segment_count) * size_of(Segment), image.length):
        _refuse(data(b"its segment table lies outside the file"))
    return header


def _check_segment(segment: Segment, length: U64) -> None:
    if not _fits(segment.offset, segment.file_size, length):
        _refuse(data(b"a segment lies outside the file"))
    if segment.file_size > segment.memory_size:
        _refuse(data(b"a segment has more contents than memory"))
    if segment.address < layout.USER_START or not _fits(segment.address, segment.memory_size, U64(layout.BUNDLE_START)):
        _refuse(data(b"a segment lies outside the addresses for programs"))
    if segment.flags & FLAG_WRITE != 0 and segment.flags & FLAG_EXECUTE != 0:
        _refuse(data(b"a segment is both writable and executable"))


def _contains(segment: Segment, address: U64) -> bool:
    return address >= segment.address and address - segment.address < segment.file_size


def _load_segment(target: Ptr[Space], segment: Segment, image: Slice[U8]) -> None:
    """Give the segment memory of its own and copy its contents. Raises BadProgram, QuotaExceeded, OutOfMemory."""
    access = Access.READ
    if segment.flags & FLAG_WRITE != 0:
        access = access | Access.WRITE
    if segment.flags & FLAG_EXECUTE != 0:
        access = access | Access.EXECUTE
    start = segment.address // PAGE_SIZE * PAGE_SIZE
    count = (segment.address + segment.memory_size - start + (PAGE_SIZE - 1)) // PAGE_SIZE
    made = memory.create(target.value.header.quota.value, count)
    _fill(made.value, segment.address - start, image[segment.offset : segment.offset + segment.file_size])
    try:
        space.show(target, made, start, access, ALL_RIGHTS)
    except BadArgument:
        _refuse(data(b"two segments share a page"))


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
