"""How threads wait, and how their waiting ends.

What `waiting_on`, `through` and the queues say about a thread is kept in step by `wait` and `detach` alone (and by the
fast path of messages).
"""

from __future__ import annotations

from cloudos.abi import tags
from cloudos.abi.errors import Cancelled, TimedOut, WouldBlock
from cloudos.kernel.objects import termination
from cloudos.kernel.objects.console import STREAMS
from cloudos.kernel.objects.endpoint import Endpoint
from cloudos.kernel.objects.header import Capability, Header
from cloudos.kernel.objects.notification import Notification
from cloudos.kernel.objects.process import Process
from cloudos.kernel.objects.thread import Thread, ThreadState, WaitQueue
from cloudos.kernel.restart import Restart
from cloudos.kernel.sched import placement, scheduler
from cloudos.kernel.sched.processor import PROCESSOR, home
from cloudos.kernel.sched.requests import is_alone, reaches
from cloudos.kernel.security import capabilities
from cloudos.lang import U8, U64, Ptr, VirtAddr, fast, inlined, never_inlined, null, offset_of

# So many threads of a queue are looked through.
FEW = 16
# Of so many threads of one process it is not asked whether all are at hand. That may be asked four times in a call.
MANY = 12
TABLE = int(offset_of(Process, "table"))


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
    following = first
    while not following.is_null():
        thread = following
        # Once it is ready another processor may run it.
        following = thread.value.server
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


@inlined
def is_timed(thread: Ptr[Thread]) -> bool:
    """Whether a thread sleeps or is exhausted: only time lets it go on."""
    return U8(thread.value.state) >= U8(ThreadState.SLEEPING)


def is_ours(thread: Ptr[Thread]) -> bool:
    """Whether this processor may wake a thread in its timers: all that this changes is within reach, or it is alone."""
    if is_alone():
        return True
    if not has_our_time(thread):
        return False
    if is_timed(thread):
        return True
    if thread.value.state == ThreadState.CALLING:
        return _may_end(thread)
    return _waits_within_reach(thread)


@never_inlined
def _waits_within_reach(thread: Ptr[Thread]) -> bool:
    """Whether a thread that waits does that for what is within reach."""
    object = thread.value.waiting_on
    return not object.is_null() and reaches(object.value.home)


@never_inlined
def _may_end(caller: Ptr[Thread]) -> bool:
    """Whether this processor may end a call of a thread in its timers: so that whoever serves that serves nobody.

    What servers say of themselves may be old, or half changed by another processor. But who answers the latest call
    that a thread has taken, or makes it take another one, has what that thread runs or waits in, and who answers an
    earlier one has the table of replies. So what is said here is true if that is within reach.
    """
    table = capabilities.table_of(caller.value.reply.header.capabilities)
    if not reaches(Ptr.at(Process, VirtAddr(Ptr.to(table).address.value.wrapping_sub(TABLE))).value.header.home):
        return False
    last = last_of(caller)
    return last == caller or (_is_at_hand(last) and scheduler.counts(last))


@never_inlined
def last_of(caller: Ptr[Thread]) -> Ptr[Thread]:
    """Who serves a thread, or that one, and so on: the one that waits for none of them. Perhaps the thread itself."""
    last = caller
    while not last.value.server.is_null():
        last = last.value.server
    return last


@never_inlined
def are_at_hand(first: Ptr[Thread]) -> bool:
    """Whether data within reach names all threads of a process, which are not many, or whoever serves them."""
    thread = first
    for _ in U64.range(MANY):
        if thread.is_null():
            return True
        if not _is_at_hand(last_of(thread)):
            return False
        thread = thread.value.next
    return False


def _is_at_hand(thread: Ptr[Thread]) -> bool:
    """Whether data within reach names a thread: as running, in the timers, or among the first FEW of a queue."""
    queue = _queue_of(thread)
    found: Ptr[Thread] = null()
    if not queue.is_null():
        if not _waits_within_reach(thread):
            return False
        found = queue.value.first
    else:
        processor = home(thread)
        if not reaches(processor.line.number):
            return False
        if thread == processor.current:
            return True
        if is_timed(thread):
            return processor.timers.holds(thread)
        found = processor.ready.queues[U64(thread.value.priority)].first
    for _ in U64.range(FEW):
        if found == thread:
            return True
        if found.is_null():
            break
        found = found.value.queue_next
    return False


@never_inlined
def has_our_time(thread: Ptr[Thread]) -> bool:
    """Of a thread that is blocked: it neither waits for its fault to be dealt with nor for a deadline elsewhere."""
    if thread.value.in_fault:
        return False
    return thread.value.timer_rank == 0 or reaches(home(thread).line.number)


@never_inlined
def check_ours(other: Ptr[Thread]) -> None:
    """A thread that waits at an endpoint of this processor's, or for its answer, may be woken, if one is named. Raises
    Restart."""
    if not other.is_null() and not is_alone() and not has_our_time(other):
        raise Restart


def is_within_reach(target: Ptr[Notification]) -> bool:
    """Whether this processor may signal it without being alone in the kernel.

    A bound thread may be about to cease to receive, elsewhere; it does not begin to while the notification is here.
    """
    if not reaches(target.value.header.home):
        return False
    waiter = target.value.waiters.first
    if waiter.is_null():
        waiter = target.value.bound
        if waiter.is_null() or not _receives(waiter):
            return True
    return has_our_time(waiter) and _waits_within_reach(waiter)


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


def wake_one(capability: Ptr[Capability]) -> None:
    """Cancel the system call of a thread that waits through a capability."""
    cancel(capability.value.waiters.cast(Thread), U64(Cancelled.code))


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
    """Of a thread that is bound to a notification: whether it waits to receive. It has that notification when it
    begins."""
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
