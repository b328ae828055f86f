"""Mandatory access control: a matrix that says which operations a process of one label may do to one of another.

The matrix is loaded once, at boot, and sealed; before that there is one label, 0, which may do everything to itself.
A label is a number below `count`. Nothing that a process holds changes what the matrix says.

Format of a policy: for each subject label one byte for each object label, the bits of `Operation` that are allowed:
the square of the number of labels in bytes.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import BadArgument, BadState, Denied, Sealed
from cloudos.abi.objects import ALL_OPERATIONS, Event, Operation
from cloudos.kernel.objects.header import CapabilityTable
from cloudos.kernel.restart import Restart
from cloudos.kernel.security import audit
from cloudos.lang import U8, U64, Array, Slice, inlined, place, struct, zeroed

__all__ = ["BadArgument", "BadState", "Denied", "Sealed"]

MAXIMUM_LABELS = 64


@struct
class Matrix:
    """The policy in force."""

    count: U64 = U64(0)
    loaded: bool = False
    sealed: bool = False
    # Rows that the load that is under way has still to write.
    pending: U64 = U64(0)
    allowed: Array[U8, Literal[4096]] = zeroed()

    def start(self) -> None:
        """One label that may do everything."""
        self.count = U64(1)
        self.loaded = False
        self.sealed = False
        self.pending = U64(0)
        self.allowed[0] = U8(ALL_OPERATIONS)

    def labels_of(self, length: U64) -> U64:
        """Number of labels of a policy of so many bytes, if one can be loaded. Raises Sealed, BadState, BadArgument.

        BadState: one was loaded before. BadArgument: no policy has this length.
        """
        if self.sealed:
            raise Sealed
        if self.loaded:
            raise BadState
        count = U64(1)
        while count < MAXIMUM_LABELS and count * count < length:
            count += 1
        if count * count != length:
            raise BadArgument
        return count

    def set_row(self, subject: U64, row: Slice[U8]) -> None:
        """Write what one label may do. Raises BadArgument (undefined operations).

        Row 0 comes last, followed by `commit`: before that, only its first byte is in force.
        """
        for allowed in row:
            if allowed & ~U8(ALL_OPERATIONS) != 0:
                raise BadArgument
        start = subject * MAXIMUM_LABELS
        self.allowed.slice()[start : start + row.length].copy_from(row)

    def commit(self, count: U64) -> None:
        """Put the rows in force."""
        self.count = count
        self.loaded = True
        audit.record(Event.POLICY_LOADED, audit.NOBODY, audit.NOBODY, count)

    def seal(self) -> None:
        """From here on the policy stays as it is. Raises Sealed."""
        if self.sealed:
            raise Sealed
        self.sealed = True
        audit.record(Event.POLICY_SEALED, audit.NOBODY, audit.NOBODY, U64(0))


MATRIX = place(Matrix())


@inlined
def permits(subject: U8, object: U8, operation: Operation) -> bool:
    """Whether policy lets processes labelled `subject` do this to those labelled `object`."""
    if U64(subject) >= MATRIX.count or U64(object) >= MATRIX.count:
        return False
    return MATRIX.allowed[U64(subject) * MAXIMUM_LABELS + U64(object)] & U8(operation) == U8(operation)


def check(subject: CapabilityTable, object: CapabilityTable, operation: Operation) -> None:
    """Raises Denied, which is then on record, or Restart, unless policy permits it between the two processes."""
    if not permits(subject.label, object.label, operation):
        if not audit.bring():
            raise Restart
        audit.record(Event.DENIED, subject, object, U64(operation))
        raise Denied
