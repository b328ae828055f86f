"""Starting processors."""

from __future__ import annotations

from cloudos.abi.errors import OutOfMemory
from cloudos.kernel.hal import processors
from cloudos.kernel.hal.shared.lock import ALONE, OUTSIDE
from cloudos.kernel.memory.frames import FRAMES, ORDERS
from cloudos.kernel.sched.processor import FIRST, Processor
from cloudos.kernel.sched.requests import ALL, OWN, Own
from cloudos.lang import U32, U64, Ptr, size_of

__all__ = ["OutOfMemory"]

# A Processor takes so many pages.
PAGES = 2
assert size_of(Processor) <= 4096 * PAGES


def start_first() -> None:
    """The processor that boots has its data."""
    processors.start_first(FIRST.machine)
    ALL.add(Ptr.to(FIRST).cast(Own))


def start_others() -> None:
    """Start all other processors. They wait until this one leaves the kernel. Raises OutOfMemory."""
    count = processors.find(FRAMES)
    OWN.line.lists = _lists(U64(0))
    if count == 1:
        return
    processors.prepare()
    OWN.machine.inside.begin(U32(ALONE))
    for number in U64.range(1, count):
        made = Ptr.at(Processor, processors.make(number, U64(PAGES), FRAMES))
        made.value.line.lists = _lists(number)
        made.value.line.number = U32(number)
        made.value.machine.inside.begin(U32(OUTSIDE))
        if processors.start(number, made.value.machine):
            ALL.add(made.cast(Own))


def _lists(number: U64) -> U32:
    """A processor's node, as the frame allocator names it."""
    return U32(processors.node(number) * ORDERS)
