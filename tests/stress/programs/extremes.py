"""What might take the kernel longest in one go: as many threads, waiters, handles, pages as there can be of each.

Every part brings the kernel to do something with all of them at once. How long interrupts were off is what
`tests/stress/measured.py` sees. Argument: how many threads.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial, tags
from cloudos.abi.errors import Cancelled, Denied, OutOfMemory, PeerGone, QuotaExceeded, WouldBlock
from cloudos.abi.messages import MessageBuffer
from cloudos.lang import U8, U64, Array, Ptr, UserPtr, VirtAddr, code_address, place, struct
from cloudos.sdk import List, Text, print, system
from cloudos.sdk.ipc import Message, call, receive, send
from cloudos.sdk.processes import Child
from cloudos.sdk.threads import entry
from tests.stress.programs.support import (
    FREE_PAGES,
    MILLISECOND,
    NEVER,
    PAGE,
    PROCESS,
    QUOTA,
    SCHEDULE,
    number,
    poke,
    quota_used,
)

MOST = 1200
# Up to that of the first thread.
PRIORITIES = initial.PRIORITY + 1
AUDIT = U64(initial.AUDIT)
TEXT = 64 << 10
# Each is a region of the address space.
BUFFERS = 50


@struct
class Crowd:
    """Threads of this process, and what they share."""

    threads: Array[U64, Literal[1200]]
    endpoints: Array[U64, Literal[1200]]
    stacks: U64
    count: U64
    ended: U64
    moment: U64

    def start(self, function: VirtAddr, argument: U64, schedule: U64) -> None:
        """One more thread."""
        top = self.stacks + (self.count + 1) * PAGE - 16
        poke(top, function.value)
        thread = system.thread_create(PROCESS, schedule, code_address(entry).value, top, argument)
        self.threads[self.count] = thread
        self.count = self.count + 1
        system.thread_start(thread)

    def clear(self) -> None:
        """All are killed."""
        for index in U64.range(self.count):
            try:
                system.thread_kill(self.threads[index])
            except PeerGone:
                pass
            system.handle_close(self.threads[index])
        self.count = U64(0)
        system.thread_sleep(U64(MILLISECOND))


def _crowd() -> Crowd:
    return Crowd(Array[U64, Literal[1200]](), Array[U64, Literal[1200]](), U64(0), U64(0), U64(0), U64(0))


CROWD = place(_crowd())


def settle() -> None:
    """Let all others come as far as they can."""
    system.thread_sleep(U64(20 * MILLISECOND))


def sends_handle(endpoint: U64) -> None:
    """Send a handle through a handle that does not allow it."""
    page = FREE_PAGES.take()
    system.thread_set_buffer(page)
    Ptr.at(MessageBuffer, VirtAddr(page)).value.handles[0] = PROCESS
    message = Message()
    message.tag = U64(1 << tags.HANDLES_SHIFT)
    try:
        send(endpoint, message)
    except (Denied, Cancelled):
        CROWD.ended = CROWD.ended + 1


def calls(endpoint: U64) -> None:
    message = Message()
    try:
        call(endpoint, message)
    except (Cancelled, PeerGone):
        CROWD.ended = CROWD.ended + 1


def waits(notification: U64) -> None:
    try:
        system.notification_wait(notification, NEVER)
    except Cancelled:
        CROWD.ended = CROWD.ended + 1


def sleeps(moment: U64) -> None:
    """Until a moment that is the same for all."""
    now = system.clock_read()
    system.thread_sleep(CROWD.moment - min(now, CROWD.moment))
    CROWD.ended = CROWD.ended + 1


def spins(argument: U64) -> None:
    while True:
        system.system_null()


def passes_on(index: U64) -> None:
    """Receive a call and, while it is not answered, call the next."""
    message = Message()
    receive(CROWD.endpoints[index], message)
    try:
        call(CROWD.endpoints[index + 1], message)
    except (Cancelled, PeerGone):
        CROWD.ended = CROWD.ended + 1
    system.thread_sleep(U64(1) << 62)


def refused_senders(count: U64) -> None:
    """A receive finds many senders who may not send what they want to."""
    endpoint = system.endpoint_create(QUOTA)
    weak = system.handle_derive(endpoint, U64(128), U64(0))
    for _ in U64.range(count):
        CROWD.start(code_address(sends_handle), weak, SCHEDULE)
    settle()
    page = FREE_PAGES.take()
    system.thread_set_buffer(page)
    message = Message()
    message.tag = U64(tags.DEADLINE)
    Ptr.at(MessageBuffer, VirtAddr(page)).value.deadline = U64(0)
    try:
        receive(endpoint, message)
    except WouldBlock:
        pass
    settle()
    assert CROWD.ended == count, "not all senders were refused"
    CROWD.ended = U64(0)
    CROWD.clear()
    system.handle_close(weak)
    system.handle_close(endpoint)


def cancelled_crowd(count: U64, function: VirtAddr, object: U64) -> None:
    """Many wait through one handle, which is revoked."""
    given = system.handle_derive(object, U64(128 | 1024 | 16384), U64(0))
    for _ in U64.range(count):
        CROWD.start(function, given, SCHEDULE)
    settle()
    system.handle_revoke(object)
    settle()
    assert CROWD.ended == count, "not all were cancelled"
    CROWD.ended = U64(0)
    CROWD.clear()
    system.handle_close(object)


def same_moment(count: U64) -> None:
    """Many wake at once."""
    CROWD.moment = system.clock_read() + 200 * MILLISECOND
    for _ in U64.range(count):
        CROWD.start(code_address(sleeps), U64(0), SCHEDULE)
    system.thread_sleep(U64(400 * MILLISECOND))
    assert CROWD.ended == count, "not all woke"
    CROWD.ended = U64(0)
    CROWD.clear()


def one_budget(count: U64) -> None:
    """Many share a schedule whose time is used up."""
    schedule = system.schedule_create(QUOTA, U64(100), U64(20_000), U64(2 * MILLISECOND))
    for _ in U64.range(count):
        CROWD.start(code_address(spins), U64(0), schedule)
    system.thread_sleep(U64(10 * MILLISECOND))
    CROWD.clear()
    system.handle_close(schedule)


def changed_schedules(count: U64) -> None:
    """Many of as many priorities as there are wait for an endpoint; then the schedule of half of them changes."""
    endpoint = system.endpoint_create(QUOTA)
    period = U64(2 * MILLISECOND)
    shared = system.schedule_create(QUOTA, U64(0), period, period)
    for index in U64.range(count):
        own = system.schedule_create(QUOTA, index % PRIORITIES, period, period)
        CROWD.start(code_address(calls), endpoint, shared if index % 2 == 0 else own)
        system.handle_close(own)
    settle()
    system.schedule_change(shared, U64(PRIORITIES // 2), period, period)
    settle()
    system.schedule_change(shared, U64(PRIORITIES - 1), period, period)
    settle()
    system.handle_close(endpoint)
    settle()
    assert CROWD.ended == count, "not all were cancelled"
    CROWD.ended = U64(0)
    CROWD.clear()
    system.handle_close(shared)


def full_record() -> None:
    """The audit ring is filled, and read with room for all of it."""
    for _ in U64.range(100):
        system.handle_close(system.process_create(QUOTA, U64(0)))
    record = system.memory_map(U64(4 * PAGE))
    while system.audit_read(AUDIT, UserPtr.at(U8, record), U64(4 * PAGE)) & 0xFFFF_FFFF != 0:
        pass
    system.memory_unmap(record, U64(4 * PAGE))


def long_chain(count: U64) -> None:
    """Each serves a call and calls the next; then the first caller is killed."""
    for index in U64.range(count + 1):
        CROWD.endpoints[index] = system.endpoint_create(QUOTA)
    for index in U64.range(count):
        CROWD.start(code_address(passes_on), index, SCHEDULE)
    settle()
    CROWD.start(code_address(calls), CROWD.endpoints[0], SCHEDULE)
    settle()
    system.thread_kill(CROWD.threads[count])
    system.thread_kill(CROWD.threads[count // 2])
    settle()
    CROWD.clear()
    CROWD.ended = U64(0)
    for index in U64.range(count + 1):
        system.handle_close(CROWD.endpoints[index])


def crowd_of(count: U64) -> None:
    """In a process of its own, which has handles to itself, a schedule and a quota: become many, and wait."""
    stacks = system.memory_map(count * PAGE)
    for index in U64.range(count):
        top = stacks + (index + 1) * PAGE - 16
        poke(top, code_address(rests).value)
        thread = system.thread_create(U64(1) << 32 | 1, U64(1) << 32 | 2, code_address(entry).value, top, U64(0))
        system.thread_start(thread)
    system.thread_sleep(U64(1) << 62)


def rests(argument: U64) -> None:
    system.thread_sleep(U64(1) << 62)


def large_process(count: U64) -> None:
    """A process with many threads, handles and pages is killed."""
    child = Child()
    child.make(QUOTA)
    system.process_install(child.process, child.process, U64(0), U64(0))
    system.process_install(child.process, SCHEDULE, U64(0), U64(0))
    for _ in U64.range(1000):
        system.process_install(child.process, QUOTA, U64(0), U64(0))
    child.start(code_address(crowd_of), count)
    settle()
    system.process_kill(child.process)
    system.handle_close(child.thread)
    system.handle_close(child.process)
    settle()


def much_memory() -> None:
    """Megabytes at once, touched and given back, in small and large pages."""
    for shift in U64.range(20, 24):
        size = (U64(1) << shift) + PAGE
        address = system.memory_map(size)
        for offset in U64.range(0, size, PAGE):
            poke(address + offset, U64(1))
        system.memory_unmap(address, U64(PAGE))
        system.memory_unmap(address + PAGE, size - PAGE)
    try:
        system.memory_map(U64(1) << 30)
    except (OutOfMemory, QuotaExceeded):
        pass


def much_text() -> None:
    """Many bytes to write in one call."""
    address = system.memory_map(U64(TEXT))
    for offset in U64.range(0, TEXT, 8):
        poke(address + offset, U64(0x0A2E_2E2E_2E2E_2E2E))
    written = U64(0)
    while written < TEXT:
        written = written + system.console_write(U64(1), UserPtr.at(U8, address + written), TEXT - written)
    system.memory_unmap(address, U64(TEXT))


def many_handles() -> None:
    """Thousands derived from one, in a chain and side by side, and revoked."""
    top = system.notification_create(QUOTA)
    latest = top
    for index in U64.range(6000):
        made = system.handle_derive(latest if index & 1 == 0 else top, U64(7), U64(0))
        if index & 1 == 0:
            latest = made
    system.handle_revoke(top)
    system.handle_close(top)


def parts(count: U64) -> None:
    """All of it."""
    cancelled_crowd(count, code_address(calls), system.endpoint_create(QUOTA))
    cancelled_crowd(count, code_address(waits), system.notification_create(QUOTA))
    same_moment(count)
    one_budget(count)
    changed_schedules(count)
    full_record()
    long_chain(count - 2)
    large_process(count)
    much_memory()
    much_text()
    many_handles()


def main(args: List[Text]) -> None:
    count = min(number(args, U64(1), U64(300)), U64(MOST - 2))
    CROWD.stacks = system.memory_map(U64(MOST * PAGE))
    # The program's own pages are paid for when they are touched: all of them now, however few threads there are.
    CROWD.threads.slice().fill(U64(0))
    CROWD.endpoints.slice().fill(U64(0))
    refused_senders(min(count, U64(BUFFERS)))
    parts(count)
    before = quota_used()
    parts(count)
    assert quota_used() == before, "all is gone, but not what it used"
    print("")
    print(f"threads {count}")
