"""Threads and processes on several processors at once: what the first argument names, so often as the second says.

spread      threads that run at the same time; prints on how many processors
messages    pairs of threads that call each other
still       a thread that is suspended stands still, and goes on; its registers can be read
copies      a clone is not changed by a thread that goes on writing to its origin
tags        processes keep seeing their own memory while there come and go more than there are tags of address spaces
floats      calculations go on elsewhere in the middle
ends        processes that compute, call, and touch memory are killed, or lose their memory, at any moment
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial, layout
from cloudos.abi.errors import TimedOut
from cloudos.abi.objects import MEMORY_ON_DEMAND
from cloudos.lang import (
    F64,
    U8,
    U64,
    Array,
    Atomic,
    Ptr,
    Template,
    UserPtr,
    VirtAddr,
    code_address,
    machine,
    place,
    struct,
    zeroed,
)
from cloudos.sdk import List, Text, print, system
from cloudos.sdk.ipc import Message, call, receive, reply_and_receive
from cloudos.sdk.memory import READ, WRITE, Memory, unmap
from cloudos.sdk.processes import Child
from cloudos.sdk.registers import LARGEST
from cloudos.sdk.threads import start

PAGE = layout.PAGE_SIZE
MOST = 16
LENGTH = 16 * PAGE
SHOWN_AT = 0x5000_0000_0000
WORDS = LARGEST // 8


@machine(
    x86_64=Template(
        "movl $1, %%eax; cpuid; shrl $24, %%ebx; movq %%rbx, %[result]",
        result="=r",
        clobbers=("rax", "rbx", "rcx", "rdx"),
    ),
    # Groups of 16, or a single one of 8.
    aarch64=Template(
        "mrs %[result], tpidrro_el0; ubfx x9, %[result], #8, #4; bfi %[result], x9, #4, #60",
        result="=r",
        clobbers=("x9",),
    ),
)
def here() -> U64:
    """Which processor this runs on, below 256."""
    return U64(0)


@struct
class Shared:
    """Between the threads. `seen`: on which processors they ran; `total`: what they have done."""

    arrived: Atomic[U64] = Atomic(U64(0))
    total: Atomic[U64] = Atomic(U64(0))
    stop: Atomic[U64] = Atomic(U64(0))
    wanted: U64 = U64(0)
    seen: Array[U64, Literal[256]] = zeroed()
    seed: U64 = U64(1)


SHARED = place(Shared())


def random(limit: U64) -> U64:
    """A number below `limit`: Knuth's linear congruential generator (MMIX)."""
    SHARED.seed = SHARED.seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407)
    return (SHARED.seed >> 33) % limit


# Threads that run at the same time


def show_up(argument: U64) -> None:
    """Say where this runs, and compute until all are there."""
    SHARED.seen[here()] = U64(1)
    SHARED.arrived.fetch_add(U64(1))
    while SHARED.arrived.load() < SHARED.wanted:
        pass


def spread(count: U64) -> None:
    SHARED.wanted = count + 1
    for index in U64.range(count):
        start(code_address(show_up), index)
    show_up(count)
    found = U64(0)
    for one in SHARED.seen:
        found += one
    print(f"on {found} processors")


# Messages


def serve(endpoint: U64) -> None:
    message = Message()
    receive(endpoint, message)
    while True:
        message.words[0] = message.words[0] * 3 + 1
        reply_and_receive(endpoint, message)


def ask(endpoint: U64) -> None:
    message = Message()
    for index in U64.range(SHARED.wanted):
        message.set(U64(7), U64(1))
        message.words[0] = index
        call(endpoint, message)
        if message.words[0] == index * 3 + 1:
            SHARED.total.fetch_add(U64(1))
    SHARED.arrived.fetch_add(U64(1))


def messages(rounds: U64) -> None:
    """Three pairs, and three callers that share a server with two threads."""
    SHARED.wanted = rounds
    for _ in U64.range(3):
        endpoint = system.endpoint_create(U64(initial.QUOTA))
        start(code_address(serve), endpoint)
        start(code_address(ask), endpoint)
    endpoint = system.endpoint_create(U64(initial.QUOTA))
    for _ in U64.range(2):
        start(code_address(serve), endpoint)
    for _ in U64.range(3):
        start(code_address(ask), endpoint)
    while SHARED.arrived.load() < 6:
        system.thread_sleep(U64(1_000_000))
    print(f"{SHARED.total.load()} answers")


# Stopping a thread


def count_up(argument: U64) -> None:
    while True:
        SHARED.total.fetch_add(U64(1))


def null_calls(argument: U64) -> None:
    """The same, with a system call each time, which must not be lost when it is interrupted."""
    while True:
        system.notification_signal(argument, U64(1))
        SHARED.total.fetch_add(U64(1))


def still(rounds: U64) -> None:
    bell = system.notification_create(U64(initial.QUOTA))
    threads = Array[U64, Literal[2]]()
    threads[0] = start(code_address(count_up), U64(0))
    threads[1] = start(code_address(null_calls), bell)
    first = Array[U64, Literal[36]]()
    again = Array[U64, Literal[36]]()
    for index in U64.range(rounds):
        for thread in threads:
            system.thread_suspend(thread)
        system.thread_read_registers(threads[0], UserPtr.at(U8, Ptr.to(first).address.value))
        before = SHARED.total.load()
        for _ in U64.range(random(U64(2000))):
            pass
        assert SHARED.total.load() == before, "a suspended thread goes on"
        system.thread_read_registers(threads[0], UserPtr.at(U8, Ptr.to(again).address.value))
        for register in U64.range(U64(WORDS)):
            assert first[register] == again[register], "the registers of a suspended thread change"
        for thread in threads:
            system.thread_start(thread)
        if index % 16 == 0:
            while SHARED.total.load() == before:
                pass
    for thread in threads:
        system.thread_kill(thread)
    print("stood still")


# Clones


def write_numbers(address: U64) -> None:
    """The same number in two places of each page, one after the other, again and again."""
    number = U64(1)
    while SHARED.stop.load() == 0:
        for page in U64.range(LENGTH // PAGE):
            Ptr.at(U64, VirtAddr(address + page * PAGE)).value = number
            Ptr.at(U64, VirtAddr(address + page * PAGE + 8)).value = number
        number += 1
        SHARED.total.store(number)
    SHARED.arrived.fetch_add(U64(1))


def copies(rounds: U64) -> None:
    origin = Memory()
    origin.create(U64(initial.QUOTA), U64(LENGTH), U64(MEMORY_ON_DEMAND))
    address = origin.map(U64(0), U64(LENGTH), U64(READ | WRITE))
    start(code_address(write_numbers), address)
    for _ in U64.range(rounds):
        copy = Memory()
        copy.clone(origin, U64(initial.QUOTA))
        shown = copy.map(U64(0), U64(LENGTH), U64(READ))
        sums = Array[U64, Literal[2]]()
        for look in U64.range(2):
            for page in U64.range(LENGTH // PAGE):
                one = Ptr.at(U64, VirtAddr(shown + page * PAGE)).value
                other = Ptr.at(U64, VirtAddr(shown + page * PAGE + 8)).value
                assert one == other or one == other + 1, "a copy of no moment"
                sums[look] += one + other
            moment = SHARED.total.load()
            while look == 0 and SHARED.total.load() < moment + 2:
                pass
        assert sums[0] == sums[1], "a copy changes with its origin"
        unmap(shown, U64(LENGTH))
        copy.close()
    SHARED.stop.store(U64(1))
    while SHARED.arrived.load() == 0:
        pass
    unmap(address, U64(LENGTH))
    origin.close()
    print("copied")


# Tags


def hold(number: U64) -> None:
    """Read again and again what was written at the beginning, at addresses that others use too."""
    for page in U64.range(LENGTH // PAGE):
        Ptr.at(U64, VirtAddr(SHOWN_AT + page * PAGE)).value = number + page
    while True:
        for page in U64.range(LENGTH // PAGE):
            assert Ptr.at(U64, VirtAddr(SHOWN_AT + page * PAGE)).value == number + page, "memory of another process"


def end_at_once(argument: U64) -> None:
    Ptr.at(U64, VirtAddr(SHOWN_AT)).value = argument


def show(child: Child) -> None:
    """Make a process, and give it memory."""
    child.make(U64(initial.QUOTA))
    space = system.process_space(child.process)
    memory = Memory()
    memory.create(U64(initial.QUOTA), U64(LENGTH), U64(MEMORY_ON_DEMAND))
    memory.map_at(space, U64(SHOWN_AT), U64(0), U64(LENGTH), U64(READ | WRITE))
    memory.close()
    system.handle_close(space)


def tags(rounds: U64) -> None:
    period = U64(10_000_000)
    schedule = system.schedule_create(U64(initial.QUOTA), U64(initial.PRIORITY - 1), period, period)
    children = Array[Child, Literal[1]]()
    for index in U64.range(1):
        show(children[index])
        children[index].start_on(code_address(hold), index * 1000, schedule)
    for index in U64.range(rounds):
        child = Child()
        show(child)
        child.start(code_address(end_at_once), index)
        child.wait()
        system.handle_close(child.thread)
        system.handle_close(child.process)
    for child in children:
        assert system.process_inspect(child.process) == 0, "a process has ended"
        system.process_kill(child.process)
    print("own memory")


# Floats


def calculate(number: U64) -> None:
    """A sum that any other value in a register would spoil, interrupted by calls that move the thread elsewhere."""
    bell = system.notification_create(U64(initial.QUOTA))
    step = F64(number + 1)
    for _ in U64.range(SHARED.wanted):
        total = F64(0.0)
        for index in U64.range(200):
            total = total + step
            if index % 50 == number:
                system.notification_signal(bell, U64(1))
                system.thread_sleep(U64(10_000))
        if total == step * F64(200.0):
            SHARED.total.fetch_add(U64(1))
    SHARED.arrived.fetch_add(U64(1))


def floats(rounds: U64) -> None:
    SHARED.wanted = rounds
    for index in U64.range(6):
        start(code_address(calculate), index)
    while SHARED.arrived.load() < 6:
        system.thread_sleep(U64(1_000_000))
    print(f"{SHARED.total.load()} sums")


# Ends


def touch(argument: U64) -> None:
    """Write to memory that may be taken away at any moment."""
    number = U64(0)
    while True:
        Ptr.at(U64, VirtAddr(SHOWN_AT + number % (LENGTH // PAGE) * PAGE)).value = number
        number += 1


def call_again_and_again(endpoint: U64) -> None:
    message = Message()
    while True:
        message.set(U64(7), U64(1))
        message.words[0] = U64(5)
        call(endpoint, message)


def compute(argument: U64) -> None:
    number = U64(1)
    while True:
        number = number.rotate_left(1)


def ends(rounds: U64) -> None:
    endpoint = system.endpoint_create(U64(initial.QUOTA))
    for _ in U64.range(2):
        start(code_address(serve), endpoint)
    bell = system.notification_create(U64(initial.QUOTA))
    for index in U64.range(rounds):
        memory = Memory()
        memory.create(U64(initial.QUOTA), U64(LENGTH), U64(MEMORY_ON_DEMAND))
        children = Array[Child, Literal[3]]()
        for child in children:
            child.make(U64(initial.QUOTA))
        space = system.process_space(children[0].process)
        memory.map_at(space, U64(SHOWN_AT), U64(0), U64(LENGTH), U64(READ | WRITE))
        children[0].start(code_address(touch), U64(0))
        handle = system.process_install(children[1].process, endpoint, U64(0), U64(9))
        children[1].start(code_address(call_again_and_again), handle)
        children[2].start(code_address(compute), U64(0))
        wait_a_little(bell)
        memory.discard(U64(0), U64(LENGTH))
        memory.discard(random(U64(8)) * PAGE, U64(8 * PAGE))
        wait_a_little(bell)
        if index % 2 == 0:
            # It ends by a fault then.
            system.space_unmap(space, U64(SHOWN_AT), U64(LENGTH))
        else:
            system.process_kill(children[0].process)
        system.process_kill(children[1 + index % 2].process)
        system.process_kill(children[2 - index % 2].process)
        for child in children:
            child.wait()
            system.handle_close(child.thread)
            system.handle_close(child.process)
        system.handle_close(space)
        memory.close()
    print("ended")


def wait_a_little(bell: U64) -> None:
    """Some microseconds, asleep or not."""
    if random(U64(4)) == 0:
        for _ in U64.range(random(U64(3000))):
            pass
        return
    try:  # noqa: SIM105
        system.notification_wait(bell, system.clock_read() + random(U64(200_000)))
    except TimedOut:
        pass


def main(arguments: List[Text]) -> U8:
    rounds = U64(arguments[2].to_integer())
    what = arguments[1]
    if what == Text("spread"):
        spread(rounds)
    elif what == Text("messages"):
        messages(rounds)
    elif what == Text("still"):
        still(rounds)
    elif what == Text("copies"):
        copies(rounds)
    elif what == Text("tags"):
        tags(rounds)
    elif what == Text("floats"):
        floats(rounds)
    else:
        ends(rounds)
    return U8(0)
