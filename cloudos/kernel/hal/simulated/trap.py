"""Entry into the kernel and return to user mode.

A trap is a call of the kernel's function by `machine.Simulation`, with the frame of registers that this module
declares. The registers are those of no real processor; generic code sees only the names that all architectures have.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NoReturn

from cloudos.abi import faults
from cloudos.abi.faults import Fault
from cloudos.kernel.hal.interface import TrapKind, UserContext
from cloudos.kernel.hal.simulated import board
from cloudos.kernel.hal.simulated.processor import OWN
from cloudos.lang import U8, U64, Ptr, Slice, data, enum, struct

# Every instruction is this long.
INSTRUCTION = 2
USER_MODE = 1
KERNEL_MODE = 0


@enum(U8)
class Cause(IntEnum):
    """Why the processor entered the kernel."""

    SYSTEM_CALL = 0
    PAGE_FAULT = 1
    DIVIDE = 2
    BREAKPOINT = 3
    ILLEGAL = 4
    PRIVILEGED = 5
    FLOATING_POINT = 6
    ALIGNMENT = 7
    # An address that is in neither half of the address space.
    BAD_ADDRESS = 8
    CONSOLE = 9
    CHANNEL = 10
    TIMER = 11
    SPURIOUS = 12
    NON_MASKABLE = 13
    MACHINE_CHECK = 14
    DEVICE = 15
    PROCESSOR = 16


KINDS = {
    Cause.PAGE_FAULT: TrapKind.PAGE_FAULT,
    Cause.CONSOLE: TrapKind.CONSOLE,
    Cause.CHANNEL: TrapKind.CHANNEL,
    Cause.TIMER: TrapKind.TIMER,
    Cause.SPURIOUS: TrapKind.SPURIOUS,
    Cause.NON_MASKABLE: TrapKind.NON_MASKABLE,
    Cause.MACHINE_CHECK: TrapKind.MACHINE_CHECK,
    Cause.DEVICE: TrapKind.DEVICE,
    Cause.PROCESSOR: TrapKind.PROCESSOR,
}
FAULTS = {
    Cause.DIVIDE: faults.DIVIDE_ERROR,
    Cause.BREAKPOINT: faults.BREAKPOINT,
    Cause.ILLEGAL: faults.ILLEGAL_INSTRUCTION,
    Cause.PRIVILEGED: faults.PRIVILEGED_INSTRUCTION,
    Cause.FLOATING_POINT: faults.FLOATING_POINT,
    Cause.ALIGNMENT: faults.ALIGNMENT,
    Cause.BAD_ADDRESS: faults.BAD_ADDRESS,
}

# Of the first words of a UserFrame, four characters each.
REGISTER_NAMES = data(b" num" + b"".join(b" ar%d" % index for index in range(6)) + b" wd4 wd5 wd6 wd7 rep  fp  ip  sp")
# What a message consists of, besides handle or badge: the tag and eight words.
MESSAGE = ("argument1", "argument2", "argument3", "argument4", "argument5", "word4", "word5", "word6", "word7")


@struct(align=16)
class UserFrame:
    """All registers of a thread.

    As an entry of a system call: number and arguments; `number` leaves as the error, `argument2` as the value. As a
    message: handle or badge in `argument0`, tag in `argument1`, words in `argument2` to `argument5` and `word4` to
    `word7`. `interrupt`: the line of the last interrupt of a device. `run` is no register: it says which of the
    machine's threads of control these registers belong to.
    """

    number: U64 = U64(0)
    argument0: U64 = U64(0)
    argument1: U64 = U64(0)
    argument2: U64 = U64(0)
    argument3: U64 = U64(0)
    argument4: U64 = U64(0)
    argument5: U64 = U64(0)
    word4: U64 = U64(0)
    word5: U64 = U64(0)
    word6: U64 = U64(0)
    word7: U64 = U64(0)
    reply_handle: U64 = U64(0)
    fp: U64 = U64(0)
    ip: U64 = U64(0)
    sp: U64 = U64(0)
    mode: U64 = U64(0)
    cause: Cause = Cause.SYSTEM_CALL
    is_protection_violation: bool = False
    is_write: bool = False
    is_execute: bool = False
    run: U64 = U64(0)
    interrupt: U64 = U64(0)

    def prepare(self, ip: U64, sp: U64, argument0: U64, argument1: U64) -> None:
        """Become a thread that starts at `ip`, all registers zero but the two arguments."""
        self.ip = ip
        self.sp = sp
        self.argument0 = argument0
        self.argument1 = argument1
        self.mode = U64(USER_MODE)

    @property
    def from_user(self) -> bool:
        """Whether user code was interrupted."""
        return self.mode == USER_MODE

    @property
    def vector(self) -> U64:
        """The cause, as a number."""
        return U64(self.cause)

    @property
    def error(self) -> U64:
        """Of a page fault: bit 0 the page is mapped, bit 1 a store, bit 4 an instruction fetch."""
        return U64(self.is_protection_violation + 2 * self.is_write + 16 * self.is_execute)

    def context(self) -> UserContext:
        """Where the interrupted code was."""
        return UserContext(self.ip, self.sp, self.fp)

    def kind(self) -> TrapKind:
        """Why the kernel was entered."""
        return KINDS.get(self.cause, TrapKind.FAULT)

    @property
    def is_timer(self) -> bool:
        """Whether the timer interrupted."""
        return self.cause == Cause.TIMER

    @property
    def is_system_call(self) -> bool:
        """Whether the thread made a system call."""
        return self.cause == Cause.SYSTEM_CALL

    def line(self) -> U64:
        """Of an interrupt of a device: its line."""
        return self.interrupt

    def finish(self, value: U64) -> None:
        """Return success."""
        self.number = U64(0)
        self.argument2 = value

    def fail(self, error: U64) -> None:
        """Return an error."""
        self.number = error
        self.argument2 = U64(0)

    def restart(self) -> None:
        """Let the thread make its system call again when it continues."""
        self.ip = self.ip - INSTRUCTION

    def take_message(self, sender: UserFrame, badge: U64, reply: U64) -> None:
        """Return success and the message that the sender's registers hold."""
        self.number = U64(0)
        self.argument0 = badge
        self.reply_handle = reply
        for name in MESSAGE:
            setattr(self, name, getattr(sender, name))

    def set_message(self, badge: U64, tag: U64, word0: U64, word1: U64, word2: U64, word3: U64) -> None:
        """Return success and a message of the kernel's own; the other words are zero."""
        self.number = U64(0)
        self.argument0 = badge
        self.reply_handle = U64(0)
        for name, value in zip(MESSAGE, (tag, word0, word1, word2, word3, *[U64(0)] * 4), strict=True):
            setattr(self, name, value)

    def set_tag(self, tag: U64) -> None:
        """Return another tag."""
        self.argument1 = tag

    def set_reply(self, handle: U64) -> None:
        """Return a reply handle with a message."""
        self.reply_handle = handle

    def set_registers(self, other: UserFrame) -> None:
        """Take the general registers and the position that a debugger wants."""
        for name in ("number", "argument0", *MESSAGE, "reply_handle", "fp"):
            setattr(self, name, getattr(other, name))
        self.set_position(other.ip, other.sp)

    def set_position(self, ip: U64, sp: U64) -> None:
        """Go on somewhere else."""
        self.ip = ip
        self.sp = sp


@struct(align=16)
class VectorState:
    """The vector registers, of which there is one."""

    value: U64 = U64(0)

    def prepare(self) -> None:
        """Become what a thread starts with."""
        self.value = U64(0)


def vectors_matter(state: VectorState) -> bool:
    """Whether a switch to this thread has to save or load any."""
    return True


def save_vectors(state: VectorState) -> None:
    """Keep the vector registers in a VectorState."""
    state.value = U64(board.current().vectors)


def load_vectors(state: VectorState) -> None:
    """Load the vector registers from a VectorState."""
    board.current().vectors = int(state.value)


def load_all() -> bool:
    """What tells the entry code that another thread may be current."""
    return True


def set_frame(frame: Ptr[UserFrame]) -> None:
    """Make this the frame of the current thread: entries from user mode save into it, exits load from it."""
    OWN.frame = frame.address.value


def enter_user() -> NoReturn:
    """Leave the kernel for the current thread, at the end of the boot."""
    raise board.UserMode


def user_fault(frame: UserFrame, code: Slice[U8]) -> Fault:
    """What a trap other than a page fault says about the program."""
    return FAULTS[frame.cause]


def on_kernel_stack(address: U64) -> bool:
    """Whether a word at this address would lie on a kernel stack: there is none."""
    return False


def stack_word(address: U64) -> U64:
    """The word at an address that is `on_kernel_stack`."""
    return U64(0)
