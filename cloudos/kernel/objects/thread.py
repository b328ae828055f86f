"""The thread: its registers, its state, what it waits for.

A thread is in at most one queue (of a priority, an endpoint or a notification), on the list of waiters of at most one
capability, and in the timers at most once. `message.py`, `waiting.py` and `sched/scheduler.py` change its state.
"""

from __future__ import annotations

from cloudos.abi.faults import Fault
from cloudos.abi.messages import MessageBuffer
from cloudos.kernel.hal import trap
from cloudos.kernel.memory.structures import Memory
from cloudos.kernel.objects.header import Capability, Header
from cloudos.kernel.objects.process import Process
from cloudos.kernel.objects.reply import Reply
from cloudos.kernel.objects.schedule import Schedule
from cloudos.lang import (
    U8,
    U32,
    U64,
    IntEnum,
    Ptr,
    VirtAddr,
    enum,
    fast,
    inlined,
    null,
    offset_of,
    size_of,
    struct,
    zeroed,
)

# So that the length of a chain of servers is bounded, and with it the work of telling them of a change.
MAXIMUM_DEPTH = 64


@enum(U8)
class ThreadState(IntEnum):
    """What a thread does. All but READY, RUNNING, STOPPED and DEAD are blocked."""

    STOPPED = 0
    READY = 1
    RUNNING = 2
    # Queued at an endpoint to send or to call.
    SENDING = 3
    RECEIVING = 4
    # Its call was received; waits for the reply.
    CALLING = 5
    # For a notification, or for the console.
    WAITING = 6
    SLEEPING = 7
    # Its schedule has no time left.
    EXHAUSTED = 8
    DEAD = 9


@struct(align=16)
class Thread:
    """A thread object."""

    header: Header = zeroed()
    # What is used most stands within the reach of short instructions.
    state: ThreadState = ThreadState.STOPPED
    # Effective, with what callers lend; the thread's own is its schedule's.
    priority: U8 = U8(0)
    # While SENDING: a reply is wanted.
    is_call: bool = False
    # A fault message instead of registers; its reply resumes the thread.
    in_fault: bool = False
    # Not its process's handler was told, but the pager of the memory that it touched, at `page_offset` in bytes.
    asks_pager: bool = False
    # A suspension that takes effect when it would become ready.
    suspended: bool = False
    # How many calls deep the last call was that it received: time and priority go along at most MAXIMUM_DEPTH.
    depth: U8 = U8(0)
    process: Ptr[Process] = null()
    schedule: Ptr[Schedule] = null()
    # Of the caller that is being served; null when the thread runs on its own.
    borrowed: Ptr[Schedule] = null()
    # Of a thread whose call was received: who serves it. Of a server: whom it serves, and whose time it uses.
    server: Ptr[Thread] = null()
    client: Ptr[Thread] = null()
    queue_next: Ptr[Thread] = null()
    queue_previous: Ptr[Thread] = null()
    # Endpoint or notification in whose queue it is.
    waiting_on: Ptr[Header] = null()
    # See WaitQueue.
    other: Ptr[Thread] = null()
    # The address of the Processor that it belongs to.
    processor: VirtAddr = zeroed()
    # Of its process.
    next: Ptr[Thread] = null()
    previous: Ptr[Thread] = null()
    # Of its schedule.
    schedule_next: Ptr[Thread] = null()
    schedule_previous: Ptr[Thread] = null()
    through: Ptr[Capability] = null()
    waiter_next: Ptr[Thread] = null()
    waiter_previous: Ptr[Thread] = null()
    deadline: U64 = U64(0)
    # Among those of its processor, see `sched/timers.py`.
    timer_rank: U64 = U64(0)
    timer_left: Ptr[Thread] = null()
    timer_right: Ptr[Thread] = null()
    timer_parent: Ptr[Thread] = null()
    # Of the capability through which it sends.
    badge: U64 = U64(0)
    # Of the last fault.
    fault: Ptr[Fault] = null()
    fault_address: U64 = U64(0)
    page_offset: U64 = U64(0)
    # What that capability allows.
    through_rights: U32 = U32(0)
    buffer: Ptr[MessageBuffer] = null()
    buffer_address: U64 = U64(0)
    buffer_memory: Ptr[Memory] = null()
    # The slot that its next received call will fill.
    reply_slot: Ptr[Capability] = null()
    reply_index: U64 = U64(0)
    # Bound notification.
    notification: Ptr[Header] = null()
    frame: trap.UserFrame = zeroed()
    vectors: trap.VectorState = zeroed()
    reply: Reply = zeroed()

    @inlined
    def time(self) -> Ptr[Schedule]:
        """The schedule that the thread runs on."""
        if self.borrowed.is_null():
            return self.schedule
        return self.borrowed


# The hardware layer knows the way from one to the other.
assert offset_of(Thread, "vectors") == offset_of(Thread, "frame") + size_of(trap.UserFrame)
# Processors put registers there that align their stack pointer first. A copy elsewhere needs no such place.
assert offset_of(Thread, "frame") % 16 == 0 and size_of(trap.UserFrame) % 16 == 0, "move a field behind the frame"


@struct
class ThreadQueue:
    """First in, first out, through the threads' own links."""

    first: Ptr[Thread] = null()
    last: Ptr[Thread] = null()

    @inlined
    def append(self, thread: Ptr[Thread]) -> None:
        """Put at the end."""
        thread.value.queue_next = null()
        thread.value.queue_previous = self.last
        if self.last.is_null():
            self.first = thread
        else:
            self.last.value.queue_next = thread
        self.last = thread

    def prepend(self, thread: Ptr[Thread]) -> None:
        """Put at the front."""
        thread.value.queue_previous = null()
        thread.value.queue_next = self.first
        if self.first.is_null():
            self.last = thread
        else:
            self.first.value.queue_previous = thread
        self.first = thread

    @inlined
    def remove_first(self, thread: Ptr[Thread]) -> None:
        """Take out the thread that is first in this queue."""
        self.first = thread.value.queue_next
        if self.first.is_null():
            self.last = null()
        else:
            self.first.value.queue_previous = null()

    @fast
    def remove(self, thread: Ptr[Thread]) -> None:
        """Take out a thread that is in this queue."""
        leaving = thread.value
        if leaving.queue_previous.is_null():
            self.first = leaving.queue_next
        else:
            leaving.queue_previous.value.queue_next = leaving.queue_next
        if leaving.queue_next.is_null():
            self.last = leaving.queue_previous
        else:
            leaving.queue_next.value.queue_previous = leaving.queue_previous


@struct
class WaitQueue:
    """The most urgent first, first in first out among equals.

    The first and the last thread of a priority refer to each other by `other`, which is null in all between and in one
    that is alone: so a place is found in as many steps as there are priorities.
    """

    first: Ptr[Thread] = null()
    last: Ptr[Thread] = null()

    @inlined
    def ends_above(self, priority: U8) -> bool:
        """Whether a thread of this priority belongs before the last one."""
        return not self.last.is_null() and self.last.value.priority < priority

    def insert(self, thread: Ptr[Thread]) -> None:
        """Put where it belongs: behind all that are as urgent or more."""
        before = self.last
        following: Ptr[Thread] = null()
        if self.ends_above(thread.value.priority):
            before = null()
            following = self.first
            while following.value.priority >= thread.value.priority:
                before = following if following.value.other.is_null() else following.value.other
                following = before.value.queue_next
        thread.value.queue_next = following
        thread.value.queue_previous = before
        if following.is_null():
            self.last = thread
        else:
            following.value.queue_previous = thread
        if before.is_null():
            self.first = thread
        else:
            before.value.queue_next = thread
            _join(before, thread)

    @inlined
    def append(self, thread: Ptr[Thread]) -> None:
        """Put a thread at the end that belongs there."""
        last = self.last
        thread.value.queue_next = null()
        thread.value.queue_previous = last
        self.last = thread
        if last.is_null():
            self.first = thread
        else:
            last.value.queue_next = thread
            _join(last, thread)

    @inlined
    def remove_first(self, thread: Ptr[Thread]) -> None:
        """Take out the thread that is first in this queue."""
        following = thread.value.queue_next
        self.first = following
        if following.is_null():
            self.last = null()
        else:
            following.value.queue_previous = null()
            _leave(thread, following)

    def remove(self, thread: Ptr[Thread]) -> None:
        """Take out a thread that is in this queue."""
        following = thread.value.queue_next
        before = thread.value.queue_previous
        leads = before.is_null() or before.value.priority != thread.value.priority
        _leave(thread, following if leads else before)
        if before.is_null():
            self.first = following
        else:
            before.value.queue_next = following
        if following.is_null():
            self.last = before
        else:
            following.value.queue_previous = before


@inlined
def _join(last: Ptr[Thread], thread: Ptr[Thread]) -> None:
    """A thread stands behind the last of a priority, perhaps its own."""
    if last.value.priority == thread.value.priority:
        first = last if last.value.other.is_null() else last.value.other
        last.value.other = null()
        first.value.other = thread
        thread.value.other = first


@inlined
def _leave(thread: Ptr[Thread], neighbour: Ptr[Thread]) -> None:
    """The first or last of a priority goes: the next one, if there is another, takes its place."""
    other = thread.value.other
    if not other.is_null():
        thread.value.other = null()
        other.value.other = null()
        if neighbour != other:
            other.value.other = neighbour
            neighbour.value.other = other
