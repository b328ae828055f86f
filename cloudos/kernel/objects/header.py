"""What every kernel object begins with, and the structures that a header points at.

Lifetime. `references` counts the capabilities that name the object and the pointers that other objects keep to it.
When the last goes, the object is put on the list of `cleanup.py`, which takes it apart in bounded steps. `dying` is
set from then on, and earlier when somebody destroys the object while others still hold it: handles to it then answer
PeerGone.

Quota, Capability and CapabilityTable stand here because they and Header refer to one another; what can be done with
them is in `objects/quota.py` and `security/capabilities.py`.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import QuotaExceeded
from cloudos.abi.objects import MOST_HANDLE_FRAMES, Kind, Rights
from cloudos.lang import U8, U16, U32, U64, Array, Ptr, null, struct, zeroed

__all__ = ["QuotaExceeded"]

SLOTS_PER_CHUNK = 64
MAXIMUM_CHUNKS = MOST_HANDLE_FRAMES


@struct
class Header:
    """First field of every object. `size`: what the heap was asked for, in bytes."""

    kind: Kind = Kind.NONE
    dying: bool = False
    # On the list of objects that `cleanup.py` has work with; `next_cleanup` links them.
    queued: bool = False
    # The number of the processor to which it belongs: its references and the tree of its capabilities; an endpoint or a
    # notification with its queues, those who wait in them, and the lists of these at capabilities; what the faults of a
    # space change; a process's table; a limited schedule's budget. Changed by who may touch that, see `requests.bring`.
    home: U32 = U32(0)
    references: U64 = U64(0)
    # What paid for the object, which keeps a reference to it.
    quota: Ptr[Quota] = null()
    size: U64 = U64(0)
    # First of the capabilities that were not derived from another.
    capabilities: Ptr[Capability] = null()
    next_cleanup: Ptr[Header] = null()


@struct
class Quota:
    """So many bytes of memory. A child's limit was charged to its parent when it was made."""

    header: Header = zeroed()
    limit: U64 = U64(0)
    used: U64 = U64(0)

    @property
    def parent(self) -> Ptr[Quota]:
        """The quota that this one is a part of; null for the machine's."""
        return self.header.quota

    def charge(self, size: U64) -> None:
        """Count `size` bytes as used. Raises QuotaExceeded."""
        if size > self.limit - self.used:
            raise QuotaExceeded
        self.used += size

    def refund(self, size: U64) -> None:
        """Undo a charge."""
        self.used -= size


@struct
class Capability:
    """One slot of a table: an object, what may be done with it, and its place in the object's derivation tree.

    Tree: `child` and `last` are the first and last capability derived from this one, `next` and `previous` its
    siblings. The first sibling's `previous` and the last one's `next` are the parent, or null for roots: so that a
    capability can be taken out, its children put in its place, in a fixed number of steps. A free slot has no object;
    `next` links free slots.
    """

    object: Ptr[Header]
    rights: Rights
    generation: U32
    badge: U64
    child: Ptr[Capability]
    last: Ptr[Capability]
    next: Ptr[Capability]
    previous: Ptr[Capability]
    # First of the threads that are blocked through this capability; kept by the threads' code.
    waiters: Ptr[Header]


@struct
class Chunk:
    """The first slot of each frame of slots, which names no capability: where the frame belongs."""

    # Stands where a capability has its object.
    none: U64
    table: Ptr[CapabilityTable]
    number: U64


@struct
class Directory:
    """The frames of a table that has more than one."""

    chunks: Array[Ptr[Capability], Literal[512]]


@struct
class CapabilityTable:
    """The capabilities of one process. All zero: an empty table without a quota."""

    quota: Ptr[Quota] = null()
    # Chunk 0, so that small tables need no directory.
    first: Ptr[Capability] = null()
    directory: Ptr[Directory] = null()
    free: Ptr[Capability] = null()
    # Slots that were ever used stand below `fresh`; memory exists for `capacity`.
    fresh: U64 = U64(0)
    capacity: U64 = U64(0)
    # Slots that can be taken without growing.
    available: U64 = U64(0)
    # Of the process, for policy and audit.
    owner: U64 = U64(0)
    label: U8 = U8(0)
    # How many frames fewer than MAXIMUM_CHUNKS it may have.
    fewer: U16 = U16(0)
    # The process is gone: nothing more can be put in.
    closing: bool = False
