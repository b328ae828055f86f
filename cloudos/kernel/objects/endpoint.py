"""The endpoint: where senders and receivers meet. One of its two queues is always empty."""

from __future__ import annotations

from cloudos.abi.errors import OutOfMemory, QuotaExceeded
from cloudos.abi.objects import Kind
from cloudos.kernel.objects import cleanup
from cloudos.kernel.objects.header import Header, Quota
from cloudos.kernel.objects.thread import WaitQueue
from cloudos.lang import U64, Ptr, size_of, struct, zeroed

__all__ = ["OutOfMemory", "QuotaExceeded"]


@struct
class Endpoint:
    """Threads that wait to send or to call, and threads that wait to receive, each the most urgent first."""

    header: Header = zeroed()
    senders: WaitQueue = zeroed()
    receivers: WaitQueue = zeroed()


def create(quota: Quota) -> Ptr[Endpoint]:
    """A new endpoint. Raises QuotaExceeded, OutOfMemory."""
    return cleanup.create(quota, Kind.ENDPOINT, U64(size_of(Endpoint))).cast(Endpoint)
