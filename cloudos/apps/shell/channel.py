"""What a descriptor of the shell refers to: a stream of the system, or bytes in the shell's own memory."""

from __future__ import annotations

from cloudos.abi.errors import BadArgument, Denied
from cloudos.contracts.errors import NotSeekable, ServiceError
from cloudos.contracts.streams import CURRENT
from cloudos.lang import I64, U8, U64, Error, Slice, free_slice, managed, new_slice
from cloudos.sdk import ByteBuffer, programs

BLOCK = 1024  # bytes read at a time
NEWLINE = 0x0A


@managed
class Channel:
    """One open stream; descriptors that are copies of each other share it. It closes when the last one goes."""

    # 0: there is none.
    handle: U64
    # Whether to close the handle.
    owned: bool
    # What was written, when there is no handle; read from `position` on.
    memory: ByteBuffer | None
    position: U64
    # Whether the memory is for what is written, and not a here-document.
    gathers: bool

    def __init__(self, handle: U64, owned: bool) -> None:
        self.handle = handle
        self.owned = owned
        self.memory = None
        self.position = U64(0)
        self.gathers = False

    def drop(self) -> None:
        self.close()

    def close(self) -> None:
        """Give it up at once, for all that share it."""
        if self.owned and self.handle != 0:
            programs.close(self.handle)
        self.handle = U64(0)
        self.owned = False

    @property
    def is_open(self) -> bool:
        """Whether there is something behind it."""
        return self.handle != 0 or self.memory is not None

    def write(self, data: Slice[U8]) -> None:
        """Write all the bytes. Raises Denied (also when it is closed), NoSpace, BrokenPipe, ServiceGone."""
        memory = self.memory
        if memory is not None:
            memory.write(data)
        elif self.handle != 0:
            programs.write_all(self.handle, data)
        else:
            raise Denied

    def read(self, into: Slice[U8]) -> U64:
        """Read some bytes; how many, 0 at the end. Raises Denied, IsDirectory, Interrupted, ServiceGone."""
        memory = self.memory
        if memory is None:
            if self.handle == 0:
                raise Denied
            return programs.read(self.handle, into)
        count = min(into.length, memory.length - self.position)
        into[0:count].copy_from(memory.content()[self.position : self.position + count])
        self.position += count
        return count

    def read_line(self, into: ByteBuffer) -> bool:
        """Append the bytes up to the next newline, that included; not one byte more is read.

        False at the end; a last line without a newline comes as it is. Raises what `read` does.
        """
        block = new_slice(U8, U64(BLOCK))
        try:
            seekable = self.can_seek()
            before = into.length
            while True:
                count = self.read(block if seekable else block[0:1])
                for at in U64.range(count):
                    into.append(block[at])
                    if block[at] == NEWLINE:
                        self.step_back(count - at - 1)
                        return True
                if count == 0:
                    return into.length > before
        finally:
            free_slice(block)

    def can_seek(self) -> bool:
        """Whether bytes that were read can be given back."""
        if self.memory is not None:
            return True
        try:
            programs.SYSTEM.seek(self.handle, I64(0), U64(CURRENT))
            return True
        except (NotSeekable, BadArgument, ServiceError):
            return False

    def step_back(self, count: U64) -> None:
        """Give back the last bytes that were read."""
        if self.memory is not None:
            self.position -= count
        elif count > 0:
            try:
                programs.SYSTEM.seek(self.handle, -I64(count), U64(CURRENT))
            except Error:
                pass

    def drain(self, into: ByteBuffer) -> None:
        """Append everything up to the end. Raises what `read` does."""
        block = new_slice(U8, U64(4096))
        try:
            while True:
                count = self.read(block)
                if count == 0:
                    return
                into.write(block[0:count])
        finally:
            free_slice(block)


def memory_channel() -> Channel:
    """One in memory, for what is written to it."""
    made = Channel(U64(0), False)
    made.memory = ByteBuffer()
    made.gathers = True
    return made


def document(content: Slice[U8]) -> Channel:
    """One in memory, for reading what is there."""
    made = memory_channel()
    made.write(content)
    made.gathers = False
    return made


def closed_channel() -> Channel:
    """One with nothing behind it."""
    return Channel(U64(0), False)
