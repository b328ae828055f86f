"""What the kernel promises, tried on the machine: prints a line `ok NAME` or `failed NAME` for each promise."""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial, tags
from cloudos.abi.errors import (
    BadArgument,
    BadHandle,
    BadState,
    Cancelled,
    Denied,
    PeerGone,
    QuotaExceeded,
    TimedOut,
    WouldBlock,
    WrongKind,
)
from cloudos.abi.messages import NEVER, MessageBuffer
from cloudos.lang import U8, U64, Array, Atomic, Ptr, UserPtr, VirtAddr, code_address, struct, zeroed
from cloudos.sdk import print, system
from cloudos.sdk.ipc import Message, call, receive, reply, reply_and_receive, send
from cloudos.sdk.processes import Child, populate
from cloudos.sdk.threads import start, start_on

QUOTA = initial.QUOTA
BUFFER = 0x3000_0000
MILLISECOND = 1_000_000


@struct
class Shared:
    """What threads of this process tell one another."""

    counter: U64 = U64(0)
    endpoint: U64 = U64(0)
    error: U64 = U64(0)
    # Changed by threads that make no system call.
    running: Atomic[U64] = Atomic(U64(0))
    turns: Array[Atomic[U64], Literal[8]] = zeroed()


SHARED = Shared()


def check(name: str, good: bool) -> None:
    if good:
        print(f"ok {name}")
    else:
        print(f"failed {name}")


def endpoint() -> U64:
    return system.endpoint_create(U64(QUOTA))


def buffer() -> MessageBuffer:
    return Ptr.at(MessageBuffer, VirtAddr(BUFFER)).value


def adder(endpoint: U64) -> None:
    """Answers calls with the sum of all words, and the badge."""
    message = Message()
    receive(endpoint, message)
    while True:
        total = U64(0)
        for word in message.words:
            total = total + word
        message.words[0] = total
        message.words[1] = message.badge
        reply_and_receive(endpoint, message)


def messages() -> None:
    there = endpoint()
    start(code_address(adder), there)
    message = Message()
    for index in U64.range(8):
        message.words[index] = index + 1
    call(there, message)
    check("call adds", message.words[0] == 36 and message.words[1] == 0)
    badged = system.handle_derive(there, U64(128 | 1), U64(77))
    call(badged, message)
    check("badge", message.words[1] == 77)
    try:
        receive(badged, message)
        check("receive needs its right", False)
    except Denied:
        check("receive needs its right", True)
    message.tag = U64(9)
    try:
        call(there, message)
        check("nine words are refused", False)
    except BadArgument:
        check("nine words are refused", True)
    message.tag = U64(tags.FROM_KERNEL)
    try:
        call(there, message)
        check("nobody speaks for the kernel", False)
    except BadArgument:
        check("nobody speaks for the kernel", True)
    wrong_handles(there)


def wrong_handles(there: U64) -> None:
    message = Message()
    system.handle_close(there)
    try:
        call(there, message)
        check("closed handle", False)
    except BadHandle:
        check("closed handle", True)
    try:
        call(U64(initial.THREAD), message)
        check("wrong kind", False)
    except WrongKind:
        check("wrong kind", True)
    try:
        call(U64(0), message)
        check("no handle", False)
    except BadHandle:
        check("no handle", True)


def another_space() -> None:
    there = endpoint()
    child = Child()
    child.make(U64(QUOTA))
    SHARED.counter = U64(5)
    child.start(code_address(adder), system.process_install(child.process, there, U64(256), U64(0)))
    message = Message()
    for round in U64.range(300):
        message.words[0] = round
        message.words[1] = U64(2)
        call(there, message)
        if message.words[0] != round + 2:
            check("call to another space", False)
            return
    check("call to another space", True)
    check("process lives", system.process_inspect(child.process) == 0)
    system.process_kill(child.process)
    check("process killed", system.process_inspect(child.process) != 0)
    ended = system.process_inspect(child.process)
    system.process_kill(child.process)
    check("killed twice", system.process_inspect(child.process) == ended)


def caller(endpoint: U64) -> None:
    """Calls and keeps the number of the error."""
    message = Message()
    SHARED.error = U64(1000)
    try:
        call(endpoint, message)
        SHARED.error = U64(0)
    except PeerGone:
        SHARED.error = U64(PeerGone.code)
    except Cancelled:
        SHARED.error = U64(Cancelled.code)


def hoarder(endpoint: U64) -> None:
    """Receives one call, keeps it, and waits for ever."""
    message = Message()
    receive(endpoint, message)
    system.thread_sleep(U64(1) << 62)


def cancellation() -> None:
    there = endpoint()
    start(code_address(caller), there)
    system.thread_yield()
    message = Message()
    receive(there, message)
    system.handle_close(message.reply)
    system.thread_yield()
    check("reply closed: PeerGone", SHARED.error == PeerGone.code)
    copy = system.handle_derive(there, U64(128 | 256), U64(0))
    start(code_address(caller), copy)
    system.thread_yield()
    check("caller waits", SHARED.error == 1000)
    system.handle_revoke(there)
    system.thread_yield()
    check("revoked: Cancelled", SHARED.error == Cancelled.code)
    victim = start(code_address(caller), there)
    system.thread_yield()
    system.thread_kill(victim)
    message.tag = U64(0)
    poll(there)
    child = Child()
    child.make(U64(QUOTA))
    child.start(code_address(hoarder), system.process_install(child.process, there, U64(256), U64(0)))
    start(code_address(caller), there)
    system.thread_sleep(U64(50 * MILLISECOND))
    check("call is held", SHARED.error == 1000)
    system.process_kill(child.process)
    system.thread_sleep(U64(50 * MILLISECOND))
    check("server died: PeerGone", SHARED.error == PeerGone.code)


def poll(there: U64) -> None:
    """The queue is empty: the thread that was killed left it."""
    message = Message()
    message.tag = U64(tags.DEADLINE)
    buffer().deadline = U64(0)
    try:
        receive(there, message)
        check("killed sender left the queue", False)
    except WouldBlock:
        check("killed sender left the queue", True)


def deadlines() -> None:
    there = endpoint()
    message = Message()
    begin = system.clock_read()
    buffer().deadline = begin + 3 * MILLISECOND
    message.tag = U64(tags.DEADLINE)
    try:
        receive(there, message)
        check("receive times out", False)
    except TimedOut:
        check("receive times out", system.clock_read() >= begin + 3 * MILLISECOND)
    buffer().deadline = system.clock_read() + MILLISECOND
    message.tag = U64(tags.DEADLINE)
    try:
        call(there, message)
        check("call times out in the queue", False)
    except TimedOut:
        check("call times out in the queue", True)
    start(code_address(hoarder), there)
    system.thread_yield()
    buffer().deadline = system.clock_read() + MILLISECOND
    message.tag = U64(tags.DEADLINE)
    try:
        call(there, message)
        check("call times out at the server", False)
    except TimedOut:
        check("call times out at the server", True)
    notification = system.notification_create(U64(QUOTA))
    try:
        system.notification_wait(notification, system.clock_read() + MILLISECOND)
        check("wait times out", False)
    except TimedOut:
        check("wait times out", True)
    begin = system.clock_read()
    system.thread_sleep(U64(2 * MILLISECOND))
    check("sleep", system.clock_read() >= begin + 2 * MILLISECOND)


def signaller(notification: U64) -> None:
    system.notification_signal(notification, U64(0b101))


def signals() -> None:
    notification = system.notification_create(U64(QUOTA))
    try:
        system.notification_wait(notification, U64(0))
        check("poll finds nothing", False)
    except WouldBlock:
        check("poll finds nothing", True)
    system.notification_signal(notification, U64(1))
    system.notification_signal(notification, U64(4))
    check("signals gather", system.notification_wait(notification, U64(0)) == 5)
    start(code_address(signaller), notification)
    check("wait is woken", system.notification_wait(notification, U64(NEVER)) == 5)
    system.thread_bind(notification)
    start(code_address(signaller), notification)
    there = endpoint()
    message = Message()
    receive(there, message)
    check("bound receive", message.is_from_kernel and message.words[0] == 5)
    system.notification_signal(notification, U64(8))
    receive(there, message)
    check("bound receive, signal first", message.is_from_kernel and message.words[0] == 8)
    try:
        system.thread_bind(notification)
        check("bound twice", False)
    except BadState:
        check("bound twice", True)


def giver(endpoint: U64) -> None:
    """Sends a handle and some bytes, then its own copy must still work."""
    address = U64(BUFFER + 0x10000)
    system.thread_set_buffer(address)
    mine = Ptr.at(MessageBuffer, VirtAddr(address)).value
    mine.handles[0] = U64(initial.QUOTA)
    mine.data[0] = U8(65)
    mine.data[99] = U8(66)
    message = Message()
    message.tag = U64(1 << tags.HANDLES_SHIFT | 100 << tags.BYTES_SHIFT)
    send(endpoint, message)
    SHARED.counter = U64(1)


def transfers() -> None:
    there = endpoint()
    start(code_address(giver), there)
    message = Message()
    buffer().data[99] = U8(0)
    receive(there, message)
    got = buffer().handles[0]
    check("handle arrived", got != U64(initial.QUOTA) and system.handle_inspect(got) & 255 == 11)
    check("bytes arrived", buffer().data[0] == 65 and buffer().data[99] == 66)
    made = system.endpoint_create(got)
    check("handle works", made != 0)
    ungranted = system.handle_derive(there, U64(128), U64(0))
    start(code_address(giver), ungranted)
    system.thread_yield()


def faulty(argument: U64) -> None:
    """Reads what is not there."""
    SHARED.counter = Ptr.at(U64, VirtAddr(argument)).value
    system.process_exit(U8(7))


def wait_for_end(process: U64) -> None:
    """At most two seconds."""
    for _ in U64.range(1000):
        if system.process_inspect(process) != 0:
            return
        system.thread_sleep(U64(2 * MILLISECOND))


def faults() -> None:
    there = endpoint()
    message = Message()
    child = Child()
    child.make(U64(QUOTA))
    system.process_set_fault_endpoint(child.process, system.handle_derive(there, U64(128), U64(99)))
    child.start(code_address(faulty), U64(0x5550_0000))
    receive(there, message)
    check("fault arrives", message.is_from_kernel and message.badge == 99 and message.words[2] == 0x5550_0000)
    source = UserPtr.at(U8, Ptr.to(message).address.value)
    populate(child.process, U64(0x5550_0000), source, U64(8), U64(4096), U64(1))
    message.tag = U64(tags.FAULT_RESUME)
    reply(message)
    wait_for_end(child.process)
    check("fault repaired, process ended in order", system.process_inspect(child.process) == 256 + 7)
    other = Child()
    other.make(U64(QUOTA))
    system.process_set_fault_endpoint(other.process, there)
    other.start(code_address(faulty), U64(0x6660_0000))
    receive(there, message)
    message.set(U64(tags.FAULT_KILL), U64(0))
    reply(message)
    check("fault kills", system.process_inspect(other.process) >= 256)
    last = Child()
    last.make(U64(QUOTA))
    last.start(code_address(faulty), U64(0x7770_0000))
    wait_for_end(last.process)
    check("nobody handles: it dies alone", system.process_inspect(last.process) >= 256)


def spinner(argument: U64) -> None:
    while SHARED.running.load() != 0:
        SHARED.turns[argument].fetch_add(U64(1))


def priorities() -> None:
    SHARED.running.store(U64(1))
    low = system.schedule_create(U64(QUOTA), U64(10), U64(1_000_000), U64(1_000_000))
    start_on(code_address(spinner), U64(0), low)
    start(code_address(spinner), U64(1))
    start(code_address(spinner), U64(2))
    begin = system.clock_read()
    while system.clock_read() < begin + 60 * MILLISECOND:
        pass
    one = SHARED.turns[1].load()
    two = SHARED.turns[2].load()
    check("turns within a priority", one > 0 and two > 0)
    check("low priority waits", SHARED.turns[0].load() == 0)
    SHARED.running.store(U64(0))
    system.thread_sleep(U64(50 * MILLISECOND))
    try:
        system.schedule_create(U64(QUOTA), U64(200), U64(1_000_000), U64(1_000_000))
        check("no priority above one's own", False)
    except Denied:
        check("no priority above one's own", True)


def budgets() -> None:
    """A tenth of the time: a thread alone on the processor gets no more."""
    SHARED.running.store(U64(1))
    limited = system.schedule_create(U64(QUOTA), U64(100), U64(MILLISECOND), U64(10 * MILLISECOND))
    start_on(code_address(spinner), U64(3), limited)
    free = system.schedule_create(U64(QUOTA), U64(50), U64(MILLISECOND), U64(MILLISECOND))
    start_on(code_address(spinner), U64(4), free)
    system.thread_sleep(U64(100 * MILLISECOND))
    SHARED.running.store(U64(0))
    share = SHARED.turns[3].load() * 100 // (SHARED.turns[3].load() + SHARED.turns[4].load() + 1)
    check(f"budget of a tenth, {share}%", share < 20 and share > 2)


def quotas() -> None:
    small = system.quota_create(U64(QUOTA), U64(4096))
    made = U64(0)
    try:
        while made < 1000:
            system.endpoint_create(small)
            made = made + 1
        check("quota ends", False)
    except QuotaExceeded:
        check("quota ends", made > 0)
    numbers = Array[U64, Literal[2]]()
    system.quota_inspect(small, UserPtr.at(U8, Ptr.to(numbers).address.value))
    check("quota counts", numbers[0] <= 4096 and numbers[1] == 4096)


def sleeper(argument: U64) -> None:
    system.thread_sleep(U64(1) << 62)


def churn() -> None:
    """Processes come and go; what they used comes back."""
    numbers = Array[U64, Literal[2]]()
    before = U64(0)
    for round in U64.range(40):
        child = Child()
        child.make(U64(QUOTA))
        child.start(code_address(sleeper), U64(0))
        system.process_kill(child.process)
        system.handle_close(child.thread)
        system.handle_close(child.process)
        system.thread_sleep(U64(100_000))
        system.quota_inspect(U64(QUOTA), UserPtr.at(U8, Ptr.to(numbers).address.value))
        if round == 5:
            before = numbers[0]
    check("processes leave nothing", numbers[0] == before)


def stranger(endpoint: U64) -> None:
    """Calls somebody whom policy keeps it from."""
    message = Message()
    try:
        call(endpoint, message)
    except Denied:
        system.process_exit(U8(33))


def labels() -> None:
    """Two labels: 0 may do everything, 1 nothing to 0."""
    there = endpoint()
    matrix = Array[U8, Literal[4]]()
    for index in U64.range(4):
        matrix[index] = U8(63)
    matrix[2] = U8(0)
    system.policy_load(U64(initial.POLICY), UserPtr.at(U8, Ptr.to(matrix).address.value), U64(4))
    system.policy_seal(U64(initial.POLICY))
    child = Child()
    child.make_labelled(U64(QUOTA), U64(1))
    child.start(code_address(stranger), system.process_install(child.process, there, U64(128), U64(0)))
    message = Message()
    message.tag = U64(tags.DEADLINE)
    buffer().deadline = system.clock_read() + 20 * MILLISECOND
    try:
        receive(there, message)
        check("policy denies the call", False)
    except TimedOut:
        check("policy denies the call", system.process_inspect(child.process) == 256 + 33)
    records = Array[U64, Literal[60]]()
    got = system.audit_read(U64(initial.AUDIT), UserPtr.at(U8, Ptr.to(records).address.value), U64(480))
    check("denial is on record", got != 0)


def main() -> None:
    system.thread_set_buffer(U64(BUFFER))
    messages()
    another_space()
    cancellation()
    deadlines()
    transfers()
    faults()
    priorities()
    budgets()
    quotas()
    churn()
    labels()
    signals()
    print("end")
