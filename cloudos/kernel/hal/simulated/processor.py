"""What each processor keeps for itself, and which of them is looked at."""

from __future__ import annotations

from cloudos.kernel.hal.shared.lock import ALONE, HOME, OUTSIDE, VISITING
from cloudos.kernel.hal.simulated import board
from cloudos.lang import U32, U64, Ptr, VirtAddr, located, struct, zeroed

# What the rest of the kernel has named, for tests in which no machine is switched on.
MODEL: list[object] = []
# Asked at every use of what is the processor's own.
_ADDRESSES: dict[int, VirtAddr] = {}


@struct
class Inside:
    """See `hal/shared/lock.py`. Before a processor comes in, others may have done anything."""

    mode: U32 = U32(ALONE)
    taken: U32 = U32(0)

    def begin(self, mode: U32) -> None:
        """When there are about to be several, the first one is alone, and others are outside when they start."""
        self.mode = mode
        self.taken = U32(1)

    def try_enter(self) -> bool:
        """Come in, unless somebody keeps this processor out."""
        board.current().interleave()
        assert self.mode == OUTSIDE, "a processor comes in that is inside"
        if self.taken != 0:
            return False
        self.come(U32(HOME))
        return True

    def try_take(self) -> bool:
        """From outside, or once while visiting: keep the processor out, unless somebody does. It may be inside."""
        machine = board.current()
        machine.interleave()
        own = machine.processor
        assert own.mode == OUTSIDE or (own.mode == VISITING and not own.was_refused), (
            "a processor keeps others out while they may wait for it"
        )
        if self.taken != 0:
            own.was_refused = True
            return False
        self.taken = U32(1)
        return True

    def give(self) -> None:
        """The processor may come in again."""
        assert self.taken != 0, "a processor is let in that nobody kept out"
        self.taken = U32(0)

    def come(self, mode: U32) -> None:
        """This processor has taken all that it needs."""
        processor = board.current().processor
        processor.mode = int(mode)
        processor.was_refused = False
        self.mode = mode

    @property
    def is_home(self) -> bool:
        """Whether this processor is inside and keeps nobody out."""
        return self.mode == HOME

    @property
    def is_inside(self) -> bool:
        """Whether another processor, whose words these are, is in the kernel."""
        return self.mode != OUTSIDE

    def leave(self) -> None:
        """What this processor has taken, if anything, it has given back."""
        self.come(U32(OUTSIDE))


@struct
class State:
    """`frame`: address of the current thread's UserFrame, 0 while there is none; `pages`: of the PageTable in use."""

    frame: U64 = U64(0)
    pages: VirtAddr = zeroed()
    inside: Inside = zeroed()


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


def is_alone() -> bool:
    """Whether this processor keeps all others out of the kernel."""
    return OWN.inside.mode == ALONE


def is_home() -> bool:
    """Whether this processor is in the kernel and keeps nobody out."""
    return OWN.inside.mode == HOME
