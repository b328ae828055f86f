"""Bytes that do not fit into a message: memory that one side lends the other for a call, as a handle.

The client:

    loan = Loan()
    loan.make(quota, length)                # or lend(quota, bytes): a copy of bytes that are there already
    loan.content.copy_from(picture)
    Pictures(handle).show(loan.handle, length)   # `shares` the handle
    loan.close()

The server, in the operation:

    borrowed = Borrowed()
    borrowed.map(handle, length, U64(READ))      # raises BadArgument
    … borrowed.content …
    borrowed.close()

`close` of the borrower unmaps and closes the handle that came. The lender may change the memory at any time, so a
server copies what it checks before it acts on it. `writable` of `make` says whether the borrower may write.
"""

from __future__ import annotations

from cloudos.abi.errors import (
    BadAddress,
    BadArgument,
    BadHandle,
    Denied,
    OutOfMemory,
    PeerGone,
    QuotaExceeded,
    TooManyHandles,
    WrongKind,
)
from cloudos.abi.objects import MEMORY_PAID, Rights
from cloudos.lang import U8, U64, Slice, struct
from cloudos.sdk import system, transport
from cloudos.sdk.memory import PAGE, READ, WRITE, Memory, unmap, view

READ_RIGHTS = Rights.READ | Rights.MAP | Rights.INSPECT | Rights.TRANSFER | Rights.DERIVE
WRITE_RIGHTS = Rights.WRITE
LARGEST = 1 << 30  # bytes


def pages(length: U64) -> U64:
    """A length rounded up to whole pages."""
    return (length + (PAGE - 1)) // PAGE * PAGE


@struct
class Loan:
    """Memory of the lender: `handle` is what the borrower gets, `length` the bytes asked for."""

    handle: U64 = U64(0)
    length: U64 = U64(0)
    own: U64 = U64(0)
    address: U64 = U64(0)

    def make(self, quota: U64, length: U64, writable: bool) -> None:
        """Make zeroed memory of `length` bytes, paid by `quota` at once, and show it.

        Raises QuotaExceeded, also for more than 1 GB or none.
        """
        if length == 0 or length > LARGEST:
            raise QuotaExceeded
        try:
            memory = Memory()
            memory.create(quota, pages(length), U64(MEMORY_PAID))
            self.own = memory.handle
            self.address = memory.map(U64(0), pages(length), U64(READ | WRITE))
            rights = U64(READ_RIGHTS | WRITE_RIGHTS) if writable else U64(READ_RIGHTS)
            self.handle = system.handle_derive(memory.handle, rights, U64(0))
            self.length = length
        except (BadArgument, BadHandle, Denied, OutOfMemory, PeerGone, TooManyHandles, WrongKind, QuotaExceeded):
            self.close()
            raise QuotaExceeded

    @property
    def content(self) -> Slice[U8]:
        """The bytes, valid until `close`."""
        return view(self.address, self.length)

    def close(self) -> None:
        """Give up the memory; a borrower that still shows it keeps it alive, and its lender pays."""
        close_mapping(self.address, pages(self.length))
        if self.handle != 0:
            transport.close(self.handle)
        if self.own != 0:
            transport.close(self.own)
        self.handle, self.own, self.address, self.length = U64(0), U64(0), U64(0), U64(0)


@struct
class Borrowed:
    """Memory of somebody else."""

    handle: U64 = U64(0)
    address: U64 = U64(0)
    length: U64 = U64(0)

    def map(self, handle: U64, length: U64, access: U64) -> None:
        """Show the first `length` bytes. `access`: READ, perhaps with WRITE.

        Raises BadArgument: no memory, less than that, no right to do so, or no room for it. The handle is then still
        the caller's: an operation that raises has its handles closed.
        """
        if length == 0 or length > LARGEST:
            raise BadArgument
        memory = Memory(handle)
        try:
            if memory.inspect().length < length:
                raise BadArgument
            self.address = memory.map(U64(0), pages(length), access)
        except (BadAddress, BadHandle, Denied, OutOfMemory, PeerGone, QuotaExceeded, WrongKind):
            raise BadArgument
        self.handle = handle
        self.length = length

    @property
    def content(self) -> Slice[U8]:
        """The bytes, valid until `close`. The lender may change them meanwhile."""
        return view(self.address, self.length)

    def close(self) -> None:
        """Take the memory away again and close the handle."""
        close_mapping(self.address, pages(self.length))
        if self.handle != 0:
            transport.close(self.handle)
        self.handle, self.address, self.length = U64(0), U64(0), U64(0)


def lend(quota: U64, data: Slice[U8]) -> U64:
    """A handle to memory that holds a copy of `data`, for one call that `moves` it. Raises QuotaExceeded."""
    loan = Loan()
    loan.make(quota, data.length, False)
    loan.content.copy_from(data)
    given = loan.handle
    loan.handle = U64(0)
    loan.close()
    return given


def close_mapping(address: U64, length: U64) -> None:
    """Unmap, if anything is mapped."""
    if address == 0:
        return
    try:
        unmap(address, length)
    except (BadArgument, BadHandle, Denied, OutOfMemory, PeerGone, QuotaExceeded, WrongKind):
        return
