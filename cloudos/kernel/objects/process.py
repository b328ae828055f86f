"""The process: an address space, where its thread is, and how it ends.

There is one process yet, and its end is the end of the machine's work: the records of its end are written to the
log and the machine is switched off.
"""

from __future__ import annotations

from typing import Literal, NoReturn

from cloudos.abi import faults, layout
from cloudos.abi.errors import BadAddress
from cloudos.abi.faults import Fault
from cloudos.kernel import log
from cloudos.kernel.hal import console, cpu, power, trap
from cloudos.kernel.hal.interface import Access, UserContext
from cloudos.kernel.memory import user_memory
from cloudos.kernel.memory.address_space import AddressSpace, Backing
from cloudos.lang import U8, U32, U64, Array, PhysAddr, UserPtr, place, struct, write_text, zeroed

MAXIMUM_FRAMES = 64
COMMAND_TIMEOUT = 0x54  # "T"
COMMAND_INTERRUPT = 0x49  # "I"
FIRST_PRINTABLE = 0x20
LAST_PRINTABLE = 0x7E


@struct
class Process:
    """The process."""

    space: AddressSpace = zeroed()

    def start(self, bundle: PhysAddr, length: U64) -> None:
        """Become a process without a program, that sees the bundle and has a stack. Raises OutOfMemory, BadArgument."""
        self.space.start()
        whole_pages = (length + (layout.PAGE_SIZE - 1)) // layout.PAGE_SIZE * layout.PAGE_SIZE
        self.space.map_foreign(U64(layout.BUNDLE_START), bundle, whole_pages)
        stack = U64(layout.STACK_TOP - layout.STACK_SIZE)
        access = Access.READ | Access.WRITE | Access.USER
        self.space.add(stack, U64(layout.STACK_TOP), access, Backing.ON_DEMAND)

    def context(self) -> UserContext:
        """Where the process is, in its system call."""
        return trap.current_system_call().context()


PROCESS = place(Process())


def process_exit(status: U8) -> NoReturn:
    """System call."""
    log.record(f"@exit status={status}")
    finish()


def process_panic(site: U32, message: UserPtr[U8], length: U64) -> NoReturn:
    """System call."""
    write_text(console.LOG_PORT, f"@panic site={site:#x} message=")
    buffer = Array[U8, Literal[256]]()
    text = buffer.slice()[0 : min(length, buffer.length)]
    try:
        user_memory.copy_in(text, message.address)
        for index in U64.range(text.length):
            if text[index] < FIRST_PRINTABLE or text[index] > LAST_PRINTABLE:
                text[index] = U8(FIRST_PRINTABLE)
        console.LOG_PORT.write(text)
    except BadAddress:
        pass
    log.record("")
    _backtrace(PROCESS.context())
    finish()


def end_by_fault(fault: Fault, context: UserContext, address: U64) -> NoReturn:
    """Report that the process did something that it may not, and where; then end it."""
    write_text(console.LOG_PORT, f"@fault number={fault.number} kind=")
    console.LOG_PORT.write(fault.name)
    log.address("ip", context.ip)
    log.address("address", address)
    log.address("sp", context.sp)
    log.record("")
    _backtrace(context)
    finish()


def _backtrace(context: UserContext) -> None:
    """One record per frame, innermost first, along the chain of frame pointers as far as it can be read."""
    log.record(f"@frame ip={context.ip:#x}")
    fp = context.fp
    try:
        if not PROCESS.space.is_executable(context.ip):
            # A call went astray: it left its return address on the stack, and no frame was made.
            log.record(f"@frame ip={user_memory.read_word(context.sp):#x}")
        for _ in U64.range(MAXIMUM_FRAMES - 1):
            if fp == 0 or fp % 8 != 0:
                break
            log.record(f"@frame ip={user_memory.read_word(fp + 8):#x}")
            caller = user_memory.read_word(fp)
            # The stack grows down, so callers lie above; anything else is no chain.
            if caller <= fp:
                break
            fp = caller
    except BadAddress:
        pass


def obey_host(context: UserContext) -> None:
    """Do what the host asked on the console, if it did: end the process."""
    command = console.read_command()
    if command == COMMAND_TIMEOUT:
        end_by_fault(faults.TIMED_OUT, context, U64(0))
    if command == COMMAND_INTERRUPT:
        end_by_fault(faults.INTERRUPTED, context, U64(0))


def sleep_until_event() -> None:
    """Called from a system call that waits: let interrupts happen, then obey the host."""
    cpu.wait_for_interrupt()
    obey_host(PROCESS.context())


def finish() -> NoReturn:
    """The end of the machine's work."""
    console.drain()
    log.line("the machine is switched off")
    log.record("@off")
    console.drain()
    power.off()
