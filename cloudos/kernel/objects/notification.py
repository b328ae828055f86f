"""The notification: 64 signals that stay set until somebody takes them."""

from __future__ import annotations

from cloudos.abi.errors import OutOfMemory, QuotaExceeded
from cloudos.abi.objects import Kind
from cloudos.kernel.objects import cleanup
from cloudos.kernel.objects.header import Header, Quota
from cloudos.kernel.objects.thread import Thread, WaitQueue
from cloudos.lang import U64, Ptr, null, size_of, struct, zeroed

__all__ = ["OutOfMemory", "QuotaExceeded"]


@struct
class Notification:
    """`bits` is 0 while a thread waits. `bound`: the thread whose `message_receive` waits for signals as well."""

    header: Header = zeroed()
    bits: U64 = U64(0)
    waiters: WaitQueue = zeroed()
    bound: Ptr[Thread] = null()
    # An interrupt was bound to it.
    has_interrupts: bool = False


def create(quota: Quota) -> Ptr[Notification]:
    """A new notification without signals. Raises QuotaExceeded, OutOfMemory."""
    return cleanup.create(quota, Kind.NOTIFICATION, U64(size_of(Notification))).cast(Notification)
