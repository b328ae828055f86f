"""Who is in the kernel: processors that keep to what belongs to them, at the same time; one that touches also what
belongs to a few others; or one that may touch all.

Each processor has two words. A processor that comes in says so in one of them, and looks in the other whether somebody
keeps it out. Who wants to keep others out takes their words, and its own, one after the other in an order that all
agree on, and then waits until those processors have left. Both sides write first and read then, and one of two sees the
other. Who keeps some out already may take one more word in any order, if it is free: it does not wait for it. There is
no word that all processors write to.
"""

from __future__ import annotations

from cloudos.lang import U32, Atomic, Order, fence, inlined, never_inlined, place, struct

# Alone in the kernel; the only processor always is, wherever it is.
ALONE = 0
# In the kernel, touching what belongs to this processor and to a few that it keeps out.
VISITING = 1
OUTSIDE = 2
# In the kernel, touching only what belongs to this processor. Less OUTSIDE this does not borrow, as the entry code
# wants it, and what is kept from others is less than that.
HOME = 4


@struct
class Several:
    """Whether there is more than the first processor."""

    value: bool = False


SEVERAL = place(Several())


@struct
class Inside:
    """One processor's words: where it is, and whether somebody keeps it out. The entry code does what `try_enter` and
    `leave` do."""

    mode: Atomic[U32] = Atomic(U32(ALONE))
    taken: Atomic[U32] = Atomic(U32(0))

    def begin(self, mode: U32) -> None:
        """When there are about to be several, the first one is alone, and others are outside when they start."""
        self.mode.store(mode, Order.RELAXED)
        self.taken.store(U32(1), Order.RELAXED)

    @never_inlined
    def try_enter(self) -> bool:
        """Come in, unless somebody keeps this processor out. Whoever does so waits for one that says it is in, however
        long a hypervisor has stopped it: it says so only when it seems to be wanted by nobody."""
        if self.taken.load(Order.RELAXED) == 0:
            self.mode.store(U32(HOME), Order.RELAXED)
            fence(Order.SEQ_CST)
            if self.taken.load() == 0:
                return True
        self.mode.store(U32(OUTSIDE), Order.RELEASE)
        return False

    @inlined
    def try_take(self) -> bool:
        """From outside: keep the processor out, which may be this one, unless somebody does. It may still be inside.

        While visiting: another one; if somebody keeps that out, this one has to leave first.
        """
        return self.taken.exchange(U32(1)) == 0

    def give(self) -> None:
        """The processor may come in again."""
        self.taken.store(U32(0), Order.RELEASE)

    @inlined
    def come(self, mode: U32) -> None:
        """This processor has taken all that it needs."""
        self.mode.store(mode, Order.RELAXED)

    @property
    def is_home(self) -> bool:
        """Whether this processor is inside and keeps nobody out."""
        return self.mode.load(Order.RELAXED) & HOME != 0

    @property
    def is_inside(self) -> bool:
        """Whether another processor, whose words these are, is in the kernel. Once it has left, what it did is seen."""
        return self.mode.load() != OUTSIDE

    @inlined
    def leave(self) -> None:
        """What this processor has taken, if anything, it has given back."""
        self.mode.store(U32(OUTSIDE), Order.RELEASE)


def begin() -> None:
    """Other processors are about to start: the first one is alone until it leaves the kernel."""
    SEVERAL.value = True


@inlined
def are_several() -> bool:
    """Whether other processors have been started."""
    return SEVERAL.value
