"""System calls on processes and schedules."""

from __future__ import annotations

from typing import Literal

from cloudos.abi import faults
from cloudos.abi.errors import (
    BadAddress,
    BadArgument,
    BadState,
    Denied,
    OutOfMemory,
    PeerGone,
    QuotaExceeded,
    TooManyHandles,
)
from cloudos.abi.objects import LABEL_BITS, MOST_HANDLE_FRAMES, Event, Operation, Rights
from cloudos.kernel import log
from cloudos.kernel.hal import console
from cloudos.kernel.memory import user_memory
from cloudos.kernel.objects import cleanup, process, schedule, termination
from cloudos.kernel.objects.header import Capability, Header, Quota
from cloudos.kernel.objects.notification import Notification
from cloudos.kernel.objects.notifications import hold
from cloudos.kernel.objects.process import FIRST, Process
from cloudos.kernel.objects.schedule import Schedule
from cloudos.kernel.objects.thread import Thread
from cloudos.kernel.objects.threads import check_control, check_policy, own_table
from cloudos.kernel.objects.waiting import refresh, signal
from cloudos.kernel.restart import Restart
from cloudos.kernel.sched import requests
from cloudos.kernel.sched.processor import PROCESSOR
from cloudos.kernel.security import audit, capabilities
from cloudos.kernel.security.labels import MATRIX, permits
from cloudos.lang import U8, U16, U32, U64, Array, Ptr, UserPtr, data

__all__ = ["BadAddress", "Denied", "OutOfMemory", "PeerGone", "QuotaExceeded", "TooManyHandles"]

FIRST_PRINTABLE = 0x20
LAST_PRINTABLE = 0x7E


def process_exit(status: U8) -> None:
    """System call."""
    caller = PROCESSOR.current.value.process
    if caller == FIRST.process:
        termination.report_exit(status)
    termination.end_process(caller, U64(status))


def process_panic(site: U32, message: UserPtr[U8], length: U64) -> None:
    """System call."""
    thread = PROCESSOR.current
    first = thread.value.process == FIRST.process
    if first:
        log.text(data(b"@panic"))
    else:
        log.text(data(b"a process is ended by a panic:"))
    log.address(data(b" site"), U64(site))
    log.text(data(b" message="))
    buffer = Array[U8, Literal[256]]()
    text = buffer.slice()[0 : min(length, buffer.length)]
    try:
        user_memory.copy_in(text, message.address)
        for index in U64.range(text.length):
            if text[index] < FIRST_PRINTABLE or text[index] > LAST_PRINTABLE:
                text[index] = U8(FIRST_PRINTABLE)
        console.LOG_PORT.write(text)
    except BadAddress:
        pass
    log.record(data(b""))
    if first:
        termination.backtrace(thread)
    termination.end_process(thread.value.process, faults.result(faults.PANIC))


def process_create(quota: Ptr[Quota], label: U64) -> U64:
    """System call."""
    most = label >> LABEL_BITS
    label = label & (1 << LABEL_BITS) - 1
    if label >= MATRIX.count or most >= MOST_HANDLE_FRAMES:
        raise BadArgument
    own = own_table().label
    if own != 0 and label != U64(own) and not permits(own, U8(label), Operation.CONTROL):
        raise Denied
    made = process.create(quota.value, U8(label))
    if most != 0:
        made.value.table.fewer = U16(MOST_HANDLE_FRAMES - most)
    PROCESSOR.current.value.process.value.adopt(made)
    audit.record(Event.PROCESS_CREATED, own_table(), made.value.table, U64(0))
    return hold(made.cast(Header))


def process_kill(target: Ptr[Process]) -> None:
    """System call."""
    check_control(target)
    termination.end_process(target, faults.result(faults.KILLED))
    if not target.value.threads.is_null():
        raise Restart


def process_inspect(target: Ptr[Process]) -> U64:
    """System call."""
    check_policy(target, Operation.INSPECT)
    if target.value.ended:
        return target.value.result + faults.ENDED
    return U64(0)


def process_bind(target: Ptr[Process], notification: Ptr[Notification], bits: U64) -> None:
    """System call."""
    check_policy(target, Operation.INSPECT)
    if bits == 0:
        raise BadArgument
    if not target.value.notification.is_null():
        raise BadState
    if target.value.gone:
        signal(notification, bits)
        return
    target.value.notification = notification.cast(Header)
    target.value.bits = bits
    cleanup.retain(notification.cast(Header))


def process_hand_over(target: Ptr[Process]) -> None:
    """System call."""
    caller = PROCESSOR.current.value.process
    if caller != FIRST.process:
        raise Denied
    if target.value.ended:
        raise PeerGone
    FIRST.supervisor = caller
    FIRST.process = target
    log.record(data(b"@program"))


def process_install(target: Ptr[Process], handle: U64, rights: U64, badge: U64) -> U64:
    """System call."""
    if target.value.ended:
        raise PeerGone
    source = capabilities.find(own_table(), handle)
    if rights == 0:
        return capabilities.derive(source, target.value.table, source.value.rights, badge)
    if rights & ~U64(source.value.rights) != 0:
        raise Denied
    return capabilities.derive(source, target.value.table, Rights(U32(rights)), badge)


def process_set_fault_endpoint(target: Ptr[Process], handler: Ptr[Capability]) -> None:
    """System call."""
    if target.value.ended:
        raise BadState
    check_control(target)
    old = target.value.fault_endpoint
    target.value.fault_endpoint = handler.value.object
    target.value.fault_badge = handler.value.badge
    cleanup.retain(handler.value.object)
    if not old.is_null():
        cleanup.drop(old)


def schedule_create(quota: Ptr[Quota], priority: U64, budget_ns: U64, period_ns: U64) -> U64:
    """System call."""
    _check_priority(priority)
    made = schedule.create(quota.value, priority, budget_ns, period_ns)
    own = PROCESSOR.current.value.schedule.value
    made.value.first = own.first
    made.value.processors = own.processors
    return hold(made.cast(Header))


def _check_priority(priority: U64) -> None:
    """Denied for more than the caller's own schedule has."""
    if priority > U64(PROCESSOR.current.value.schedule.value.priority):
        raise Denied


def schedule_change(target: Ptr[Schedule], priority: U64, budget_ns: U64, period_ns: U64) -> None:
    """System call. The schedule's threads learn of it one by one, on the way out of the kernel."""
    schedule.check(priority, budget_ns, period_ns)
    _check_priority(priority)
    target.value.priority = U8(priority)
    target.value.budget.set(budget_ns, period_ns)
    _tell(target)


def schedule_place(target: Ptr[Schedule], first: U64, count: U64) -> None:
    """System call. The schedule's threads learn of it as of other changes."""
    if not requests.is_one_of(first, count):
        raise BadArgument
    own = PROCESSOR.current.value.schedule.value
    count = min(count, U64(schedule.ALL_PROCESSORS) - first)
    if first < U64(own.first) or first + count > U64(own.first) + U64(own.processors):
        raise Denied
    target.value.first = U32.truncate(first)
    target.value.processors = U32.truncate(count)
    _tell(target)


def _tell(target: Ptr[Schedule]) -> None:
    """Have all threads of a schedule look at it anew, one by one."""
    target.value.changed = target.value.threads
    cleanup.queue(target.cast(Header))
    PROCESSOR.reschedule = True


def tell_step(changed: Schedule) -> bool:
    """Tell one thread of a change; whether there was none."""
    thread = changed.changed.cast(Thread)
    if thread.is_null():
        return True
    changed.changed = thread.value.schedule_next.cast(Header)
    refresh(thread)
    return False
