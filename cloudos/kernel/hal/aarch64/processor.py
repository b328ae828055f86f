"""What each processor keeps for itself, reached through TPIDR_EL1."""

from __future__ import annotations

from cloudos.lang import U64, offset_of, place, struct


@struct
class Processor:
    """The entry code finds the first fields through `offset_of`. `frame`: where the current thread's registers are."""

    kernel_stack: U64 = U64(0)
    frame: U64 = U64(0)
    # Addresses of VectorStates: whose vector registers are in the processor, and whose the current thread's are.
    vector_owner: U64 = U64(0)
    vectors: U64 = U64(0)
    # The interrupt being handled, as the controller named it.
    interrupt: U64 = U64(0)


PROCESSOR = place(Processor(), symbol="processor")

KERNEL_STACK = offset_of(Processor, "kernel_stack")
FRAME = offset_of(Processor, "frame")
