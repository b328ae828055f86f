"""Service discovery inside the machine: capabilities under names."""

from __future__ import annotations

from cloudos.abi.errors import BadArgument, Denied, NotFound, QuotaExceeded
from cloudos.contracts.errors import Exists, NoSpace, ServiceGone
from cloudos.lang import U8, U64, Slice
from cloudos.sdk.contract import contract, operation

LONGEST = 64  # bytes of a name


@contract(number=13, version=1)
class Names:
    """What components have published for others. A name has 1 to 64 bytes, no spaces and no control characters."""

    handle: U64

    @operation(1, raises=(BadArgument, Denied, Exists, NoSpace, ServiceGone), shares=("capability",))
    def publish(self, name: Slice[U8], contract: U64, capability: U64) -> None:
        """Let others find a handle to a service, with the number of its contract.

        Who finds it calls with the badge of the handle. NoSpace: the caller has published 16 names, or there are 256.
        Denied: the handle lacks one of SEND, DERIVE, TRANSFER, GRANT, INSPECT. BadArgument: this is no name,
        or no handle to a service.
        """
        raise NotImplementedError

    @operation(2, raises=(NotFound, NoSpace, QuotaExceeded, ServiceGone), returns_handle=True)
    def look_up(self, name: Slice[U8]) -> U64:
        """A handle to what is published under a name: the caller's own, to close.

        QuotaExceeded: the caller has no room for it. NoSpace: the service has none.
        """
        raise NotImplementedError

    @operation(3, raises=(NotFound, ServiceGone))
    def contract_of(self, name: Slice[U8]) -> U64:
        """The number of the contract that the publisher gave."""
        raise NotImplementedError

    @operation(4, raises=(NotFound, Denied, ServiceGone))
    def withdraw(self, name: Slice[U8]) -> None:
        """Take back a name; handles that were found under it stay. Denied: somebody else published it."""
        raise NotImplementedError

    @operation(5, raises=(ServiceGone,), fills="into")
    def list(self, position: U64, into: Slice[U8]) -> U64:
        """Names from number `position` on, a zero byte after each; how many bytes, 0 at the end.

        Each is `name contract publisher`: the number of the contract, and the badge of who published it.
        """
        raise NotImplementedError
