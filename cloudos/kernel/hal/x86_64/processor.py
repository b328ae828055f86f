"""What each processor keeps for itself, reached through the GS register."""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U16, U32, U64, Array, inlined, offset_of, place, struct, zeroed


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
    port_map_offset: U16 = U16(104)

    @inlined
    def set_stack(self, top: U64) -> None:
        """Where the processor pushes on an entry from user mode."""
        self.stack_low = U32.truncate(top)
        self.stack_high = U32(top >> 32)


@struct
class Processor:
    """The entry code finds the fields through `offset_of`. `frame`: where the current thread's registers are kept."""

    kernel_stack: U64 = U64(0)
    user_stack: U64 = U64(0)
    has_smap: U64 = U64(0)
    frame: U64 = U64(0)


PROCESSOR = place(Processor(), symbol="processor")
TASK_STATE = place(TaskState(), symbol="task_state")

KERNEL_STACK = offset_of(Processor, "kernel_stack")
USER_STACK = offset_of(Processor, "user_stack")
FRAME = offset_of(Processor, "frame")
HAS_SMAP = offset_of(Processor, "has_smap")
