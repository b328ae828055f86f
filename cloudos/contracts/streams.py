"""Streams of bytes: open files, pipes, terminals. Each handle is one open stream with one position.

Whoever holds such a handle may hand it on; all holders share the position. A stream closes when it was closed as often
as it was opened and shared.
"""

from __future__ import annotations

from cloudos.abi.errors import BadArgument, Denied
from cloudos.contracts.errors import BrokenPipe, Interrupted, IsDirectory, NoSpace, NotSeekable, ServiceGone
from cloudos.lang import I64, U8, U64, Slice, struct
from cloudos.sdk.contract import contract, operation

# Origins of seek.
START = 0
CURRENT = 1
END = 2


@struct
class Status:
    """What is known of a file. Times are nanoseconds since 1970 in UTC."""

    # One of `cloudos.contracts.files`: FILE, DIRECTORY, DEVICE, PIPE, TERMINAL.
    kind: U64 = U64(0)
    # Permission bits as in POSIX: 0o777 at most.
    mode: U64 = U64(0)
    # Bytes.
    length: U64 = U64(0)
    modified: U64 = U64(0)
    # The number of the file within its mount, and of the mount.
    number: U64 = U64(0)
    mount: U64 = U64(0)
    links: U64 = U64(0)


@contract(number=1, version=1)
class Stream:
    """An open stream."""

    handle: U64

    @operation(1, raises=(Denied, IsDirectory, Interrupted, ServiceGone), fills="into")
    def read(self, into: Slice[U8]) -> U64:
        """Read some bytes, at least one unless `into` is empty; how many, 0 at the end. At most 4,032 at a time.

        Denied: it was not opened for reading. Interrupted: of a terminal, see `Console`.
        """
        raise NotImplementedError

    @operation(2, raises=(Denied, NoSpace, BrokenPipe, ServiceGone))
    def write(self, data: Slice[U8]) -> U64:
        """Write bytes, at most 4,000 at a time; how many were taken, at least one unless `data` is empty."""
        raise NotImplementedError

    @operation(3, raises=(NotSeekable, BadArgument, ServiceGone))
    def seek(self, offset: I64, origin: U64) -> U64:
        """Move the position relative to START, CURRENT or END; the new position. BadArgument: before the start."""
        raise NotImplementedError

    @operation(4, raises=(ServiceGone,))
    def status(self) -> Status:
        """What is known of it."""
        raise NotImplementedError

    @operation(5, raises=(Denied, NoSpace, NotSeekable, ServiceGone))
    def truncate(self, length: U64) -> None:
        """Make the file so long; what is added is zero."""
        raise NotImplementedError

    @operation(6, raises=(ServiceGone,))
    def share(self) -> None:
        """There is one more holder, who will close it."""
        raise NotImplementedError

    @operation(7, raises=(ServiceGone,))
    def close(self) -> None:
        """There is one holder less. The caller's handle is to be closed by the caller."""
        raise NotImplementedError
