"""The record of security events, chained by hash so that no change of it goes unnoticed."""

from __future__ import annotations

from cloudos.contracts.errors import ServiceGone
from cloudos.lang import U8, U64, Slice
from cloudos.sdk.contract import contract, operation


@contract(number=11, version=1)
class Audit:
    """The chained records."""

    handle: U64

    @operation(1, raises=(ServiceGone,), fills="into")
    def read(self, position: U64, into: Slice[U8]) -> U64:
        """The record of number `position`, as text; how many bytes, 0: there is none yet."""
        raise NotImplementedError

    @operation(2, raises=(ServiceGone,))
    def verify(self) -> tuple[U64, U64]:
        """Compute the chain anew: how many records there are, and how many are sound from the first on."""
        raise NotImplementedError
