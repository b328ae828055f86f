"""Quotas: who pays for memory.

A quota is a part of another one; the machine's own, ROOT, is all memory. Making a part charges its limit and the
object itself to the parent at once, so that what was promised is there, and charging touches one quota only. A quota
ends when no capability names it and nothing is charged to it any more; then its limit returns to the parent.
"""

from __future__ import annotations

from cloudos.abi.errors import OutOfMemory, PeerGone, QuotaExceeded, TooManyHandles
from cloudos.abi.objects import ALL_RIGHTS, Kind
from cloudos.kernel.hal.interface import PAGE_SIZE
from cloudos.kernel.memory.frames import FRAMES
from cloudos.kernel.objects import cleanup
from cloudos.kernel.objects.header import CapabilityTable, Quota
from cloudos.kernel.security import capabilities
from cloudos.lang import U64, Ptr, place, size_of

__all__ = ["ROOT", "OutOfMemory", "PeerGone", "Quota", "QuotaExceeded", "TooManyHandles"]

ROOT = place(Quota())


def give_back(quota: Quota) -> None:
    """It goes, and its limit back. Whatever was charged kept a reference, so nothing is."""
    assert quota.used == 0, "a quota ends with memory still charged to it"
    quota.parent.value.refund(quota.limit)


def start() -> None:
    """Let ROOT be all memory that is free now. It never ends."""
    ROOT.header.kind = Kind.QUOTA
    ROOT.header.references = U64(1)
    ROOT.limit = FRAMES.available * PAGE_SIZE
    ROOT.used = U64(0)


def create(parent: Quota, limit: U64) -> Ptr[Quota]:
    """A part of `limit` bytes with one reference, the caller's. Raises QuotaExceeded, OutOfMemory."""
    parent.charge(limit)
    try:
        header = cleanup.create(parent, Kind.QUOTA, U64(size_of(Quota)))
    except (OutOfMemory, QuotaExceeded):
        parent.refund(limit)
        raise
    quota = header.cast(Quota)
    quota.value.limit = limit
    return quota


def quota_create(table: CapabilityTable, parent: Quota, limit: U64) -> U64:
    """System call, on a handle with ALLOCATE: the part as a handle of the caller.

    Raises QuotaExceeded, OutOfMemory, TooManyHandles, PeerGone; then nothing has changed.
    """
    quota = create(parent, limit)
    object = Ptr.to(quota.value.header)
    try:
        return capabilities.insert_root(table, object, ALL_RIGHTS, U64(0))
    finally:
        cleanup.drop(object)
