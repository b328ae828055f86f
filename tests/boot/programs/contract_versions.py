"""Two versions of one contract, and a server of each."""

from __future__ import annotations

from cloudos.contracts.errors import Dropped, ServiceGone
from cloudos.lang import U64, struct
from cloudos.sdk.contract import CONTRACTS, contract, operation
from cloudos.sdk.service import server

NUMBER = 901


@contract(number=NUMBER, version=1)
class Old:
    """Before there was a second operation."""

    handle: U64

    @operation(1, raises=(ServiceGone,))
    def double(self, number: U64) -> U64:
        """Twice the number."""
        raise NotImplementedError


# Both versions in one process: each program has only one.
del CONTRACTS[NUMBER]


@contract(number=NUMBER, version=2)
class New:
    """With a second operation."""

    handle: U64

    @operation(1, raises=(ServiceGone,))
    def double(self, number: U64) -> U64:
        """Twice the number."""
        raise NotImplementedError

    @operation(2, raises=(ServiceGone,), since=2)
    def triple(self, number: U64) -> U64:
        """Three times the number."""
        raise NotImplementedError

    @operation(3, raises=(Dropped, ServiceGone), since=2, one_way=True)
    def keep(self, number: U64) -> None:
        """Keep a number."""
        raise NotImplementedError


@struct
class Server:
    """Implements both."""

    kept: U64 = U64(0)

    def double(self, number: U64) -> U64:
        """Twice the number."""
        return number * 2

    def triple(self, number: U64) -> U64:
        """Three times the number."""
        return number * 3

    def keep(self, number: U64) -> None:
        """Keep a number."""
        self.kept = number


SERVER = Server()
serve_old = server((Old, SERVER), symbol="serve_old")
serve_new = server((New, SERVER), symbol="serve_new")
