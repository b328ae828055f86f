"""Ways of Linux to hand something to another process or thread and to get an answer."""

from __future__ import annotations

from typing import Literal

from bench.counter import cycles
from bench.linux import calls
from bench.linux.output import say
from bench.linux.processes import (
    PRIVATE,
    SHARED,
    STACK_SIZE,
    WAIT,
    WAKE,
    checked,
    finish,
    fork,
    joined,
    memory,
    start_thread,
)
from cloudos.lang import U8, U32, U64, Array, Atomic, Ptr, VirtAddr, code_address, place, struct, zeroed

ROUNDS = 2000
USER_SIGNAL = 10  # SIGUSR1
RESTORER = 0x04000000  # SA_RESTORER
FUTEX_PRIVATE = 128


@struct
class Buffers:
    """Of this file. `action`: handler, flags, restorer, mask."""

    data: Array[U8, Literal[4096]] = zeroed()
    pair: Array[U32, Literal[2]] = zeroed()
    action: Array[U64, Literal[4]] = zeroed()
    signals: U64 = U64(0)


@struct
class Baton:
    """Who has it: 0 the first, 1 the second."""

    word: Atomic[U32] = Atomic(U32(0))


BUFFERS = place(Buffers())


@struct
class Way:
    """The two ends of a pipe, or an eventfd twice."""

    source: U64 = U64(0)
    target: U64 = U64(0)

    def open_pipe(self) -> None:
        pair = BUFFERS.pair
        checked(calls.pipe2(Ptr.to(pair).address.value, U64(0)))
        self.source = U64(pair[0])
        self.target = U64(pair[1])

    def open_event(self) -> None:
        self.source = checked(calls.eventfd2(U64(0), U64(0)))
        self.target = self.source


THERE = place(Way())
BACK = place(Way())


def round_trips(name: str, size: U64) -> None:
    """`size` bytes to another process, which reads them and writes as many back."""
    buffer = Ptr.to(BUFFERS.data).address.value
    child = fork()
    while child == 0:
        calls.read(THERE.source, buffer, size)
        calls.write(BACK.target, buffer, size)
    begin = U64(0)
    for index in U64.range(ROUNDS + 50):
        if index == 50:
            begin = cycles()
        calls.write(THERE.target, buffer, size)
        got = calls.read(BACK.source, buffer, size)
        assert got == size, "not all came back"
    say(name, (cycles() - begin) // ROUNDS)
    finish(child)


def pass_on(baton: Baton, to: U32, address: U64, private: U64) -> None:
    """Hand the baton over, and wait until it comes back."""
    baton.word.store(to)
    calls.futex(address, U64(WAKE) | private, U64(1), U64(0), U64(0), U64(0))
    while baton.word.load() == to:
        calls.futex(address, U64(WAIT) | private, U64(to), U64(0), U64(0), U64(0))


def runner(address: U64) -> None:
    """The second, in a process of its own."""
    baton = Ptr.at(Baton, VirtAddr(address)).value
    while True:
        pass_on(baton, U32(0), address, U64(0))


def private_runner(address: U64) -> None:
    """The second, a thread of the same process."""
    baton = Ptr.at(Baton, VirtAddr(address)).value
    while True:
        pass_on(baton, U32(0), address, U64(FUTEX_PRIVATE))


def batons(name: str, address: U64, private: U64) -> None:
    """The first: futex wake, and wait for the answer."""
    baton = Ptr.at(Baton, VirtAddr(address)).value
    begin = U64(0)
    for index in U64.range(ROUNDS + 50):
        if index == 50:
            begin = cycles()
        pass_on(baton, U32(1), address, private)
    say(name, (cycles() - begin) // ROUNDS)


def futexes() -> None:
    """Between processes that share a page, and between threads."""
    shared = memory(U64(4096), U64(SHARED))
    Ptr.at(U32, VirtAddr(shared)).value = U32(0)
    child = fork()
    if child == 0:
        runner(shared)
    batons("futex_round_trip_other_space", shared, U64(0))
    finish(child)
    child = fork()
    if child == 0:
        own = memory(U64(4096), U64(PRIVATE))
        start_thread(code_address(private_runner), own, memory(U64(STACK_SIZE), U64(PRIVATE)))
        batons("futex_round_trip_same_space", own, U64(FUTEX_PRIVATE))
        calls.exit_group(U64(0))
    joined(child)


def on_signal(number: U64) -> None:
    """The handler."""
    BUFFERS.signals = BUFFERS.signals + 1


def signals() -> None:
    """kill of oneself, the handler, and the way back from it."""
    BUFFERS.action[0] = code_address(on_signal).value
    BUFFERS.action[1] = U64(RESTORER)
    BUFFERS.action[2] = code_address(calls.restorer).value
    checked(calls.rt_sigaction(U64(USER_SIGNAL), Ptr.to(BUFFERS.action).address.value, U64(0), U64(8)))
    me = calls.getpid()
    begin = cycles()
    for _ in U64.range(ROUNDS):
        calls.kill(me, U64(USER_SIGNAL))
    say("signal_delivery", (cycles() - begin) // ROUNDS)
    assert BUFFERS.signals == ROUNDS, "not every signal was delivered"


def duplicates() -> None:
    """Another descriptor of the same file, and its end."""
    made = U64(0)
    first = cycles()
    for _ in U64.range(512):
        made = checked(calls.dup(U64(0)))
    second = cycles()
    for index in U64.range(512):
        calls.close(made - index)
    say("dup", (second - first) // 512)
    say("close", (cycles() - second) // 512)


def measure() -> None:
    """All of this file."""
    THERE.open_pipe()
    BACK.open_pipe()
    round_trips("pipe_round_trip", U64(8))
    round_trips("pipe_round_trip_4_kb", U64(4096))
    THERE.open_event()
    BACK.open_event()
    BUFFERS.data[0] = U8(1)  # what is added to the counter, and must not be 0 to be read
    round_trips("eventfd_round_trip", U64(8))
    futexes()
    signals()
    duplicates()
