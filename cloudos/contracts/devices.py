"""What drivers offer."""

from __future__ import annotations

from cloudos.contracts.errors import ServiceGone
from cloudos.lang import U8, U64, Slice
from cloudos.sdk.contract import contract, operation

# What the notification of `Serial.watch` is signalled with: bytes came; there is room again for what did not fit.
RECEIVED = 1
ROOM = 2


@contract(number=8, version=3)
class Serial:
    """A serial line. One client reads: a second one ends the wait of the first with ServiceGone."""

    handle: U64

    @operation(1, raises=(ServiceGone,), fills="into")
    def read(self, into: Slice[U8]) -> U64:
        """Take bytes that came; how many. Without a watch it waits for the first, with one 0 means: none now."""
        raise NotImplementedError

    @operation(2, raises=(ServiceGone,))
    def write(self, data: Slice[U8]) -> U64:
        """Send bytes; how many were taken: less than all when the line is slower, 0 when there is no room now."""
        raise NotImplementedError

    @operation(3, raises=(ServiceGone,), shares=("notification",), since=2)
    def watch(self, notification: U64) -> None:
        """Signal a notification, in place of an earlier one: RECEIVED when there are bytes to read, at once if there
        are some now, and ROOM when a write took less than all and more can be written. A restart of the driver
        forgets it. The handle needs SIGNAL, and DERIVE and TRANSFER to be shared."""
        raise NotImplementedError

    @operation(4, raises=(ServiceGone,), since=3)
    def unsent(self) -> U64:
        """How many bytes were taken and have not left the machine, as far as the driver knows: 0 when all have."""
        raise NotImplementedError


@contract(number=9, version=1)
class Clock:
    """The time of day."""

    handle: U64

    @operation(1, raises=(ServiceGone,))
    def now(self) -> U64:
        """Nanoseconds since 1970 in UTC."""
        raise NotImplementedError


@contract(number=10, version=1)
class Entropy:
    """Random bytes for keys and nonces."""

    handle: U64

    @operation(1, raises=(ServiceGone,), fills="into")
    def fill(self, into: Slice[U8]) -> U64:
        """Fill all of `into`; how many bytes. ServiceGone also: the sources failed their tests."""
        raise NotImplementedError
