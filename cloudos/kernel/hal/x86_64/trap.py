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
from cloudos.kernel.hal.x86_64 import cpu
from cloudos.kernel.hal.x86_64.boot import TRAP_STACK_SIZE
from cloudos.kernel.hal.x86_64.processor import KERNEL_STACK, PROCESSOR, TASK_STATE, USER_STACK
from cloudos.lang import (
    U8,
    U16,
    U32,
    U64,
    Array,
    Assembly,
    LinkerSymbol,
    Ptr,
    Sink,
    Slice,
    Template,
    VirtAddr,
    external,
    machine,
    place,
    size_of,
    struct,
    write_text,
    zeroed,
)

USER_CODE = 0x23
USER_STACK_SEGMENT = 0x1B
STUB_COUNT = 48
STUB_SIZE = 16
VECTOR_TIMER = 32
VECTOR_CONSOLE = 33
VECTOR_CHANNEL = 34
VECTOR_SPURIOUS = 47
# Exceptions that push an error code: AMD64 manual volume 2, section 8.2.
WITH_ERROR_CODE = (8, 10, 11, 12, 13, 14, 17, 21, 29, 30)
PARANOID = {1: 1, 2: 2, 8: 3, 18: 4}


def _stub(vector: int) -> str:
    push = "" if vector in WITH_ERROR_CODE else "pushq $0; "
    target = "trap_paranoid" if vector in PARANOID else "trap_common"
    return f".p2align 4; {push}pushq ${vector}; jmp {target}\n"


REGISTERS = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"]
SAVE = "".join(f"  pushq %{register}\n" for register in REGISTERS)
RESTORE = "".join(f"  popq %{register}\n" for register in reversed(REGISTERS))
CLEAR_AC = "  pushfq; andl $~0x40000, (%rsp); popfq\n  cld\n"

ENTRY = Assembly(
    "entry",
    x86_64=f"""
.text
.globl trap_stubs, system_call_entry, enter_user
.p2align 4
trap_stubs:
{"".join(_stub(vector) for vector in range(STUB_COUNT))}
# The saved code segment stands 24 bytes up: vector, error, instruction pointer, code segment.
trap_common:
  testb $3, 24(%rsp)
  jz 1f
  swapgs
1:
{SAVE}{CLEAR_AC}
  movq %rsp, %rdi
  call kernel_trap
{RESTORE}
  testb $3, 24(%rsp)
  jz 2f
  swapgs
2:
  addq $16, %rsp
  iretq

trap_paranoid:
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
  jz 2f
  swapgs
2:
{RESTORE}
  addq $16, %rsp
  iretq

# Pushes a SystemCallFrame. The stack in the processor's area is 8 modulo 16, so that the call is aligned.
.p2align 4
system_call_entry:
  swapgs
  movq %rsp, %gs:{USER_STACK}
  movq %gs:{KERNEL_STACK}, %rsp
  pushq %gs:{USER_STACK}
  pushq %r11
  pushq %rcx
  pushq %rbp
  pushq %r9
  pushq %r8
  pushq %r10
  pushq %rdx
  pushq %rsi
  pushq %rdi
  pushq %rax
  movq %rsp, %rdi
  call kernel_system_call
  movq 64(%rsp), %rdi
  shrq $47, %rdi
  jnz 1f
  popq %rax
  popq %rdi
  popq %rsi
  popq %rdx
  popq %r10
  popq %r8
  popq %r9
  popq %rbp
  popq %rcx
  popq %r11
  popq %rsp
  swapgs
  sysretq
1:
  movq %rsp, %rdi
  call kernel_bad_return
  ud2

# rdi instruction pointer, rsi stack pointer, rdx and rcx first two arguments
enter_user:
  pushq ${USER_STACK_SEGMENT}
  pushq %rsi
  pushq $0x202
  pushq ${USER_CODE}
  pushq %rdi
  fninit
  pushq $0x1f80
  ldmxcsr (%rsp)
  addq $8, %rsp
  movq %rdx, %rdi
  movq %rcx, %rsi
  xorl %eax, %eax
  xorl %ebx, %ebx
  xorl %ecx, %ecx
  xorl %edx, %edx
  xorl %ebp, %ebp
  xorl %r8d, %r8d
  xorl %r9d, %r9d
  xorl %r10d, %r10d
  xorl %r11d, %r11d
  xorl %r12d, %r12d
  xorl %r13d, %r13d
  xorl %r14d, %r14d
  xorl %r15d, %r15d
  swapgs
  iretq
""",
)

STUBS = LinkerSymbol("trap_stubs")
TRAP_STACKS = LinkerSymbol("trap_stacks")
KERNEL_STACK_TOP = LinkerSymbol("kernel_stack_top")


@struct
class TrapFrame:
    """Registers at a trap, as the stubs push them."""

    r15: U64
    r14: U64
    r13: U64
    r12: U64
    r11: U64
    r10: U64
    r9: U64
    r8: U64
    rbp: U64
    rdi: U64
    rsi: U64
    rdx: U64
    rcx: U64
    rbx: U64
    rax: U64
    vector: U64
    error: U64
    ip: U64
    code_segment: U64
    flags: U64
    sp: U64
    stack_segment: U64

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
        if vector == VECTOR_CONSOLE:
            return TrapKind.CONSOLE
        if vector == VECTOR_CHANNEL:
            return TrapKind.CHANNEL
        if vector == VECTOR_TIMER:
            return TrapKind.TIMER
        if vector == 2:
            return TrapKind.NON_MASKABLE
        if vector == 8 or vector == 18:
            return TrapKind.MACHINE_CHECK
        if vector < VECTOR_TIMER:
            return TrapKind.FAULT
        return TrapKind.SPURIOUS

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


@struct
class SystemCallFrame:
    """Registers at a system call, as the entry pushes them; `number` leaves as the error, `argument2` as the value."""

    number: U64
    argument0: U64
    argument1: U64
    argument2: U64
    argument3: U64
    argument4: U64
    argument5: U64
    fp: U64
    ip: U64
    flags: U64
    sp: U64

    def context(self) -> UserContext:
        """Where the caller is."""
        return UserContext(self.ip, self.sp, self.fp)

    def finish(self, value: U64) -> None:
        """Return success."""
        self.number = U64(0)
        self.argument2 = value

    def fail(self, error: U64) -> None:
        """Return an error."""
        self.number = error
        self.argument2 = U64(0)


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
    """Global and interrupt descriptor tables."""

    gates: Array[Gate, Literal[48]] = zeroed()
    descriptors: Array[U64, Literal[7]] = zeroed()


@struct
class TablePointer:
    """Operand of LGDT and LIDT: two bytes of limit, eight of base, here after six of padding."""

    padding: Array[U16, Literal[3]] = zeroed()
    limit: U16 = U16(0)
    base: U64 = U64(0)


TABLES = place(Tables())
GDT_POINTER = place(TablePointer())
IDT_POINTER = place(TablePointer())


@machine(
    x86_64=Template(
        "lgdt 6(%[gdt]); lidt 6(%[idt]); movw $0x28, %%ax; ltr %%ax; pushq $8; leaq 1f(%%rip), %%rax; pushq %%rax; "
        "lretq; 1: movl $0x10, %%eax; movl %%eax, %%ss; movl %%eax, %%ds; movl %%eax, %%es",
        inputs={"gdt": "r", "idt": "r"},
        clobbers=("rax", "memory"),
    )
)
def _load_tables(gdt: VirtAddr, idt: VirtAddr) -> None:
    pass


@external(ENTRY, "enter_user")
def enter_user(ip: U64, sp: U64, argument0: U64, argument1: U64) -> NoReturn:
    """Run user code, with all registers zero but the two arguments."""
    raise NotImplementedError


def current_system_call() -> SystemCallFrame:
    """The registers of the system call being handled: they always lie at the start of the kernel's stack."""
    address = VirtAddr(PROCESSOR.kernel_stack - size_of(SystemCallFrame))
    return Ptr.at(SystemCallFrame, address).value


def _fill_descriptors() -> None:
    table = TABLES.descriptors
    base = Ptr.to(TASK_STATE).address.value
    table[1] = U64(0x00AF_9B00_0000_FFFF)
    table[2] = U64(0x00CF_9300_0000_FFFF)
    table[3] = U64(0x00CF_F300_0000_FFFF)
    table[4] = U64(0x00AF_FB00_0000_FFFF)
    low = (base & 0xFF_FFFF) << 16 | ((base >> 24) & 0xFF) << 56
    table[5] = low | U64(0x0000_8900_0000_0067)
    table[6] = base >> 32


def _fill_gates() -> None:
    stubs = STUBS.address.value
    for vector in U64.range(STUB_COUNT):
        target = stubs + vector * STUB_SIZE
        gate = TABLES.gates[vector]
        gate.offset_low = U16.truncate(target)
        gate.offset_middle = U16.truncate(target >> 16)
        gate.offset_high = U32(target >> 32)
        gate.selector = U16(8)
        gate.kind = U8(0x8E)
    TABLES.gates[1].stack = U8(PARANOID[1])
    TABLES.gates[2].stack = U8(PARANOID[2])
    TABLES.gates[8].stack = U8(PARANOID[8])
    TABLES.gates[18].stack = U8(PARANOID[18])
    # Only a breakpoint may be raised by a program's own INT3.
    TABLES.gates[3].kind = U8(0xEE)


def start() -> None:
    """Load descriptor tables, trap table and stacks: from here on a fault is reported, not a reset."""
    top = KERNEL_STACK_TOP.address.value
    TASK_STATE.stack_low = U32.truncate(top)
    TASK_STATE.stack_high = U32(top >> 32)
    for index in U64.range(4):
        stack = TRAP_STACKS.address.value + (index + 1) * TRAP_STACK_SIZE
        TASK_STATE.interrupt_stacks[index * 2] = U32.truncate(stack)
        TASK_STATE.interrupt_stacks[index * 2 + 1] = U32(stack >> 32)
    PROCESSOR.kernel_stack = top - 8
    _fill_descriptors()
    _fill_gates()
    GDT_POINTER.limit = U16(7 * 8 - 1)
    GDT_POINTER.base = Ptr.to(TABLES.descriptors).address.value
    IDT_POINTER.limit = U16(STUB_COUNT * 16 - 1)
    IDT_POINTER.base = Ptr.to(TABLES.gates).address.value
    _load_tables(Ptr.to(GDT_POINTER).address, Ptr.to(IDT_POINTER).address)


def _is_privileged(code: Slice[U8]) -> bool:
    """Whether machine code starts with an instruction that needs privilege: AMD64 manual volume 3, chapter 5."""
    index = U64(0)
    while index < code.length and _is_prefix(code[index]):
        index = index + 1
    if index >= code.length:
        return False
    first = code[index]
    if first == 0x0F:
        if index + 1 >= code.length:
            return False
        return _is_privileged_extended(code[index + 1])
    # HLT, CLI, STI, INT n; IN and OUT with immediate and DX; INS and OUTS.
    if first == 0xF4 or first == 0xFA or first == 0xFB or first == 0xCD:
        return True
    return (first >= 0xE4 and first <= 0xE7) or (first >= 0xEC and first <= 0xEF) or (first >= 0x6C and first <= 0x6F)


def _is_prefix(byte: U8) -> bool:
    return byte == 0x66 or byte == 0xF2 or byte == 0xF3 or (byte >= 0x40 and byte <= 0x4F)


def _is_privileged_extended(second: U8) -> bool:
    """Second byte after 0F: system descriptors, CLTS, SYSRET, INVD, WBINVD, moves with CR and DR, WRMSR, RDMSR…"""
    if second <= 0x01 or (second >= 0x06 and second <= 0x09):
        return True
    return (second >= 0x20 and second <= 0x23) or second == 0x30 or second == 0x32 or second == 0x35


def user_fault(frame: TrapFrame, code: Slice[U8]) -> Fault:
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
    if vector == 13 and _is_privileged(code):
        return faults.PRIVILEGED_INSTRUCTION
    # What remains is an address that is not canonical, or a segment that does not exist.
    return faults.BAD_ADDRESS


def on_kernel_stack(address: U64) -> bool:
    """Whether a frame record at this address would lie on a kernel stack."""
    low = TRAP_STACKS.address.value
    return address % 8 == 0 and low <= address and address + 16 <= KERNEL_STACK_TOP.address.value


def write_registers(frame: TrapFrame, sink: Sink) -> None:
    """Log the general registers."""
    write_text(sink, f"rax={frame.rax:#x} rbx={frame.rbx:#x} rcx={frame.rcx:#x} rdx={frame.rdx:#x}\n")
    write_text(sink, f"rsi={frame.rsi:#x} rdi={frame.rdi:#x} rbp={frame.rbp:#x} r8={frame.r8:#x}\n")
    write_text(sink, f"r9={frame.r9:#x} r10={frame.r10:#x} r11={frame.r11:#x} r12={frame.r12:#x}\n")
    write_text(sink, f"r13={frame.r13:#x} r14={frame.r14:#x} r15={frame.r15:#x} flags={frame.flags:#x}\n")
