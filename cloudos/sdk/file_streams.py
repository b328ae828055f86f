"""An open file: a stream of a service with a buffer for reading, or a file of the image."""

from __future__ import annotations

from cloudos.abi.errors import Denied, SystemCallError
from cloudos.contracts.errors import BrokenPipe, NoSpace, NotSeekable, ServiceError, ServiceGone
from cloudos.contracts.streams import CURRENT, START, Status, Stream
from cloudos.lang import I64, U8, U32, U64, Slice, error_code, managed, new_slice, zeroed
from cloudos.sdk import transport
from cloudos.sdk.collections.byte_store import ByteStore, discard
from cloudos.sdk.collections.bytes import Bytes, adopt_bytes
from cloudos.sdk.collections.slices import find_byte
from cloudos.sdk.collections.text import Text, adopt_text
from cloudos.sdk.files import File

BUFFER = 4032  # bytes: what one message of a stream carries
WRITE_STEP = 4000  # bytes: what a stream takes at a time
READ_STEP = 16384  # bytes that read_all makes room for at a time
NEWLINE = 0x0A
FROM_START = U64(START)


@managed
class OpenFile:
    """A `Reader`. What is written is with the service at once. It closes when it is not used any more.

    Formatted text is written through a `FileWriter`: a `Sink` may not raise.
    """

    handle: U64  # of the Stream; 0 when it is closed, or a file of the image
    image: File | None
    buffer: Slice[U8]  # what was read ahead, made at the first small read
    start: U64
    stop: U64

    def __init__(self, handle: U64, image: File | None) -> None:
        self.handle = handle
        self.image = image
        self.buffer = zeroed()
        self.start = U64(0)
        self.stop = U64(0)

    def drop(self) -> None:
        self.close()
        discard(self.buffer)

    def close(self) -> None:
        """Close it: it can then not be used. Does nothing the second time."""
        if self.handle == 0:
            return
        try:
            Stream(self.handle).close()
        except ServiceError:  # the service is gone, and with it the stream
            pass
        transport.close(self.handle)
        self.handle = U64(0)

    def read(self, into: Slice[U8]) -> U64:
        """Read some bytes, at least one unless `into` is empty; returns how many. 0 means the end."""
        image = self.image
        if image is not None:
            return image.read(into)
        if self.start == self.stop:
            if into.length >= BUFFER:
                return self.receive(into)
            if not self.fill():
                return U64(0)
        taken = min(into.length, self.stop - self.start)
        into[0:taken].copy_from(self.buffer[self.start : self.start + taken])
        self.start += taken
        return taken

    def read_line(self) -> Text | None:
        """The next line without its newline; None at the end."""
        image = self.image
        if image is not None:
            return image.read_line()
        line = ByteStore()
        while self.start < self.stop or self.fill():
            rest = self.buffer[self.start : self.stop]
            newline = find_byte(rest, U8(NEWLINE))
            if newline is not None:
                line.write(rest[0:newline])
                self.start += newline + 1
                line.trim()
                return adopt_text(line.storage)
            line.write(rest)
            self.start = self.stop
        if line.used == 0:
            return None
        line.trim()
        return adopt_text(line.storage)

    def read_all(self) -> Bytes:
        """All bytes up to the end."""
        store = ByteStore()
        while True:
            store.reserve(U64(READ_STEP))
            count = self.read(store.storage[store.used : store.storage.length])
            if count == 0:
                store.trim()
                return adopt_bytes(store.storage)
            store.used += count

    def fill(self) -> bool:
        """Refill the empty buffer; False at the end."""
        if self.buffer.length == 0:
            self.buffer = new_slice(U8, BUFFER)
        self.start = U64(0)
        self.stop = U64(0)
        self.stop = self.receive(self.buffer)
        return self.stop > 0

    def receive(self, into: Slice[U8]) -> U64:
        """Read past the buffer."""
        return Stream(self.handle).read(into)

    def write(self, data: Slice[U8]) -> None:
        """Write all the bytes; raises Denied, NoSpace, BrokenPipe, ServiceGone."""
        if self.image is not None:
            raise Denied
        self.forget_ahead()
        stream = Stream(self.handle)
        sent = U64(0)
        while sent < data.length:
            end = min(data.length, sent + WRITE_STEP)
            sent += stream.write(data[sent:end])

    def forget_ahead(self) -> None:
        """Give up what was read ahead: the stream's position goes back to where the program believes it to be."""
        ahead = self.stop - self.start
        self.start = U64(0)
        self.stop = U64(0)
        if ahead == 0:
            return
        try:
            Stream(self.handle).seek(-I64(ahead), U64(CURRENT))
        except ServiceError:  # a stream without positions
            pass

    def seek(self, offset: I64, origin: U64 = FROM_START) -> U64:
        """Move the position relative to START, CURRENT or END; the new one. BadArgument: before the start."""
        if self.image is not None:
            raise NotSeekable
        self.forget_ahead()
        return Stream(self.handle).seek(offset, origin)

    def status(self) -> Status:
        """What is known of the file."""
        image = self.image
        if image is not None:
            return Status(U64(1), U64(0o444), image.length, links=U64(1))
        return Stream(self.handle).status()

    def truncate(self, length: U64) -> None:
        """Make the file so many bytes long; what is added is zero. Denied, NoSpace, NotSeekable."""
        if self.image is not None:
            raise Denied
        Stream(self.handle).truncate(length)


@managed
class FileWriter:
    """A `Sink` over an open file: gathers what is written, and keeps the first error for `finish`."""

    file: OpenFile
    gathered: ByteStore
    failure: U32  # the number of the first error; 0 when there was none

    def __init__(self, file: OpenFile) -> None:
        self.file = file
        self.gathered = ByteStore()
        self.failure = U32(0)

    def drop(self) -> None:
        discard(self.gathered.storage)

    def write(self, data: Slice[U8]) -> None:
        """Write all the bytes, now or later; after an error they are lost."""
        self.gathered.write(data)
        if self.gathered.used >= WRITE_STEP:
            self.flush()

    def flush(self) -> None:
        """Hand what was gathered to the service."""
        pending = self.gathered.filled()
        self.gathered.used = U64(0)
        if self.failure != 0:
            return
        try:
            self.file.write(pending)
        except (SystemCallError, ServiceError):
            self.failure = error_code()

    def finish(self) -> None:
        """Write what is left and close the file. Raises the first error there was: Denied, NoSpace, BrokenPipe,
        ServiceGone."""
        self.flush()
        self.file.close()
        match self.failure:
            case 0:
                return
            case 5:
                raise Denied
            case 308:
                raise NoSpace
            case 310:
                raise BrokenPipe
            case _:
                raise ServiceGone
