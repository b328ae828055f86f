"""Further processes that run the same program.

    child = Child()
    child.make(U64(initial.QUOTA))
    endpoint = system.process_install(child.process, handle, U64(0), U64(BADGE))
    child.start(code_address(serve), endpoint)

The child has the program's code and a fresh copy of its data as it was at the start, a heap of its own, and no handles
but those that are installed. It begins in the function that is named and ends when that returns.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial, layout
from cloudos.abi.bundle import EntryKind
from cloudos.abi.messages import NEVER
from cloudos.abi.objects import MEMORY_ON_DEMAND
from cloudos.lang import U8, U16, U32, U64, Array, Ptr, Slice, UserPtr, VirtAddr, code_address, data, panic, struct
from cloudos.sdk import system
from cloudos.sdk.bundle import bundle
from cloudos.sdk.errors import BadBundle
from cloudos.sdk.image_bundle import image_bundle
from cloudos.sdk.memory import EXECUTE, READ, WRITE, Memory, unmap, view
from cloudos.sdk.threads import entry

PAGE = layout.PAGE_SIZE
STACK_SIZE = 64 << 10
SEGMENT_LOAD = 1


@struct
class Segment:
    """Elf64_Phdr: System V ABI, chapter 5."""

    kind: U32
    flags: U32
    offset: U64
    address: U64
    physical: U64
    file_size: U64
    memory_size: U64
    alignment: U64


@struct
class Child:
    """Handles to a process that `make` has made, and to its first thread, once `start` has started it."""

    process: U64 = U64(0)
    thread: U64 = U64(0)

    def make(self, quota: U64) -> None:
        """Make the process, with the program's segments. Raises what the system calls of processes raise."""
        self.make_labelled(quota, U64(0))

    def make_labelled(self, quota: U64, label: U64) -> None:
        """`make` with a label of the policy in force."""
        self.process = system.process_create(quota, label)
        image = own_program()
        offset = _word(image, U64(32))
        size = U64(Ptr.at(U16, image.pointer.address.offset(54)).value)
        count = U64(Ptr.at(U16, image.pointer.address.offset(56)).value)
        for index in U64.range(count):
            segment = Ptr.at(Segment, image.pointer.address.offset(offset + index * size)).value
            if segment.kind == SEGMENT_LOAD:
                self._load(segment, image)

    def _load(self, segment: Segment, image: Slice[U8]) -> None:
        # ELF: 1 execute, 2 write, 4 read.
        access = U64(READ) | U64(segment.flags & 2)
        if segment.flags & 1 != 0:
            access = access | EXECUTE
        source = UserPtr.at(U8, image.pointer.address.value + segment.offset)
        populate(self.process, segment.address, source, segment.file_size, segment.memory_size, access)

    def start(self, function: VirtAddr, argument: U64) -> None:
        """Run `function(argument)` in the process, on the schedule of this one's first thread."""
        self.start_on(function, argument, U64(initial.SCHEDULE))

    def start_on(self, function: VirtAddr, argument: U64, schedule: U64) -> None:
        """`start` with a schedule of its own."""
        top = U64(layout.STACK_TOP)
        access = U64(READ | WRITE)
        first = Array[U64, Literal[2]]()
        first[0] = function.value
        source = UserPtr.at(U8, Ptr.to(first).address.value)
        populate(self.process, top - STACK_SIZE, source, U64(0), U64(STACK_SIZE - PAGE), access)
        populate(self.process, top - PAGE, source, U64(16), U64(PAGE), access)
        begin = code_address(entry).value
        self.thread = system.thread_create(self.process, schedule, begin, top - PAGE, argument)
        system.thread_start(self.thread)

    def wait(self) -> U64:
        """Wait until the process has ended: see `wait`."""
        return wait(self.process, U64(initial.QUOTA))


def wait(process: U64, quota: U64) -> U64:
    """Wait until a process has ended, and all that it had is given back; what process_inspect says of it then.

    Raises BadState (somebody else waits for that), and what making a notification on `quota` raises.
    """
    ended = system.notification_create(quota)
    try:
        system.process_bind(process, ended, U64(1))
        system.notification_wait(ended, U64(NEVER))
    finally:
        system.handle_close(ended)
    return system.process_inspect(process)


def populate(process: U64, address: U64, data: UserPtr[U8], length: U64, size: U64, access: U64) -> None:
    """Give a process `size` bytes of new memory at `address`, beginning with `length` bytes of the caller's at `data`.

    Whole pages, zero where nothing is copied. `access`: READ, WRITE, EXECUTE. Paid for by the caller's first quota.
    Raises what `memory_create`, `process_space` and `space_map` raise; then the process has no new memory.
    """
    start = address // PAGE * PAGE
    whole = (address + size - start + (PAGE - 1)) // PAGE * PAGE
    memory = Memory()
    memory.create(U64(initial.QUOTA), whole, U64(MEMORY_ON_DEMAND))
    try:
        if length > 0:
            _fill(memory, address - start, data, length)
        space = system.process_space(process)
        try:
            memory.map_at(space, start, U64(0), whole, access)
        finally:
            system.handle_close(space)
    finally:
        memory.close()


def _fill(memory: Memory, offset: U64, data: UserPtr[U8], length: U64) -> None:
    """Copy into a memory object, through a window into it that exists for so long."""
    shown = (offset + length + (PAGE - 1)) // PAGE * PAGE
    window = memory.map(U64(0), shown, U64(READ | WRITE))
    view(window, shown)[offset : offset + length].copy_from(Slice.of(Ptr.at(U8, VirtAddr(data.address)), length))
    unmap(window, shown)


def own_program() -> Slice[U8]:
    """The program's own ELF file: in the boot bundle, where it stands among the files when the loader started it."""
    for index in U64.range(bundle.count):
        found = bundle.entry(index)
        if found.kind == U32(EntryKind.PROGRAM):
            return bundle.data(found)
    try:
        image = image_bundle()
    except BadBundle:
        panic("the program's own file cannot be read")
    number = image.find(EntryKind.FILE, data(b"/system/program"))
    if number is None:
        panic("the program's own file is not there")
    return image.data(image.entry(number))


def _word(image: Slice[U8], offset: U64) -> U64:
    return Ptr.at(U64, image.pointer.address.offset(offset)).value
