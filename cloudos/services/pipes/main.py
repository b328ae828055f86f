"""The pipe service. An end of a pipe is a handle whose badge says which pipe of which life of the service, and which
end; badges of an earlier life are not known any more."""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial
from cloudos.abi.errors import (
    BadAddress,
    BadArgument,
    BadHandle,
    Denied,
    OutOfMemory,
    PeerGone,
    QuotaExceeded,
    TooManyHandles,
    WrongKind,
)
from cloudos.abi.objects import Rights
from cloudos.contracts.errors import BrokenPipe, NotSeekable, ServiceGone
from cloudos.contracts.files import PIPE
from cloudos.contracts.pipes import Pipes
from cloudos.contracts.streams import Status, Stream
from cloudos.lang import I64, U8, U64, Array, Ptr, Slice, UserPtr, managed, place, struct, zeroed
from cloudos.sdk import system, transport
from cloudos.sdk.collections.bytes import Bytes
from cloudos.sdk.collections.map import Map
from cloudos.sdk.component import held
from cloudos.sdk.errors import KeyMissing
from cloudos.sdk.service import CALLER, Later, answer, answer_bytes, fail, server
from cloudos.services.pipes.pipe import Pipe, Waiter, new_pipe

RIGHTS = Rights.SEND | Rights.DERIVE | Rights.TRANSFER | Rights.GRANT | Rights.INSPECT
MAXIMUM = 48  # pipes at a time, or fewer where the quota has no room for them
PIPE_SIZE = 20480  # bytes that a pipe takes of the quota, with what the heap adds
RESERVE = 8  # one part in so many of the quota is for calls that wait, and handles
BROKEN_PIPE = 310
STREAM_BADGE = 1 << 62


@struct
class Scratch:
    """Bytes on their way from a pipe into an answer."""

    bytes: Array[U8, Literal[4032]] = zeroed()


@struct
class Words:
    """What quota_inspect writes: bytes used, and the limit."""

    values: Array[U64, Literal[2]] = zeroed()


SCRATCH = place(Scratch())
WORDS = place(Words())


@managed
class PipeServer:
    """All pipes, by number."""

    endpoint: U64
    life: U64
    pipes: Map[U64, Pipe]
    next: U64
    # How many pipes there may be. Who makes pipes may have three quarters of them: the service is not told when a maker
    # ends without closing them, and one that makes and ends again and again must not take them all.
    limit: U64

    def made_by(self, maker: U64) -> U64:
        """How many pipes somebody made that are still there."""
        count = U64(0)
        for pipe in self.pipes.values():
            if pipe.maker == maker:
                count += 1
        return count

    def make(self) -> tuple[U64, U64]:
        """See `Pipes`."""
        if self.pipes.length >= self.limit or self.made_by(CALLER.badge) >= (self.limit * 3 + 3) // 4:
            raise QuotaExceeded
        number = self.next
        reading = self.handle(number * 2)
        try:
            writing = self.handle(number * 2 + 1)
        except QuotaExceeded:
            transport.close(reading)
            raise
        self.next = number + 1
        self.pipes[number] = new_pipe(CALLER.badge)
        return reading, writing

    def handle(self, end: U64) -> U64:
        """A handle to an end of a pipe. Raises QuotaExceeded."""
        try:
            return system.handle_derive(self.endpoint, U64(RIGHTS), self.life | end)
        except (BadArgument, BadHandle, Denied, OutOfMemory, TooManyHandles, PeerGone):
            raise QuotaExceeded

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
        """See `Stream`."""
        number, writing = self.named()
        if writing:
            raise Denied
        pipe = self.get(number)
        if into.length == 0:
            return U64(0)
        if pipe.used == 0:
            if pipe.writers == 0 and pipe.writing.length == 0:
                return U64(0)
            pipe.reading.append(Waiter(CALLER.later(), into.length, Bytes(into[0:0])))
            raise Later
        count = pipe.peek(into)
        pipe.skip(count)
        move(pipe)
        return count

    def write(self, data: Slice[U8]) -> U64:
        """See `Stream`."""
        number, writing = self.named()
        if not writing:
            raise Denied
        pipe = self.get(number)
        if pipe.writing.length > 0 or not pipe.put(data):
            pipe.writing.append(Waiter(CALLER.later(), data.length, Bytes(data)))
            raise Later
        move(pipe)
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
        move(pipe)
        if pipe.readers == 0 and pipe.writers == 0:
            self.forget(number)

    def forget(self, number: U64) -> None:
        """A pipe that nobody holds goes."""
        try:
            self.pipes.pop(number)
        except KeyMissing:
            pass


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
    """How many pipes the quota has room for."""
    try:
        system.quota_inspect(U64(initial.QUOTA), UserPtr.at(U8, Ptr.to(WORDS).address.value))
    except (BadAddress, BadHandle, WrongKind, Denied, PeerGone):
        return U64(1)
    free = WORDS.values[1].saturating_sub(WORDS.values[0])
    return max(U64(1), min(U64(MAXIMUM), free.saturating_sub(WORDS.values[1] // RESERVE) // PIPE_SIZE))


def main() -> None:
    """Serve for ever."""
    life = U64(STREAM_BADGE) | (system.clock_read() // 1000 & 0x3FFF_FFFF) << 32
    pipes = PipeServer(held("offer"), life, Map[U64, Pipe](), U64(1), room())
    serve(pipes.endpoint, pipes, pipes)
