"""A schedule that is time of one processor after the other, as many as the first argument says: its threads follow.

Prints "placed" when no thread was seen on a processor that its schedule was not time of. The threads compute, sleep,
and call a server, which does on their time what they ask for.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial
from cloudos.lang import U64, Array, Atomic, code_address, place, struct, zeroed
from cloudos.sdk import List, Text, ipc, print, system
from cloudos.sdk.ipc import Message
from cloudos.sdk.threads import start, start_on
from tests.boot.programs.several_processors import here

TURN_NS = 1_000_000
SETTLING_NS = 5_000_000
WATCHED_NS = 20_000_000
THREADS = 3


@struct
class Seen:
    """How often somebody who runs on the schedule was seen on each processor."""

    on: Array[Atomic[U64], Literal[256]] = zeroed()


SEEN = place(Seen())


def note() -> None:
    """Say where this thread is."""
    SEEN.on[here()].fetch_add(U64(1))


def worker(endpoint: U64) -> None:
    """Compute, sleep, and call."""
    message = Message()
    count = U64(0)
    while True:
        note()
        count = count + 1
        if count % 16 == 0:
            system.thread_sleep(U64(100_000))
        if count % 3 == 0:
            message.set(U64(0), U64(1))
            ipc.call(endpoint, message)


def server(endpoint: U64) -> None:
    """Note for who calls."""
    message = Message()
    ipc.receive(endpoint, message)
    while True:
        note()
        message.set(U64(0), U64(1))
        ipc.reply_and_receive(endpoint, message)


def watch(schedule: U64, first: U64, count: U64) -> U64:
    """How often somebody was seen on the processors that the schedule is time of now; nobody must be on others."""
    system.schedule_place(schedule, first, count)
    system.thread_sleep(U64(SETTLING_NS))
    for index in U64.range(256):
        SEEN.on[index].store(U64(0))
    system.thread_sleep(U64(WATCHED_NS))
    seen = U64(0)
    for index in U64.range(256):
        times = SEEN.on[index].load()
        assert times == 0 or (index >= first and index - first < count), "somebody is elsewhere"
        seen = seen + times
    return seen


def main(arguments: List[Text]) -> None:
    processors = U64(arguments[1].to_integer())
    endpoint = system.endpoint_create(U64(initial.QUOTA))
    schedule = system.schedule_create(U64(initial.QUOTA), U64(initial.PRIORITY), U64(TURN_NS), U64(TURN_NS))
    start(code_address(server), endpoint)
    system.thread_yield()
    for _ in U64.range(THREADS):
        start_on(code_address(worker), endpoint, schedule)
    for first in U64.range(processors):
        assert watch(schedule, first, U64(1)) > 0, "nobody runs"
    assert watch(schedule, processors - 2, U64(2)) > 0, "nobody runs"
    print("placed")
