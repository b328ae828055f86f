"""What drivers offer."""

from __future__ import annotations

from cloudos.contracts.errors import ServiceGone
from cloudos.lang import U8, U64, Slice
from cloudos.sdk.contract import contract, operation


@contract(number=8, version=1)
class Serial:
    """A serial line. One client reads."""

    handle: U64

    @operation(1, raises=(ServiceGone,), fills="into")
    def read(self, into: Slice[U8]) -> U64:
        """Wait for bytes that came; how many."""
        raise NotImplementedError

    @operation(2, raises=(ServiceGone,))
    def write(self, data: Slice[U8]) -> U64:
        """Send bytes; how many were taken."""
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
