"""The audit ring: records of security events, drained by a service.

When the ring is full, new records are lost and counted: what led up to a flood stays readable. Every record carries
its number, lost ones included, so that a reader sees where some are missing.
"""

from __future__ import annotations

from cloudos.abi.audit import AuditRecord
from cloudos.abi.errors import OutOfMemory, QuotaExceeded
from cloudos.abi.objects import Event
from cloudos.kernel.hal import mmu, processors, timer
from cloudos.kernel.hal.interface import PAGE_SIZE
from cloudos.kernel.memory import heap
from cloudos.kernel.objects.header import CapabilityTable, Quota
from cloudos.kernel.sched.counters import COUNTED
from cloudos.kernel.sched.requests import OWN, reaches
from cloudos.lang import U32, U64, Ptr, never_inlined, null, place, size_of, struct

__all__ = ["OutOfMemory", "QuotaExceeded"]

RECORD_SIZE = size_of(AuditRecord)
ORDER = 1
CAPACITY = (PAGE_SIZE << ORDER) // RECORD_SIZE


@struct
class Ring:
    """`read` and `written` count records for ever; those between are in the ring."""

    records: Ptr[AuditRecord] = null()
    capacity: U64 = U64(0)
    read: U64 = U64(0)
    written: U64 = U64(0)
    # Number of the next record, and lost ones that no reader has been told of.
    number: U64 = U64(0)
    lost: U64 = U64(0)
    # The processor that it belongs to, see `Header.home`.
    home: U32 = U32(0)

    def start(self, quota: Quota) -> None:
        """Get memory, which `quota` pays for; records until then were lost. Raises QuotaExceeded, OutOfMemory."""
        frame = heap.allocate_frames(quota, U64(ORDER))
        self.records = Ptr.at(AuditRecord, mmu.direct(frame))
        self.capacity = U64(CAPACITY)

    def peek(self) -> AuditRecord | None:
        """The oldest record."""
        if self.read == self.written:
            return None
        return self.records.offset(self.read % self.capacity).value

    def consume(self) -> None:
        """Forget the oldest record."""
        self.read += 1

    def take_lost(self) -> U64:
        """How many were lost since this was asked last."""
        lost = self.lost
        self.lost = U64(0)
        return lost


RING = place(Ring())
# Stands for the kernel, and for nobody.
NOBODY = place(CapabilityTable())


@never_inlined
def bring() -> bool:
    """Whether the ring belongs to this processor; it does from now on, if it is within reach."""
    if not reaches(RING.home):
        return False
    RING.home = OWN.line.number
    return True


@never_inlined
def record(event: Event, subject: CapabilityTable, object: CapabilityTable, detail: U64) -> None:
    """Put a security event on record, between the processes of two tables, or count it as lost."""
    if COUNTED or processors.CHECKED:
        assert reaches(RING.home), "another processor may do so too"
    number = RING.number
    RING.number = number + 1
    if RING.written - RING.read == RING.capacity:
        RING.lost += 1
        return
    entry = RING.records.offset(RING.written % RING.capacity).value
    RING.written += 1
    entry.number = number
    entry.time = timer.now()
    entry.event = event
    entry.subject = subject.owner
    entry.subject_label = subject.label
    entry.object = object.owner
    entry.object_label = object.label
    entry.detail = detail
