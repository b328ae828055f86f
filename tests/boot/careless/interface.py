"""The contract of a component that gives away what it should keep."""

from __future__ import annotations

from cloudos.abi.errors import Denied, QuotaExceeded
from cloudos.contracts.errors import ServiceGone
from cloudos.lang import U64
from cloudos.sdk.contract import contract, operation

NUMBER = 903


@contract(number=NUMBER, version=1)
class Careless:
    """Found under the name `careless`."""

    handle: U64

    @operation(1, raises=(Denied, QuotaExceeded, ServiceGone), returns_handle=True)
    def process(self) -> U64:
        """The process of the service, with all rights."""
        raise NotImplementedError
