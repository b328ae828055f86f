"""What one processor asks of another, and waits for.

A processor that wants the kernel lock has saved the registers of its thread. Until it gets the lock it answers what the
processor that has it asks for (`processors.answer`); so whoever holds the lock may wait for an answer, and nobody waits
in a circle. That is below threads: memory needs it too.
"""

from __future__ import annotations

from cloudos.kernel.hal import cpu, processors
from cloudos.lang import (
    U32,
    U64,
    Atomic,
    Order,
    PhysAddr,
    Ptr,
    inlined,
    located,
    never_inlined,
    null,
    place,
    struct,
    zeroed,
)

# What can be asked for: forget translations; let go of the current thread; stop for good.
FORGET = 1
LET_GO = 2
STOP = 3


@struct
class Line:
    """How a processor is reached. Stands in its data behind what the architecture keeps."""

    # What is asked for; 0: nothing.
    request: Atomic[U32] = Atomic(U32(0))
    number: U32 = U32(0)
    # Its node, as the frame allocator names it.
    lists: U32 = U32(0)
    # Which page tables it uses.
    root: PhysAddr = zeroed()
    # Of the processor that started after it.
    next: Ptr[Own] = null()


@struct
class Own:
    """The beginning of a processor's data."""

    machine: processors.State = zeroed()
    line: Line = zeroed()


@struct
class All:
    """All processors that run, linked."""

    first: Ptr[Own] = null()
    last: Ptr[Own] = null()
    count: U64 = U64(0)

    def add(self, own: Ptr[Own]) -> None:
        """One more runs."""
        if self.first.is_null():
            self.first = own
        else:
            self.last.value.line.next = own
        self.last = own
        self.count += 1


ALL = place(All())
OWN = located(Own, processors.this)


def ask(other: Line, request: U32) -> None:
    """Ask a processor, not this one, and wait until it does it. It waits for the kernel lock then."""
    other.request.store(request, Order.RELEASE)
    processors.interrupt(U64(other.number))
    while request != STOP and other.request.load(Order.ACQUIRE) != 0:
        cpu.pause()


@inlined
def forget(root: PhysAddr) -> None:
    """Page tables have changed: no processor may use what it remembers of them."""
    if processors.are_several():
        _ask_others(root, U32(FORGET))


def stop_others() -> None:
    """No other processor does anything any more. The machine is about to be switched off."""
    _ask_others(PhysAddr(0), U32(STOP))


@never_inlined
def _ask_others(root: PhysAddr, request: U32) -> None:
    """Ask those that use these page tables, or all of them to stop, which is not answered."""
    own = ALL.first
    while not own.is_null():
        other = own.value.line
        if other.number != OWN.line.number and (request == STOP or other.root == root):
            ask(other, request)
        own = other.next
