"""System calls on threads."""

from __future__ import annotations

from cloudos.abi.errors import (
    BadAddress,
    BadArgument,
    BadState,
    OutOfMemory,
    PeerGone,
    QuotaExceeded,
    TooManyHandles,
)
from cloudos.abi.messages import MessageBuffer
from cloudos.abi.objects import ALL_RIGHTS, Kind, Operation, Rights
from cloudos.kernel.hal import mmu, processors, timer, trap
from cloudos.kernel.hal.interface import Access
from cloudos.kernel.memory import page_faults, user_memory
from cloudos.kernel.objects import cleanup, memory, space, termination
from cloudos.kernel.objects.header import Header
from cloudos.kernel.objects.notification import Notification
from cloudos.kernel.objects.process import Process
from cloudos.kernel.objects.schedule import Schedule
from cloudos.kernel.objects.thread import Thread, ThreadState
from cloudos.kernel.sched import scheduler
from cloudos.kernel.sched.processor import PROCESSOR
from cloudos.kernel.security import capabilities, labels
from cloudos.lang import U8, U64, Ptr, Slice, UserPtr, never_inlined, size_of

__all__ = ["BadAddress", "OutOfMemory", "QuotaExceeded", "TooManyHandles"]


def create(process: Ptr[Process], schedule: Ptr[Schedule]) -> Ptr[Thread]:
    """A stopped thread with one reference, of its process; its `frame` is still to be prepared. Raises PeerGone,
    QuotaExceeded, OutOfMemory."""
    if process.value.ended:
        raise PeerGone
    quota = process.value.header.quota.value
    thread = cleanup.create(quota, Kind.THREAD, U64(size_of(Thread))).cast(Thread)
    made = thread.value
    made.process = process
    made.processor = processors.this()
    made.schedule = schedule
    made.priority = schedule.value.priority
    made.vectors.prepare()
    made.reply.header.kind = Kind.REPLY
    made.reply.header.references = U64(1)
    made.reply.caller = thread.cast(Header)
    made.next = process.value.threads.cast(Thread)
    if not made.next.is_null():
        made.next.value.previous = thread
    process.value.threads = thread.cast(Header)
    made.schedule_next = schedule.value.threads.cast(Thread)
    if not made.schedule_next.is_null():
        made.schedule_next.value.schedule_previous = thread
    schedule.value.threads = thread.cast(Header)
    cleanup.retain(process.cast(Header))
    cleanup.retain(schedule.cast(Header))
    return thread


def thread_create(process: Ptr[Process], schedule: Ptr[Schedule], entry: U64, stack: U64, argument: U64) -> U64:
    """System call."""
    end = mmu.user_end()
    if entry >= end or stack > end or stack % 16 != 0:
        raise BadArgument
    check_control(process)
    thread = create(process, schedule)
    thread.value.frame.prepare(entry, stack, argument, U64(0))
    try:
        return capabilities.insert_root(own_table(), thread.cast(Header), ALL_RIGHTS, U64(0))
    except (PeerGone, TooManyHandles, QuotaExceeded, OutOfMemory):
        termination.discard_thread(thread)
        raise


@never_inlined
def own_table() -> capabilities.CapabilityTable:
    """The handles of the calling process."""
    return PROCESSOR.current.value.process.value.table


def check_policy(process: Ptr[Process], operation: Operation) -> None:
    """Denied when policy does not let the caller's process do this to the other."""
    labels.check(own_table(), process.value.table, operation)


def check_control(process: Ptr[Process]) -> None:
    """Denied when policy does not let the caller's process control the other."""
    check_policy(process, Operation.CONTROL)


def thread_start(thread: Ptr[Thread]) -> None:
    """System call."""
    check_control(thread.value.process)
    if thread.value.state == ThreadState.STOPPED:
        scheduler.ready(thread)
    elif thread.value.state != ThreadState.DEAD and thread.value.suspended:
        thread.value.suspended = False
    else:
        raise BadState


def thread_suspend(thread: Ptr[Thread]) -> None:
    """System call."""
    check_control(thread.value.process)
    state = thread.value.state
    if state == ThreadState.DEAD:
        raise BadState
    if state == ThreadState.READY or state == ThreadState.RUNNING or state == ThreadState.EXHAUSTED:
        scheduler.stop(thread, ThreadState.STOPPED)
    elif state != ThreadState.STOPPED:
        thread.value.suspended = True


def thread_kill(thread: Ptr[Thread]) -> None:
    """System call."""
    check_control(thread.value.process)
    termination.end_thread(thread)


def thread_exit() -> None:
    """System call."""
    termination.end_thread(PROCESSOR.current)


def thread_yield() -> bool:
    """System call: whether another thread is current."""
    return scheduler.yield_turn()


def thread_sleep(duration_ns: U64) -> None:
    """System call."""
    scheduler.block_until(ThreadState.SLEEPING, timer.now().saturating_add(duration_ns))


def _check_stopped(thread: Ptr[Thread]) -> None:
    """BadState unless the registers stand still. Raises Denied."""
    check_control(thread.value.process)
    state = thread.value.state
    if state != ThreadState.STOPPED and not thread.value.in_fault:
        raise BadState


def thread_read_registers(thread: Ptr[Thread], buffer: UserPtr[U8]) -> None:
    """System call."""
    _check_stopped(thread)
    frame = Ptr.to(thread.value.frame).cast(U8)
    user_memory.copy_out(buffer.address, Slice.of(frame, U64(size_of(trap.UserFrame))))


def thread_write_registers(thread: Ptr[Thread], buffer: UserPtr[U8]) -> None:
    """System call."""
    _check_stopped(thread)
    copy = trap.UserFrame()
    user_memory.copy_in(Slice.of(Ptr.to(copy).cast(U8), U64(size_of(trap.UserFrame))), buffer.address)
    thread.value.frame.set_registers(copy)


def thread_set_buffer(address: U64) -> None:
    """System call."""
    thread = PROCESSOR.current.value
    process = thread.process.value
    if not thread.buffer.is_null():
        raise BadState
    made = memory.create_run(process.header.quota.value, U64(1), U64(0))
    page_faults.prepare_run(made.value)
    cleanup.retain(made.cast(Header))
    try:
        space.show(process.space, made, address, Access.READ | Access.WRITE, Rights.READ | Rights.WRITE)
    except (BadArgument, OutOfMemory, QuotaExceeded):
        cleanup.drop(made.cast(Header))
        raise
    thread.buffer = Ptr.at(MessageBuffer, mmu.direct(made.value.base))
    thread.buffer_memory = made
    thread.buffer_address = address


def thread_bind(notification: Ptr[Notification]) -> None:
    """System call."""
    thread = PROCESSOR.current
    if not thread.value.notification.is_null() or not notification.value.bound.is_null():
        raise BadState
    notification.value.bound = thread
    thread.value.notification = notification.cast(Header)
    cleanup.retain(notification.cast(Header))
