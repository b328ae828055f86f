"""The audit ring as an object: who holds READ may drain `security/audit.py`. There is one, which never ends."""

from __future__ import annotations

from cloudos.abi.errors import BadAddress, OutOfMemory, QuotaExceeded
from cloudos.abi.objects import Kind
from cloudos.kernel.memory import user_memory
from cloudos.kernel.objects.header import Header, Quota
from cloudos.kernel.security.audit import RECORD_SIZE, RING
from cloudos.lang import U8, U64, Ptr, Slice, UserPtr, place, struct, zeroed

__all__ = ["BadAddress", "OutOfMemory", "QuotaExceeded"]

# About 120 instructions each, with interrupts off.
MOST_AT_ONCE = 32


@struct
class Audit:
    """The object behind handles of the kind AUDIT."""

    header: Header = zeroed()


AUDIT = place(Audit())


def start(quota: Quota) -> Ptr[Header]:
    """Give the ring memory, which `quota` pays for; the object, for the first handle to it.

    Raises QuotaExceeded, OutOfMemory.
    """
    RING.start(quota)
    AUDIT.header.kind = Kind.AUDIT
    AUDIT.header.references = U64(1)
    return Ptr.to(AUDIT.header)


def audit_read(buffer: UserPtr[U8], length: U64) -> U64:
    """System call, on a handle with READ. Raises BadAddress; then no record was taken out.

    Number of records moved to the buffer, plus 2^32 times the number lost since the last call (2^32 - 1: or more).
    """
    room = min(length // RECORD_SIZE, U64(MOST_AT_ONCE))
    count = U64(0)
    while count < room:
        record = RING.peek()
        if record is None:
            break
        try:
            source = Slice.of(Ptr.to(record).cast(U8), U64(RECORD_SIZE))
            user_memory.copy_out(buffer.address + count * RECORD_SIZE, source)
        except BadAddress:
            if count == 0:
                raise
            break
        RING.consume()
        count += 1
    return min(RING.take_lost(), U64(0xFFFF_FFFF)) << 32 | count
