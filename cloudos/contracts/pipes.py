"""Pipes between programs."""

from __future__ import annotations

from cloudos.abi.errors import QuotaExceeded
from cloudos.contracts.errors import ServiceGone
from cloudos.lang import U64
from cloudos.sdk.contract import contract, operation


@contract(number=12, version=1)
class Pipes:
    """Who makes pipes."""

    handle: U64

    @operation(1, raises=(QuotaExceeded, ServiceGone), returns_handle=2)
    def make(self) -> tuple[U64, U64]:
        """A pipe: handles to two `Stream`s, for reading and for writing."""
        raise NotImplementedError
