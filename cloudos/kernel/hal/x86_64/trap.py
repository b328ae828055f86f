"""Entry into the kernel and return to user mode: descriptor tables, trap stubs, SYSCALL.

The traps that can arrive before SWAPGS has run in the system call entry (NMI, machine check, double fault, and a
debug trap held back by a load of SS) have stacks of their own and look at GS itself instead of the saved code
segment. SMAP's override flag (AC) is cleared on every entry: SYSCALL does it through its mask, the stubs by hand.
"""

from __future__ import annotations

from typing import Literal, NoReturn

from cloudos.abi import faults
from cloudos.abi.faults import Fault
from cloudos.kernel.hal.interface import TrapKind, UserContext
from cloudos.kernel.hal.shared.lock import HOME, OUTSIDE
from cloudos.kernel.hal.x86_64 import cpu, mmu, processor, vectors
from cloudos.kernel.hal.x86_64.privileged import is_privileged
from cloudos.kernel.hal.x86_64.processor import (
    FRAME,
    INSIDE,
    KERNEL_STACK,
    OWN,
    USER_STACK,
    State,
    on_kernel_stack,
    stack_word,
)
from cloudos.kernel.hal.x86_64.vector_registers import (
    FRAME_SIZE,
    TAKE_VECTORS,
    VectorState,
    load_vectors,
    save_vectors,
    vectors_matter,
)
from cloudos.lang import (
    U8,
    U16,
    U32,
    U64,
    Array,
    Assembly,
    Ptr,
    Slice,
    Template,
    VirtAddr,
    data,
    external,
    inlined,
    machine,
    never_inlined,
    place,
    struct,
    zeroed,
)

__all__ = ["VectorState", "load_vectors", "on_kernel_stack", "save_vectors", "stack_word", "vectors_matter"]

USER_CODE = 0x23
USER_STACK_SEGMENT = 0x1B
# Interrupts on; bit 1 is always set.
USER_FLAGS = 0x202
# Carry, parity, adjust, zero, sign, trap, direction, overflow.
USER_SETTABLE_FLAGS = 0xDD5
# As they stand in a UserFrame, from its end to its start.
REGISTERS = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"]
REGISTER_COUNT = len(REGISTERS)
SAVE = "".join(f"  pushq %{register}\n" for register in REGISTERS)
RESTORE = "".join(f"  popq %{register}\n" for register in reversed(REGISTERS))
CLEAR_AC = "  pushfq; andl $~0x40000, (%rsp); popfq\n  cld\n"
OFFSET = {register: 8 * index for index, register in enumerate(reversed(REGISTERS))}
VECTOR, IP, FLAGS, SP = 120, 136, 152, 160
# In the place of a vector: the thread entered by SYSCALL, so that rcx and r11 are free.
BY_SYSTEM_CALL = 256


def _store(registers: list[str]) -> str:
    return "".join(f"  movq %{register}, {OFFSET[register]}(%rsp)\n" for register in registers)


def _load(registers: list[str]) -> str:
    return "".join(f"  movq {OFFSET[register]}(%rsp), %{register}\n" for register in registers)


ENTRY = Assembly(
    "entry",
    x86_64=f"""
.text
.globl trap_stubs, interrupt_stubs, system_call_entry, return_to_user
.globl call_user_trap, call_system_call, locked_user_trap, locked_system_call
.p2align 4
{vectors.STUBS_TEXT}
# From user mode the processor has already pushed into the frame of the current thread, see `set_frame`.
# The saved code segment stands 24 bytes up: vector, error, instruction pointer, code segment.
trap_common:
  testb $3, 24(%rsp)
  jz trap_in_kernel
  swapgs
trap_in_frame:
{SAVE}
  movq %rsp, %rdi
  movq %gs:{KERNEL_STACK}, %rsp
{CLEAR_AC}
call_user_trap:
  call kernel_user_trap
# Returns to the current thread, whichever that is now. Nothing of the kernel's may stay in a register.
return_to_user:
  movq %gs:{FRAME}, %rsp
  cmpl ${BY_SYSTEM_CALL}, {VECTOR}(%rsp)
  jne 1f
{_load([register for register in REGISTERS if register not in ("rcx", "r11")])}
  movq {IP}(%rsp), %rcx
  movq {FLAGS}(%rsp), %r11
  movq {SP}(%rsp), %rsp
  swapgs
  sysretq
1:
  swapgs
return_from_trap:
{RESTORE}
  addq $16, %rsp
  iretq

{TAKE_VECTORS}
trap_in_kernel:
{SAVE}{CLEAR_AC}
  movq %rsp, %rdi
  call kernel_trap
  jmp return_from_trap

# On a stack of its own. From user mode, GS is certain: go on in the thread's frame as other traps do.
trap_paranoid:
  testb $3, 24(%rsp)
  jz 3f
  swapgs
  pushq %rax
  movq %gs:{FRAME}, %rax
  addq ${FRAME_SIZE}, %rax
  xchgq %rax, %rsp
{"".join(f"  pushq {8 * (index + 1)}(%rax)" + chr(10) for index in range(6, -1, -1))}
  movq (%rax), %rax
  jmp trap_in_frame
3:
{SAVE}{CLEAR_AC}
  xorl %ebx, %ebx
  movl ${cpu.MSR_GS_BASE:#x}, %ecx
  rdmsr
  testl %edx, %edx
  js 1f
  swapgs
  incl %ebx
1:
  movq %rsp, %rdi
  call kernel_trap
  testl %ebx, %ebx
  jz return_from_trap
  swapgs
  jmp return_from_trap

# Saves all registers in the frame of the current thread. The return address lies at most at `mmu.user_end`, where
# nothing is mapped, so SYSRET to it is safe. When the dispatch says that nothing but its results has changed, what C
# code preserves need not be loaded.
.p2align 4
system_call_entry:
  swapgs
  movq %rsp, %gs:{USER_STACK}
  movq %gs:{FRAME}, %rsp
{_store([register for register in REGISTERS if register not in ("rcx", "r11")])}
  movq %rcx, {IP}(%rsp)
  movq %gs:{USER_STACK}, %rcx
  movq %r11, {FLAGS}(%rsp)
  movq %rcx, {SP}(%rsp)
  movl ${BY_SYSTEM_CALL}, {VECTOR}(%rsp)
  movq %rsp, %rbx
  movq %rsp, %rdi
  movq %gs:{KERNEL_STACK}, %rsp
call_system_call:
  call kernel_system_call
  testb %al, %al
  jnz return_to_user
  movq %rbx, %rsp
{_load(["rax", "rdi", "rsi", "rdx", "r10", "r8", "r9", "rbx"])}
  movq {IP}(%rsp), %rcx
  movq {FLAGS}(%rsp), %r11
  movq {SP}(%rsp), %rsp
  swapgs
  sysretq

# What is called when there are several processors, see `processors.prepare`: comes into the kernel and leaves it, as
# `shared/lock.py` says. Where somebody keeps it out, a thread may be stopped meanwhile: it does nothing then, and all
# of another one's registers are loaded.
locked_user_trap:
  pushq $kernel_user_trap
  jmp 1f
locked_system_call:
  pushq $kernel_system_call
1:
  movl ${HOME}, %eax
  xchgl %eax, %gs:{INSIDE}
  cmpl $0, %gs:{INSIDE + 4}
  jne 4f
2:
  call *(%rsp)
3:
  subl ${HOME - OUTSIDE}, %gs:{INSIDE}  # who keeps others out borrows
  jc 5f
  popq %rdx
  retq
4:
  call kernel_enter
  movq %gs:{FRAME}, %rdi
  testb %al, %al
  jz 2b
  jmp 3b
5:
  xchgq %rax, (%rsp)
  call kernel_leave
  popq %rax
  retq
""",
)

# In the order of a UserFrame, four characters each.
REGISTER_NAMES = data("".join(f"{name:>4}" for name in reversed(REGISTERS)).encode())


@struct
class UserFrame:
    """All general registers of a thread; also those of the kernel at a trap in the kernel.

    As an entry of a system call: number in rax, arguments in rdi rsi rdx r10 r8 r9; the error leaves in rax, the value
    in rdx. As a message: handle or badge in rdi, tag in rsi, words in rdx r10 r8 r9 r12 r13 r14 r15, reply handle in
    rbx.
    """

    r15: U64 = U64(0)
    r14: U64 = U64(0)
    r13: U64 = U64(0)
    r12: U64 = U64(0)
    r11: U64 = U64(0)
    r10: U64 = U64(0)
    r9: U64 = U64(0)
    r8: U64 = U64(0)
    rbp: U64 = U64(0)
    rdi: U64 = U64(0)
    rsi: U64 = U64(0)
    rdx: U64 = U64(0)
    rcx: U64 = U64(0)
    rbx: U64 = U64(0)
    rax: U64 = U64(0)
    vector: U64 = U64(0)
    error: U64 = U64(0)
    ip: U64 = U64(0)
    code_segment: U64 = U64(0)
    flags: U64 = U64(0)
    sp: U64 = U64(0)
    stack_segment: U64 = U64(0)

    def prepare(self, ip: U64, sp: U64, argument0: U64, argument1: U64) -> None:
        """Become a thread that starts at `ip`, all registers zero but the two arguments."""
        self.ip = ip
        self.sp = sp
        self.rdi = argument0
        self.rsi = argument1
        self.code_segment = U64(USER_CODE)
        self.stack_segment = U64(USER_STACK_SEGMENT)
        self.flags = U64(USER_FLAGS)

    @property
    def from_user(self) -> bool:
        """Whether user code was interrupted."""
        return self.code_segment & 3 != 0

    def context(self) -> UserContext:
        """Where the interrupted code was."""
        return UserContext(self.ip, self.sp, self.rbp)

    def kind(self) -> TrapKind:
        """Why the kernel was entered."""
        vector = self.vector
        if vector == 14:
            return TrapKind.PAGE_FAULT
        if vector >= vectors.VECTOR_LINES:
            if vector < vectors.VECTOR_TIMER:
                return TrapKind.DEVICE
            if vector == vectors.VECTOR_TIMER:
                return TrapKind.TIMER
            if vector == vectors.VECTOR_CHANNEL:
                return TrapKind.CHANNEL
            if vector == vectors.VECTOR_PROCESSOR:
                return TrapKind.PROCESSOR
            return TrapKind.CONSOLE if vector == vectors.VECTOR_CONSOLE else TrapKind.SPURIOUS
        if vector == 2:
            return TrapKind.NON_MASKABLE
        if vector == 8 or vector == 18:
            return TrapKind.MACHINE_CHECK
        return TrapKind.FAULT

    @property
    def is_timer(self) -> bool:
        """Whether the timer interrupted: what `kind` says too, at less cost."""
        return self.vector == vectors.VECTOR_TIMER

    @property
    def is_system_call(self) -> bool:
        """Whether the thread made a system call."""
        return self.vector == BY_SYSTEM_CALL

    def line(self) -> U64:
        """Of an interrupt of a device: its line."""
        return self.vector.wrapping_sub(vectors.VECTOR_LINES)

    # Bits of a page fault's error code: present, write, user, reserved bit, instruction fetch.
    @property
    def is_protection_violation(self) -> bool:
        """Page fault on a page that is mapped."""
        return self.error.bit(0)

    @property
    def is_write(self) -> bool:
        """Page fault by a store."""
        return self.error.bit(1)

    @property
    def is_execute(self) -> bool:
        """Page fault by an instruction fetch."""
        return self.error.bit(4)

    @property
    def number(self) -> U64:
        """Number of the system call."""
        return self.rax

    @property
    def argument0(self) -> U64:
        """First argument; of a message the handle."""
        return self.rdi

    @argument0.setter
    def argument0(self, value: U64) -> None:
        self.rdi = value

    @property
    def argument1(self) -> U64:
        """Second argument; of a message the tag."""
        return self.rsi

    @argument1.setter
    def argument1(self, value: U64) -> None:
        self.rsi = value

    @property
    def argument2(self) -> U64:
        """Third argument."""
        return self.rdx

    @argument2.setter
    def argument2(self, value: U64) -> None:
        self.rdx = value

    @property
    def argument3(self) -> U64:
        """Fourth argument."""
        return self.r10

    @property
    def argument4(self) -> U64:
        """Fifth argument."""
        return self.r8

    @property
    def argument5(self) -> U64:
        """Sixth argument."""
        return self.r9

    @property
    def reply_handle(self) -> U64:
        """Which call `message_reply_receive` answers."""
        return self.rbx

    def finish(self, value: U64) -> None:
        """Return success."""
        self.rax = U64(0)
        self.rdx = value

    def fail(self, error: U64) -> None:
        """Return an error."""
        self.rax = error
        self.rdx = U64(0)

    def restart(self) -> None:
        """Let the thread make its system call again when it continues: SYSCALL is two bytes long."""
        self.ip = self.ip - 2

    @inlined
    def take_message(self, sender: UserFrame, badge: U64, reply: U64) -> None:
        """Return success and the message that the sender's registers hold."""
        self.rax = U64(0)
        self.rdi = badge
        self.rbx = reply
        self.rsi = sender.rsi
        self.rdx = sender.rdx
        self.r10 = sender.r10
        self.r8 = sender.r8
        self.r9 = sender.r9
        self.r12 = sender.r12
        self.r13 = sender.r13
        self.r14 = sender.r14
        self.r15 = sender.r15

    @never_inlined
    def set_message(self, badge: U64, tag: U64, word0: U64, word1: U64, word2: U64, word3: U64) -> None:
        """Return success and a message of the kernel's own; the other words are zero."""
        self.rax = U64(0)
        self.rdi = badge
        self.rbx = U64(0)
        self.rsi = tag
        self.rdx = word0
        self.r10 = word1
        self.r8 = word2
        self.r9 = word3
        self.r12 = U64(0)
        self.r13 = U64(0)
        self.r14 = U64(0)
        self.r15 = U64(0)

    def set_tag(self, tag: U64) -> None:
        """Return another tag."""
        self.rsi = tag

    def set_reply(self, handle: U64) -> None:
        """Return a reply handle with a message."""
        self.rbx = handle

    def set_registers(self, other: UserFrame) -> None:
        """Take the general registers, position and arithmetic flags that a debugger wants."""
        registers = Slice.of(Ptr.to(self).cast(U64), U64(REGISTER_COUNT))
        registers.copy_from(Slice.of(Ptr.to(other).cast(U64), U64(REGISTER_COUNT)))
        self.flags = (other.flags & USER_SETTABLE_FLAGS) | USER_FLAGS
        self.set_position(other.ip, other.sp)

    def set_position(self, ip: U64, sp: U64) -> None:
        """Go on somewhere else, by IRET: that SYSCALL put the registers there is not true any more."""
        # IRET to an address that is not canonical would fault in the kernel.
        self.ip = ip & (mmu.user_end() | (mmu.PAGE_SIZE - 1))
        self.sp = sp
        self.vector = U64(0)


@struct
class Gate:
    """Interrupt gate: AMD64 manual volume 2, section 4.8.4."""

    offset_low: U16 = U16(0)
    selector: U16 = U16(8)
    stack: U8 = U8(0)
    kind: U8 = U8(0x8E)
    offset_middle: U16 = U16(0)
    offset_high: U32 = U32(0)
    reserved: U32 = U32(0)


@struct
class Tables:
    """The interrupt descriptor table, which all processors share."""

    gates: Array[Gate, Literal[85]] = zeroed()


@struct
class TablePointer:
    """Operand of LGDT and LIDT: two bytes of limit, eight of base, here after six of padding."""

    padding: Array[U16, Literal[3]] = zeroed()
    limit: U16 = U16(0)
    base: U64 = U64(0)


TABLES = place(Tables())
POINTER = place(TablePointer())


@machine(
    x86_64=Template(
        "lgdt 6(%[pointer]); movw $0x28, %%ax; ltr %%ax; pushq $8; leaq 1f(%%rip), %%rax; pushq %%rax; "
        "lretq; 1: movl $0x10, %%eax; movl %%eax, %%ss; movl %%eax, %%ds; movl %%eax, %%es",
        inputs={"pointer": "r"},
        clobbers=("rax", "memory"),
    )
)
def _load_descriptors(pointer: VirtAddr) -> None:
    pass


@machine(x86_64=Template("lidt 6(%[pointer])", inputs={"pointer": "r"}, clobbers=("memory",)))
def _load_gates(pointer: VirtAddr) -> None:
    pass


@machine(x86_64=Template("movb $1, %[result]", result="=q", volatile=False))
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
    # Traps: the processor itself pushes below this address, which is a multiple of 16.
    processor.set_trap_stack(frame.offset(1).address.value)


def _fill_descriptors(own: State) -> None:
    # Low and high half of each. Of segments the low one has base and limit, which 64-bit mode ignores.
    table = own.descriptors
    base = Ptr.to(own.task).address.value
    table[3] = U32(0x0020_9B00)
    table[5] = U32(0x0000_9300)
    table[7] = U32(0x0000_F300)
    table[9] = U32(0x0020_FB00)
    table[10] = U32(base & 0xFFFF) << 16 | 0x67
    table[11] = U32.truncate(base >> 16) & 0xFF | U32.truncate(base) & 0xFF00_0000 | 0x8900
    table[12] = U32(base >> 32)


def _fill_gates() -> None:
    target = vectors.STUBS.address.value
    size = U64(vectors.EXCEPTION_STUB_SIZE)
    # Between the exceptions and the interrupts are vectors that never come.
    for vector in U64.range(vectors.VECTORS):
        if vector == vectors.VECTOR_LINES:
            target = vectors.INTERRUPT_STUBS.address.value
            size = U64(vectors.INTERRUPT_STUB_SIZE)
        gate = TABLES.gates[vector]
        gate.offset_low = U16.truncate(target)
        gate.offset_middle = U16.truncate(target >> 16)
        gate.offset_high = U32(target >> 32)
        gate.selector = U16(8)
        gate.kind = U8(0x8E)
        target = target + size
    TABLES.gates[1].stack = U8(vectors.PARANOID[1])
    TABLES.gates[2].stack = U8(vectors.PARANOID[2])
    TABLES.gates[8].stack = U8(vectors.PARANOID[8])
    TABLES.gates[18].stack = U8(vectors.PARANOID[18])
    # Only a breakpoint may be raised by a program's own INT3.
    TABLES.gates[3].kind = U8(0xEE)


def start(own: State, stack: U64) -> None:
    """Load descriptor tables, trap table and stacks: from here on a fault is reported, not a reset.

    `own`: of this processor, whose stacks end at `stack`. The first processor calls this first.
    """
    own.kernel_stack = stack
    own.task.stack_low = U32.truncate(stack)
    own.task.stack_high = U32(stack >> 32)
    for index in U64.range(processor.TRAP_STACKS):
        top = stack - processor.STACKS_BYTES + (index + 1) * 4096
        own.task.interrupt_stacks[index * 2] = U32.truncate(top)
        own.task.interrupt_stacks[index * 2 + 1] = U32(top >> 32)
    own.task.port_map_offset = U16(104)
    _fill_descriptors(own)
    _fill_gates()
    POINTER.limit = U16(7 * 8 - 1)
    POINTER.base = Ptr.to(own.descriptors).address.value
    _load_descriptors(Ptr.to(POINTER).address)
    POINTER.limit = U16(vectors.VECTORS * 16 - 1)
    POINTER.base = Ptr.to(TABLES.gates).address.value
    _load_gates(Ptr.to(POINTER).address)


def user_fault(frame: UserFrame, code: Slice[U8]) -> Fault:
    """What a trap other than a page fault says about the program. `code`: bytes at its instruction pointer."""
    vector = frame.vector
    if vector == 0:
        return faults.DIVIDE_ERROR
    if vector == 1 or vector == 3:
        return faults.BREAKPOINT
    if vector == 6:
        return faults.ILLEGAL_INSTRUCTION
    if vector == 16 or vector == 19:
        return faults.FLOATING_POINT
    if vector == 17:
        return faults.ALIGNMENT
    if vector == 13 and is_privileged(code):
        return faults.PRIVILEGED_INSTRUCTION
    # What remains is an address that is not canonical, or a segment that does not exist.
    return faults.BAD_ADDRESS
