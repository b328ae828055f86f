"""The policy: loading and sealing the label matrix of `security/labels.py`.

There is one, which never ends. Loading and sealing need WRITE, which only the first process is given.
"""

from __future__ import annotations

from cloudos.abi.objects import Kind
from cloudos.kernel.objects.header import Header
from cloudos.kernel.security.labels import MATRIX
from cloudos.lang import U64, Ptr, place, struct, zeroed


@struct
class Policy:
    """The object behind handles of the kind POLICY."""

    header: Header = zeroed()


POLICY = place(Policy())


def start() -> Ptr[Header]:
    """Begin with one label; the object, for the first handle to it."""
    MATRIX.start()
    POLICY.header.kind = Kind.POLICY
    POLICY.header.references = U64(1)
    return Ptr.to(POLICY.header)
