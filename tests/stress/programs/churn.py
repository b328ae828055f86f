"""Threads and processes by the thousand: brought into every state in which they can be, and ended there in every way.

A round makes a thread of each role, here and in processes of their own, and ends all of them: killed, by a revocation
that cancels what they wait for, by themselves, by a fault, with their process. When all rounds are over the quota has
what it had after the first. Arguments: how many rounds, the seed.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import tags
from cloudos.abi.errors import BadHandle, BadState, Cancelled, PeerGone
from cloudos.lang import U8, U64, Array, Atomic, VirtAddr, code_address, place, struct, zeroed
from cloudos.sdk import List, Text, print, system
from cloudos.sdk.ipc import Message, call, receive, reply, send
from cloudos.sdk.processes import Child
from cloudos.sdk.threads import entry
from tests.stress.programs.support import (
    FREE_PAGES,
    MILLISECOND,
    NEVER,
    PROCESS,
    QUOTA,
    SCHEDULE,
    Random,
    number,
    poke,
    quota_used,
)

STACK = 16 << 10
ROLES = 12
ROLE_RETURNS = 0
ROLE_SENDS = 1
ROLE_CALLS = 2
ROLE_RECEIVES = 3
ROLE_WAITS = 4
ROLE_SLEEPS = 5
ROLE_SPINS = 6
ROLE_FAULTS = 7
ROLE_SERVES = 8
ROLE_IS_BOUND = 9
ROLE_IS_SUSPENDED = 10
ROLE_NEVER_STARTS = 11
# Ways to end.
KILL = 0
REVOKE = 1
CLOSE = 2
WAYS = 3
# Exit status of a process of which a thread saw an error: this plus the error.
SAW = 100
# SEND, RECEIVE, SIGNAL, WAIT, GRANT, TRANSFER, DERIVE.
USE = 128 | 256 | 512 | 1024 | 16384 | 3


@struct
class Shared:
    """What the threads of this process tell."""

    cancelled: U64 = U64(0)
    gone: U64 = U64(0)
    ended: U64 = U64(0)
    turns: Atomic[U64] = Atomic(U64(0))
    # Ends the process with the error that a thread saw, instead of counting it.
    exits: bool = True


SHARED = place(Shared())


def note(error: U64) -> None:
    """A thread's wait was broken off."""
    if SHARED.exits:
        system.process_exit(U8(SAW + error))
    if error == Cancelled.code:
        SHARED.cancelled = SHARED.cancelled + 1
    else:
        SHARED.gone = SHARED.gone + 1


def returns(handle: U64) -> None:
    SHARED.ended = SHARED.ended + 1


def sends(handle: U64) -> None:
    message = Message()
    try:
        send(handle, message)
    except Cancelled:
        note(U64(Cancelled.code))
    except PeerGone:
        note(U64(PeerGone.code))


def calls(handle: U64) -> None:
    message = Message()
    try:
        call(handle, message)
    except Cancelled:
        note(U64(Cancelled.code))
    except PeerGone:
        note(U64(PeerGone.code))


def receives(handle: U64) -> None:
    message = Message()
    try:
        receive(handle, message)
    except Cancelled:
        note(U64(Cancelled.code))


def waits(handle: U64) -> None:
    try:
        system.notification_wait(handle, NEVER)
    except Cancelled:
        note(U64(Cancelled.code))


def sleeps(handle: U64) -> None:
    system.thread_sleep(U64(1) << 62)


def spins(handle: U64) -> None:
    while True:
        SHARED.turns.fetch_add(U64(1))


def faults(handle: U64) -> None:
    poke(U64(0x5550_0000), handle)


def serves(handle: U64) -> None:
    """Take a call, and keep it."""
    message = Message()
    message.tag = U64(0)
    receive(handle, message)
    system.thread_sleep(U64(1) << 62)


def is_bound(handle: U64) -> None:
    """With a message buffer and a notification: the word of the message that starts it."""
    system.thread_set_buffer(FREE_PAGES.take())
    message = Message()
    receive(handle, message)
    system.thread_bind(message.words[0])
    try:
        receive(handle, message)
    except Cancelled:
        note(U64(Cancelled.code))


def code_of(role: U64) -> VirtAddr:
    """Where a thread of the role begins."""
    if role == ROLE_SENDS:
        return code_address(sends)
    if role == ROLE_CALLS:
        return code_address(calls)
    if role == ROLE_RECEIVES or role == ROLE_IS_SUSPENDED:
        return code_address(receives)
    if role == ROLE_WAITS:
        return code_address(waits)
    if role == ROLE_SLEEPS:
        return code_address(sleeps)
    if role == ROLE_SPINS:
        return code_address(spins)
    if role == ROLE_FAULTS:
        return code_address(faults)
    if role == ROLE_SERVES:
        return code_address(serves)
    if role == ROLE_IS_BOUND:
        return code_address(is_bound)
    return code_address(returns)


@struct
class Member:
    """A thread of a round, here or in a process of its own."""

    thread: U64 = U64(0)
    child: Child = zeroed()
    # This process's handle to what it waits for, and the one that is derived from it for the thread.
    object: U64 = U64(0)
    given: U64 = U64(0)


@struct
class Round:
    """What is there at once."""

    members: Array[Member, Literal[12]] = zeroed()
    helpers: Array[U64, Literal[12]] = zeroed()
    stacks: U64 = U64(0)
    # Gets little time: a thread on it is exhausted soon.
    limited: U64 = U64(0)
    faults: U64 = U64(0)
    random: Random = zeroed()
    threads: U64 = U64(0)
    processes: U64 = U64(0)

    def start(self, slot: U64, function: VirtAddr, argument: U64, schedule: U64) -> U64:
        """A thread of this process, on a stack that is used again and again; not started yet."""
        top = self.stacks + (slot + 1) * STACK - 16
        poke(top, function.value)
        self.threads = self.threads + 1
        return system.thread_create(PROCESS, schedule, code_address(entry).value, top, argument)


ROUND = place(Round())


def object_for(role: U64) -> U64:
    """What a thread of the role waits for."""
    if role == ROLE_WAITS:
        return system.notification_create(QUOTA)
    return system.endpoint_create(QUOTA)


def make_here(role: U64) -> None:
    """A thread of this process."""
    member = ROUND.members[role]
    member.object = object_for(role)
    member.given = system.handle_derive(member.object, U64(USE), U64(0))
    schedule = ROUND.limited if role == ROLE_SPINS else SCHEDULE
    member.thread = ROUND.start(role, code_of(role), member.given, schedule)
    if role != ROLE_NEVER_STARTS and role != ROLE_FAULTS:
        system.thread_start(member.thread)


def make_away(role: U64) -> None:
    """A process with one thread."""
    member = ROUND.members[role]
    member.object = object_for(role)
    member.child.make(QUOTA)
    member.given = system.handle_derive(member.object, U64(USE), U64(0))
    if role == ROLE_FAULTS:
        system.process_set_fault_endpoint(member.child.process, ROUND.faults)
    handle = system.process_install(member.child.process, member.given, U64(USE), U64(0))
    schedule = ROUND.limited if role == ROLE_SPINS else SCHEDULE
    member.child.start_on(code_of(role), handle, schedule)
    member.thread = member.child.thread
    ROUND.processes = ROUND.processes + 1
    ROUND.threads = ROUND.threads + 1


def settle() -> None:
    """Let all others come as far as they can."""
    system.thread_sleep(U64(2 * MILLISECOND))


def involve(role: U64, away: bool) -> None:
    """What it takes to bring some into their state."""
    member = ROUND.members[role]
    message = Message()
    if role == ROLE_SERVES:
        helper = ROUND.start(ROLES + role, code_address(calls), member.given, SCHEDULE)
        ROUND.helpers[role] = helper
        system.thread_start(helper)
    elif role == ROLE_CALLS:
        # Of the calls, every other one is received, and not answered.
        if ROUND.random.below(U64(2)) == 0:
            receive(member.object, message)
            ROUND.helpers[role] = message.reply
    elif role == ROLE_IS_BOUND:
        notification = system.notification_create(QUOTA)
        process = member.child.process if away else PROCESS
        message.set(U64(0), U64(1))
        installed = system.process_install(process, notification, U64(1024), U64(0))
        message.words[0] = installed
        send(member.object, message)
        system.handle_close(notification)
        if not away:
            ROUND.helpers[role] = installed
    elif role == ROLE_IS_SUSPENDED:
        system.thread_suspend(member.thread)


def end(role: U64, way: U64, away: bool) -> None:
    """End what the role's thread does."""
    member = ROUND.members[role]
    if way == KILL:
        if away and ROUND.random.below(U64(2)) == 0:
            kill_process(member.child.process)
        else:
            kill_thread(member.thread)
    elif way == REVOKE:
        system.handle_revoke(member.object)
    else:
        system.handle_close(member.object)


def kill_process(process: U64) -> None:
    try:
        system.process_kill(process)
    except BadState:
        pass


def kill_thread(thread: U64) -> None:
    try:
        system.thread_kill(thread)
    except PeerGone:
        pass


def close(handle: U64) -> None:
    """Close what may be gone already."""
    try:
        system.handle_close(handle)
    except BadHandle:
        pass


def clear(role: U64, away: bool) -> None:
    """Whatever is left of the role goes."""
    member = ROUND.members[role]
    kill_thread(member.thread)
    helper = ROUND.helpers[role]
    if helper != 0:
        if role == ROLE_SERVES:
            kill_thread(helper)
        close(helper)
        ROUND.helpers[role] = U64(0)
    close(member.thread)
    close(member.given)
    close(member.object)
    if away:
        kill_process(member.child.process)
        close(member.child.process)


def answer_fault() -> None:
    """The fault of this round's process is killed, left alone, or resumed to come again."""
    message = Message()
    receive(ROUND.faults, message)
    assert message.is_from_kernel and message.words[2] == 0x5550_0000, "another fault"
    choice = ROUND.random.below(U64(3))
    if choice == 0:
        message.set(U64(tags.FAULT_KILL), U64(0))
        reply(message)
    elif choice == 1:
        system.handle_close(message.reply)
    else:
        message.set(U64(tags.FAULT_RESUME), U64(0))
        reply(message)
        settle()
        receive(ROUND.faults, message)
        ROUND.helpers[ROLE_FAULTS] = message.reply


def round_here(way: U64) -> None:
    """One round with threads of this process."""
    for role in U64.range(ROLES):
        make_here(role)
    settle()
    for role in U64.range(ROLES):
        involve(role, False)
    settle()
    for role in U64.range(ROLES):
        end(role, way, False)
    settle()
    for role in U64.range(ROLES):
        clear(role, False)


def round_away(way: U64) -> None:
    """One round with processes."""
    for role in U64.range(ROLES):
        make_away(role)
    settle()
    answer_fault()
    for role in U64.range(ROLES):
        involve(role, True)
    settle()
    for role in U64.range(ROLES):
        end(role, way, True)
    settle()
    check_ends(way)
    for role in U64.range(ROLES):
        clear(role, True)


def check_ends(way: U64) -> None:
    """A process whose thread was cancelled ended with that error."""
    if way != REVOKE:
        return
    for role in U64.range(ROLES):
        if role == ROLE_SENDS or role == ROLE_RECEIVES or role == ROLE_WAITS or role == ROLE_IS_BOUND:
            status = system.process_inspect(ROUND.members[role].child.process)
            assert status == 256 + SAW + Cancelled.code, "not cancelled by a revocation"


def rounds(count: U64, here: U64) -> None:
    """So many rounds with processes, each with `here` rounds of threads."""
    for index in U64.range(count):
        for other in U64.range(here):
            round_here((index + other) % WAYS)
        round_away(index % WAYS)
    # What is taken apart last.
    system.thread_sleep(U64(MILLISECOND))


def main(args: List[Text]) -> None:
    count = number(args, U64(1), U64(4))
    ROUND.random.seed(number(args, U64(2), U64(1)))
    SHARED.exits = False
    ROUND.stacks = system.memory_map(U64(STACK * ROLES * 2))
    period = U64(10 * MILLISECOND)
    ROUND.limited = system.schedule_create(QUOTA, U64(127), U64(50_000), period)
    ROUND.faults = system.endpoint_create(QUOTA)
    # Tables of handles grow, and stay.
    rounds(U64(6), U64(3))
    before = quota_used()
    ROUND.threads = U64(0)
    ROUND.processes = U64(0)
    rounds(count, U64(10))
    assert quota_used() == before, "all is gone, but not what it used"
    print(f"threads {ROUND.threads}")
    print(f"processes {ROUND.processes}")
    print(f"cancelled {SHARED.cancelled}")
    print(f"gone {SHARED.gone}")
    print(f"used {before}")
