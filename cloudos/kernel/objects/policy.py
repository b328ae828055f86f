"""The policy: loading and sealing the label matrix of `security/labels.py`.

There is one, which never ends. Loading and sealing need WRITE, which only the first process is given.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import BadAddress, BadArgument, BadState, Sealed
from cloudos.abi.objects import Kind
from cloudos.kernel.memory import user_memory
from cloudos.kernel.objects.header import Header
from cloudos.kernel.restart import Restart
from cloudos.kernel.security.labels import MATRIX
from cloudos.lang import U8, U64, Array, Ptr, UserPtr, place, struct, zeroed

__all__ = ["BadAddress", "BadArgument", "BadState", "Restart", "Sealed"]


@struct
class Policy:
    """The object behind handles of the kind POLICY."""

    header: Header = zeroed()


POLICY = place(Policy())
# Of 64 bytes at most: some 700 instructions each.
ROWS_AT_ONCE = 8


def start() -> Ptr[Header]:
    """Begin with one label; the object, for the first handle to it."""
    MATRIX.start()
    POLICY.header.kind = Kind.POLICY
    POLICY.header.references = U64(1)
    return Ptr.to(POLICY.header)


def policy_load(data: UserPtr[U8], length: U64) -> None:
    """System call, on a handle with WRITE. Raises BadAddress, BadArgument, BadState, Sealed; then nothing changed.

    Raises Restart after some rows. Whoever loads two policies at once gets a mixture: both may write what they like.
    """
    count = MATRIX.labels_of(length)
    user_memory.check_range(data.address, length)
    if MATRIX.pending == 0 or MATRIX.pending > count:
        MATRIX.pending = count
    buffer = Array[U8, Literal[64]]()
    row = buffer.slice()[0:count]
    for _ in U64.range(ROWS_AT_ONCE):
        # Each byte is read once, so that what was checked is what counts; from the last row to the first, see set_row.
        subject = MATRIX.pending - 1
        try:
            user_memory.copy_in(row, data.address + subject * count)
            MATRIX.set_row(subject, row)
        except (BadAddress, BadArgument):
            MATRIX.pending = U64(0)
            raise
        MATRIX.pending = subject
        if subject == 0:
            MATRIX.commit(count)
            return
    raise Restart


def policy_seal() -> None:
    """System call, on a handle with WRITE. Raises Sealed."""
    MATRIX.seal()
