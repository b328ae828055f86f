"""The name space of files: directories, files, devices, mount points.

Paths are bytes; they begin with a slash, and the service resolves `.`, `..` and repeated slashes. A path has at most
1,024 bytes, each name in it at most 255. There are no links and one user: of the permission bits, those of the owner
decide.
"""

from __future__ import annotations

from cloudos.abi.errors import BadArgument, Denied, NotFound
from cloudos.contracts.errors import (
    Busy,
    Exists,
    IsDirectory,
    NameTooLong,
    NoSpace,
    NotDirectory,
    NotEmpty,
    ReadOnly,
    ServiceGone,
)
from cloudos.contracts.streams import Status
from cloudos.lang import U8, U64, Slice
from cloudos.sdk.contract import contract, operation

# Kinds of files.
FILE = 1
DIRECTORY = 2
DEVICE = 3
PIPE = 4
TERMINAL = 5

# Flags of open.
READ = 1
WRITE = 2
APPEND = 4
CREATE = 8
EXCLUSIVE = 16
TRUNCATE = 32

LONGEST_PATH = 1024
LONGEST_NAME = 255


@contract(number=2, version=2)
class Files:
    """A session of the file service. What a session opened and did not close is closed with it."""

    handle: U64

    @operation(
        1,
        raises=(
            NotFound,
            Denied,
            Exists,
            IsDirectory,
            NotDirectory,
            NameTooLong,
            NoSpace,
            ReadOnly,
            BadArgument,
            ServiceGone,
        ),
        returns_handle=True,
    )
    def open(self, path: Slice[U8], flags: U64, mode: U64) -> U64:
        """Open a file: a handle to its `Stream`. `mode`: permissions of a file that is created.

        Exists: with EXCLUSIVE. IsDirectory: opened for writing. ReadOnly: what holds it can only be read.
        """
        raise NotImplementedError

    @operation(2, raises=(NotFound, NotDirectory, NameTooLong, Denied, ServiceGone))
    def status(self, path: Slice[U8]) -> Status:
        """What is known of a file."""
        raise NotImplementedError

    @operation(3, raises=(NotFound, NotDirectory, NameTooLong, Denied, ServiceGone), fills="into")
    def list(self, path: Slice[U8], position: U64, into: Slice[U8]) -> U64:
        """Names in a directory from number `position` on, each followed by a zero byte; how many bytes, 0 at the end.

        In no particular order, without `.` and `..`, and as many as fit.
        """
        raise NotImplementedError

    @operation(4, raises=(NotFound, Exists, NotDirectory, NameTooLong, NoSpace, ReadOnly, Denied, ServiceGone))
    def make_directory(self, path: Slice[U8], mode: U64) -> None:
        """Make a directory."""
        raise NotImplementedError

    @operation(
        5,
        raises=(NotFound, NotDirectory, NotEmpty, NameTooLong, ReadOnly, Denied, Busy, BadArgument, ServiceGone),
    )
    def remove_directory(self, path: Slice[U8]) -> None:
        """Remove an empty directory. Busy: something is mounted there."""
        raise NotImplementedError

    @operation(6, raises=(NotFound, NotDirectory, IsDirectory, NameTooLong, ReadOnly, Denied, ServiceGone))
    def remove(self, path: Slice[U8]) -> None:
        """Remove a file. Streams that are open stay usable."""
        raise NotImplementedError

    @operation(
        7,
        raises=(
            NotFound,
            NotDirectory,
            IsDirectory,
            NotEmpty,
            NameTooLong,
            NoSpace,
            ReadOnly,
            Denied,
            Busy,
            BadArgument,
            ServiceGone,
        ),
    )
    def rename(self, old: Slice[U8], new: Slice[U8]) -> None:
        """Give a file or directory another path, in place of what is there, in one step, as rename() of POSIX does.

        BadArgument: a directory into itself, or to another mount.
        """
        raise NotImplementedError

    @operation(8, raises=(NotFound, NotDirectory, NameTooLong, ReadOnly, Denied, ServiceGone))
    def change_mode(self, path: Slice[U8], mode: U64) -> None:
        """Set the permission bits."""
        raise NotImplementedError

    @operation(9, raises=(NotFound, NotDirectory, NameTooLong, ReadOnly, Denied, ServiceGone))
    def set_modified(self, path: Slice[U8], time: U64) -> None:
        """Set the time of the last change, in nanoseconds since 1970 in UTC."""
        raise NotImplementedError

    @operation(10, raises=(NotFound, NotDirectory, NameTooLong, Denied, ServiceGone))
    def space(self, path: Slice[U8]) -> tuple[U64, U64]:
        """Of the mount that holds a path: how many bytes it may hold, and how many it holds."""
        raise NotImplementedError

    @operation(11, raises=(ServiceGone,), fills="into")
    def mounts(self, position: U64, into: Slice[U8]) -> U64:
        """Mount points from number `position` on, each `kind path options` and a zero byte; how many bytes."""
        raise NotImplementedError

    @operation(12, raises=(Denied, ServiceGone))
    def end_session(self, session: U64) -> None:
        """Close what a session has open. Denied: the caller is not who makes sessions."""
        raise NotImplementedError

    @operation(13, raises=(NotFound, NotDirectory, NameTooLong, Denied, ServiceGone), since=2)
    def in_image(self, path: Slice[U8]) -> tuple[U64, U64]:
        """Where a program of the image lies in the boot bundle: offset and bytes. Other files have 0 bytes there."""
        raise NotImplementedError
