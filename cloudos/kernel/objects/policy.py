"""The policy: loading and sealing the label matrix of `security/labels.py`.

There is one, which never ends. Loading and sealing need WRITE, which only the first process is given.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import BadAddress, BadArgument, BadState, Sealed
from cloudos.abi.objects import Kind
from cloudos.kernel.memory import user_memory
from cloudos.kernel.objects.header import Header
from cloudos.kernel.security.labels import MATRIX
from cloudos.lang import U8, U64, Array, Ptr, UserPtr, place, struct, zeroed

__all__ = ["BadAddress", "BadArgument", "BadState", "Sealed"]


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


def policy_load(data: UserPtr[U8], length: U64) -> None:
    """System call, on a handle with WRITE. Raises BadAddress, BadArgument, BadState, Sealed; then nothing changed."""
    count = MATRIX.labels_of(length)
    user_memory.check_range(data.address, length)
    buffer = Array[U8, Literal[64]]()
    row = buffer.slice()[0:count]
    for index in U64.range(count):
        # Each byte is read once, so that what was checked is what counts; from the last row to the first, see set_row.
        subject = count - 1 - index
        user_memory.copy_in(row, data.address + subject * count)
        MATRIX.set_row(subject, row)
    MATRIX.commit(count)


def policy_seal() -> None:
    """System call, on a handle with WRITE. Raises Sealed."""
    MATRIX.seal()
