"""What each processor keeps for itself, and which of them is looked at."""

from __future__ import annotations

from cloudos.kernel.hal.shared.lock import ALONE, HOME, OUTSIDE
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

    def _set(self, mode: int) -> None:
        machine = board.running()
        if machine is not None:
            machine.processor.mode = mode
        self.mode = U32(mode)

    def begin(self) -> None:
        """Another processor than the first is outside when it starts."""
        self.mode = U32(OUTSIDE)

    def try_enter(self) -> bool:
        """Come in, unless somebody is alone there."""
        machine = board.current()
        machine.interleave()
        assert self.mode == OUTSIDE, "a processor comes in that is inside"
        if machine.alone is not None:
            return False
        self._set(HOME)
        return True

    def try_close(self) -> bool:
        """From outside: let nobody else come in, unless somebody did so before. Others may still be inside."""
        machine = board.current()
        machine.interleave()
        assert self.mode == OUTSIDE, "a processor wants to be alone while others may wait for it"
        if machine.alone is not None:
            return False
        machine.alone = machine.processor
        self._set(ALONE)
        return True

    @property
    def is_alone(self) -> bool:
        """Whether this processor keeps all others out."""
        return self.mode == ALONE

    @property
    def is_inside(self) -> bool:
        """Whether another processor, whose word this is, is in the kernel."""
        return self.mode != OUTSIDE

    def leave(self) -> None:
        """Whichever way this processor came in."""
        machine = board.current()
        if not machine.are_several:
            return
        if self.is_alone:
            assert machine.alone is machine.processor, "two processors are alone in the kernel"
            machine.alone = None
            machine.turns_alone += 1
        self._set(OUTSIDE)


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
    return OWN.inside.is_alone
