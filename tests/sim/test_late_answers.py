"""A server answers calls in the order in which they came, and callers give up meanwhile: without being alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cloudos.abi import initial, tags
from cloudos.abi.errors import BadHandle, PeerGone, TimedOut, WouldBlock
from tests.sim import programs
from tests.sim.harness import MB
from tests.sim.ownership import replaced
from tests.sim.several import SEEDS, counted_alone, for_messages, is_noticed, look, switched_off
from tests.sim.test_handles_at_home import HANDLES, ONE_HANDLE
from tests.sim.test_messages_at_home import DEADLINE
from tests.sim.test_processors import PAGE, packed, unpacked
from tests.sim.world import board, kernel_module, user

succeed = user.succeed
REQUESTS, WAITING = kernel_module("sched.requests"), kernel_module("objects.waiting")
PLACEMENT, STATES = kernel_module("sched.placement"), kernel_module("objects.thread").ThreadState
MESSAGE = kernel_module("objects.message")
SEND, EXPIRE, OWN_TABLE, HOME = PLACEMENT._send, WAITING.expire, MESSAGE.own_table, 4
CLIENTS, PAIRS = 3, 2
LATE = (TimedOut.code, WouldBlock.code)
ENDING = (0, BadHandle.code, PeerGone.code)
"""Processes may end before the machine does."""


def collector(endpoint: int, _: int) -> user.UserCode:
    """A server that answers so many calls at a time."""
    while True:
        calls = []
        for _ in range(CLIENTS):
            got = yield user.message("message_receive", endpoint)
            assert got.error == 0, got.error
            calls.append((got.reply, got.words[0]))
            yield user.Work(400)
        for reply, word in calls:
            answer = yield user.message("message_reply", reply, words=(word + 1,))
            assert answer.error in (0, BadHandle.code), answer.error


def collecting(rounds: int, patience: int, threads: int = 1) -> tuple[user.UserFunction, ...]:
    """Servers in processes of their own, each with clients that it answers when all have called.

    `patience`: how long clients wait, in nanoseconds. `threads`: of each server's process: all do the same.
    """

    def main(bundle: int, length: int) -> user.UserCode:
        for number in range(PAIRS):
            endpoint = yield from programs.new_endpoint()
            quota = yield from succeed("quota_create", initial.QUOTA, MB)
            process = yield from programs.new_process(3, quota)
            theirs = yield from programs.install(process, endpoint)
            for _ in range(threads):
                yield from succeed("thread_start", (yield from programs.new_thread(1, theirs, process)))
            for client in range(CLIENTS):
                yield from programs.start_thread(2, packed(endpoint, number * CLIENTS + client))
        yield from programs.wait_for_marks(PAIRS * CLIENTS, 100_000)
        return 0

    def client(argument: int, _: int) -> user.UserCode:
        endpoint, number = unpacked(argument, 2)
        buffer = programs.BUFFERS + number * PAGE
        yield from succeed("thread_set_buffer", buffer)
        answered = 0
        while answered < rounds:
            tag = tags.DEADLINE if patience else 0
            until = (yield from succeed("clock_read")) + patience
            yield user.Write(buffer + DEADLINE, until.to_bytes(8, "little"))
            got = yield user.message("message_call", endpoint, tag, words=(answered,))
            if got.error:
                assert patience and got.error in LATE, got.error
            else:
                assert got.words[0] == answered + 1, "another one's answer"
            answered += 1
        yield user.Write(user.SCRATCH + number, b"\1")
        # Others are not left without their callers.
        while (yield user.message("message_call", endpoint, words=(0,))).error == 0:
            pass
        return None

    return main, collector, client


@contextmanager
def noted() -> Iterator[dict[str, list[int]]]:
    """How often calls other than the latest were answered, and calls given up: at home or visiting, and alone."""
    counts = {"answered": [0, 0], "given up": [0, 0]}
    stop, expire = WAITING.stop_donation, WAITING.expire

    def stopped(caller: Any) -> None:
        if caller.value.server.is_null():
            counts["answered"][bool(REQUESTS.is_alone())] += 1
        stop(caller)

    def expired(thread: Any) -> None:
        counts["given up"][bool(REQUESTS.is_alone())] += thread.value.state == STATES.CALLING
        expire(thread)

    with replaced(WAITING, "stop_donation", stopped), replaced(WAITING, "expire", expired):
        yield counts


@pytest.fixture
def late() -> Iterator[dict[str, list[int]]]:
    """See `noted`."""
    with noted() as counts:
        yield counts


@pytest.mark.parametrize("seed", SEEDS)
def test_earlier_calls_are_answered_at_home(seed: int, late: dict[str, list[int]]) -> None:
    switched_off(*collecting(8, 0), seed=seed, processors=2, after_entry=look())
    at_home, alone = late["answered"]
    assert at_home > 20 and at_home > 4 * alone, late


@pytest.mark.parametrize("seed", SEEDS)
def test_calls_are_given_up_at_home(seed: int, late: dict[str, list[int]]) -> None:
    switched_off(*collecting(8, 3_000), seed=seed, processors=2, after_entry=look())
    at_home, alone = late["given up"]
    assert at_home >= 5 and alone == 0, late


@pytest.mark.parametrize("seed", SEEDS)
def test_of_several_threads_one_answers_earlier_calls(seed: int) -> None:
    """At home, and what comes too late is put on record there."""
    with counted_alone() as counts:
        switched_off(*collecting(6, 5_000, 2), seed=seed, processors=2, after_entry=look())
    assert for_messages(counts) <= 1, counts


def middle(argument: int, _: int) -> user.UserCode:
    """A server that calls another one before it answers."""
    front, back = unpacked(argument, 2)
    yield from succeed("thread_set_buffer", programs.BUFFERS)
    while True:
        got = yield user.message("message_receive", front)
        assert (yield user.message("message_call", back, words=(1,))).error in ENDING
        yield user.Work(300)
        yield user.message("message_reply", got.reply)


def last(argument: int, _: int) -> user.UserCode:
    """A server that, called by the other one, waits for one more call: it answers the first on the second's time."""
    (back,) = unpacked(argument, 1)
    yield from succeed("thread_set_buffer", programs.BUFFERS)
    while True:
        calls = [(yield user.message("message_receive", back))]
        if calls[0].words[0] == 1:
            calls.append((yield user.message("message_receive", back)))
        for got in calls:
            yield user.Work(400)
            assert (yield user.message("message_reply", got.reply)).error in ENDING


def other(argument: int, _: int) -> user.UserCode:
    """Somebody else who calls the last server."""
    _, back = unpacked(argument, 2)
    yield from succeed("thread_set_buffer", programs.BUFFERS + PAGE)
    yield user.Write(programs.BUFFERS + PAGE + HANDLES, back.to_bytes(8, "little"))
    while True:
        yield user.Work(600)
        assert (yield user.message("message_call", back, ONE_HANDLE, words=(0,))).error in ENDING


def nested(rounds: int) -> tuple[user.UserFunction, ...]:
    """A client gives up calls to a server on its processor, which calls another server on the other processor."""

    def main(bundle: int, length: int) -> user.UserCode:
        front, back = (yield from programs.new_endpoint()), (yield from programs.new_endpoint())
        for function, handles in ((2, (front, back)), (3, (back,))):
            schedule = yield from programs.new_schedule(initial.PRIORITY - 2)
            yield from succeed("schedule_place", schedule, 0, 4 - function)
            process = yield from programs.new_process(5, (yield from succeed("quota_create", initial.QUOTA, MB)))
            theirs = []
            for handle in handles:
                theirs.append((yield from programs.install(process, handle)))
            thread = yield from programs.new_thread(function, packed(*theirs), process, schedule)
            yield from succeed("thread_start", thread)
        for function, place in ((1, 0), (4, 1)):
            schedule = yield from programs.new_schedule(initial.PRIORITY)
            yield from succeed("schedule_place", schedule, place, 1)
            yield from programs.start_thread(function, packed(front, back), schedule)
        yield from programs.wait_for_marks(1, 100_000)
        return 0

    def client(argument: int, _: int) -> user.UserCode:
        endpoint, _ = unpacked(argument, 2)
        yield from succeed("thread_set_buffer", programs.BUFFERS)
        for number in range(rounds):
            until = (yield from succeed("clock_read")) + 60_000 + number * 97 % 3_000
            yield user.Write(programs.BUFFERS + DEADLINE, until.to_bytes(8, "little"))
            # What comes with a call makes the server's table belong to its caller's processor.
            yield user.Write(programs.BUFFERS + HANDLES, endpoint.to_bytes(8, "little"))
            got = yield user.message("message_call", endpoint, tags.DEADLINE | ONE_HANDLE, words=(number,))
            assert got.error == 0 or got.error in LATE, got.error
        yield user.Write(user.SCRATCH, b"\1")
        return None

    return main, client, middle, last, other


def slowly(thread: Any, processor: Any) -> None:
    """A thread is ready, and on its way to another processor, when something else has come to its end."""
    made = board.current()
    client = thread.value.client
    if not client.is_null() and client.value.timer_rank != 0 and made.processor.mode == HOME:
        made.advance(max(int(client.value.deadline) - made.clock + 1, 0))
        for _ in range(60):
            made.interleave()
    SEND(thread, processor)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_server_that_is_woken_meanwhile_is_in_one_queue(seed: int) -> None:
    with replaced(PLACEMENT, "_send", slowly):
        switched_off(*nested(20), seed=seed, processors=2, after_entry=look())


def says_so_itself(server: Any) -> bool:
    """A thread belongs to the processor that stands in it."""
    PLACEMENT.take_in(WAITING.PROCESSOR)
    return bool(
        server.value.state in (STATES.READY, STATES.RUNNING) and server.value.processor == PLACEMENT.processors.this()
    )


def direct(rounds: int) -> tuple[user.UserFunction, ...]:
    """A client gives up calls to a server on its processor, which takes another one's before it answers."""

    def main(bundle: int, length: int) -> user.UserCode:
        back = yield from programs.new_endpoint()
        process = yield from programs.new_process(5, (yield from succeed("quota_create", initial.QUOTA, MB)))
        theirs = yield from programs.install(process, back)
        for function, place, priority in (
            (2, 0, initial.PRIORITY - 2),
            (1, 0, initial.PRIORITY),
            (3, 1, initial.PRIORITY),
        ):
            schedule = yield from programs.new_schedule(priority)
            yield from succeed("schedule_place", schedule, place, 1)
            if function == 2:
                yield from succeed(
                    "thread_start", (yield from programs.new_thread(2, packed(theirs), process, schedule))
                )
            else:
                yield from programs.start_thread(function, back, schedule)
        yield from programs.wait_for_marks(1, 100_000)
        return 0

    def client(back: int, _: int) -> user.UserCode:
        yield from succeed("thread_set_buffer", programs.BUFFERS)
        for number in range(rounds):
            until = (yield from succeed("clock_read")) + 8_000 + number * 97 % 3_000
            yield user.Write(programs.BUFFERS + DEADLINE, until.to_bytes(8, "little"))
            got = yield user.message("message_call", back, tags.DEADLINE, words=(1,))
            assert got.error == 0 or got.error in LATE, got.error
        yield user.Write(user.SCRATCH, b"\1")
        return None

    def caller(back: int, _: int) -> user.UserCode:
        while True:
            yield user.Work(600)
            assert (yield user.message("message_call", back, words=(0,))).error in ENDING

    return main, client, last, caller


def late_end(thread: Any) -> None:
    """A call is out of the timers, and others go on before it ends."""
    made = board.current()
    if made.processor.mode == HOME and thread.value.state == STATES.CALLING:
        for _ in range(100):
            made.interleave()
    EXPIRE(thread)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_call_is_not_answered_while_it_ends(seed: int) -> None:
    with replaced(WAITING, "expire", late_end):
        switched_off(*direct(20), seed=seed, processors=2, after_entry=look())


def tables_are_anybodys(thread: Any, count: Any) -> None:
    """Who only answers needs no table of handles."""
    if int(count):
        OWN_TABLE(thread, count)


def test_a_planted_bug_of_tables_is_found() -> None:
    with replaced(WAITING, "expire", late_end):
        assert is_noticed((MESSAGE, "own_table", tables_are_anybodys), lambda: direct(20), 20, processors=2)


PLANTED: dict[str, tuple[str, Any]] = {
    "a call ends anywhere": ("_may_end", lambda caller: True),
    "whoever serves does so here": ("_is_at_hand", lambda server: True),
    "a thread says itself where it is": ("_is_at_hand", says_so_itself),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_planted_bugs_are_found(bug: str) -> None:
    name, instead = PLANTED[bug]
    with replaced(PLACEMENT, "_send", slowly):
        assert is_noticed((WAITING, name, instead), lambda: nested(20), 20, processors=2)
