"""A serial line: what every driver of one does between its chip and its client.

The chip is an object of the driver's. `signalled` is called with the interrupt, everything else by the client; bytes
wait in two rings of 4 KB. A line that sends nothing (nobody at the other end of flow control, a dead chip) cannot hold
anybody up: what fits into the ring is taken, and the chip's interrupt sends the rest.
"""

from __future__ import annotations

from typing import Generic, Literal, Protocol, TypeVar

from cloudos.abi.errors import BadHandle, BadState, Denied, PeerGone, WrongKind
from cloudos.contracts.devices import RECEIVED, ROOM
from cloudos.drivers.serial.ring import CAPACITY, Ring
from cloudos.lang import U8, U64, Array, Slice, struct, zeroed
from cloudos.sdk import system, transport
from cloudos.sdk.service import CALLER, Later, answer_bytes, fail

INTERRUPT = 1
"""The signal of the chip's interrupt."""

GONE = 300
LONGEST = 4032


class Chip(Protocol):
    """What a line needs of its chip. None of it waits."""

    def pending(self) -> bool:
        """Whether the chip wants attention; looking may end that reason for its interrupt."""

    def has_byte(self) -> bool:
        """Whether a byte has come."""

    def take(self) -> U8:
        """The byte that has come."""

    def room(self) -> U64:
        """How many bytes the chip takes now."""

    def send(self, byte: U8) -> None:
        """Send a byte, for which there must be room."""

    def tell_room(self, wanted: bool) -> None:
        """Interrupt, or not, when there is room again."""

    def unsent(self) -> U64:
        """How many bytes it still has to send, or 1 where it only says that there are some."""


C = TypeVar("C", bound=Chip)


@struct
class SerialLine(Generic[C]):
    """Implements `Serial`. `interrupt` is the chip's interrupt object, or 0."""

    chip: C
    interrupt: U64 = U64(0)
    received: Ring = zeroed()
    sending: Ring = zeroed()
    # The call that waits for bytes, 0 for none, and how many it takes at most.
    reader: U64 = U64(0)
    wanted: U64 = U64(0)
    # The notification of the client, 0 for none; whether it waits for room.
    watcher: U64 = U64(0)
    short: bool = False
    scratch: Array[U8, Literal[4032]] = zeroed()

    def read(self, into: Slice[U8]) -> U64:
        """See `Serial`. Who asked may have given up by now: what it does not get stays."""
        if self.received.used > 0:
            count = self.received.peek(self.scratch.slice()[0 : min(into.length, U64(LONGEST))])
            if answer_bytes(CALLER.later(), self.scratch.slice()[0:count]):
                self.received.skip(count)
            raise Later
        if self.watcher != 0 or into.length == 0:
            return U64(0)
        if self.reader != 0:
            fail(self.reader, U64(GONE))
        self.reader = CALLER.later()
        self.wanted = min(into.length, U64(LONGEST))
        raise Later

    def write(self, data: Slice[U8]) -> U64:
        """See `Serial`."""
        taken = self.sending.put_all(data)
        self.pump()
        if taken < data.length:
            # Sending may have made room.
            taken += self.sending.put_all(data[taken : data.length])
            self.pump()
        self.short = taken < data.length
        return taken

    def unsent(self) -> U64:
        """See `Serial`."""
        return self.sending.used + self.chip.unsent()

    def watch(self, notification: U64) -> None:
        """See `Serial`."""
        if self.watcher != 0:
            transport.close(self.watcher)
        self.watcher = notification
        if self.reader != 0:
            answer_bytes(self.reader, self.scratch.slice()[0:0])
            self.reader = U64(0)
        if self.received.used > 0:
            self.tell(U64(RECEIVED))

    def signalled(self, bits: U64) -> None:
        """The chip has interrupted."""
        if bits & INTERRUPT == 0:
            return
        self.attend()
        try:
            system.interrupt_acknowledge(self.interrupt)
        except (BadHandle, BadState, Denied, PeerGone, WrongKind):
            # The line was taken away: nothing comes any more.
            pass

    def attend(self) -> None:
        """Do what the chip wants until it wants nothing more, but no longer than a chip in order could want it."""
        came = False
        for _ in U64.range(CAPACITY):
            if not self.chip.pending():
                break
            came = self.drain() or came
            self.pump()
        if came:
            self.deliver()
        if self.short and self.sending.used <= CAPACITY // 2:
            self.short = False
            self.tell(U64(ROOM))

    def drain(self) -> bool:
        """Take what the chip has received; whether there was something. A chip that never ends is left after a
        ring's worth."""
        for count in U64.range(CAPACITY):
            if not self.chip.has_byte():
                return count > 0
            self.received.put(self.chip.take())
        return True

    def pump(self) -> None:
        """Give the chip as much as it takes, and let it interrupt for the rest."""
        while self.sending.used > 0:
            room = min(self.chip.room(), self.sending.used)
            if room == 0:
                break
            for _ in U64.range(room):
                self.chip.send(self.sending.take())
        self.chip.tell_room(self.sending.used > 0)

    def deliver(self) -> None:
        """Hand what came to who waits for it. When it cannot be handed over it stays."""
        if self.reader != 0:
            count = self.received.peek(self.scratch.slice()[0 : self.wanted])
            if count == 0:
                return
            reader = self.reader
            self.reader = U64(0)
            if answer_bytes(reader, self.scratch.slice()[0:count]):
                self.received.skip(count)
        elif self.received.used > 0:
            self.tell(U64(RECEIVED))

    def tell(self, bits: U64) -> None:
        """Signal the watcher, if there is one; one that cannot be signalled is forgotten."""
        if self.watcher == 0:
            return
        try:
            system.notification_signal(self.watcher, bits)
        except (BadHandle, Denied, PeerGone, WrongKind):
            transport.close(self.watcher)
            self.watcher = U64(0)
