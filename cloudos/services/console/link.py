"""The serial line of the console: what waits to be sent, and what came."""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import (
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
from cloudos.contracts.devices import Serial
from cloudos.contracts.errors import BadMessage, BadOperation, ServiceGone
from cloudos.lang import U8, U64, Array, managed, place, struct, zeroed
from cloudos.sdk import system
from cloudos.services.console.byte_queue import Queue

# A handle that is shared is derived from: DERIVE.
RIGHTS = Rights.SIGNAL | Rights.DERIVE | Rights.TRANSFER | Rights.INSPECT
CHUNK = 2048  # bytes sent at once
BATCHES = 16
"""How often the line is read before clients have their turn."""


@struct
class Scratch:
    """Bytes from the line."""

    bytes: Array[U8, Literal[4032]] = zeroed()


SCRATCH = place(Scratch())


@managed
class Link:
    """A client of `Serial` that never waits. `watched`: the driver will signal `notification`."""

    serial: U64
    notification: U64
    out: Queue
    watched: bool

    def watch(self) -> None:
        """Let the driver signal; a driver that has been started anew does not know of it."""
        try:
            weaker = system.handle_derive(self.notification, U64(RIGHTS), U64(0))
        except (BadArgument, BadHandle, Denied, OutOfMemory, PeerGone, QuotaExceeded, TooManyHandles, WrongKind):
            self.watched = False
            return
        try:
            Serial(self.serial).watch(weaker)
            self.watched = True
        except (ServiceGone, BadMessage, BadOperation):
            self.watched = False
        try:
            system.handle_close(weaker)
        except BadHandle:
            pass

    def receive(self, into: Queue) -> bool:
        """Take what came; whether there may be more. Without a watch the driver would let us wait: nothing then."""
        for _ in U64.range(BATCHES):
            if not self.watched:
                return False
            count = U64(0)
            try:
                count = Serial(self.serial).read(SCRATCH.bytes.slice())
            except (ServiceGone, BadMessage, BadOperation):
                self.watched = False
            if count == 0:
                return False
            into.put(SCRATCH.bytes.slice()[0:count])
        return True

    def send(self) -> None:
        """Send as much as the line takes now. Without a driver it waits for the next one, which `watch` finds: not
        every client is to wait for a driver that does not answer."""
        while self.out.length > 0 and self.watched:
            count = U64(0)
            try:
                count = Serial(self.serial).write(self.out.waiting()[0 : min(self.out.length, U64(CHUNK))])
            except (ServiceGone, BadMessage, BadOperation):
                self.watched = False
            if count == 0:
                return
            self.out.skip(min(count, self.out.length))

    def unsent(self) -> U64:
        """What waits here, and what the driver says that it has; nothing when it does not answer."""
        if not self.watched:
            return self.out.length
        try:
            return self.out.length.saturating_add(Serial(self.serial).unsent())
        except (ServiceGone, BadMessage, BadOperation):
            return self.out.length
