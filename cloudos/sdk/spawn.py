"""Making processes that run a program with arguments, environment and capabilities by name.

    made = new_process(executable, quota, schedule, U64(0), False)
    made.block.add(EntryKind.ARGUMENT, …)
    made.give(name, handle, rights, badge)
    made.start()

The process finds the numbers of `cloudos.abi.initial` for itself, its thread, its quota, its schedule and its space,
and nothing else but what was given. Where init holds policy and audit, it has itself again, to be looked at only.
"""

from __future__ import annotations

from cloudos.abi import initial, layout
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
from cloudos.abi.objects import HANDLES_IN_FRAME, LABEL_BITS, MEMORY_ON_DEMAND, MEMORY_PAID, Rights
from cloudos.lang import U8, U64, Slice, managed
from cloudos.sdk import system, transport
from cloudos.sdk.executable import Executable, fill
from cloudos.sdk.memory import READ, WRITE, Memory
from cloudos.sdk.start_block import StartBlock, new_start_block

PAGE = layout.PAGE_SIZE


@managed
class NewProcess:
    """A process that does not run yet."""

    process: U64
    thread: U64
    quota: U64
    block: StartBlock
    started: bool

    def drop(self) -> None:
        """One that never ran ends; of one that runs, only the handle to its thread goes."""
        if not self.started:
            end(self.process)
            transport.close(self.process)
        transport.close(self.thread)

    def give(self, name: Slice[U8], handle: U64, rights: U64, badge: U64) -> None:
        """Give it a capability under a name; 0 for `rights` gives all. Raises QuotaExceeded, BadHandle."""
        self.block.add_handle(name, install(self.process, handle, rights, badge))

    def start(self) -> None:
        """Put down what it was given, and let it run. Raises QuotaExceeded."""
        content = self.block.encode()
        length = (content.length + (PAGE - 1)) // PAGE * PAGE
        try:
            memory = Memory()
            memory.create(self.quota, length, U64(MEMORY_PAID))
            try:
                fill(memory, U64(0), content.content())
                show(self.process, memory, U64(layout.STARTED_START), length, U64(READ))
            finally:
                memory.close()
            system.thread_start(self.thread)
        except (BadArgument, BadHandle, BadState, Denied, OutOfMemory, PeerGone, TooManyHandles, WrongKind):
            raise QuotaExceeded
        self.started = True


def new_process(executable: Executable, quota: U64, schedule: U64, label: U64, large_stack: bool) -> NewProcess:
    """A process with a program in it that was not given anything yet. `label`: as `process_create` takes it, see
    `label_word`. A large stack takes more tables of pages.

    Raises QuotaExceeded, also for other refusals.
    """
    try:
        process = system.process_create(quota, label)
    except (BadArgument, BadHandle, Denied, OutOfMemory, PeerGone, TooManyHandles, WrongKind):
        raise QuotaExceeded
    made = NewProcess(process, U64(0), quota, new_start_block(), False)
    try:
        space = system.process_space(process)
        try:
            executable.place(space, quota)
        finally:
            system.handle_close(space)
        stack = Memory()
        top = U64(layout.STACK_TOP) if large_stack else U64(layout.STARTED_STACK_TOP)
        size = U64(layout.STACK_SIZE) if large_stack else U64(layout.STARTED_STACK_SIZE)
        stack.create(quota, size, U64(MEMORY_ON_DEMAND))
        try:
            show(process, stack, top - size, size, U64(READ | WRITE))
        finally:
            stack.close()
        made.thread = system.thread_create(process, schedule, executable.entry, top, U64(layout.STARTED_START))
        _introduce(made, schedule)
    except (BadArgument, BadHandle, Denied, OutOfMemory, PeerGone, TooManyHandles, WrongKind):
        raise QuotaExceeded
    return made


def label_word(label: U64, handles: U64) -> U64:
    """A label with the number of handles that a process may hold, in whole frames; 0: as many as its quota pays for."""
    frames = (handles + (HANDLES_IN_FRAME - 1)) // HANDLES_IN_FRAME
    return label | frames << LABEL_BITS


def _introduce(made: NewProcess, schedule: U64) -> None:
    """Install what every process has, in the order of `cloudos.abi.initial`. Raises QuotaExceeded, BadHandle."""
    process = made.process
    itself = install(process, process, U64(0), U64(0))
    assert itself == initial.PROCESS, "the first handles are a part of the binary interface"
    install(process, made.thread, U64(0), U64(0))
    install(process, made.quota, U64(0), U64(0))
    install(process, schedule, U64(Rights.ALLOCATE | Rights.INSPECT), U64(0))
    install(process, process, U64(Rights.INSPECT), U64(0))
    install(process, process, U64(Rights.INSPECT), U64(0))
    try:
        space = system.process_space(process)
    except (Denied, OutOfMemory, PeerGone, TooManyHandles, WrongKind):
        raise QuotaExceeded
    try:
        assert install(process, space, U64(0), U64(0)) == initial.SPACE
    finally:
        transport.close(space)


def install(process: U64, handle: U64, rights: U64, badge: U64) -> U64:
    """Derive a handle into a process; its number there. Raises BadHandle, QuotaExceeded."""
    try:
        return system.process_install(process, handle, rights, badge)
    except (BadArgument, Denied, WrongKind):
        raise BadHandle
    except (OutOfMemory, PeerGone, TooManyHandles):
        raise QuotaExceeded


def show(process: U64, memory: Memory, address: U64, length: U64, access: U64) -> None:
    """Show memory in a process. Raises what process_space and space_map do."""
    space = system.process_space(process)
    try:
        memory.map_at(space, address, U64(0), length, access)
    finally:
        system.handle_close(space)


def end(process: U64) -> None:
    """End a process, if there is one."""
    try:
        system.process_kill(process)
    except (BadHandle, WrongKind, Denied, PeerGone):
        pass
