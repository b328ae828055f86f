"""Entry into the kernel and return to user mode: exception vectors, SVC, the registers of a thread.

While a program runs, the kernel's stack pointer (SP_EL1) stands at the frame of the current thread, so that the entry
code has a place for all registers before it has touched one. It then goes to the processor's kernel stack, which it
finds through TPIDR_EL1; x18 holds that address while the kernel runs. Interrupts and debug exceptions are masked in
the kernel.

Sources: Arm Architecture Reference Manual (DDI 0487), chapters D1 (exceptions) and D24 (ESR_EL1, SPSR_EL1).
"""

from __future__ import annotations

from typing import NoReturn

from cloudos.abi import faults
from cloudos.abi.faults import Fault
from cloudos.kernel.hal.aarch64 import interrupts, vectors
from cloudos.kernel.hal.aarch64.boot import BEGIN, BEGIN_PROCESSOR, CLEAN, HEADER, HYPERVISOR, TABLES, TURN_ON
from cloudos.kernel.hal.aarch64.interrupts import CONTROLLER, FIRST_LINE, NOBODY, PROCESSOR, TIMER
from cloudos.kernel.hal.aarch64.privileged import is_privileged
from cloudos.kernel.hal.aarch64.processor import (
    DATA_PAGE,
    FRAME,
    GUARD_PAGE,
    HAS_REGISTERS,
    INTERRUPT,
    OWN,
    STACK_BIT,
    on_kernel_stack,
    stack_word,
)
from cloudos.kernel.hal.aarch64.several import SYSTEM_CALL, VECTOR
from cloudos.kernel.hal.aarch64.several import TEXT as SEVERAL
from cloudos.kernel.hal.aarch64.vectors import FRAME_SIZE, VectorState, load_vectors, save_vectors, vectors_matter
from cloudos.kernel.hal.interface import TrapKind, UserContext
from cloudos.lang import (
    U8,
    U64,
    Assembly,
    LinkerSymbol,
    Ptr,
    Slice,
    Template,
    VirtAddr,
    data,
    external,
    inlined,
    machine,
    struct,
)

__all__ = ["VectorState", "load_vectors", "on_kernel_stack", "save_vectors", "stack_word", "vectors_matter"]

# Offsets in a UserFrame.
X30, IP = 240, 256
# Why the kernel was entered: the number of an interrupt, or one of these.
INTERRUPTS_END = 1024
SYNCHRONOUS, SYSTEM_ERROR = 1024, 1025
# ESR_EL1: the class stands in the bits from 26 on.
CLASS_SHIFT = 26
CLASS_WAIT, CLASS_VECTORS, CLASS_SYSTEM_CALL, CLASS_SYSTEM_REGISTER = 0x01, 0x07, 0x15, 0x18
# Aborts differ in two bits: data and not instructions, the kernel and not a program.
CLASS_FETCH, CLASS_FETCH_KERNEL, ABORT_KINDS = 0x20, 0x21, 5
# A misaligned address of an instruction or, with this bit, of the stack.
CLASS_MISALIGNED, STACK_KIND = 0x22, 4
CLASS_FLOATING_POINT, CLASS_BREAKPOINTS, CLASS_BREAKPOINTS_END = 0x2C, 0x30, 0x3D
# Status of an abort: translation, access flag and permission faults at any level.
STATUS_FIRST, STATUS_COUNT = 0x04, 0x0C
STATUS_ALIGNMENT = 0x21
WRITE_BIT = 6
# SPSR_EL1: negative, zero, carry, overflow. All else is zero: AArch64 at EL0, nothing masked.
USER_SETTABLE_FLAGS = 0xF000_0000
MODE_MASK = 0xF

SAVE = "".join(f"  stp x{number}, x{number + 1}, [sp, #{8 * number}]\n" for number in range(0, 30, 2))
# With x9 what the stack pointer was.
SAVE_STATE = f"""
  stp x30, x9, [sp, #{X30}]
  mrs x10, elr_el1
  mrs x11, spsr_el1
  stp x10, x11, [sp, #{IP}]
"""
SAVE_USER = f"{SAVE}  mrs x9, sp_el0\n{SAVE_STATE}"
# The processor's data stand where its stack begins.
TO_KERNEL_STACK = """
  mrs x18, tpidr_el1
  mov x0, sp
  mov sp, x18
"""
LOAD_STATE = f"""
  ldp x10, x11, [sp, #{IP}]
  msr elr_el1, x10
  msr spsr_el1, x11
"""


def _load(last: int) -> str:
    """The registers from 0 to an odd one."""
    return "".join(f"  ldp x{number}, x{number + 1}, [sp, #{8 * number}]\n" for number in range(0, last, 2))


# The table has 16 entries of 128 bytes. The first four are for a kernel that uses the user's stack pointer, and the
# last four for programs of 32 bits: other things stand there, and parts of the boot code where entries are short. It
# begins with the kernel, as it must be aligned.
ENTRY = Assembly(
    "entry",
    aarch64=f"""
.section .text.vectors, "ax", %progbits
.globl exception_vectors, return_to_user
.p2align 11
exception_vectors:
{HEADER}
// A fault, or an interrupt while a program ran: its frame is in x0.
user_trap:
  stp x13, x12, [x0, #{VECTOR}]
call_user_trap:
  bl kernel_user_trap
// Returns to the current thread, whichever that is now. Nothing of the kernel's may stay in a register.
return_to_user:
  ldr x9, [x18, #{FRAME}]
  mov sp, x9
{LOAD_STATE}
  ldp x30, x9, [sp, #{X30}]
  msr sp_el0, x9
{_load(29)}
  eret

// When the dispatch says that nothing but its results has changed, what C code preserves need not be loaded.
system_call_end:
  mov sp, x19
{LOAD_STATE}
{_load(19)}
  ldr x30, [sp, #{X30}]
  eret

// The kernel stack is full. The value of x0 is lost.
overflow:
  mov x0, sp
  sub sp, x18, #{(DATA_PAGE - GUARD_PAGE) * 4096}
  sub sp, sp, #{FRAME_SIZE}
{SAVE}
  b in_kernel

{SEVERAL}{BEGIN}{CLEAN}
// The kernel itself: a fault, or a check that failed. A stack pointer below the stack has this bit set.
.org exception_vectors + 0x200
  sub sp, sp, #{FRAME_SIZE}
  add sp, sp, x0
  sub x0, sp, x0
  tbnz x0, #{STACK_BIT}, 2f
  sub x0, sp, x0
  sub sp, sp, x0
{SAVE}
  mov x0, sp
  b in_kernel
2:
  sub x0, sp, x0
  sub sp, sp, x0
  b overflow

// A fault of a program. The class is in x13.
user_fault:
  cmp x13, #{CLASS_VECTORS}
  mov x13, #{SYNCHRONOUS}
  b.ne user_trap
  bl {{take_vectors}}
  b return_to_user

// Interrupts while no thread can run.
.org exception_vectors + 0x280
  sub sp, sp, #{FRAME_SIZE}
{SAVE}
  add x9, sp, #{FRAME_SIZE}
{SAVE_STATE}
  bl {{take}}
  str x0, [sp, #{VECTOR}]
  b kernel_trap_here

// An interrupt, from a controller of version 2.
take_interrupt:
  mov x19, x0
  bl {{take}}
  mov x13, x0
  mov x0, x19
  b user_trap

// Fast interrupts, which nobody has asked for, and errors of the system.
.org exception_vectors + 0x300
  b system_error
{HYPERVISOR}
.org exception_vectors + 0x380
system_error:
  sub sp, sp, #{FRAME_SIZE}
{SAVE}
  mrs x18, tpidr_el1
  mov x0, sp
  mov x13, #{SYSTEM_ERROR}
  b in_kernel_for
{BEGIN_PROCESSOR}
// Programs: system calls and faults.
.org exception_vectors + 0x400
{SAVE_USER}{TO_KERNEL_STACK}
  mrs x12, esr_el1
  lsr x13, x12, #{CLASS_SHIFT}
  cmp x13, #{CLASS_SYSTEM_CALL}
  b.ne user_fault
  mov x19, x0
call_system_call:
  bl kernel_system_call
  tbz w0, #0, system_call_end
  b return_to_user
.org exception_vectors + 0x480
{SAVE_USER}{TO_KERNEL_STACK}
  ldr x13, [x18, #{HAS_REGISTERS}]
  cbz x13, take_interrupt
  mrs x13, s3_0_c12_c12_0
  dsb sy
  str x13, [x18, #{INTERRUPT}]
  b user_trap
.org exception_vectors + 0x500
user_system_error:
  msr tpidrro_el0, x9
  mrs x9, tpidr_el1
  mov sp, x9
  mrs x9, tpidrro_el0
  b system_error
{TABLES}
.org exception_vectors + 0x580
  b user_system_error
{TURN_ON}

.org exception_vectors + 0x600
in_kernel:
  mov x13, #{SYNCHRONOUS}
in_kernel_for:
  add x9, x0, #{FRAME_SIZE}
{SAVE_STATE}
  mrs x12, esr_el1
  stp x13, x12, [sp, #{VECTOR}]
kernel_trap_here:
  mov x0, sp
  bl kernel_trap
{LOAD_STATE}
{_load(29)}
  ldr x30, [sp, #{X30}]
  add sp, sp, #{FRAME_SIZE}
  eret

// Where calls stand that change, and what they become.
.section .rodata
.p2align 3
.globl changed_calls
changed_calls:
  .quad call_user_trap, call_system_call
  .long 0x94000000 + ((locked_user_trap - call_user_trap) / 4 & 0x3ffffff)
  .long 0x94000000 + ((locked_system_call - call_system_call) / 4 & 0x3ffffff)
.text
""",
    symbols={"take": interrupts.take, "take_vectors": vectors.take_vectors},
)

REGISTERS = [*(f"x{number}" for number in range(31)), "sp", "pc", "psr"]
# In the order of a UserFrame, four characters each.
REGISTER_NAMES = data("".join(f"{name:>4}" for name in REGISTERS).encode())
VECTORS = LinkerSymbol("exception_vectors")
CHANGED_CALLS = LinkerSymbol("changed_calls")


@struct(align=16)
class UserFrame:
    """All general registers of a thread; also those of the kernel at a trap in the kernel.

    As an entry of a system call: number in x8, arguments in x0 to x5; the error leaves in x0, the value in x1. As a
    message: handle in x0, tag in x1, words in x2 to x7, x9 and x10, reply handle in x11; on receipt the badge in x12.
    """

    x0: U64 = U64(0)
    x1: U64 = U64(0)
    x2: U64 = U64(0)
    x3: U64 = U64(0)
    x4: U64 = U64(0)
    x5: U64 = U64(0)
    x6: U64 = U64(0)
    x7: U64 = U64(0)
    x8: U64 = U64(0)
    x9: U64 = U64(0)
    x10: U64 = U64(0)
    x11: U64 = U64(0)
    x12: U64 = U64(0)
    x13: U64 = U64(0)
    x14: U64 = U64(0)
    x15: U64 = U64(0)
    x16: U64 = U64(0)
    x17: U64 = U64(0)
    x18: U64 = U64(0)
    x19: U64 = U64(0)
    x20: U64 = U64(0)
    x21: U64 = U64(0)
    x22: U64 = U64(0)
    x23: U64 = U64(0)
    x24: U64 = U64(0)
    x25: U64 = U64(0)
    x26: U64 = U64(0)
    x27: U64 = U64(0)
    x28: U64 = U64(0)
    x29: U64 = U64(0)
    x30: U64 = U64(0)
    sp: U64 = U64(0)
    ip: U64 = U64(0)
    flags: U64 = U64(0)
    vector: U64 = U64(0)
    error: U64 = U64(0)

    def prepare(self, ip: U64, sp: U64, argument0: U64, argument1: U64) -> None:
        """Become a thread that starts at `ip`, all registers zero but the two arguments."""
        self.ip = ip
        self.sp = sp
        self.x0 = argument0
        self.x1 = argument1

    @property
    def from_user(self) -> bool:
        """Whether user code was interrupted."""
        return self.flags & MODE_MASK == 0

    def context(self) -> UserContext:
        """Where the interrupted code was."""
        return UserContext(self.ip, self.sp, self.x29)

    def kind(self) -> TrapKind:
        """Why the kernel was entered."""
        vector = self.vector
        if vector < INTERRUPTS_END:
            if vector == TIMER:
                return TrapKind.TIMER
            if vector == PROCESSOR:
                return TrapKind.PROCESSOR
            if vector == CONTROLLER.channel:
                return TrapKind.CHANNEL
            if vector == CONTROLLER.console:
                return TrapKind.CONSOLE
            return TrapKind.SPURIOUS if vector >= NOBODY - 3 else TrapKind.DEVICE
        if vector != SYNCHRONOUS:
            return TrapKind.MACHINE_CHECK
        if self.is_abort and self.status().wrapping_sub(STATUS_FIRST) < STATUS_COUNT:
            return TrapKind.PAGE_FAULT
        return TrapKind.FAULT

    @property
    def is_abort(self) -> bool:
        """Whether an access to memory failed, of a program or of the kernel."""
        return self.cause() & ~U64(ABORT_KINDS) == CLASS_FETCH

    def cause(self) -> U64:
        """The class of a synchronous exception."""
        return self.error >> CLASS_SHIFT

    def status(self) -> U64:
        """Of an abort: what went wrong."""
        return self.error & 63

    @property
    def is_system_call(self) -> bool:
        """Whether the thread made a system call."""
        return self.vector == SYSTEM_CALL

    @property
    def is_timer(self) -> bool:
        """Whether the timer interrupted: what `kind` says too, at less cost."""
        return self.vector == TIMER

    def line(self) -> U64:
        """Of an interrupt of a device: its line."""
        return self.vector.wrapping_sub(FIRST_LINE)

    @property
    def is_protection_violation(self) -> bool:
        """Page fault on a page that is mapped."""
        return self.status() >= 0x0C

    @property
    def is_write(self) -> bool:
        """Page fault by a store."""
        return not self.is_execute and self.error.bit(WRITE_BIT)

    @property
    def is_execute(self) -> bool:
        """Page fault by an instruction fetch."""
        return self.cause() <= CLASS_FETCH_KERNEL

    @property
    def number(self) -> U64:
        """Number of the system call."""
        return self.x8

    @property
    def argument0(self) -> U64:
        """First argument; of a message the handle."""
        return self.x0

    @argument0.setter
    def argument0(self, value: U64) -> None:
        self.x0 = value

    @property
    def argument1(self) -> U64:
        """Second argument; of a message the tag."""
        return self.x1

    @argument1.setter
    def argument1(self, value: U64) -> None:
        self.x1 = value

    @property
    def argument2(self) -> U64:
        """Third argument."""
        return self.x2

    @argument2.setter
    def argument2(self, value: U64) -> None:
        self.x2 = value

    @property
    def argument3(self) -> U64:
        """Fourth argument."""
        return self.x3

    @property
    def argument4(self) -> U64:
        """Fifth argument."""
        return self.x4

    @property
    def argument5(self) -> U64:
        """Sixth argument."""
        return self.x5

    @property
    def reply_handle(self) -> U64:
        """Which call `message_reply_receive` answers."""
        return self.x11

    def finish(self, value: U64) -> None:
        """Return success."""
        self.x0 = U64(0)
        self.x1 = value

    def fail(self, error: U64) -> None:
        """Return an error."""
        self.x0 = error
        self.x1 = U64(0)

    def restart(self) -> None:
        """Let the thread make its system call again when it continues: SVC is four bytes long."""
        self.ip = self.ip.wrapping_sub(4)

    @inlined
    def take_message(self, sender: UserFrame, badge: U64, reply: U64) -> None:
        """Return success and the message that the sender's registers hold."""
        # All is loaded before anything is stored, so that the compiler may take two words at a time.
        tag, word0, word1, word2 = sender.x1, sender.x2, sender.x3, sender.x4
        word3, word4, word5, word6, word7 = sender.x5, sender.x6, sender.x7, sender.x9, sender.x10
        self.x0 = U64(0)
        self.x1 = tag
        self.x2 = word0
        self.x3 = word1
        self.x4 = word2
        self.x5 = word3
        self.x6 = word4
        self.x7 = word5
        self.x9 = word6
        self.x10 = word7
        self.x11 = reply
        self.x12 = badge

    def set_message(self, badge: U64, tag: U64, word0: U64, word1: U64, word2: U64, word3: U64) -> None:
        """Return success and a message of the kernel's own; the other words are zero."""
        self.x0 = U64(0)
        self.x1 = tag
        self.x2 = word0
        self.x3 = word1
        self.x4 = word2
        self.x5 = word3
        self.x6 = U64(0)
        self.x7 = U64(0)
        self.x9 = U64(0)
        self.x10 = U64(0)
        self.x11 = U64(0)
        self.x12 = badge

    def set_tag(self, tag: U64) -> None:
        """Return another tag."""
        self.x1 = tag

    def set_reply(self, handle: U64) -> None:
        """Return a reply handle with a message."""
        self.x11 = handle

    def set_registers(self, other: UserFrame) -> None:
        """Take the general registers, position and arithmetic flags that a debugger wants."""
        count = U64(REGISTER_COUNT)
        Slice.of(Ptr.to(self).cast(U64), count).copy_from(Slice.of(Ptr.to(other).cast(U64), count))
        self.flags = other.flags & USER_SETTABLE_FLAGS
        self.set_position(other.ip, other.sp)

    def set_position(self, ip: U64, sp: U64) -> None:
        """Go on somewhere else."""
        self.ip = ip
        self.sp = sp


REGISTER_COUNT = 31


@machine(aarch64=Template("msr vbar_el1, %[vectors]; isb", inputs={"vectors": "r"}, clobbers=("memory",)))
def _set_vectors(vectors: VirtAddr) -> None:
    """Where exceptions go."""


@machine(aarch64=Template("msr tpidr_el0, xzr", clobbers=("memory",)))
def _clear_thread_pointer() -> None:
    """A register that programs can write, and that no thread is to find another's value in."""


@machine(aarch64=Template("mov %w[result], #1", result="=r", volatile=False))
def load_all() -> bool:
    """True, but not for the compiler, which would have it loaded after a call in place of a jump."""
    return True


@external(ENTRY, "return_to_user")
def enter_user() -> NoReturn:
    """Leave the kernel for the current thread."""
    raise NotImplementedError


@inlined
def set_frame(frame: Ptr[UserFrame]) -> None:
    """Make this the frame of the current thread: entries from user mode save into it, exits load from it."""
    OWN.frame = frame.address.value
    _clear_thread_pointer()


def start(own: VirtAddr) -> None:
    """Load the vectors: from here on a fault is reported, not repeated without end. `own`: this processor's data."""
    _set_own_data(own)
    _set_vectors(VECTORS.address)


@machine(aarch64=Template("msr tpidr_el1, %[address]", inputs={"address": "r"}, clobbers=("memory",)))
def _set_own_data(address: VirtAddr) -> None:
    """Where this processor's data lie."""


def user_fault(frame: UserFrame, code: Slice[U8]) -> Fault:
    """What a trap other than a page fault says about the program. `code`: bytes at its instruction pointer."""
    kind = frame.cause()
    if kind & ~U64(STACK_KIND) == CLASS_MISALIGNED:
        return faults.ALIGNMENT
    if kind == CLASS_FLOATING_POINT:
        return faults.FLOATING_POINT
    if kind >= CLASS_BREAKPOINTS and kind < CLASS_BREAKPOINTS_END:
        return faults.BREAKPOINT
    if frame.is_abort:
        return faults.ALIGNMENT if frame.status() == STATUS_ALIGNMENT else faults.BAD_ADDRESS
    if kind == CLASS_SYSTEM_REGISTER:
        return faults.PRIVILEGED_INSTRUCTION
    return faults.PRIVILEGED_INSTRUCTION if kind == CLASS_WAIT or is_privileged(code) else faults.ILLEGAL_INSTRUCTION
