"""What each processor keeps for itself, reached through x18.

The entry code loads the register from TPIDR_EL1, and compiled code leaves it alone.
"""

from __future__ import annotations

from cloudos.kernel.hal.shared.lock import ALONE, HOME, Inside
from cloudos.lang import (
    U32,
    U64,
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


@struct(align=64)
class State:
    """Stands at the beginning of what the kernel keeps for a processor, where its stack begins and grows down.

    `frame`: where the current thread's registers are; the entry code finds it through `offset_of`.
    """

    # Whether it is in the kernel, see `shared/lock.py`. Stands first: it is stored to without an offset.
    inside: Inside = zeroed()
    frame: U64 = U64(0)
    # Whether the current thread may use the vector registers.
    vectors_open: U64 = U64(0)
    # The interrupt being handled, as the controller named it.
    interrupt: U64 = U64(0)
    # Whether the interrupt controller has system registers, as it has from version 3 on.
    has_registers: U64 = U64(0)
    # How it is interrupted: what is written to ICC_SGI1R_EL1, or to GICD_SGIR.
    target: U64 = U64(0)
    # Address of the PageTable in use.
    pages: VirtAddr = zeroed()
    running: Atomic[U32] = Atomic(U32(0))


assert offset_of(State, "inside") == 0, "as the entry code has it"
INTERRUPT = offset_of(State, "interrupt")
HAS_REGISTERS = offset_of(State, "has_registers")
FRAME = offset_of(State, "frame")

# Under CPython there is one processor, whose data the rest of the kernel has named.
MODEL: list[object] = []


@machine(aarch64=Template("", register="x18"))
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


# A processor's pages, one after the other, from a multiple of PLACE_BYTES on; those of the first one lie so in the
# kernel's image. A stack for overflows, a guard page, the stack, which grows down from the data.
PLACE_BYTES = 0x1_0000
OVERFLOW_PAGE, GUARD_PAGE, STACK_PAGE, DATA_PAGE = 6, 7, 8, 12
STACK_BYTES = (DATA_PAGE - STACK_PAGE) * 4096
# A stack pointer in the stack has this bit clear, once a frame has been taken from it, and below it set: see `trap.py`.
STACK_BIT = 14
# Where those of the others lie, by their number.
PLACES = 0xFFFF_FE00_0000_0000


def on_kernel_stack(address: U64) -> bool:
    """Whether a word at this address would lie on a kernel stack, or in the guard page between them."""
    return address % 8 == 0 and _depth(address) < (DATA_PAGE - OVERFLOW_PAGE) * 4096


def _depth(address: U64) -> U64:
    """How far below the first byte of this processor's stack."""
    return this().value.wrapping_sub(address).wrapping_sub(1)


def stack_word(address: U64) -> U64:
    """The word at an address that is `on_kernel_stack`; 0 in the guard page, where the stack has overflown."""
    overflown = _depth(address).wrapping_sub(STACK_BYTES) < 4096
    return U64(0) if overflown else Ptr.at(U64, VirtAddr(address)).value
