"""The audit ring as an object: who holds READ may drain `security/audit.py`. There is one, which never ends."""

from __future__ import annotations

from cloudos.abi.errors import OutOfMemory
from cloudos.abi.objects import Kind
from cloudos.kernel.objects.header import Header
from cloudos.kernel.security.audit import RING
from cloudos.lang import U64, Ptr, place, struct, zeroed

__all__ = ["OutOfMemory"]


@struct
class Audit:
    """The object behind handles of the kind AUDIT."""

    header: Header = zeroed()


AUDIT = place(Audit())


def start() -> Ptr[Header]:
    """Give the ring memory; the object, for the first handle to it. Raises OutOfMemory."""
    RING.start()
    AUDIT.header.kind = Kind.AUDIT
    AUDIT.header.references = U64(1)
    return Ptr.to(AUDIT.header)
