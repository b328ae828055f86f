"""What the processor keeps for itself: where the registers of the current thread are saved."""

from __future__ import annotations

from cloudos.lang import U64, place, struct


@struct
class Processor:
    """`frame`: address of the current thread's UserFrame, 0 while there is none."""

    frame: U64 = U64(0)


PROCESSOR = place(Processor())
