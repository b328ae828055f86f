"""What each processor keeps for itself, reached through the GS register."""

from __future__ import annotations

from typing import Literal

from cloudos.kernel.hal.shared.lock import ALONE, HOME, Inside
from cloudos.lang import (
    U16,
    U32,
    U64,
    Array,
    Atomic,
    Order,
    Ptr,
    Template,
    VirtAddr,
    inlined,
    located,
    machine,
    offset_of,
    struct,
    zeroed,
)

# A processor's stacks, one after the other as `boot.py` lays out the first one's: in pages.
TRAP_STACKS = 4
STACK_PAGES = 4
GUARD_PAGES = 1
STACK_BYTES = STACK_PAGES * 4096
STACKS_BYTES = (TRAP_STACKS + GUARD_PAGES) * 4096 + STACK_BYTES


@struct
class TaskState:
    """The task state segment: stacks for entries from user mode and for traps that need a stack of their own.

    AMD64 manual volume 2, section 12.2.5. The manual's 64-bit fields stand at offset 4 modulo 8, hence the halves.
    """

    reserved: U32 = U32(0)
    stack_low: U32 = U32(0)
    stack_high: U32 = U32(0)
    unused: Array[U32, Literal[6]] = zeroed()
    # Seven pairs of low and high half, for interrupt stacks 1 to 7.
    interrupt_stacks: Array[U32, Literal[14]] = zeroed()
    unused_tail: Array[U32, Literal[2]] = zeroed()
    unused_half: U16 = U16(0)
    port_map_offset: U16 = U16(0)


@struct(align=64)
class State:
    """Stands at the beginning of what the kernel keeps for a processor. The entry code finds fields by `offset_of`.

    `address`: where this is. `pages`: that of the PageTable in use. `frame`: where the current thread's registers are.
    `vectors_open`: it may use the vector registers. `inside`: whether it is in the kernel, see `shared/lock.py`.
    """

    address: VirtAddr = zeroed()
    kernel_stack: U64 = U64(0)
    user_stack: U64 = U64(0)
    frame: U64 = U64(0)
    pages: VirtAddr = zeroed()
    has_smap: U32 = U32(0)
    # Of its local APIC, in the place where commands have it.
    identifier: U32 = U32(0)
    running: Atomic[U32] = Atomic(U32(0))
    inside: Inside = zeroed()
    vectors_open: U32 = U32(0)
    task: TaskState = zeroed()
    descriptors: Array[U32, Literal[14]] = zeroed()


ADDRESS = offset_of(State, "address")
KERNEL_STACK = offset_of(State, "kernel_stack")
USER_STACK = offset_of(State, "user_stack")
FRAME = offset_of(State, "frame")
INSIDE = offset_of(State, "inside")
VECTORS_OPEN = offset_of(State, "vectors_open")
HAS_SMAP = offset_of(State, "has_smap")
TASK_STACK = offset_of(State, "task") + offset_of(TaskState, "stack_low")


# Under CPython there is one processor, whose data the rest of the kernel has named.
MODEL: list[object] = []


@machine(x86_64=Template(f"movq %%gs:{ADDRESS}, %[result]", result="=r", segment="gs"))
def this() -> VirtAddr:
    """What the kernel keeps for this processor. It stays the same while the kernel runs."""
    return Ptr.to(MODEL[0]).address


OWN = located(State, this)


@inlined
def is_alone() -> bool:
    """Whether this processor keeps all others out of the kernel."""
    return OWN.inside.mode.load(Order.RELAXED) == ALONE


@inlined
def is_home() -> bool:
    """Whether this processor is in the kernel and keeps nobody out."""
    return OWN.inside.mode.load(Order.RELAXED) & HOME != 0


@machine(x86_64=Template(f"movq %[stack], %%gs:{TASK_STACK}", inputs={"stack": "r"}))
def set_trap_stack(stack: U64) -> None:
    """Traps from user mode push below this address."""
    OWN.task.stack_low = U32.truncate(stack)
    OWN.task.stack_high = U32(stack >> 32)


def on_kernel_stack(address: U64) -> bool:
    """Whether a word at this address would lie on a kernel stack, or in the guard page between them."""
    return address % 8 == 0 and OWN.kernel_stack.wrapping_sub(address).wrapping_sub(1) < STACKS_BYTES


def stack_word(address: U64) -> U64:
    """The word at an address that is `on_kernel_stack`; 0 in the guard page, where the stack has overflown."""
    overflown = OWN.kernel_stack.wrapping_sub(address).wrapping_sub(STACK_BYTES + 1) < 4096
    return U64(0) if overflown else Ptr.at(U64, VirtAddr(address)).value
