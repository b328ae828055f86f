"""What each kind of object does when capabilities to it come and go, and taking objects apart in bounded steps.

What the kinds do is in `endings.py`, which this module knows only by KNOWN. What is done when a capability is removed
must be of fixed cost. `cleanup_step` is called again and again, never nested, as long as it returns False;
it finds out from the object's own state what there is to do: `references` is 0 when the object itself must go, in
which case the step that returns True has called `destroy`. An object that is still referenced may ask for steps too,
by `queue`, to wake whoever waits for something that cannot come any more.
"""

from __future__ import annotations

from typing import Protocol

from cloudos.abi.errors import OutOfMemory, QuotaExceeded
from cloudos.abi.objects import Kind, Rights
from cloudos.kernel.memory import heap
from cloudos.kernel.objects.header import Capability, Header, Quota
from cloudos.kernel.sched.requests import must_be_alone, must_reach
from cloudos.lang import U8, U64, Ptr, fast, null, place, struct

__all__ = ["OutOfMemory", "QuotaExceeded"]


class Objects(Protocol):
    """What each kind of object does."""

    def wake_one(self, capability: Ptr[Capability]) -> None:
        """Take one thread off `capability.waiters` and let it continue with Cancelled."""

    def capability_removed(self, object: Ptr[Header], rights: Rights) -> None:
        """A capability with these rights is gone, of CONCERNED. The object still has the reference that it held."""

    def cleanup_step(self, object: Ptr[Header]) -> bool:
        """Do a bounded part of the work; whether that was all."""
        ...


@struct
class PlainObjects:
    """While no kind is known: nobody waits, and objects hold nothing but their own memory."""

    unused: U64 = U64(0)

    def wake_one(self, capability: Ptr[Capability]) -> None:
        """Nobody waits."""
        capability.value.waiters = null()

    def capability_removed(self, object: Ptr[Header], rights: Rights) -> None:
        """Nothing to do."""

    def cleanup_step(self, object: Ptr[Header]) -> bool:
        """Free the object."""
        destroy(object)
        return True


@struct
class Known:
    """Who knows the kinds of objects: see `endings.py`."""

    objects: Objects


@struct
class Pending:
    """Objects that need steps, oldest first."""

    first: Ptr[Header] = null()
    last: Ptr[Header] = null()


# The kinds that are told when a capability is removed, by their bits.
CONCERNED = 1 << Kind.REPLY | 1 << Kind.INTERRUPT
KNOWN = Known(PlainObjects())
PENDING = place(Pending())


def create(quota: Quota, kind: Kind, size: U64) -> Ptr[Header]:
    """A zeroed object of `size` bytes with one reference, the caller's. Raises QuotaExceeded, OutOfMemory."""
    header = heap.allocate(quota, size).cast(Header)
    header.value.kind = kind
    header.value.size = size
    header.value.references = U64(1)
    header.value.quota = Ptr.to(quota)
    quota.header.references += 1
    return header


def destroy(object: Ptr[Header]) -> None:
    """Free the memory of an object to which nothing refers."""
    header = object.value
    assert header.references == 0 and header.capabilities.is_null() and not header.queued, "object still in use"
    quota = header.quota
    heap.free(quota.value, object.cast(U8), header.size)
    drop(Ptr.to(quota.value.header))


def retain(object: Ptr[Header]) -> None:
    """Keep a pointer to the object."""
    must_reach(object.value)
    object.value.references += 1


def drop(object: Ptr[Header]) -> None:
    """Forget a pointer to the object; the last one begins its end."""
    must_be_alone()
    header = object.value
    header.references -= 1
    if header.references == 0:
        header.dying = True
        queue(object)


def queue(object: Ptr[Header]) -> None:
    """Let the object have its steps soon. Cheap when it is waiting for them already."""
    must_be_alone()
    header = object.value
    if header.queued:
        return
    header.queued = True
    header.next_cleanup = null()
    if PENDING.first.is_null():
        PENDING.first = object
    else:
        PENDING.last.value.next_cleanup = object
    PENDING.last = object


@fast
def step() -> bool:
    """Do a bounded part of the pending work; whether nothing is left.

    System calls that may end objects call this until it returns True or an interrupt is pending.
    """
    if PENDING.first.is_null():
        return True
    object = PENDING.first
    header = object.value
    # Off the list first: the last step frees the object. What happens meanwhile may put it on the list again.
    PENDING.first = header.next_cleanup
    header.queued = False
    if not KNOWN.objects.cleanup_step(object):
        queue(object)
    return PENDING.first.is_null()
