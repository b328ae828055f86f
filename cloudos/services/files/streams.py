"""Open files: one position each, counted holders, and the session that opened them.

A session's end takes back the hold that it has by opening. Whether a stream that was shared and closed since is held
by others or by the session cannot be known, because all holders use one badge; such a stream is kept as an orphan for
the others. Of each stream the service keeps a handle from which those of all holders are derived: when there is no room
for another stream, those go of which nobody has a handle any more, be it that their holders died.
"""

from __future__ import annotations

from cloudos.abi.errors import BadArgument, Denied
from cloudos.contracts.errors import IsDirectory, NoSpace, NotSeekable, ServiceGone
from cloudos.contracts.files import APPEND, DEVICE, DIRECTORY, FILE, READ, WRITE
from cloudos.contracts.streams import CURRENT, END, START
from cloudos.lang import I64, U8, U64, Slice, managed
from cloudos.sdk import transport
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.map import Map
from cloudos.sdk.errors import KeyMissing
from cloudos.services.files.devices import read_device, write_device
from cloudos.services.files.memory_files import Node, has_place

MAXIMUM_OF_SESSION = 64
MAXIMUM = 4096  # or fewer, where the quota has no room for them:
ROOM_PART = 8  # one part in so many of the quota is for open streams,
STREAM_COST = 384  # bytes of it for each, with its handles
STREAM_BADGE = 1 << 62
LIVES = 1 << 30
NUMBERS = 1 << 32
LAST_POSITION = (1 << 63) - 1


@managed
class OpenFile:
    """One open stream."""

    node: Node
    flags: U64
    session: U64
    position: U64
    # Opened once, and shared so often, less those who closed it.
    holders: U64
    shared: bool
    closed: bool
    # Its session ended, and whoever is left holds it.
    orphan: bool
    # The handle from which those of all holders are derived, 0 until it is made.
    kept: U64

    def drop(self) -> None:
        """The handle that was kept goes with it."""
        transport.close(self.kept)

    def read(self, into: Slice[U8], entropy: U64) -> U64:
        """See `Stream.read`."""
        if self.node.kind == DIRECTORY:
            raise IsDirectory
        if self.flags & READ == 0:
            raise Denied
        if self.node.kind == DEVICE:
            return read_device(self.node.device, entropy, into)
        count = self.node.read_at(self.position, into)
        self.position += count
        return count

    def write(self, source: Slice[U8]) -> U64:
        """See `Stream.write`."""
        if self.flags & WRITE == 0:
            raise Denied
        if self.node.kind == DEVICE:
            return write_device(self.node.device, source)
        at = self.node.length if self.flags & APPEND != 0 else self.position
        count = self.node.write_at(at, source)
        if count > 0:
            self.position = at + count
        return count

    def seek(self, offset: I64, origin: U64) -> U64:
        """See `Stream.seek`. BadArgument: also no origin, or a position of 2**63 or more. Devices stay at 0."""
        if origin == START:
            base = U64(0)
        elif origin == CURRENT:
            base = self.position
        elif origin == END:
            base = self.node.length
        else:
            raise BadArgument
        distance = U64.truncate(offset)
        if offset < 0:
            back = distance.wrapping_neg()
            if back > base:
                raise BadArgument
            target = base - back
        else:
            target = base + distance
        if target > LAST_POSITION:
            raise BadArgument
        if self.node.kind == DEVICE:
            return U64(0)
        self.position = target
        return target

    def truncate(self, length: U64) -> None:
        """See `Stream.truncate`. NotSeekable: a device."""
        if self.flags & WRITE == 0:
            raise Denied
        if self.node.kind != FILE:
            raise NotSeekable
        self.node.resize(length)


@managed
class OpenFiles:
    """All open streams of one life of the service, by number."""

    # 0 to 2**30 - 1: which life of the service this is.
    life: U64
    # How many there may be.
    limit: U64
    files: Map[U64, OpenFile]
    # How many each session has open that are no orphans.
    counts: Map[U64, U64]
    next: U64

    def check_room(self, session: U64) -> None:
        """Whether a session may open one more. Raises NoSpace."""
        if self.is_full(session):
            self.close_unheld()
            if self.is_full(session):
                raise NoSpace

    def is_full(self, session: U64) -> bool:
        """Whether a session has as many as it may, or all together have, or the memory of the service is used up."""
        if self.counts.get(session, U64(0)) >= MAXIMUM_OF_SESSION or self.files.length >= self.limit:
            return True
        return not has_place(self.files.growth())

    def close_unheld(self) -> None:
        """Close the streams that nobody has a handle to."""
        numbers = List[U64]()
        for number, file in self.files.items():
            if not transport.is_held(file.kept):
                numbers.append(number)
        for number in numbers:
            try:
                self.forget(number, self.files[number])
            except KeyMissing:
                pass

    def add(self, node: Node, flags: U64, session: U64) -> U64:
        """A new stream, for which there is room; its badge."""
        while self.next in self.files:
            self.next = (self.next + 1) % NUMBERS
        number = self.next
        self.next = (number + 1) % NUMBERS
        self.files[number] = OpenFile(node, flags, session, U64(0), U64(1), False, False, False, U64(0))
        self.counts[session] = self.counts.get(session, U64(0)) + 1
        return U64(STREAM_BADGE) | self.life << 32 | number

    def number_of(self, badge: U64) -> U64:
        """The number of the stream that a badge names. Raises ServiceGone: it is of another life, or no stream's."""
        number = badge % NUMBERS
        if badge - number != U64(STREAM_BADGE) | self.life << 32:
            raise ServiceGone
        return number

    def get(self, badge: U64) -> OpenFile:
        """The stream that a badge names. Raises ServiceGone."""
        try:
            return self.files[self.number_of(badge)]
        except KeyMissing:
            raise ServiceGone

    def share(self, badge: U64) -> None:
        """See `Stream.share`."""
        file = self.get(badge)
        file.holders += 1
        file.shared = True

    def close(self, badge: U64) -> None:
        """See `Stream.close`."""
        file = self.get(badge)
        file.closed = True
        self.release(self.number_of(badge), file)

    def release(self, number: U64, file: OpenFile) -> None:
        """One holder less."""
        file.holders -= 1
        if file.holders == 0:
            self.forget(number, file)

    def forget(self, number: U64, file: OpenFile) -> None:
        """Take a stream out of the tables."""
        if not file.orphan:
            self.uncount(file.session)
        try:
            self.files.pop(number)
        except KeyMissing:
            pass

    def uncount(self, session: U64) -> None:
        """A session has one stream less."""
        left = self.counts.get(session, U64(0))
        if left > 1:
            self.counts[session] = left - 1
            return
        try:
            self.counts.pop(session)
        except KeyMissing:
            pass

    def end_session(self, session: U64) -> None:
        """Take back what a session holds; what others hold stays."""
        numbers = List[U64]()
        for number, file in self.files.items():
            if file.session == session and not file.orphan:
                numbers.append(number)
        for number in numbers:
            try:
                file = self.files[number]
            except KeyMissing:
                continue
            if not file.closed:
                self.release(number, file)
            elif not file.shared:
                self.forget(number, file)
            if file.holders > 0:
                self.uncount(session)
                file.orphan = True
