"""How threads wait, and how their waiting ends.

What `waiting_on`, `through` and the queues say about a thread is kept in step by `wait` and `detach` alone (and by the
fast path of messages).
"""

from __future__ import annotations

from cloudos.abi import tags
from cloudos.abi.errors import Cancelled, TimedOut, WouldBlock
from cloudos.kernel.hal import processors
from cloudos.kernel.objects import cleanup, termination
from cloudos.kernel.objects.console import STREAMS
from cloudos.kernel.objects.endpoint import Endpoint
from cloudos.kernel.objects.header import Capability, Header
from cloudos.kernel.objects.notification import Notification
from cloudos.kernel.objects.thread import Thread, ThreadState, WaitQueue
from cloudos.kernel.restart import Restart
from cloudos.kernel.sched import placement, scheduler
from cloudos.kernel.sched.processor import PROCESSOR, home
from cloudos.kernel.sched.requests import is_alone, reaches
from cloudos.kernel.security import capabilities
from cloudos.lang import U8, U64, Ptr, fast, inlined, never_inlined, null, struct


@inlined
def join_waiters(thread: Ptr[Thread], capability: Ptr[Capability]) -> None:
    """The thread waits through this capability: it is woken when that is taken away."""
    first = capability.value.waiters.cast(Thread)
    thread.value.through = capability
    thread.value.waiter_next = first
    thread.value.waiter_previous = null()
    if not first.is_null():
        first.value.waiter_previous = thread
    capability.value.waiters = thread.cast(Header)


@inlined
def leave_waiters(thread: Ptr[Thread]) -> None:
    """The thread does not wait through a capability any more, if it did."""
    leaving = thread.value
    if leaving.through.is_null():
        return
    if leaving.waiter_previous.is_null():
        leaving.through.value.waiters = leaving.waiter_next.cast(Header)
    else:
        leaving.waiter_previous.value.waiter_next = leaving.waiter_next
    if not leaving.waiter_next.is_null():
        leaving.waiter_next.value.waiter_previous = leaving.waiter_previous
    leaving.through = null()


def wait(state: ThreadState, capability: Ptr[Capability], deadline: U64) -> None:
    """The current thread waits through a capability; the caller puts it into the object's queue. Raises WouldBlock."""
    if deadline == 0:
        raise WouldBlock
    thread = PROCESSOR.current
    thread.value.waiting_on = capability.value.object
    join_waiters(thread, capability)
    scheduler.block_until(state, deadline)


@fast
def detach(thread: Ptr[Thread]) -> None:
    """Take a thread out of whatever it waits for. Its state is still the old one."""
    scheduler.cancel_timer(thread)
    leave_waiters(thread)
    queue = _queue_of(thread)
    if not queue.is_null():
        queue.value.remove(thread)
    elif thread.value.state == ThreadState.CALLING:
        _abandon_call(thread)
    thread.value.waiting_on = null()


def _queue_of(thread: Ptr[Thread]) -> Ptr[WaitQueue]:
    """Where a thread waits for its turn, if it does."""
    object = thread.value.waiting_on
    state = thread.value.state
    if object.is_null():
        # Of threads in any other state: taken out already, about to be woken.
        if state == ThreadState.WAITING:
            return Ptr.to(STREAMS.readers)
    elif state == ThreadState.SENDING:
        return Ptr.to(object.cast(Endpoint).value.senders)
    elif state == ThreadState.RECEIVING:
        return Ptr.to(object.cast(Endpoint).value.receivers)
    elif state == ThreadState.WAITING:
        return Ptr.to(object.cast(Notification).value.waiters)
    nowhere: Ptr[WaitQueue] = null()
    return nowhere


def _abandon_call(caller: Ptr[Thread]) -> None:
    """Nobody waits for the reply any more."""
    slot = caller.value.reply.header.capabilities
    if not slot.is_null():
        caller.value.reply.header.capabilities = null()
        capabilities.give_slot(capabilities.table_of(slot), slot)
    stop_donation(caller)


def stop_donation(caller: Ptr[Thread]) -> None:
    """Whoever serves the caller, and whoever serves those servers, runs on other time from here on."""
    server = caller.value.server
    if not server.is_null():
        caller.value.server = null()
        server.value.client = null()
        server.value.depth = U8(0)
        refresh(server)


def refresh(first: Ptr[Thread]) -> None:
    """Work out anew on which time a thread runs and at which priority, and then for those that serve it."""
    thread = first
    while not thread.is_null():
        scheduler.settle(thread)
        priority = thread.value.schedule.value.priority
        thread.value.borrowed = null()
        client = thread.value.client
        if not client.is_null():
            thread.value.borrowed = client.value.time()
            priority = max(priority, client.value.priority)
        _set_priority(thread, priority)
        if thread.value.state == ThreadState.EXHAUSTED:
            # There may be time now.
            scheduler.cancel_timer(thread)
            scheduler.ready(thread)
        elif thread.value.state == ThreadState.READY and not placement.may_stay(thread):
            home(thread).ready.remove(thread)
            scheduler.ready(thread)
        thread = thread.value.server


def _set_priority(thread: Ptr[Thread], priority: U8) -> None:
    """Change the effective priority, and with it the place in whatever queue the thread is."""
    if thread.value.priority == priority:
        return
    queue = _queue_of(thread)
    is_ready = thread.value.state == ThreadState.READY
    if is_ready:
        home(thread).ready.remove(thread)
    elif not queue.is_null():
        queue.value.remove(thread)
    thread.value.priority = priority
    if is_ready:
        scheduler.ready(thread)
    elif not queue.is_null():
        queue.value.insert(thread)
    PROCESSOR.reschedule = True


def cancel(thread: Ptr[Thread], error: U64) -> None:
    """A blocked thread goes on, with an error from its system call."""
    detach(thread)
    if thread.value.in_fault:
        termination.die_of_fault(thread)
        return
    thread.value.frame.fail(error)
    scheduler.wake(thread)


def is_ours(thread: Ptr[Thread]) -> bool:
    """Whether this processor may wake a thread that is blocked: all that this changes is within reach, or it is alone.

    May be asked of any thread: nobody else blocks one so that the answer would be yes, or wakes such a one.
    """
    if is_alone():
        return True
    if not has_our_time(thread):
        return False
    state = thread.value.state
    if state == ThreadState.SLEEPING or state == ThreadState.EXHAUSTED:
        return True
    object = thread.value.waiting_on
    if object.is_null() or not reaches(object.value.home):
        return False
    return state == ThreadState.RECEIVING or state == ThreadState.WAITING or state == ThreadState.SENDING


@never_inlined
def has_our_time(thread: Ptr[Thread]) -> bool:
    """Of a thread that is blocked: it neither waits for its fault to be dealt with nor for a deadline elsewhere."""
    if thread.value.in_fault:
        return False
    is_here = thread.value.timer_rank == 0 or thread.value.processor == processors.this()
    return is_here or reaches(home(thread).line.number)


@never_inlined
def check_ours(other: Ptr[Thread]) -> None:
    """A thread that waits at an endpoint of this processor's, if one is named, may be woken. Raises Restart."""
    if not other.is_null() and not is_alone() and not has_our_time(other):
        raise Restart


def is_within_reach(target: Ptr[Notification]) -> bool:
    """Whether this processor may signal it without being alone in the kernel."""
    if not reaches(target.value.header.home):
        return False
    waiter = target.value.waiters.first
    if waiter.is_null():
        waiter = target.value.bound
        if waiter.is_null() or not _receives(waiter):
            return True
    return is_ours(waiter)


def expire(thread: Ptr[Thread]) -> None:
    """The thread's deadline has passed; it is out of the timers."""
    state = thread.value.state
    if state == ThreadState.EXHAUSTED:
        scheduler.ready(thread)
    elif state == ThreadState.SLEEPING:
        thread.value.frame.finish(U64(0))
        scheduler.wake(thread)
    else:
        cancel(thread, U64(TimedOut.code))


@struct
class Waker:
    """See `cleanup.Waker`."""

    unused: U64 = U64(0)

    def wake_one(self, capability: Ptr[Capability]) -> None:
        """Cancel the system call of a thread that waits through the capability."""
        cancel(capability.value.waiters.cast(Thread), U64(Cancelled.code))


cleanup.THREADS.waker = Waker()


# Signals


def signal(target: Ptr[Notification], bits: U64) -> None:
    """Wake the first thread that waits, or keep the signals for the next."""
    waiter = target.value.waiters.first
    if not waiter.is_null():
        detach(waiter)
        waiter.value.frame.finish(bits)
        scheduler.wake(waiter)
    elif not _resume_receiver(target, target.value.bits | bits):
        target.value.bits = target.value.bits | bits


@inlined
def _receives(bound: Ptr[Thread]) -> bool:
    """Of a thread that is bound to a notification: whether it waits to receive. It begins that only while alone."""
    return bound.value.state == ThreadState.RECEIVING


def _resume_receiver(notification: Ptr[Notification], bits: U64) -> bool:
    """Let a thread that receives, and is bound to the notification, have the signals; whether there was one."""
    bound = notification.value.bound
    if bound.is_null() or not _receives(bound):
        return False
    detach(bound)
    set_signals(bound, bits)
    scheduler.wake(bound)
    return True


def set_signals(receiver: Ptr[Thread], bits: U64) -> None:
    """Let signals be the message that a thread receives."""
    receiver.value.frame.set_message(U64(0), U64(tags.SIGNALS_TAG), bits, U64(0), U64(0), U64(0))
