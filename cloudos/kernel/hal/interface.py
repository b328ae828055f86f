"""What every architecture provides, and the types that architectures and generic code share.

Each architecture is a package of modules with these functions; `cloudos.kernel.hal` names the one in use.

console     start, read_command, LOG_PORT (a Sink), start_channel, channel_write, channel_is_idle, channel_peek,
            channel_consume, channel_interrupt, drain
cpu         wait_for_interrupt, take_interrupts, pause, halt, highest_bit, zero, fault_address, trap,
            port_read, port_write
image       ASSEMBLIES, LINKER_SCRIPT, ENTRY_SYMBOL
interrupts  start, acknowledge, configure
mmu         start, direct, PageTable, BROADCASTS, forget_translations, begin_generation, copy_kernel_half,
            user_end, largest_level, page_bytes, map_device
platform    read, find_nodes, is_kept, BOOT_INFORMATION, ELF_MACHINE
power       off, reset
processors  State, this, start_first, find, node, prepare, make, start, begin, interrupt, are_several, CHECKED,
            model_data
timer       start, now, set_alarm, handle_interrupt
trap        enter_user, load_all, set_frame, vectors_matter, save_vectors, load_vectors, UserFrame, VectorState,
            user_fault, on_kernel_stack, stack_word, REGISTER_NAMES
user_access copy, is_recoverable, recovery

The Protocols below are those modules' types; `tests/unit/kernel/test_hal.py` lets the type checker compare them.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Any, Literal, NoReturn, Protocol

from cloudos.abi.errors import OutOfMemory
from cloudos.lang import U8, U16, U32, U64, Array, PhysAddr, Slice, VirtAddr, enum, struct, zeroed

__all__ = ["OutOfMemory"]

PAGE_SIZE = 4096
MAXIMUM_RANGES = 32
MAXIMUM_NODES = 8
MAXIMUM_NODE_RANGES = 16
MAXIMUM_LINES = 48
MAXIMUM_PROCESSORS = 256
# Above all numbers of ports, addresses and lines that anybody can be given.
RESOURCE_END = 1 << 48


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
    # Another processor has something to say.
    PROCESSOR = 4
    TIMER = 5
    DEVICE = 6
    SPURIOUS = 7
    NON_MASKABLE = 8
    MACHINE_CHECK = 9


@struct
class MemoryRange:
    """Usable memory, in bytes: [start, end)."""

    start: U64 = U64(0)
    end: U64 = U64(0)


@struct
class NodeRange:
    """Memory of a node, in bytes: [start, end), whether it is usable or not."""

    start: U64 = U64(0)
    end: U64 = U64(0)
    node: U64 = U64(0)


@struct
class BootInformation:
    """What the loader of the machine told the kernel."""

    count: U64 = U64(0)
    ranges: Array[MemoryRange, Literal[32]] = zeroed()
    # Parts of the ranges that are in use: the kernel, the boot module, what firmware keeps.
    reserved_count: U64 = U64(0)
    reserved: Array[MemoryRange, Literal[8]] = zeroed()
    module: PhysAddr = zeroed()
    module_length: U64 = U64(0)
    # What `platform.find_nodes` found: the highest number of a node, their memory, and how far they are from each
    # other, in tenths of the way within a node.
    last_node: U64 = U64(0)
    node_range_count: U64 = U64(0)
    node_ranges: Array[NodeRange, Literal[16]] = zeroed()
    distances: Array[Array[U8, Literal[8]], Literal[8]] = zeroed()

    def reserve(self, start: U64, end: U64) -> None:
        """Note that [start, end) is in use, rounded outwards to whole pages; more than 8 such parts are a panic."""
        self.reserved[self.reserved_count] = MemoryRange(start, end)
        self.reserved_count = self.reserved_count + 1


@struct
class UserContext:
    """Where a user thread is: addresses of the next instruction, the stack's top, the frame record."""

    ip: U64
    sp: U64
    fp: U64


class FrameSource(Protocol):
    """Where page tables come from."""

    def allocate_zeroed(self) -> PhysAddr:
        """One frame of zeroes. Raises OutOfMemory."""
        ...

    def allocate_zeroed_block(self, order: U64) -> PhysAddr:
        """1 << `order` frames of zeroes, next to each other. Raises OutOfMemory."""
        ...


class Timer(Protocol):
    """Time since boot and one alarm."""

    def start(self) -> None:
        """Begin to count."""

    def now(self) -> U64:
        """Nanoseconds since `start`; never goes back."""
        ...

    def set_alarm(self, deadline: U64) -> None:
        """Interrupt once at `deadline`, as `now` counts; at once when that is past. It may come early, and
        in the first milliseconds after `start` late."""

    def handle_interrupt(self) -> None:
        """The timer's interrupt came."""


class Interrupts(Protocol):
    """The interrupt controller."""

    def start(self, frames: FrameSource) -> None:
        """Route the console's interrupts to this processor. Raises OutOfMemory."""

    def acknowledge(self) -> None:
        """End the interrupt being handled."""

    def configure(self, line: U64, flags: U64, is_open: bool) -> None:
        """Open or mask a line that the kernel itself does not use. `flags`: of `cloudos.abi.devices`."""


class Processors(Protocol):
    """The processors of the machine. They are numbered from 0, the one that boots.

    When there are several, the entry code says in its processor's words `inside` that it comes into the kernel, goes to
    `kernel_enter` when another one keeps it out, and leaves on the way to user mode: by `kernel_leave` if it keeps
    others out.
    """

    def this(self) -> VirtAddr:
        """What the kernel keeps for this processor; a State of the architecture's stands at its beginning.

        Of that, `pages` is the generic kernel's: the address of the PageTable in use, 0 while that is no process's;
        and `inside`, whose methods are those of `hal/shared/lock.py`.
        """
        ...

    def is_alone(self) -> bool:
        """Whether this processor keeps all others out of the kernel, as `inside` says; the only one always does."""
        ...

    def is_home(self) -> bool:
        """Whether this processor is in the kernel and keeps nobody out, as `inside` says."""
        ...

    def start_first(self, own: Any) -> None:
        """Become a processor: faults are reported, protections on, system calls ready; `this` is `own`, a State."""

    def find(self, frames: FrameSource) -> U64:
        """How many processors there are. Raises OutOfMemory."""
        ...

    def node(self, number: U64) -> U64:
        """The node that a processor belongs to, after `find`."""
        ...

    def prepare(self) -> None:
        """Before the first other processor is started: this one is alone in the kernel."""

    def make(self, number: U64, pages: U64, frames: FrameSource) -> VirtAddr:
        """Memory for what the kernel keeps for a processor, zeroed, and its stacks. Raises OutOfMemory."""
        ...

    def start(self, number: U64, own: Any) -> bool:
        """Start a processor, whose `this` is `own`: it comes to `kernel_processor` with that address.

        False: it did not.
        """
        ...

    def begin(self, own: Any) -> None:
        """What a processor that was started does first."""

    def interrupt(self, own: Any) -> None:
        """Have a processor, by its State, enter the kernel, if it is not there."""

    def are_several(self) -> bool:
        """Whether other processors have been started."""
        ...


class Cpu(Protocol):
    """The processor."""

    def wait_for_interrupt(self) -> None:
        """Sleep until an interrupt has been handled; none is lost between the caller's check and the sleep."""

    def take_interrupts(self) -> None:
        """Let interrupts that are pending be handled, and go on."""

    def pause(self) -> None:
        """Hint of a busy wait."""

    def highest_bit(self, value: U64) -> U64:
        """The number of the highest bit that is set; there must be one."""
        ...

    def zero(self, address: VirtAddr, length: U64) -> None:
        """Zero `length` bytes, a multiple of 8."""

    def fault_address(self) -> U64:
        """The address that the last page fault tried to reach."""
        ...

    def port_read(self, port: U16, width: U8) -> U32:
        """Read 1, 2 or 4 bytes from an I/O port."""
        ...

    def port_write(self, port: U16, width: U8, value: U32) -> None:
        """Write 1, 2 or 4 bytes to an I/O port."""


class Console(Protocol):
    """The log, the host's commands and the program channel."""

    def start(self) -> None:
        """From here on the log can be written."""

    def read_command(self) -> U8:
        """Next command byte of the host, 0 when there is none."""
        ...

    def start_channel(self, frames: FrameSource) -> None:
        """Find the program channel. Raises OutOfMemory."""

    def channel_write(self, data: Slice[U8]) -> None:
        """Begin to send `data`, which stays untouched until the channel is idle."""

    def channel_is_idle(self) -> bool:
        """Whether all that was written has been taken by the host."""
        ...

    def channel_peek(self) -> Slice[U8]:
        """Input that has arrived and not been consumed. Empty: the next input interrupts."""
        ...

    def channel_consume(self, length: U64) -> None:
        """Forget the first bytes that `channel_peek` showed."""

    def channel_interrupt(self) -> None:
        """The channel's interrupt came."""

    def drain(self) -> None:
        """Wait until the host has all that was written."""


class UserAccess(Protocol):
    """The only code that touches user addresses."""

    def copy(self, destination: VirtAddr, source: VirtAddr, length: U64) -> U64:
        """Copy; 0, or 1 when a fault stopped it."""
        ...

    def is_recoverable(self, ip: U64) -> bool:
        """Whether a fault at this kernel address is one of the copy's."""
        ...

    def recovery(self) -> U64:
        """Where to continue after such a fault."""
        ...


class Platform(Protocol):
    """What the machine has that drivers may be given."""

    def is_kept(self, resource: U64, first: U64, end: U64) -> bool:
        """Whether [first, end) of a resource of `cloudos.abi.devices` has a part that the kernel keeps for itself, or
        that does not exist. Lines from `MAXIMUM_LINES` on do not."""
        ...


class Power(Protocol):
    """The end."""

    def off(self) -> NoReturn:
        """Switch the machine off."""

    def reset(self) -> NoReturn:
        """Let the machine start from its beginning. What memory holds may stay there."""
