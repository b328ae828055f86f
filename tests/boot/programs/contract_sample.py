"""A contract with every kind of parameter and result, and a server of it that counts what it is given."""

from __future__ import annotations

from cloudos.abi.errors import NotFound
from cloudos.contracts.errors import Dropped, ServiceGone
from cloudos.lang import I64, U8, U16, U32, U64, IntEnum, Slice, enum, struct
from cloudos.sdk import transport
from cloudos.sdk.contract import contract, operation
from cloudos.sdk.service import CALLER, Later, server

PATIENCE = 1_000_000


@enum(U8)
class Colour(IntEnum):
    """Numbers with gaps between them."""

    RED = 1
    GREEN = 2
    BLUE = 200


@struct
class Pair:
    """Bytes that travel as they lie in memory."""

    first: U64 = U64(0)
    second: U32 = U32(0)
    third: U32 = U32(0)


@contract(number=900, version=1)
class Sample:
    """Every kind of parameter."""

    handle: U64

    @operation(1, raises=(NotFound, ServiceGone))
    def add(self, left: U64, right: U64) -> U64:
        """The sum, and the caller's badge. NotFound: `left` is 99."""
        raise NotImplementedError

    @operation(2, raises=(ServiceGone,))
    def widths(self, a: U8, b: U16, c: U32, d: I64, e: bool) -> tuple[U8, U16, U32, I64, bool]:
        """All as they came."""
        raise NotImplementedError

    @operation(3, raises=(ServiceGone,), fills="into")
    def reverse(self, text: Slice[U8], into: Slice[U8]) -> U64:
        """The bytes backwards, as many as there is room for."""
        raise NotImplementedError

    @operation(4, raises=(ServiceGone,))
    def turn(self, pair: Pair, sign: I64, more: U64 | None) -> Pair:
        """The members exchanged."""
        raise NotImplementedError

    @operation(5, raises=(ServiceGone,))
    def measure(self, first: Slice[U8], second: Slice[U8]) -> tuple[U64, U64]:
        """The sums of both."""
        raise NotImplementedError

    @operation(6, raises=(ServiceGone,))
    def find(self, number: U64) -> U64 | None:
        """The number when it is even."""
        raise NotImplementedError

    @operation(7, raises=(ServiceGone,))
    def next(self, colour: Colour) -> Colour:
        """The colour after it."""
        raise NotImplementedError

    @operation(8, raises=(NotFound, ServiceGone), shares=("kept",), moves=("given",), returns_handle=2)
    def exchange(self, kept: U64, number: U64, given: U64) -> tuple[U64, U64]:
        """Both handles, the other way round. NotFound, when `number` is 0: the server has closed them."""
        raise NotImplementedError

    @operation(9, raises=(ServiceGone,))
    def later(self) -> U64:
        """Answered by the next `release`."""
        raise NotImplementedError

    @operation(10, raises=(ServiceGone,))
    def nothing(self) -> None:
        """Nothing."""
        raise NotImplementedError

    @operation(11, raises=(Dropped, ServiceGone), moves=("given",), one_way=True, patience=PATIENCE)
    def tell(self, number: U32, text: Slice[U8], given: U64) -> None:
        """Add the number and the bytes to what was told. The server closes the handle."""
        raise NotImplementedError


@struct
class SampleServer:
    """What `Sample` says."""

    waits: U64 = U64(0)
    calls: U64 = U64(0)
    told: U64 = U64(0)

    def add(self, left: U64, right: U64) -> U64:
        """See the contract."""
        self.calls += 1
        if left == 99:
            raise NotFound
        return left.wrapping_add(right).wrapping_add(CALLER.badge)

    def widths(self, a: U8, b: U16, c: U32, d: I64, e: bool) -> tuple[U8, U16, U32, I64, bool]:
        """See the contract."""
        self.calls += 1
        return a, b, c, d, e

    def reverse(self, text: Slice[U8], into: Slice[U8]) -> U64:
        """See the contract."""
        self.calls += 1
        count = min(text.length, into.length)
        for i in U64.range(count):
            into[i] = text[count - 1 - i]
        return count

    def turn(self, pair: Pair, sign: I64, more: U64 | None) -> Pair:
        """See the contract."""
        self.calls += 1
        extra = U64(0) if more is None else more
        return Pair(U64(pair.second).wrapping_add(extra), U32.truncate(pair.first), pair.third)

    def measure(self, first: Slice[U8], second: Slice[U8]) -> tuple[U64, U64]:
        """See the contract."""
        self.calls += 1
        return total(first), total(second)

    def find(self, number: U64) -> U64 | None:
        """See the contract."""
        self.calls += 1
        return number if number % 2 == 0 else None

    def next(self, colour: Colour) -> Colour:
        """See the contract."""
        self.calls += 1
        match colour:
            case Colour.RED:
                return Colour.GREEN
            case Colour.GREEN:
                return Colour.BLUE
            case Colour.BLUE:
                return Colour.RED

    def exchange(self, kept: U64, number: U64, given: U64) -> tuple[U64, U64]:
        """See the contract."""
        self.calls += 1
        if number == 0:
            raise NotFound
        return given, kept

    def later(self) -> U64:
        """See the contract. Only one call waits."""
        self.calls += 1
        if self.waits != 0:
            return U64(1)
        self.waits = CALLER.later()
        raise Later

    def nothing(self) -> None:
        """See the contract."""
        self.calls += 1

    def tell(self, number: U32, text: Slice[U8], given: U64) -> None:
        """See the contract."""
        self.calls += 1
        self.told = self.told.wrapping_add(U64(number)).wrapping_add(total(text))
        transport.close(given)


def total(text: Slice[U8]) -> U64:
    """The sum of all bytes."""
    sum = U64(0)
    for byte in text:
        sum += U64(byte)
    return sum


SERVER = SampleServer()
serve = server((Sample, SERVER))
