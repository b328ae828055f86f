"""What a processor may touch; what one asks of another, and waits for; and threads that it sends there.

A processor that wants to come into the kernel has saved the registers of its thread. Until it may, it answers what the
one asks for that keeps it out (`scheduler.answer`). So that one may wait for an answer, and nobody waits in a circle.
That is below threads: memory needs it too.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import OutOfMemory
from cloudos.kernel.hal import cpu, mmu, processors
from cloudos.kernel.objects.header import Header
from cloudos.kernel.sched.counters import COUNTED
from cloudos.lang import (
    U8,
    U32,
    U64,
    Array,
    Atomic,
    Order,
    PhysAddr,
    Ptr,
    VirtAddr,
    exported,
    fence,
    inlined,
    located,
    never_inlined,
    null,
    place,
    struct,
    zeroed,
)

# What can be asked for: forget translations; count the current thread's time; that, and let go of it; stop for good.
FORGET = 1
COUNT = 2
LET_GO = 3
STOP = 4


@struct
class Line:
    """How a processor is reached. Stands in its data behind what the architecture keeps."""

    # What is asked for; 0: nothing.
    request: Atomic[U32] = Atomic(U32(0))
    # Its node, as the frame allocator names it.
    lists: U32 = U32(0)
    # What objects are called by that belong to it, see `Header.home`.
    number: U32 = U32(0)
    # Address of the last thread that was sent to it and not taken in; they are linked as in a queue.
    sent: Atomic[U64] = Atomic(U64(0))
    # Of the processor that started before it.
    next: Ptr[Own] = null()
    # To which belongs what was last found missing here.
    wanted: Ptr[Own] = null()
    # The first of those whose words this processor has taken, its own among them; after this one, the next of those
    # that its keeper has taken.
    kept: Ptr[Own] = null()
    after: Ptr[Own] = null()
    # How often it has begun to keep out one other since it came in.
    steps: U32 = U32(0)
    # The first of the allocated frames that it has at hand, which are linked; 0: none.
    at_hand: PhysAddr = zeroed()


@struct
class Own:
    """The beginning of a processor's data."""

    machine: processors.State = zeroed()
    line: Line = zeroed()


@struct
class All:
    """All processors that run, linked: the one with the highest number first. And by number."""

    first: Ptr[Own] = null()
    by_number: Array[Ptr[Own], Literal[256]] = zeroed()

    def add(self, own: Ptr[Own]) -> None:
        """One more runs, or will when this one, which is alone, lets it."""
        _note(own)
        own.value.line.next = self.first
        self.first = own
        self.by_number[U8.truncate(own.value.line.number)] = own


ALL = place(All())
OWN = located(Own, processors.this)


@inlined
def is_alone() -> bool:
    """Whether this processor may touch everything."""
    return processors.is_alone()


@inlined
def must_be_alone() -> None:
    """Stands where something is changed that belongs to no processor."""
    if COUNTED or processors.CHECKED:
        assert is_alone(), "another processor may be in the kernel"


@inlined
def bring(object: Header) -> bool:
    """Whether an object belongs to this processor; it does from now on, if it is within reach."""
    return object.home == OWN.line.number or bring_far(object)


@never_inlined
def bring_far(object: Header) -> bool:
    """The same, where that need not be quick."""
    if not reaches(object.home):
        return False
    object.home = OWN.line.number
    return True


@never_inlined
def reaches(number: U32) -> bool:
    """Whether what belongs to the processor of this number may be touched. If not, that processor is wanted."""
    if number == OWN.line.number or is_alone():
        return True
    wanted = ALL.by_number[U8.truncate(number)]
    own = OWN.line.kept
    while not own.is_null():
        if own == wanted:
            return True
        own = own.value.line.after
    OWN.line.wanted = wanted
    return False


@inlined
def must_reach(object: Header) -> None:
    """Stands where something is changed that belongs to the processor of an object."""
    if COUNTED or processors.CHECKED:
        assert reaches(object.home), "another processor may touch it"


@inlined
def _note(own: Ptr[Own]) -> None:
    """This processor has the words of one."""
    own.value.line.after = OWN.line.kept
    OWN.line.kept = own


@never_inlined
def try_keep(own: Ptr[Own]) -> bool:
    """From outside, or visiting: keep a processor out, which may be this one, unless somebody does. It may still be
    inside."""
    if not own.value.machine.inside.try_take():
        return False
    _note(own)
    return True


@never_inlined
@exported("kernel_leave")
def leave() -> None:
    """Leave the kernel, and let in again whom this processor keeps out. The entry code does it where that is nobody."""
    if not processors.are_several():
        return
    own = OWN.line.kept
    OWN.line.kept = null()
    OWN.line.steps = U32(0)
    while not own.is_null():
        after = own.value.line.after
        own.value.machine.inside.give()
        own = after
    OWN.machine.inside.leave()


@never_inlined
def need_alone() -> None:
    """Stands where that is tried which may turn out to need it: then all is tried again alone. Raises OutOfMemory."""
    if not is_alone():
        raise OutOfMemory


def ask(other: Own, request: U32) -> None:
    """Ask a processor, not this one, that is kept out, and wait until it does it, where it enters.

    To stop any may be asked.
    """
    if (COUNTED or processors.CHECKED) and request != STOP:
        assert reaches(other.line.number), "another one may ask it too"
    other.line.request.store(request, Order.RELEASE)
    processors.interrupt(other.machine)
    while request != STOP and other.line.request.load(Order.ACQUIRE) != 0:
        cpu.pause()


def is_one_of(first: U64, count: U64) -> bool:
    """Whether one of `count` processors from number `first` on runs."""
    own = ALL.first
    while not own.is_null():
        number = U64(own.value.line.number)
        if number >= first and number - first < count:
            return True
        own = own.value.line.next
    return False


@inlined
def forget(pages: mmu.PageTable) -> bool:
    """Page tables have changed: no processor may use what it remembers of them. False: one out of reach uses them."""
    if processors.are_several() and not mmu.BROADCASTS:
        return _ask_others(Ptr.to(pages).address, U32(FORGET))
    return True


@never_inlined
def begin_generation() -> None:
    """This processor has changed how translations are tagged: now all others do."""
    _ask_others(VirtAddr(0), U32(FORGET))
    mmu.begin_generation()


def stop_others() -> None:
    """All other processors stop, when they have left the kernel. The machine is about to be switched off."""
    _ask_others(VirtAddr(0), U32(STOP))


@never_inlined
def _ask_others(pages: VirtAddr, request: U32) -> bool:
    """Ask those that use these page tables; all of them where that is 0. False: see `forget`."""
    # Who begins to use them says so before it looks at them.
    fence(Order.SEQ_CST)
    own = ALL.first
    while not own.is_null():
        if own.address != processors.this() and (pages.value == 0 or own.value.machine.pages == pages):
            if request == FORGET and not reaches(own.value.line.number):
                return False
            ask(own.value, request)
        own = own.value.line.next
    return True
