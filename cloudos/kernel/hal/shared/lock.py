"""The kernel lock, which entries of all processors take."""

from __future__ import annotations

from cloudos.lang import U32, Atomic, Order, inlined, place, struct


@struct
class Lock:
    """`several`: it is taken at all. The entry code gives it back by a store of zero."""

    taken: Atomic[U32] = Atomic(U32(0))
    several: U32 = U32(0)


LOCK = place(Lock(), symbol="kernel_lock")


def begin() -> None:
    """It is in use from here on, and taken."""
    LOCK.taken.store(U32(1), Order.RELAXED)
    LOCK.several = U32(1)


@inlined
def are_several() -> bool:
    """Whether other processors have been started."""
    return LOCK.several != 0


def try_lock() -> bool:
    """Take the kernel lock, if it is free."""
    return LOCK.taken.exchange(U32(1), Order.ACQUIRE) == 0


def unlock() -> None:
    """Give the kernel lock back. Leaving the kernel for user mode does that too."""
    LOCK.taken.store(U32(0), Order.RELEASE)
