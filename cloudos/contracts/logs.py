"""Structured records from every component, kept in a ring."""

from __future__ import annotations

from cloudos.contracts.errors import Dropped, NoSpace, ServiceGone
from cloudos.lang import U8, U64, Slice
from cloudos.sdk.contract import contract, operation

# Levels, as in RFC 5424.
ERROR = 3
WARNING = 4
NOTICE = 5
INFORMATION = 6
DEBUG = 7

# Nanoseconds that who notes something waits for the service.
PATIENCE = 1_000_000


@contract(number=6, version=2)
class Log:
    """A component's way to write records, and for those who may, to read all of them."""

    handle: U64

    @operation(1, raises=(NoSpace, ServiceGone))
    def write(self, level: U64, text: Slice[U8]) -> None:
        """One record, of at most 1,000 bytes. NoSpace: the component wrote too much lately; the record is counted."""
        raise NotImplementedError

    @operation(2, raises=(ServiceGone,), fills="into")
    def read(self, position: U64, level: U64, into: Slice[U8]) -> U64:
        """The oldest record from number `position` on that is at least as urgent as `level`; how many bytes, 0: none.

        `number time level component text`: time in nanoseconds since the machine started, the component's name.
        """
        raise NotImplementedError

    @operation(3, raises=(Dropped, ServiceGone), since=2, one_way=True, patience=PATIENCE)
    def note(self, level: U64, text: Slice[U8]) -> None:
        """`write` for those whom the log must not hold up: records that the service does not keep are only counted."""
        raise NotImplementedError
