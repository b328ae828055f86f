"""What every architecture provides, under the same module and function names, and the types they share.

The Protocols at the end describe modules: `cloudos.kernel.hal.x86_64.timer` is a `Timer`, and so on. Each architecture's
`conformance.py` states it, so that a type checker compares them.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Literal, NoReturn, Protocol

from cloudos.abi.errors import OutOfMemory
from cloudos.abi.faults import Fault
from cloudos.lang import U8, U32, U64, Array, PhysAddr, Ptr, Slice, VirtAddr, enum, struct, zeroed

__all__ = ["OutOfMemory"]

PAGE_SIZE = 4096
MAXIMUM_RANGES = 32


@enum(U8)
class Access(IntFlag):
    """What may be done with mapped memory. WRITE together with EXECUTE is refused everywhere."""

    READ = 1
    WRITE = 2
    EXECUTE = 4
    USER = 8
    DEVICE = 16


@enum(U8)
class TrapKind(IntEnum):
    """Why the processor entered the kernel, other than by a system call."""

    PAGE_FAULT = 0
    FAULT = 1
    CONSOLE = 2
    CHANNEL = 3
    TIMER = 4
    SPURIOUS = 5
    NON_MASKABLE = 6
    MACHINE_CHECK = 7


@struct
class MemoryRange:
    """Usable memory, in bytes: [start, end)."""

    start: U64 = U64(0)
    end: U64 = U64(0)


@struct
class BootInformation:
    """What the loader of the machine told the kernel."""

    count: U64 = U64(0)
    ranges: Array[MemoryRange, Literal[32]] = zeroed()
    module: PhysAddr = zeroed()
    module_length: U64 = U64(0)


@struct
class UserContext:
    """Where a user thread is: addresses of the next instruction, the stack's top, the frame record."""

    ip: U64
    sp: U64
    fp: U64


@struct
class Mapping:
    """One page table entry, decoded. `level` 0 is a page of 4 KB, 1 of 2 MB, 2 of 1 GB."""

    present: bool
    frame: PhysAddr
    level: U64
    access: Access


class FrameSource(Protocol):
    """Where page tables come from."""

    def allocate_zeroed(self) -> PhysAddr:
        """One frame of zeroes. Raises OutOfMemory."""
        ...


class Timer(Protocol):
    """Time since boot and one alarm."""

    def start(self) -> None:
        """Begin to count."""

    def now(self) -> U64:
        """Nanoseconds since `start`; never goes back."""

    def set_alarm(self, deadline: U64) -> None:
        """Interrupt once at `deadline`, as `now` counts; at once when that is past."""


class Interrupts(Protocol):
    """The interrupt controller."""

    def start(self) -> None:
        """Route the console's and the program channel's interrupts to this processor."""

    def acknowledge(self) -> None:
        """End the interrupt being handled."""


class Cpu(Protocol):
    """The processor."""

    def start(self) -> None:
        """Turn on protections, prepare system calls."""

    def wait_for_interrupt(self) -> None:
        """Sleep with interrupts open until one has been handled; no interrupt between check and sleep is lost."""

    def pause(self) -> None:
        """Hint of a busy wait."""


class Traps(Protocol):
    """Entry into the kernel and return from it."""

    def start(self) -> None:
        """Install the trap table."""


class Mmu(Protocol):
    """Page tables."""

    def start(self, boot: BootInformation, frames: FrameSource) -> None:
        """Replace the boot page tables by the final ones. Raises OutOfMemory."""

    def direct(self, frame: PhysAddr) -> VirtAddr:
        """Where the kernel sees physical memory."""


class Console(Protocol):
    """The kernel's log, the host's commands, and the program channel."""

    def start(self) -> None:
        """From here on the log can be written."""

    def read_command(self) -> U8:
        """Next command byte of the host, 0 when there is none."""

    def start_channel(self, frames: Ptr[U8]) -> None: ...


class Power(Protocol):
    """The end."""

    def off(self) -> NoReturn:
        """Switch the machine off."""


class FaultDecoder(Protocol):
    """From a trap to what it means for a user thread."""

    def user_fault(self, code: Slice[U8]) -> Fault: ...


