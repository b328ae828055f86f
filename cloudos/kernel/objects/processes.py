"""System calls on processes and schedules."""

from __future__ import annotations

from typing import Literal

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
from cloudos.abi.objects import Rights
from cloudos.kernel import log
from cloudos.kernel.hal import console
from cloudos.kernel.memory import user_memory
from cloudos.kernel.objects import cleanup, process, schedule, termination
from cloudos.kernel.objects.header import Capability, Header, Quota
from cloudos.kernel.objects.notifications import hold
from cloudos.kernel.objects.process import FIRST, Process
from cloudos.kernel.objects.schedule import Schedule
from cloudos.kernel.objects.threads import check_control, own_table
from cloudos.kernel.sched.processor import PROCESSOR
from cloudos.kernel.security import capabilities
from cloudos.kernel.security.labels import MATRIX
from cloudos.lang import U8, U32, U64, Array, Ptr, UserPtr, data

__all__ = ["BadAddress", "Denied", "OutOfMemory", "PeerGone", "QuotaExceeded", "TooManyHandles"]

FIRST_PRINTABLE = 0x20
LAST_PRINTABLE = 0x7E
ENDED = 1 << 8


def process_exit(status: U8) -> None:
    """System call."""
    caller = PROCESSOR.current.value.process
    caller.value.status = status
    if caller == FIRST.process:
        termination.report_exit(status)
    termination.end_process(caller)


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
    thread.value.process.value.status = U8(134)
    termination.end_process(thread.value.process)


def process_create(quota: Ptr[Quota], label: U64) -> U64:
    """System call."""
    if label >= MATRIX.count:
        raise BadArgument
    own = own_table().label
    if own != 0 and label != U64(own):
        raise Denied
    return hold(process.create(quota.value, U8(label)).cast(Header))


def process_kill(target: Ptr[Process]) -> None:
    """System call."""
    if target.value.ended:
        raise BadState
    check_control(target)
    termination.end_process(target)


def process_inspect(target: Ptr[Process]) -> U64:
    """System call."""
    if target.value.ended:
        return U64(ENDED) | U64(target.value.status)
    return U64(0)


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
    return hold(schedule.create(quota.value, priority, budget_ns, period_ns).cast(Header))


def _check_priority(priority: U64) -> None:
    """Denied for more than the caller's own schedule has."""
    if priority > U64(PROCESSOR.current.value.schedule.value.priority):
        raise Denied


def schedule_change(target: Ptr[Schedule], priority: U64, budget_ns: U64, period_ns: U64) -> None:
    """System call. Threads take the new priority when they next become ready of their own."""
    schedule.check(priority, budget_ns, period_ns)
    _check_priority(priority)
    target.value.priority = U8(priority)
    target.value.budget.set(budget_ns, period_ns)
