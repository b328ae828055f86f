"""The policy in force, to be read: which label may do what to which."""

from __future__ import annotations

from cloudos.abi.errors import NotFound
from cloudos.contracts.errors import ServiceGone
from cloudos.lang import U8, U64, Slice
from cloudos.sdk.contract import contract, operation


@contract(number=14, version=1)
class Policies:
    """The matrix of labels that the machine was started with."""

    handle: U64

    @operation(1, raises=(ServiceGone,), fills="into")
    def labels(self, position: U64, into: Slice[U8]) -> U64:
        """Labels from number `position` on, a zero byte after each; how many bytes, 0 at the end.

        Each is `number name`, or `number` for a label whose name is not known. Without a policy there are none.
        """
        raise NotImplementedError

    @operation(2, raises=(NotFound, ServiceGone))
    def allowed(self, subject: U64, object: U64) -> U64:
        """What who has the one label may do to who has the other: bits of `cloudos.abi.objects.Operation`.

        Without a policy, all of them. NotFound: the policy has no such label.
        """
        raise NotImplementedError
