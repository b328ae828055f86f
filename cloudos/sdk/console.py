"""Standard input, output and error of a program.

Output is buffered: it leaves when the buffer is full, before the program waits for input, and at the end. A `print`
sends it off at once on a terminal, and elsewhere while the program prints little, so that what a program said before
it crashed or was stopped is not lost. What was written through `print_error` leaves at once.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import BadAddress, BadArgument, Denied
from cloudos.contracts.errors import BrokenPipe, Interrupted, IsDirectory, NoSpace, ServiceError
from cloudos.contracts.streams import Stream
from cloudos.lang import U8, U64, Array, Slice, UserPtr, panic, place, struct, write_text, zeroed
from cloudos.sdk.collections.byte_store import ByteStore
from cloudos.sdk.collections.bytes import Bytes, adopt_bytes
from cloudos.sdk.collections.slices import find_byte
from cloudos.sdk.collections.text import Text, adopt_text
from cloudos.sdk.component import held
from cloudos.sdk.system import clock_read, console_read, console_write, process_exit

BUFFER = 4096  # bytes
READ_STEP = 65536  # bytes; what read_all asks for at a time
PROMPT_PRINTS = 64  # the first prints of a program are shown at once …
PAUSE = 10_000_000  # nanoseconds; … and later ones when so much time has passed since the last
NEWLINE = 0x0A
PORTION = 4000  # bytes; what a `Stream` takes at a time
BROKEN_PIPE_STATUS = 141  # 128 and SIGPIPE, as a shell tells it


@struct
class Room:
    """The bytes of a buffer. Apart from the streams, so that it is memory of zeros that no file holds."""

    bytes: Array[U8, Literal[4096]] = zeroed()


INPUT = place(Room())
OUTPUT = place(Room())
ERRORS = place(Room())


@struct
class OutputStream:
    """A buffered stream of bytes out of the program; a `Sink` for formatted text."""

    stream: U64  # 1 standard output, 2 standard error
    used: U64 = U64(0)
    terminal: bool = False  # somebody is watching: see `is_terminal` in environment.py
    prints: U64 = U64(0)  # how often `show` was asked, up to PROMPT_PRINTS
    failed: bool = False  # some output could not be written
    shown: U64 = U64(0)  # when `show` last flushed, in nanoseconds
    buffer: Slice[U8] = OUTPUT.bytes.slice()

    def write(self, data: Slice[U8]) -> None:
        """Write all the bytes, now or with a later flush."""
        if data.length > U64(BUFFER) - self.used:
            self.flush()
            if data.length >= BUFFER:
                send(self.stream, data)
                return
        stop = self.used + data.length
        self.buffer[self.used : stop].copy_from(data)
        self.used = stop

    def show(self) -> None:
        """Flush, unless the program prints so often that this would slow it down."""
        if self.prints < PROMPT_PRINTS:
            self.prints += 1
        elif not self.terminal:
            now = clock_read()
            if now - self.shown < PAUSE:
                return
            self.shown = now
        self.flush()

    def flush(self) -> None:
        """Hand what is buffered to the system."""
        pending = self.used
        self.used = U64(0)
        send(self.stream, self.buffer[0:pending])


@struct
class InputStream:
    """The buffered stream of bytes into the program."""

    start: U64 = U64(0)  # the bytes read ahead are buffer[start:stop]
    stop: U64 = U64(0)
    ended: bool = False  # the end was seen; it is asked for only once
    buffer: Slice[U8] = INPUT.bytes.slice()

    def read(self, into: Slice[U8]) -> U64:
        """Read some bytes, at least one unless `into` is empty; returns how many. 0 means the end of the input."""
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
        """The next line without its newline; None at the end of the input."""
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
        """All bytes up to the end of the input."""
        store = ByteStore()
        while True:
            store.reserve(U64(READ_STEP))
            count = self.read(store.storage[store.used : store.storage.length])
            if count == 0:
                store.trim()
                return adopt_bytes(store.storage)
            store.used += count

    def fill(self) -> bool:
        """Refill the empty buffer; False at the end of the input."""
        self.start = U64(0)
        self.stop = self.receive(self.buffer)
        return self.stop > 0

    def receive(self, into: Slice[U8]) -> U64:
        """Read past the buffer, showing first what the program has written so far."""
        if self.ended:
            return U64(0)
        stdout.flush()
        stderr.flush()
        try:
            if connections.input != 0:
                count = receive(into)
                self.ended = count == 0
                return count
            count = console_read(UserPtr.at(U8, into.pointer.address.value), into.length)
        except Denied:
            count = U64(0)
        except BadAddress:
            panic("console_read refused a buffer of this process")
        self.ended = count == 0
        return count


stdin = InputStream()
stdout = OutputStream(U64(1))
stderr = OutputStream(U64(2), buffer=ERRORS.bytes.slice())


@struct
class Connections:
    """The `Stream`s of a process that has such; 0 otherwise: of the machine's own console, which only the first
    process may use."""

    input: U64 = U64(0)
    output: U64 = U64(0)
    errors: U64 = U64(0)


connections = place(Connections())


def connect() -> None:
    """Use the standard streams that the process was given."""
    connections.input = held("stdin")
    connections.output = held("stdout")
    connections.errors = held("stderr")


def receive(into: Slice[U8]) -> U64:
    """Read from the `Stream` that is standard input; when its service is gone, that is the end."""
    try:
        return Stream(connections.input).read(into)
    except (Denied, IsDirectory, Interrupted, ServiceError):
        return U64(0)


def send(stream: U64, data: Slice[U8]) -> None:
    """Write past all buffers; the system may take the bytes in several portions."""
    handle = connections.output if stream == 1 else connections.errors
    if handle != 0:
        send_to(handle, data)
        return
    sent = U64(0)
    while sent < data.length:
        rest = data[sent : data.length]
        try:
            sent += console_write(stream, UserPtr.at(U8, rest.pointer.address.value), rest.length)
        except Denied:
            # Further processes of a program have no console.
            return
        except (BadAddress, BadArgument):
            panic("console_write refused a buffer of this process")


def send_to(handle: U64, data: Slice[U8]) -> None:
    """Write all bytes to a `Stream`. A program whose reader is gone ends, as POSIX has it, with status 141; where a
    stream takes no more, what is left is lost and `failed` says so."""
    sent = U64(0)
    while sent < data.length:
        end = min(sent + PORTION, data.length)
        try:
            sent += Stream(handle).write(data[sent:end])
        except BrokenPipe:
            process_exit(U8(BROKEN_PIPE_STATUS))
        except (Denied, NoSpace, ServiceError):
            stdout.failed = True
            return


def print(text: str, *, end: str = "\n") -> None:
    """Write a text and a newline, or another end, to standard output."""
    write_text(stdout, text)
    write_text(stdout, end)
    stdout.show()


def print_error(text: str, *, end: str = "\n") -> None:
    """Write a text and a newline, or another end, to standard error, at once, after all output so far."""
    stdout.flush()
    write_text(stderr, text)
    write_text(stderr, end)
    stderr.flush()
