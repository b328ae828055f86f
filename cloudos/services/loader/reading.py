"""From a path to an executable. Those that were used last stay in memory."""

from __future__ import annotations

from cloudos.abi import initial
from cloudos.abi.errors import BadArgument, Denied, NotFound, QuotaExceeded
from cloudos.contracts.errors import (
    BadProgram,
    Exists,
    IsDirectory,
    NameTooLong,
    NoSpace,
    NotDirectory,
    ReadOnly,
    ServiceError,
    ServiceGone,
)
from cloudos.contracts.files import FILE, READ, Files
from cloudos.contracts.streams import Stream
from cloudos.lang import U8, U64, Slice, free_slice, managed, new_slice
from cloudos.sdk import transport
from cloudos.sdk.collections.list import List
from cloudos.sdk.executable import Executable, read_executable

KEPT = 6
MAXIMUM = 16 << 20  # bytes of a program file
EXECUTABLE = 0o100


@managed
class Kept:
    """An executable and the file that it was read from."""

    mount: U64
    number: U64
    modified: U64
    length: U64
    executable: Executable


@managed
class Library:
    """Executables, those that were used last at the end."""

    files: U64
    kept: List[Kept]

    def get(self, path: Slice[U8]) -> Executable:
        """The executable of a file. Raises NotFound, Denied, BadProgram, NameTooLong, QuotaExceeded, ServiceGone."""
        handle = self.open(path)
        try:
            return self.read(Stream(handle))
        finally:
            give_back(handle)

    def open(self, path: Slice[U8]) -> U64:
        """Open the file. Raises NotFound, Denied, NameTooLong, QuotaExceeded, ServiceGone."""
        try:
            return Files(self.files).open(path, U64(READ), U64(0))
        except NotDirectory:
            raise NotFound
        except (Exists, IsDirectory, ReadOnly, BadArgument):
            raise Denied
        except NoSpace:
            raise QuotaExceeded
        except NameTooLong:
            raise
        except ServiceError:
            raise ServiceGone

    def read(self, stream: Stream) -> Executable:
        """The executable in an open file. Raises Denied, BadProgram, QuotaExceeded, ServiceGone."""
        try:
            status = stream.status()
        except ServiceError:
            raise ServiceGone
        if status.kind != FILE or status.mode & EXECUTABLE == 0:
            raise Denied
        if status.length > MAXIMUM:
            raise BadProgram
        for index in U64.range(self.kept.length):
            one = self.kept[index]
            same = one.mount == status.mount and one.number == status.number
            if same and one.modified == status.modified and one.length == status.length:
                self.kept.append(self.kept.remove_at(index))
                return one.executable
        made = self.load(stream, status.length)
        while self.kept.length >= KEPT:
            self.kept.remove_at(U64(0))
        self.kept.append(Kept(status.mount, status.number, status.modified, status.length, made))
        return made

    def load(self, stream: Stream, length: U64) -> Executable:
        """Read a file of so many bytes. Raises BadProgram, QuotaExceeded, ServiceGone."""
        if length == 0:
            raise BadProgram
        image = new_slice(U8, length)
        try:
            done = U64(0)
            while done < length:
                count = stream.read(image[done:length])
                if count == 0:
                    raise BadProgram
                done += count
            return read_executable(image, U64(initial.QUOTA))
        except BadProgram:
            raise
        except (Denied, ServiceError):
            raise ServiceGone
        finally:
            free_slice(image)


def give_back(handle: U64) -> None:
    """Close a stream and the handle to it."""
    try:
        Stream(handle).close()
    except ServiceError:
        pass
    transport.close(handle)
