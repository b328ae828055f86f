"""All registers at once: to fill, to make a system call with, to hold, to see as a thread begins."""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U64, Array, Assembly, Ptr, VirtAddr, external, struct

NAMES = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15")
COUNT = 15
RAX = NAMES.index("rax")
RCX = NAMES.index("rcx")
RDX = NAMES.index("rdx")
RDI = NAMES.index("rdi")
RSI = NAMES.index("rsi")
R11 = NAMES.index("r11")
# In what FXSAVE stores: the first of the vector registers and, before them, those of the floating-point unit.
VECTORS = 160 // 8
FLOATING = 32 // 8
VECTOR_WORDS = 52
PRESERVED = ("rbx", "rbp", "r12", "r13", "r14", "r15")


@struct(align=64)
class Block:
    """Registers to load, and what they were afterwards. `vectors`: as FXSAVE stores them."""

    load: Array[U64, Literal[16]]
    found: Array[U64, Literal[16]]
    found_vectors: Array[U64, Literal[64]]
    load_vectors: Array[U64, Literal[64]]


def _each(form: str, *without: str) -> str:
    """A line for each register but some; `at` is its offset in a Block's array."""
    lines = [form.format(name=name, at=8 * index) for index, name in enumerate(NAMES) if name not in without]
    return "".join(f"  {line}\n" for line in lines)


SAVE = "".join(f"  pushq %{name}\n" for name in PRESERVED)
RESTORE = "".join(f"  popq %{name}\n" for name in reversed(PRESERVED))
SPREAD = "".join(f"  movdqa %xmm0, %xmm{number}\n" for number in range(1, 16))

CODE = Assembly(
    "registers",
    x86_64=f"""
.section .bss
.p2align 6
first_registers: .skip 1280
.text
.globl registers_at_start, first_registers_address, call_with_registers, hold_registers
# Where a thread begins that wants to know what it is given.
registers_at_start:
{_each("movq %{name}, first_registers+128+{at}(%rip)")}
  fxsave64 first_registers+256(%rip)
  jmp thread_entry

first_registers_address:
  leaq first_registers(%rip), %rax
  ret

# rdi: Block. Loads all registers, makes the system call, and stores them.
call_with_registers:
{SAVE}
  pushq %rdi
  fxrstor64 768(%rdi)
{_each("movq {at}(%rdi), %{name}", "rdi")}
  movq {8 * RDI}(%rdi), %rdi
  syscall
  pushq %rax
  movq 8(%rsp), %rax
{_each("movq %{name}, 128+{at}(%rax)", "rax")}
  fxsave64 256(%rax)
  popq 128+{8 * RAX}(%rax)
  popq %rdi
{RESTORE}
  ret

# rdi: what all registers are to hold; rsi: rounds; rdx: Block, for the vector registers. Result: 0 when all stayed.
hold_registers:
{SAVE}
  pushq %rdx
  pushq %rdi
  pushq %rsi
  movq %rdi, %xmm0
  punpcklqdq %xmm0, %xmm0
{SPREAD}
  movq %rdi, %rax
{_each("movq %rax, %{name}", "rax")}
1:
  cmpq 8(%rsp), %rax
  jne 2f
{_each("cmpq %rax, %{name}" + chr(10) + "  jne 2f", "rax")}
  decq (%rsp)
  jnz 1b
  xorl %eax, %eax
  jmp 3f
2:
  movl $1, %eax
3:
  movq 16(%rsp), %rdx
  fxsave64 256(%rdx)
  addq $24, %rsp
{RESTORE}
  ret
""",
)


@external(CODE, "registers_at_start")
def at_start() -> None:
    """Where a thread begins whose first registers are to be seen; it goes on as all do."""
    raise NotImplementedError


@external(CODE, "first_registers_address")
def _first_address() -> U64:
    raise NotImplementedError


@external(CODE, "call_with_registers")
def call_with(block: VirtAddr) -> None:
    """Make a system call with the registers that a Block has."""
    raise NotImplementedError


@external(CODE, "hold_registers")
def hold(pattern: U64, rounds: U64, block: VirtAddr) -> U64:
    """Keep a value in all registers for some time: 0 when they never changed. The vector registers are in the block."""
    raise NotImplementedError


def first() -> Block:
    """What the latest thread found that began `at_start`: in `found` and `found_vectors`."""
    return Ptr.at(Block, VirtAddr(_first_address())).value


def vectors_hold(block: Block, value: U64) -> bool:
    """Whether all vector registers that were found hold a value in both halves."""
    for index in U64.range(32):
        if block.found_vectors[VECTORS + index] != value:
            return False
    return True


def fill(block: Block, value: U64) -> None:
    """Let all registers be loaded with a value."""
    for index in U64.range(COUNT):
        block.load[index] = value
    for index in U64.range(64):
        block.load_vectors[index] = U64(0)
    # What FNINIT leaves, and the mask of all vector exceptions.
    block.load_vectors[0] = U64(0x37F)
    block.load_vectors[3] = U64(0x1F80)
    for index in U64.range(32):
        block.load_vectors[VECTORS + index] = value
    for index in U64.range(8):
        # Each of the eight floating-point registers: ten of sixteen bytes.
        block.load_vectors[FLOATING + index * 2] = value
        block.load_vectors[FLOATING + index * 2 + 1] = value & 0xFFFF
