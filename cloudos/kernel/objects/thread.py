"""The thread: its registers, its state, what it waits for.

A thread is in at most one queue (of a priority, an endpoint or a notification), on the list of waiters of at most one
capability, and in the timers at most once. `messages.py` and `sched/scheduler.py` change its state.
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
from cloudos.lang import U8, U32, U64, IntEnum, Ptr, enum, fast, inlined, null, struct, zeroed


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
    # Not its process's handler was told, but the pager of the memory that it touched, at this offset in bytes.
    asks_pager: bool = False
    page_offset: U64 = U64(0)
    # A suspension that takes effect when it would become ready.
    suspended: bool = False
    process: Ptr[Process] = null()
    schedule: Ptr[Schedule] = null()
    # Of the caller that is being served; null when the thread runs on its own.
    borrowed: Ptr[Schedule] = null()
    # Of a thread whose call was received: who serves it. Of a server: whom it serves, and whose time it uses.
    server: Ptr[Thread] = null()
    client: Ptr[Thread] = null()
    queue_next: Ptr[Thread] = null()
    queue_previous: Ptr[Thread] = null()
    # Of its process.
    next: Ptr[Thread] = null()
    previous: Ptr[Thread] = null()
    # Endpoint or notification in whose queue it is.
    waiting_on: Ptr[Header] = null()
    through: Ptr[Capability] = null()
    waiter_next: Ptr[Thread] = null()
    waiter_previous: Ptr[Thread] = null()
    deadline: U64 = U64(0)
    timer_index: U64 = U64(0)
    # Of the capability through which it sends.
    badge: U64 = U64(0)
    # Of the last fault.
    fault: Ptr[Fault] = null()
    fault_address: U64 = U64(0)
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


@struct
class ThreadQueue:
    """First in, first out, through the threads' own links."""

    first: Ptr[Thread] = null()
    last: Ptr[Thread] = null()

    @fast
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
