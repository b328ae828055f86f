"""From a path to an executable. Those that were used last stay in memory."""

from __future__ import annotations

from cloudos.abi import initial, layout
from cloudos.abi.errors import (
    BadAddress,
    BadArgument,
    BadHandle,
    Denied,
    NotFound,
    OutOfMemory,
    PeerGone,
    QuotaExceeded,
    TooManyHandles,
    WrongKind,
)
from cloudos.abi.objects import MEMORY_PAID
from cloudos.contracts.errors import (
    BadProgram,
    Exists,
    IsDirectory,
    NameTooLong,
    NoSpace,
    NotDirectory,
    NotSeekable,
    ReadOnly,
    ServiceError,
    ServiceGone,
)
from cloudos.contracts.files import FILE, READ, Files
from cloudos.contracts.streams import START, Stream
from cloudos.lang import I64, U8, U64, Slice, data, managed
from cloudos.sdk import transport
from cloudos.sdk.collections.list import List
from cloudos.sdk.executable import Executable, read_executable
from cloudos.sdk.memory import READ as MAP_READ
from cloudos.sdk.memory import WRITE as MAP_WRITE
from cloudos.sdk.memory import Memory, unmap, view
from cloudos.sdk.quotas import usage

PAGE = layout.PAGE_SIZE
KEPT = 6
MAXIMUM = 16 << 20  # bytes of a program file
EXECUTABLE = 0o100
IMAGE = 1 << 63  # stands for the mount of what lies in the boot bundle
RESERVE_PART = 16
MOST_RESERVE = 1 << 20


def reserve(limit: U64) -> U64:
    """Bytes of a quota of `limit` bytes that are neither programs' nor executables'."""
    return min(U64(MOST_RESERVE), limit // RESERVE_PART)


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
    # The boot bundle: a handle to it, 0 when there is none, and what is in it.
    image: U64
    content: Slice[U8]

    def get(self, path: Slice[U8]) -> Executable:
        """The executable of a file. Raises NotFound, Denied, BadProgram, NameTooLong, QuotaExceeded, ServiceGone."""
        offset, length = self.in_image(path)
        if length > 0:
            return self.shared(offset, length)
        handle = self.open(path)
        try:
            return self.read(Stream(handle))
        finally:
            give_back(handle)

    def in_image(self, path: Slice[U8]) -> tuple[U64, U64]:
        """Where a program lies in the boot bundle; of no bytes when it is not there. Raises as `open`."""
        none = U64(0)
        if self.image == 0:
            return none, none
        try:
            offset, length = Files(self.files).in_image(path)
        except NotDirectory:
            raise NotFound
        except (NotFound, Denied, NameTooLong):
            raise
        except ServiceError:
            raise ServiceGone
        if offset > self.content.length or length > self.content.length - offset:
            return none, none
        return offset, length

    def shared(self, offset: U64, length: U64) -> Executable:
        """The executable that lies in the boot bundle, which is not copied. Raises BadProgram, QuotaExceeded."""
        known = self.find(U64(IMAGE), offset, U64(0), length)
        if known is not None:
            return known
        content, quota = self.content[offset : offset + length], U64(initial.QUOTA)
        made = read_executable(content, quota, self.image, offset, True)
        self.keep(Kept(U64(IMAGE), offset, U64(0), length, made))
        return made

    def find(self, mount: U64, number: U64, modified: U64, length: U64) -> Executable | None:
        """One that is kept, which is now the one that was used last."""
        for index in U64.range(self.kept.length):
            one = self.kept[index]
            same = one.mount == mount and one.number == number
            if same and one.modified == modified and one.length == length:
                self.kept.append(self.kept.remove_at(index))
                return one.executable
        return None

    def keep(self, one: Kept) -> None:
        """Keep it, in place of the one that was not used for the longest time."""
        while self.kept.length >= KEPT:
            self.kept.remove_at(U64(0))
        self.kept.append(one)

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
        known = self.find(status.mount, status.number, status.modified, status.length)
        if known is not None:
            return known
        made = self.load_making_room(stream, status.length)
        self.keep(Kept(status.mount, status.number, status.modified, status.length, made))
        return made

    def load_making_room(self, stream: Stream, length: U64) -> Executable:
        """`load`, at the cost of those that are kept when memory is short."""
        while True:
            try:
                return self.load(stream, length)
            except QuotaExceeded:
                if not self.forget_oldest():
                    raise
            try:
                stream.seek(I64(0), U64(START))
            except (NotSeekable, BadArgument, ServiceError):
                raise ServiceGone

    def forget_oldest(self) -> bool:
        """Keep one executable less; False when there is none. Its memory is free when no process runs it."""
        if self.kept.length == 0:
            return False
        self.kept.remove_at(U64(0))
        return True

    def load(self, stream: Stream, length: U64) -> Executable:
        """Read a file of so many bytes. Raises BadProgram, QuotaExceeded, ServiceGone."""
        if length == 0:
            raise BadProgram
        memory, size = Memory(), (length + (PAGE - 1)) // PAGE * PAGE
        used, limit = usage(U64(initial.QUOTA))
        if limit.saturating_sub(used + reserve(limit)) < size:
            raise QuotaExceeded
        try:
            memory.create(U64(initial.QUOTA), size, U64(MEMORY_PAID))
        except (BadArgument, BadHandle, Denied, OutOfMemory, PeerGone, TooManyHandles, WrongKind):
            raise QuotaExceeded
        try:
            return read_into(memory, size, stream, length)
        finally:
            # Its segments have handles of their own.
            transport.close(memory.handle)


def read_into(memory: Memory, size: U64, stream: Stream, length: U64) -> Executable:
    """The executable of a file that is read into memory. Raises BadProgram, QuotaExceeded, ServiceGone."""
    try:
        window = memory.map(U64(0), size, U64(MAP_READ | MAP_WRITE))
    except (BadAddress, BadArgument, BadHandle, Denied, OutOfMemory, PeerGone, WrongKind):
        raise QuotaExceeded
    image = view(window, size)[0:length]
    try:
        done = U64(0)
        while done < length:
            count = stream.read(image[done:length])
            if count == 0:
                raise BadProgram
            done += count
        return read_executable(image, U64(initial.QUOTA), memory.handle, U64(0))
    except BadProgram:
        raise
    except (Denied, ServiceError):
        raise ServiceGone
    finally:
        hide(window, size)


def hide(window: U64, size: U64) -> None:
    """Take a mapping out of the loader's own space."""
    try:
        unmap(window, size)
    except (BadArgument, BadHandle, Denied, OutOfMemory, PeerGone, QuotaExceeded, WrongKind):
        # It stays, and its memory with it, until the loader ends.
        pass


def shown(image: U64) -> Slice[U8]:
    """The boot bundle as bytes; none when there is none. Raises what showing memory does."""
    if image == 0:
        return data(b"")
    memory = Memory(image)
    length = memory.inspect().length
    return view(memory.map(U64(0), length, U64(MAP_READ)), length)


def give_back(handle: U64) -> None:
    """Close a stream and the handle to it."""
    try:
        Stream(handle).close()
    except ServiceError:
        pass
    transport.close(handle)
