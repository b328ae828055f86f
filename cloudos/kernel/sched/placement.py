"""On which processor a thread runs soonest.

That of others is looked at without asking, so what is found need not be true any more: only whoever is alone may rely
on it.
"""

from __future__ import annotations

from cloudos.abi.messages import NEVER
from cloudos.kernel.hal import processors
from cloudos.kernel.objects.thread import Thread, ThreadState
from cloudos.kernel.sched.processor import PROCESSOR, Processor, home, processor_of
from cloudos.kernel.sched.requests import ALL, is_alone
from cloudos.kernel.sched.run_queue import RunQueue
from cloudos.lang import U64, Order, Ptr, VirtAddr, never_inlined, null


def may_stay(thread: Ptr[Thread]) -> bool:
    """Whether a thread's time is of the processor that it belongs to."""
    return _may_run(thread, home(thread))


@never_inlined
def _may_run(thread: Ptr[Thread], processor: Processor) -> bool:
    return thread.value.time().value.allows(processor.line.number)


@never_inlined
def is_best_here(thread: Ptr[Thread]) -> bool:
    """Whether a thread belongs to this processor, and nothing else runs or waits to run here: none is better."""
    # As `_load` and `may_stay` say, on the way of every message.
    if thread.value.processor != processors.this() or PROCESSOR.ready.count != 0:
        return False
    current = PROCESSOR.current
    if not current.is_null() and current.value.state == ThreadState.RUNNING:
        return False
    return thread.value.time().value.allows(PROCESSOR.line.number)


@never_inlined
def place(thread: Ptr[Thread]) -> bool:
    """Choose the processor where a thread runs soonest, if possible the one it has, or one near that. True: this one.

    Of those that its time is of.

    Of another one, it is put into the queue, and the processor told.
    """
    best = home(thread)
    node = best.line.lists
    least = _load(thread.value.processor) if may_stay(thread) else U64(NEVER)
    own = ALL.first
    # None is better than one with nothing to do.
    if least == 0:
        own = null()
    while not own.is_null():
        other = processor_of(own)
        load = _load(own.address)
        if other.line.lists != node:
            load += 1
        if load < least and _may_run(thread, other):
            least = load
            best = other
        own = other.line.next
    thread.value.processor = Ptr.to(best).address
    if thread.value.processor == processors.this():
        return True
    if is_alone():
        best.ready.append(thread)
        best.reschedule = True
    else:
        _send(thread, best)
    processors.interrupt(best.machine)
    return False


def _send(thread: Ptr[Thread], processor: Processor) -> None:
    """Leave a thread to a processor of which this one may not touch anything else."""
    while True:
        last = processor.line.sent.load(Order.RELAXED)
        thread.value.queue_next = Ptr.at(Thread, VirtAddr(last))
        if processor.line.sent.compare_exchange(last, thread.address.value, Order.RELEASE):
            return


@never_inlined
def take_in(processor: Processor) -> None:
    """Put the threads that others have sent to a processor, this or any while alone, into its queue."""
    thread = Ptr.at(Thread, VirtAddr(processor.line.sent.exchange(U64(0), Order.ACQUIRE)))
    while not thread.is_null():
        following = thread.value.queue_next
        processor.ready.append(thread)
        processor.reschedule = True
        thread = following


@never_inlined
def _load(address: VirtAddr) -> U64:
    """How busy the Processor at an address is: 0 when idle, else by what runs there first, then by how many wait."""
    # Of a Processor itself, callers would load all fields and pass them.
    processor = Ptr.at(Processor, address).value
    load = processor.ready.count.wrapping_shl(1)
    current = processor.current
    if not current.is_null() and current.value.state == ThreadState.RUNNING:
        load = load.wrapping_add((U64(current.value.priority) | 256).wrapping_shl(32))
    return load


@never_inlined
def longest() -> Ptr[RunQueue]:
    """The longest of all run queues, or what was that a moment ago. What an idle processor is about to take is its."""
    ready = PROCESSOR.ready
    own = ALL.first
    while not own.is_null():
        other = processor_of(own)
        least = ready.count
        if other.current.is_null():
            least = least.wrapping_add(1)
        if other.ready.count > least:
            ready = other.ready
        own = other.line.next
    return Ptr.to(ready)
