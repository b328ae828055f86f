"""What each processor keeps for itself, and which of them is looked at."""

from __future__ import annotations

from cloudos.kernel.hal.simulated import board
from cloudos.lang import U64, Ptr, VirtAddr, located, struct, zeroed

# What the rest of the kernel has named, for tests in which no machine is switched on.
MODEL: list[object] = []
# Asked at every use of what is the processor's own.
_ADDRESSES: dict[int, VirtAddr] = {}


@struct
class State:
    """`frame`: address of the current thread's UserFrame, 0 while there is none; `pages`: of the PageTable in use."""

    frame: U64 = U64(0)
    pages: VirtAddr = zeroed()


def this() -> VirtAddr:
    """What the kernel keeps for the processor that runs."""
    machine = board.running()
    if machine is None or machine.processor.data == 0:
        return Ptr.to(MODEL[0]).address
    data = machine.processor.data
    known = _ADDRESSES.get(data)
    if known is None:
        known = _ADDRESSES[data] = VirtAddr(data)
    return known


OWN = located(State, this)
