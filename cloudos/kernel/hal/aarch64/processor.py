"""What each processor keeps for itself, reached through TPIDR_EL1."""

from __future__ import annotations

from cloudos.lang import U64, offset_of, place, struct


@struct(align=16)
class Processor:
    """Stands where the processor's kernel stack begins, which grows down from it.

    `frame`: where the current thread's registers are; the entry code finds it through `offset_of`.
    """

    frame: U64 = U64(0)
    # Addresses of VectorStates: the current thread's, and whose vector registers are in the processor.
    vectors: U64 = U64(0)
    vector_owner: U64 = U64(0)
    # Whether programs may use the registers now.
    vectors_open: U64 = U64(0)
    # The interrupt being handled, as the controller named it.
    interrupt: U64 = U64(0)
    # Whether the interrupt controller has system registers, as it has from version 3 on.
    has_registers: U64 = U64(0)


PROCESSOR = place(Processor(), section=".bss.processor", symbol="processor")

INTERRUPT = offset_of(Processor, "interrupt")
HAS_REGISTERS = offset_of(Processor, "has_registers")
FRAME = offset_of(Processor, "frame")
