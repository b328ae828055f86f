"""Who is in the kernel: processors that keep to what belongs to them, at the same time, or one that may touch all.

A processor that comes in only says so, in a word of its own, and looks whether somebody keeps the others out. Who wants
to be alone says that, one at a time, and then waits until all words say that their processors have left. Both write
first and read then, in an order that all processors agree on: so one of two sees the other.
"""

from __future__ import annotations

from cloudos.lang import U32, Atomic, Order, inlined, never_inlined, place, struct

# Alone in the kernel; the only processor always is, wherever it is.
ALONE = 0
OUTSIDE = 1
# In the kernel, touching only what belongs to this processor.
HOME = 2


@struct
class Lock:
    """`taken`: somebody is alone in the kernel, or wants to be; `outside`: what a word says of a processor outside."""

    taken: Atomic[U32] = Atomic(U32(0))
    outside: U32 = U32(ALONE)


LOCK = place(Lock(), symbol="kernel_lock")


@struct
class Inside:
    """One processor's word. The entry code does what `try_enter` and `leave` do."""

    mode: Atomic[U32] = Atomic(U32(ALONE))

    def begin(self) -> None:
        """Another processor than the first is outside when it starts."""
        self.mode.store(U32(OUTSIDE), Order.RELAXED)

    @never_inlined
    def try_enter(self) -> bool:
        """Come in, unless somebody is alone there."""
        self.mode.store(U32(HOME))
        if LOCK.taken.load() == 0:
            return True
        self.mode.store(U32(OUTSIDE), Order.RELEASE)
        return False

    @never_inlined
    def try_close(self) -> bool:
        """From outside: let nobody else come in, unless somebody did so before. Others may still be inside."""
        if LOCK.taken.exchange(U32(1)) != 0:
            return False
        self.mode.store(U32(ALONE), Order.RELAXED)
        return True

    @property
    def is_alone(self) -> bool:
        """Whether this processor keeps all others out."""
        return self.mode.load(Order.RELAXED) == ALONE

    @property
    def is_inside(self) -> bool:
        """Whether another processor, whose word this is, is in the kernel. Once it has left, what it did is seen."""
        return self.mode.load() != OUTSIDE

    @never_inlined
    def leave(self) -> None:
        """Whichever way this processor came in."""
        if self.is_alone:
            LOCK.taken.store(U32(0), Order.RELEASE)
        self.mode.store(LOCK.outside, Order.RELEASE)


def begin() -> None:
    """Other processors are about to start: the first one is alone until it leaves the kernel."""
    LOCK.taken.store(U32(1), Order.RELAXED)
    LOCK.outside = U32(OUTSIDE)


@inlined
def are_several() -> bool:
    """Whether other processors have been started."""
    return LOCK.outside != ALONE
