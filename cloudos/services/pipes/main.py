"""The pipe service. An end of a pipe is a handle whose badge says which pipe of which life of the service, and which
end; badges of an earlier life are not known any more.

Holders of an end are counted by what they say (`share`, `close`), which is told at once. Those that die say nothing:
the service keeps a handle for each end from which those of all holders are derived, and when none of these exists any
more nobody holds the end. It looks for such ends when who has some pipes makes another, when there is no room for one,
and from time to time, more often while somebody waits at a pipe.

Pipes, and bytes of writers that wait, are as many as the quota has room for when the service starts. Who has as many
as are left gets no more, so that nobody takes them all.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial
from cloudos.abi.errors import (
    BadArgument,
    BadHandle,
    Denied,
    OutOfMemory,
    PeerGone,
    QuotaExceeded,
    TooManyHandles,
)
from cloudos.abi.messages import NEVER
from cloudos.abi.objects import Rights
from cloudos.contracts.errors import BrokenPipe, NoSpace, NotSeekable, ServiceGone
from cloudos.contracts.files import PIPE
from cloudos.contracts.pipes import Pipes
from cloudos.contracts.streams import Status, Stream
from cloudos.lang import I64, U8, U64, Array, Slice, managed, place, struct, zeroed
from cloudos.sdk import system, transport
from cloudos.sdk.collections.bytes import Bytes
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.map import Map
from cloudos.sdk.component import held
from cloudos.sdk.errors import KeyMissing
from cloudos.sdk.quotas import usage
from cloudos.sdk.service import CALLER, Later, answer, answer_bytes, fail, server
from cloudos.services.pipes.pipe import Pipe, Waiter, new_pipe

RIGHTS = Rights.SEND | Rights.DERIVE | Rights.TRANSFER | Rights.GRANT | Rights.INSPECT
MAXIMUM = 96  # pipes at a time, or fewer where the quota has no room for them
PIPE_SIZE = 17408  # bytes that a pipe takes of the quota, with its handles
WAITER_SIZE = 4352  # bytes that a writer who waits takes
MORE_WAITERS = 4  # than there may be pipes
FEW = 1  # pipes of a maker, from which on it is looked whether somebody holds them
MOST_READERS = 64  # that wait at a pipe
LOOK_AFTER = 100_000_000  # nanoseconds between two looks at whether those are gone for whom somebody waits
SELDOM = 1_000_000_000  # the same where nobody waits
BROKEN_PIPE = 310
STREAM_BADGE = 1 << 62


@struct
class Scratch:
    """Bytes on their way from a pipe into an answer."""

    bytes: Array[U8, Literal[4032]] = zeroed()


SCRATCH = place(Scratch())


@managed
class PipeServer:
    """All pipes, by number."""

    endpoint: U64
    life: U64
    pipes: Map[U64, Pipe]
    next: U64
    # How many pipes there may be.
    limit: U64
    # Writers that wait, and how many may.
    waiting: U64
    most_waiting: U64
    # When to look at all pipes.
    due: U64

    def made_by(self, maker: U64) -> U64:
        """How many pipes somebody made that are still there."""
        count = U64(0)
        for pipe in self.pipes.values():
            if pipe.maker == maker:
                count += 1
        return count

    def has_room(self) -> bool:
        """Whether the caller may make a pipe: he has fewer than are left."""
        left = self.limit.saturating_sub(self.pipes.length)
        return self.made_by(CALLER.badge) < left

    def make(self) -> tuple[U64, U64]:
        """See `Pipes`."""
        if self.made_by(CALLER.badge) >= FEW or not self.has_room():
            self.look()
            if not self.has_room():
                raise QuotaExceeded
        made = Ends(self.endpoint)
        made.derive(self.life | self.next * 2)
        pipe = new_pipe(CALLER.badge, made.kept[0], made.kept[1])
        self.pipes[self.next] = pipe
        self.next += 1
        self.look_after(U64(SELDOM))
        return made.given[0], made.given[1]

    def look(self) -> None:
        """Close the ends that nobody holds any more."""
        numbers = List[U64]()
        for number in self.pipes:
            numbers.append(number)
        for number in numbers:
            try:
                pipe = self.pipes[number]
            except KeyMissing:
                continue
            if not transport.is_held(pipe.kept_reading):
                pipe.readers = U64(0)
            if not transport.is_held(pipe.kept_writing):
                pipe.writers = U64(0)
            self.move(number, pipe)

    def deadline(self) -> U64:
        """When to look next at all pipes."""
        return self.due

    def expired(self) -> None:
        """Look at them; again later while there are any."""
        self.look()
        self.due = U64(NEVER)
        for pipe in self.pipes.values():
            self.look_after(U64(LOOK_AFTER) if pipe.is_waited_for() else U64(SELDOM))

    def look_after(self, delay: U64) -> None:
        """Look at all pipes before so many nanoseconds have passed."""
        self.due = min(self.due, system.clock_read() + delay)

    def named(self) -> tuple[U64, bool]:
        """The number of the pipe that the caller means, and whether its writing end. Raises ServiceGone."""
        badge = CALLER.badge
        end = badge & 0xFFFF_FFFF
        if badge - end != self.life or end // 2 not in self.pipes:
            raise ServiceGone
        return end // 2, end % 2 == 1

    def get(self, number: U64) -> Pipe:
        """A pipe that is there. Raises ServiceGone."""
        try:
            return self.pipes[number]
        except KeyMissing:
            raise ServiceGone

    def read(self, into: Slice[U8]) -> U64:
        """See `Stream`. ServiceGone also: too many wait already."""
        number, writing = self.named()
        if writing:
            raise Denied
        pipe = self.get(number)
        if into.length == 0:
            return U64(0)
        if pipe.used == 0:
            if pipe.writers == 0 and pipe.writing.length == 0:
                return U64(0)
            if pipe.reading.length >= MOST_READERS:
                raise ServiceGone
            pipe.reading.append(Waiter(CALLER.later(), into.length, Bytes(into[0:0])))
            self.look_after(U64(LOOK_AFTER))
            raise Later
        count = pipe.peek(into)
        pipe.skip(count)
        self.move(number, pipe)
        return count

    def write(self, data: Slice[U8]) -> U64:
        """See `Stream`. NoSpace: the pipe is full, and too many wait already."""
        number, writing = self.named()
        if not writing:
            raise Denied
        pipe = self.get(number)
        if pipe.writing.length > 0 or not pipe.put(data):
            if pipe.writing.length >= self.most_waiting - self.waiting:
                raise NoSpace
            pipe.writing.append(Waiter(CALLER.later(), data.length, Bytes(data)))
            self.waiting += 1
            self.look_after(U64(LOOK_AFTER))
            raise Later
        self.move(number, pipe)
        return data.length

    def seek(self, offset: I64, origin: U64) -> U64:
        """See `Stream`."""
        self.named()
        raise NotSeekable

    def truncate(self, length: U64) -> None:
        """See `Stream`."""
        self.named()
        raise NotSeekable

    def status(self) -> Status:
        """See `Stream`."""
        number, _ = self.named()
        none = U64(0)
        return Status(U64(PIPE), U64(0o600), self.get(number).used, none, number, none, U64(1))

    def share(self) -> None:
        """See `Stream`."""
        number, writing = self.named()
        pipe = self.get(number)
        if writing:
            pipe.writers += 1
        else:
            pipe.readers += 1

    def close(self) -> None:
        """See `Stream`."""
        number, writing = self.named()
        pipe = self.get(number)
        if writing and pipe.writers > 0:
            pipe.writers -= 1
        elif not writing and pipe.readers > 0:
            pipe.readers -= 1
        self.move(number, pipe)

    def move(self, number: U64, pipe: Pipe) -> None:
        """Serve who waits, as far as that is possible. A pipe that nobody holds goes."""
        before = pipe.writing.length
        move(pipe)
        self.waiting -= before - pipe.writing.length
        if pipe.readers == 0 and pipe.writers == 0:
            try:
                self.pipes.pop(number)
            except KeyMissing:
                pass


@struct
class Ends:
    """Handles to the two ends of a new pipe, the reading one first: those that are kept, and those that are given."""

    endpoint: U64
    kept: Array[U64, Literal[2]] = zeroed()
    given: Array[U64, Literal[2]] = zeroed()

    def derive(self, badge: U64) -> None:
        """Make them; the writing end has the next badge. Raises QuotaExceeded, and leaves none."""
        try:
            for index in U64.range(2):
                self.kept[index] = system.handle_derive(self.endpoint, U64(RIGHTS), badge + index)
                self.given[index] = system.handle_derive(self.kept[index], U64(RIGHTS), U64(0))
        except (BadArgument, BadHandle, Denied, OutOfMemory, QuotaExceeded, TooManyHandles, PeerGone):
            for index in U64.range(2):
                transport.close(self.given[index])
                transport.close(self.kept[index])
            raise QuotaExceeded


def move(pipe: Pipe) -> None:
    """Serve who waits, as far as that is possible."""
    moved = True
    while moved:
        moved = False
        if pipe.writing.length > 0 and (pipe.readers == 0 or feed(pipe)):
            if pipe.readers == 0:
                fail(pipe.writing.remove_at(U64(0)).reply, U64(BROKEN_PIPE))
            moved = True
        if pipe.reading.length > 0 and (pipe.used > 0 or (pipe.writers == 0 and pipe.writing.length == 0)):
            reader = pipe.reading.remove_at(U64(0))
            count = pipe.peek(SCRATCH.bytes.slice()[0 : min(reader.length, U64(4032))])
            if answer_bytes(reader.reply, SCRATCH.bytes.slice()[0:count]):
                pipe.skip(count)
            moved = True


def feed(pipe: Pipe) -> bool:
    """Take the bytes of the first writer that waits, if there is room."""
    first = pipe.writing[0]
    try:
        if not pipe.put(first.data.content):
            return False
    except BrokenPipe:
        return False
    pipe.writing.remove_at(U64(0))
    answer(first.reply, first.length)
    return True


serve = server((Pipes, PipeServer), (Stream, PipeServer))


def room() -> U64:
    """How many pipes the quota has room for, and as many writers that wait and some more."""
    used, limit = usage(U64(initial.QUOTA))
    free = limit.saturating_sub(used)
    return max(U64(1), min(U64(MAXIMUM), free.saturating_sub(MORE_WAITERS * WAITER_SIZE) // (PIPE_SIZE + WAITER_SIZE)))


def main() -> None:
    """Serve for ever."""
    life = U64(STREAM_BADGE) | (system.clock_read() // 1000 & 0x3FFF_FFFF) << 32
    limit = room()
    pipes = PipeServer(
        held("offer"), life, Map[U64, Pipe](), U64(1), limit, U64(0), limit + MORE_WAITERS, U64(NEVER)
    )  # fmt: skip
    serve(pipes.endpoint, pipes, pipes)
