"""What each processor keeps for itself, reached through TPIDR_EL1, and the lock that all of them take."""

from __future__ import annotations

from cloudos.lang import U64, Ptr, Template, VirtAddr, located, machine, offset_of, struct


@struct(align=64)
class State:
    """Stands at the beginning of what the kernel keeps for a processor, where its stack begins and grows down.

    `frame`: where the current thread's registers are; the entry code finds it through `offset_of`.
    """

    frame: U64 = U64(0)
    # Whether the current thread may use the vector registers.
    vectors_open: U64 = U64(0)
    # The interrupt being handled, as the controller named it.
    interrupt: U64 = U64(0)
    # Whether the interrupt controller has system registers, as it has from version 3 on.
    has_registers: U64 = U64(0)


INTERRUPT = offset_of(State, "interrupt")
HAS_REGISTERS = offset_of(State, "has_registers")
FRAME = offset_of(State, "frame")

# Under CPython there is one processor, whose data the rest of the kernel has named.
MODEL: list[object] = []


@machine(aarch64=Template("mrs %[result], tpidr_el1", result="=r", volatile=False))
def this() -> VirtAddr:
    """What the kernel keeps for this processor. It stays the same while the kernel runs."""
    return Ptr.to(MODEL[0]).address


OWN = located(State, this)
