"""Programs as they lie in files: ELF-64 executables, checked before anything of them is used.

An `Executable` keeps the segments of one program. What is read only is shown to every process that runs it, straight
from the file where that lies in memory that can be shown. What is written is copied for each process, from the file
where that lasts, else from memory of which each gets a clone. Source: System V ABI, chapters 4 and 5.
"""

from __future__ import annotations

from cloudos.abi import layout
from cloudos.abi.errors import (
    BadArgument,
    BadHandle,
    BadState,
    Denied,
    OutOfMemory,
    PeerGone,
    QuotaExceeded,
    TooManyHandles,
    WrongKind,
)
from cloudos.abi.objects import MEMORY_ON_DEMAND, MEMORY_PAID, Rights
from cloudos.contracts.errors import BadProgram
from cloudos.lang import U8, U16, U32, U64, Ptr, Slice, data, managed, struct
from cloudos.sdk import system
from cloudos.sdk.collections.list import List
from cloudos.sdk.memory import EXECUTE, READ, WRITE, Memory, unmap, view

PAGE = layout.PAGE_SIZE
IDENTIFICATION = 0x0001_0102_464C_457F  # 7F "ELF", 64 bits, little endian, version 1
IDENTIFICATION_MASK = 0x00FF_FFFF_FFFF_FFFF
TYPE_EXECUTABLE = 2
MACHINES = (62, 183)  # x86_64, AArch64: the kernel that runs this runs no other
SEGMENT_LOAD = 1
UNSUPPORTED = (2, 3, 7)  # dynamic, interpreter, thread-local
HEADER_SIZE = 64
SEGMENT_SIZE = 56
MAXIMUM_SEGMENTS = 16
SHOWN_RIGHTS = Rights.READ | Rights.EXECUTE | Rights.MAP


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
class SegmentHeader:
    """Elf64_Phdr."""

    kind: U32
    flags: U32
    offset: U64
    address: U64
    physical: U64
    file_size: U64
    memory_size: U64
    alignment: U64


@managed
class Segment:
    """One segment: whole pages from `address` on, and what may be done with them."""

    address: U64
    length: U64
    access: U64
    # 0: each process gets memory of its own, in which `content` stands.
    memory: U64
    # Where it begins in `memory`; without one, where `content` begins in the pages.
    offset: U64
    content: Slice[U8]

    def drop(self) -> None:
        """The handle goes with the segment, if it has one."""
        if self.memory == 0:
            return
        try:
            system.handle_close(self.memory)
        except BadHandle:
            pass


@managed
class Executable:
    """A program that can be put into processes."""

    entry: U64
    segments: List[Segment]

    def place(self, space: U64, quota: U64) -> None:
        """Show the program in an empty address space. `quota` pays for what the process may write.

        Raises QuotaExceeded, also for what cannot be shown for other reasons: no memory, no room for handles.
        """
        for segment in self.segments:
            show(segment, space, quota)


def show(segment: Segment, space: U64, quota: U64) -> None:
    """Show one segment. Raises QuotaExceeded."""
    try:
        if segment.access & WRITE == 0:
            system.space_map(space, segment.memory, segment.address, segment.offset, segment.length, segment.access)
            return
        if segment.memory == 0:
            show_copy(segment, space, quota)
            return
        own = system.memory_clone(segment.memory, quota, U64(0))
        try:
            system.space_map(space, own, segment.address, U64(0), segment.length, segment.access)
        finally:
            system.handle_close(own)
    except (BadArgument, BadHandle, BadState, Denied, OutOfMemory, PeerGone, TooManyHandles, WrongKind):
        raise QuotaExceeded


def show_copy(segment: Segment, space: U64, quota: U64) -> None:
    """Show a copy of what stands in the file, which is paid for at once, and zeros, which are paid for when touched.

    Raises what `Memory.create`, `map` and `map_at` do.
    """
    filled = _whole_pages(segment.offset + segment.content.length) if segment.content.length > 0 else U64(0)
    memory = Memory()
    if filled > 0:
        memory.create(quota, filled, U64(MEMORY_PAID))
        try:
            fill(memory, segment.offset, segment.content)
            memory.map_at(space, segment.address, U64(0), filled, segment.access)
        finally:
            memory.close()
    if filled < segment.length:
        memory.create(quota, segment.length - filled, U64(MEMORY_ON_DEMAND))
        try:
            memory.map_at(space, segment.address + filled, U64(0), segment.length - filled, segment.access)
        finally:
            memory.close()


def read_executable(
    image: Slice[U8], quota: U64, source: U64 = U64(0), source_offset: U64 = U64(0), lasts: bool = False
) -> Executable:
    """Check an ELF file and copy its segments into memory that `quota` pays for. Raises BadProgram, QuotaExceeded.

    `source`: memory in which the file lies at an offset, and which does not change; 0 when there is none. Segments that
    are not written are then not copied. `lasts`: `image` is there, and the same, as long as the executable; then no
    segment is copied before there is a process for it.
    """
    header = _header_of(image)
    segments = List[Segment]()
    executable = False
    for index in U64.range(U64(header.segment_count)):
        at = image.pointer.address.offset(header.segment_offset + index * SEGMENT_SIZE)
        segment = Ptr.at(SegmentHeader, at).value
        if segment.kind in UNSUPPORTED_KINDS:
            raise BadProgram
        if segment.kind == SEGMENT_LOAD and segment.memory_size > 0:
            _check(segment, image.length)
            segments.append(
                _show_from(segment, source, source_offset + segment.offset)
                if source != 0 and _can_be_shown(segment, source_offset + segment.offset)
                else _left_in(segment, image)
                if lasts and segment.flags & 2 != 0
                else _load(segment, image, quota)
            )
            inside = header.entry >= segment.address and header.entry - segment.address < segment.file_size
            executable = executable or (segment.flags & 1 != 0 and inside)
    if not executable:
        raise BadProgram
    return Executable(header.entry, segments)


@struct
class Unsupported:
    """A set of segment kinds."""

    unused: U64 = U64(0)

    def __contains__(self, kind: U32) -> bool:
        return kind == UNSUPPORTED[0] or kind == UNSUPPORTED[1] or kind == UNSUPPORTED[2]


UNSUPPORTED_KINDS = Unsupported()


def _header_of(image: Slice[U8]) -> ElfHeader:
    """The header, once it has been checked. Raises BadProgram."""
    if image.length < HEADER_SIZE:
        raise BadProgram
    header = Ptr.at(ElfHeader, image.pointer.address).value
    if header.identification & IDENTIFICATION_MASK != IDENTIFICATION or header.type != TYPE_EXECUTABLE:
        raise BadProgram
    if header.machine != MACHINES[0] and header.machine != MACHINES[1]:
        raise BadProgram
    if header.segment_size != SEGMENT_SIZE or header.segment_count > MAXIMUM_SEGMENTS:
        raise BadProgram
    size = U64(header.segment_count) * SEGMENT_SIZE
    if header.segment_offset % 8 != 0 or not _fits(header.segment_offset, size, image.length):
        raise BadProgram
    return header


def _fits(offset: U64, length: U64, limit: U64) -> bool:
    return offset <= limit and length <= limit - offset


def _check(segment: SegmentHeader, length: U64) -> None:
    """Raises BadProgram for a segment outside of its file or of the addresses for programs, or open to injection."""
    if not _fits(segment.offset, segment.file_size, length) or segment.file_size > segment.memory_size:
        raise BadProgram
    if segment.address < layout.USER_START or not _fits(
        segment.address, segment.memory_size, U64(layout.STARTED_START)
    ):
        raise BadProgram
    if segment.flags & 3 == 3:
        raise BadProgram


def _access(segment: SegmentHeader) -> U64:
    """What processes may do with a segment."""
    access = U64(READ)
    if segment.flags & 2 != 0:
        access = access | WRITE
    if segment.flags & 1 != 0:
        access = access | EXECUTE
    return access


def _extent(segment: SegmentHeader) -> U64:
    """Bytes of the whole pages that a segment touches."""
    return _whole_pages(segment.address % PAGE + segment.memory_size)


def _whole_pages(length: U64) -> U64:
    return (length + (PAGE - 1)) // PAGE * PAGE


def _can_be_shown(segment: SegmentHeader, offset: U64) -> bool:
    """Whether the pages of a file are those of the segment, which begins at `offset` of the memory."""
    plain = segment.flags & 2 == 0 and segment.file_size == segment.memory_size
    return plain and offset % PAGE == segment.address % PAGE


def _show_from(segment: SegmentHeader, source: U64, offset: U64) -> Segment:
    """A segment that stays where the file lies. Raises QuotaExceeded."""
    try:
        memory = system.handle_derive(source, U64(SHOWN_RIGHTS), U64(0))
    except (BadArgument, BadHandle, Denied, OutOfMemory, TooManyHandles, PeerGone):
        raise QuotaExceeded
    page = U64(PAGE)
    start, first = segment.address // page * page, offset // page * page
    return Segment(start, _extent(segment), _access(segment), memory, first, data(b""))


def _left_in(segment: SegmentHeader, image: Slice[U8]) -> Segment:
    """A segment whose contents stay in the file until they are copied for a process."""
    before = segment.address % PAGE
    content = image[segment.offset : segment.offset + segment.file_size]
    return Segment(segment.address - before, _extent(segment), _access(segment), U64(0), before, content)


def _load(segment: SegmentHeader, image: Slice[U8], quota: U64) -> Segment:
    """Copy the contents of a segment into new memory. Raises BadProgram, QuotaExceeded."""
    start = segment.address // PAGE * PAGE
    length = _extent(segment)
    try:
        memory = Memory()
        memory.create(quota, length, U64(MEMORY_PAID))
        made = Segment(start, length, _access(segment), memory.handle, U64(0), data(b""))
        fill(memory, segment.address - start, image[segment.offset : segment.offset + segment.file_size])
        return made
    except (BadArgument, BadHandle, Denied, OutOfMemory, PeerGone, TooManyHandles, WrongKind):
        raise QuotaExceeded


def fill(memory: Memory, offset: U64, contents: Slice[U8]) -> None:
    """Copy bytes into a memory object at an offset. Raises what `Memory.map` and `unmap` do.

    Panics when the memory that is touched cannot be paid for: the caller pays for it at once where that matters.
    """
    if contents.length == 0:
        return
    shown = _whole_pages(offset + contents.length)
    window = memory.map(U64(0), shown, U64(READ | WRITE))
    view(window, shown)[offset : offset + contents.length].copy_from(contents)
    unmap(window, shown)
