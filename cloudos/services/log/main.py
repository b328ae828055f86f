"""The log service: takes records from every component, and gives them to who may read."""

from __future__ import annotations

from cloudos.abi.errors import BadArgument, Denied, NotFound
from cloudos.abi.messages import NEVER
from cloudos.contracts.errors import (
    BadMessage,
    BadOperation,
    BrokenPipe,
    Exists,
    IsDirectory,
    NameTooLong,
    NoSpace,
    NotDirectory,
    ReadOnly,
    ServiceGone,
)
from cloudos.contracts.files import APPEND, CREATE, WRITE, Files
from cloudos.contracts.logs import DEBUG, WARNING, Log
from cloudos.contracts.streams import Stream
from cloudos.lang import U8, U64, Slice, managed, write_text
from cloudos.sdk import system, transport
from cloudos.sdk.collections.byte_buffer import ByteBuffer
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.map import Map
from cloudos.sdk.collections.text import Text
from cloudos.sdk.component import held
from cloudos.sdk.errors import InvalidNumber
from cloudos.sdk.service import CALLER, server
from cloudos.services.log.limits import BUCKETS, Limits
from cloudos.services.log.ring import Ring, new_ring

RING = 65536  # bytes
OWN_BADGE = 0
SAVE_AFTER = 100_000_000  # nanoseconds from a record to its being in the file
TRY_AGAIN_AFTER = 10_000_000_000  # nanoseconds from a failure of the file to the next attempt
LARGEST_FILE = 1 << 20  # bytes that one life of the service appends
CHUNK = 4000  # bytes that a stream takes at a time


@managed
class LogFile:
    """Where records are appended to: `next` is the first that is not there yet. `stream` 0: it is not open."""

    files: U64
    path: Text
    stream: U64 = U64(0)
    next: U64 = U64(1)
    written: U64 = U64(0)
    due: U64 = U64(NEVER)


@managed
class LogServer:
    """All records, who wrote how many, and what the writers are called."""

    ring: Ring
    limits: Limits
    names: Map[U64, Text]
    file: LogFile
    readers: Map[U64, bool]

    def write(self, level: U64, text: Slice[U8]) -> None:
        """See `Log`. A level above DEBUG is DEBUG."""
        badge = CALLER.badge
        now = system.clock_read()
        if not self.limits.knows(badge):
            # Who makes place for a new badge has its dropped records reported first.
            self.report(self.limits.victim(), now)
        bucket = self.limits.bucket(badge, now)
        if not bucket.spend():
            bucket.dropped += 1
            raise NoSpace
        if bucket.dropped > 0:
            self.tell_dropped(badge, bucket.dropped, now)
            bucket.dropped = U64(0)
        self.add(now, badge, min(level, U64(DEBUG)), text)

    def note(self, level: U64, text: Slice[U8]) -> None:
        """See `Log`."""
        try:
            self.write(level, text)
        except NoSpace:
            pass

    def read(self, position: U64, level: U64, into: Slice[U8]) -> U64:
        """See `Log`. ServiceGone for who is not among the readers, when those are named."""
        if self.readers.length > 0 and CALLER.badge not in self.readers:
            raise ServiceGone
        now = system.clock_read()
        for i in U64.range(BUCKETS):
            bucket = self.limits.buckets[i]
            if bucket.dropped > 0:
                bucket.refill(now)
                if bucket.spend():
                    self.report(i, now)
        found = self.ring.find(position, level)
        if found is None:
            return U64(0)
        line = ByteBuffer()
        self.write_line(line, found)
        count = min(line.length, into.length)
        into[0:count].copy_from(line.content()[0:count])
        return count

    def deadline(self) -> U64:
        """When records are to be appended to the file."""
        return self.file.due

    def expired(self) -> None:
        """Append records to the file. A failing file is tried again later; the ring has the records meanwhile."""
        file = self.file
        try:
            self.save(file)
            file.due = U64(NEVER)
        except (NoSpace, ServiceGone):
            if file.stream != 0:
                transport.close(file.stream)
                file.stream = U64(0)
            file.due = system.clock_read() + TRY_AGAIN_AFTER

    def add(self, now: U64, badge: U64, level: U64, text: Slice[U8]) -> None:
        """Add a record, and have it saved soon."""
        self.ring.add(now, badge, level, text)
        if self.file.files != 0 and self.file.due == NEVER and self.file.written < LARGEST_FILE:
            self.file.due = now + SAVE_AFTER

    def report(self, place: U64, now: U64) -> None:
        """Tell what a component lost, when it did."""
        bucket = self.limits.buckets[place]
        if bucket.dropped > 0:
            self.tell_dropped(bucket.badge, bucket.dropped, now)
            bucket.dropped = U64(0)

    def tell_dropped(self, badge: U64, count: U64, now: U64) -> None:
        """A record of the log's own about records that it did not take."""
        line = ByteBuffer()
        write_text(line, f"{count} records of ")
        self.write_name(line, badge)
        write_text(line, " dropped")
        self.add(now, U64(OWN_BADGE), U64(WARNING), line.content())

    def write_name(self, line: ByteBuffer, badge: U64) -> None:
        """The name of a component, or its badge."""
        name = self.names.get(badge, Text(""))
        if badge == OWN_BADGE:
            write_text(line, "log")
        elif name.length > 0:
            line.write(name.content)
        else:
            write_text(line, f"#{badge}")

    def write_line(self, line: ByteBuffer, position: U64) -> None:
        """A record as text."""
        header = self.ring.header(position)
        write_text(line, f"{header.number} {header.time} {header.level} ")
        self.write_name(line, header.badge)
        write_text(line, " ")
        line.write(self.ring.text(position))

    def save(self, file: LogFile) -> None:
        """Append the records that are not in the file yet. Raises NoSpace and ServiceGone when that fails."""
        if file.stream == 0:
            file.stream = open_log(file)
        buffer = ByteBuffer()
        while True:
            found = self.ring.find(file.next, U64(DEBUG))
            if found is None or file.written >= LARGEST_FILE:
                return
            buffer.clear()
            self.write_line(buffer, found)
            buffer.append(U8(0x0A))
            append(file, buffer.content())
            file.next = self.ring.header(found).number + 1


def open_log(file: LogFile) -> U64:
    """The stream of the log file. Raises ServiceGone when there can be none."""
    try:
        return Files(file.files).open(file.path.content, U64(WRITE | APPEND | CREATE), U64(0o600))
    except (NotFound, Denied, Exists, IsDirectory, NotDirectory, NameTooLong, NoSpace, ReadOnly):
        raise ServiceGone
    except (BadArgument, BadMessage, BadOperation):
        raise ServiceGone


def append(file: LogFile, line: Slice[U8]) -> None:
    """Write all of a line. Raises NoSpace, ServiceGone."""
    at = U64(0)
    try:
        stream = Stream(file.stream)
        while at < line.length:
            count = stream.write(line[at : min(line.length, at + CHUNK)])
            if count == 0:
                raise NoSpace
            at += count
    except (Denied, BrokenPipe, BadMessage, BadOperation):
        raise ServiceGone
    file.written += line.length


def take_argument(argument: Text, names: Map[U64, Text]) -> None:
    """Learn a component's name from `name=BADGE:NAME`; anything else is ignored."""
    if not argument.starts_with("name="):
        return
    colon = argument.find(":")
    if colon is None:
        return
    try:
        badge = argument.slice(U64(5), colon).to_integer()
        if badge >= 0:
            names[U64(badge)] = argument.slice(colon + 1, argument.length)
    except InvalidNumber:
        return


def number_in(argument: Text, start: U64, default: U64) -> U64:
    """The number from a position to the end, or the default when there is none."""
    try:
        number = argument.slice(start, argument.length).to_integer()
        return U64(number) if number >= 0 else default
    except InvalidNumber:
        return default


def new_log(arguments: List[Text], files: U64) -> LogServer:
    """The service as its arguments want it; `files` is a session of the file service, or 0."""
    names = Map[U64, Text]()
    readers = Map[U64, bool]()
    size, path = U64(RING), Text("")
    for argument in arguments:
        take_argument(argument, names)
        if argument.starts_with("ring="):
            size = number_in(argument, U64(5), U64(RING))
        elif argument.starts_with("reader="):
            readers[number_in(argument, U64(7), U64(NEVER))] = True
        elif argument.starts_with("file="):
            path = argument.slice(U64(5), argument.length)
    file = LogFile(files if path.length > 0 else U64(0), path)
    return LogServer(new_ring(size), Limits(), names, file, readers)


serve = server((Log, LogServer), symbol="log_serve")


def main(arguments: List[Text]) -> None:
    """Serve for ever."""
    serve(held("offer"), new_log(arguments, held("files")))
