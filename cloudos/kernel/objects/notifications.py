"""System calls on notifications and endpoints."""

from __future__ import annotations

from cloudos.abi.errors import OutOfMemory, PeerGone, QuotaExceeded, TooManyHandles, WouldBlock
from cloudos.abi.objects import ALL_RIGHTS
from cloudos.kernel.objects import cleanup, endpoint, notification, waiting
from cloudos.kernel.objects.header import Capability, Header, Quota
from cloudos.kernel.objects.notification import Notification
from cloudos.kernel.objects.thread import ThreadState
from cloudos.kernel.objects.threads import own_table
from cloudos.kernel.objects.waiting import signal
from cloudos.kernel.restart import Restart
from cloudos.kernel.sched.processor import PROCESSOR
from cloudos.kernel.sched.requests import is_alone
from cloudos.kernel.security import capabilities
from cloudos.lang import U64, Ptr

__all__ = ["OutOfMemory", "PeerGone", "QuotaExceeded", "TooManyHandles", "WouldBlock", "signal"]


def hold(object: Ptr[Header]) -> U64:
    """A handle to a new object for the caller, who is the only one to refer to it. The object ends if that fails.

    Raises PeerGone, TooManyHandles, QuotaExceeded, OutOfMemory.
    """
    try:
        return capabilities.insert_root(own_table(), object, ALL_RIGHTS, U64(0))
    finally:
        cleanup.drop(object)


def endpoint_create(quota: Ptr[Quota]) -> U64:
    """System call."""
    return hold(endpoint.create(quota.value).cast(Header))


def notification_create(quota: Ptr[Quota]) -> U64:
    """System call."""
    return hold(notification.create(quota.value).cast(Header))


def notification_signal(target: Ptr[Notification], bits: U64) -> None:
    """System call."""
    if not is_alone() and not waiting.is_within_reach(target):
        raise Restart
    if bits != 0:
        signal(target, bits)


def notification_wait(capability: Ptr[Capability], deadline: U64) -> U64:
    """System call. When it has to wait, the result is set by who wakes the thread."""
    target = capability.value.object.cast(Notification)
    bits = target.value.bits
    if bits == 0:
        waiting.wait(ThreadState.WAITING, capability, deadline)
        target.value.waiters.insert(PROCESSOR.current)
    target.value.bits = U64(0)
    return bits
