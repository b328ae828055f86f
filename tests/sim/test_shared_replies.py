"""Threads of one process on several processors answer each other's calls: whoever comes first, and not both."""

from __future__ import annotations

import pytest

from cloudos.abi import initial
from cloudos.abi.errors import BadHandle
from tests.sim import programs
from tests.sim.harness import MB
from tests.sim.several import SEEDS, counted_alone, for_messages, is_noticed, look, switched_off
from tests.sim.test_processors import packed, unpacked
from tests.sim.world import kernel_module, user

succeed = user.succeed
WAITING = kernel_module("objects.waiting")
TAKERS, MILLISECOND = 2, 1_000_000
PLACE = user.SCRATCH + 64
"""Where a thread that has taken a call tells its reply, of 8 bytes each."""


def program(rounds: int, limit: int = MILLISECOND, work: int = 300) -> tuple[user.UserFunction, ...]:
    """A process whose threads take calls and answer them, while another one of them answers all it is told of.

    `limit`: of the time that all clients share, of each millisecond; if it is less, two threads more do, it is time of
    two processors, and who answers has the first one. `work`: what is done before a call is answered.
    """

    def main(bundle: int, length: int) -> user.UserCode:
        endpoints = []
        for _ in range(TAKERS):
            endpoints.append((yield from programs.new_endpoint()))
        quota = yield from succeed("quota_create", initial.QUOTA, MB)
        process = yield from programs.new_process(5, quota)
        for number, endpoint in enumerate(endpoints):
            theirs = yield from programs.install(process, endpoint)
            argument = packed(theirs, number)
            yield from succeed("thread_start", (yield from programs.new_thread(1, argument, process)))
        schedule, own = (yield from programs.new_schedule(budget=limit)), (yield from programs.new_schedule())
        if limit < MILLISECOND:
            yield from succeed("schedule_place", schedule, 1, 2)
            yield from succeed("schedule_place", own, 0, 1)
            for number in range(2):
                yield from programs.start_thread(4, number, schedule)
        yield from succeed("thread_start", (yield from programs.new_thread(2, 0, process, own)))
        for number, endpoint in enumerate(endpoints):
            yield from programs.start_thread(3, packed(endpoint, number), schedule)
        yield from programs.wait_for_marks(TAKERS, 100_000)
        return 0

    def taking(argument: int, _: int) -> user.UserCode:
        return taker(argument, work)

    return main, taking, answerer, lambda argument, _: client(argument, rounds), other


def taker(argument: int, work: int) -> user.UserCode:
    """Takes calls, tells of them, and answers them."""
    endpoint, number = unpacked(argument, 2)
    while True:
        got = yield user.message("message_receive", endpoint)
        yield user.Write(PLACE + (number & 0xFF) * 8, got.reply.to_bytes(8, "little"))
        for _ in range(-(-work // 400)):
            yield user.Work(min(work, 400))
        answer = yield user.message("message_reply", got.reply, words=(got.words[0] + 1,))
        assert answer.error in (0, BadHandle.code), answer.error


def answerer(_: int, __: int) -> user.UserCode:
    """Answers what others have taken."""
    while True:
        for number in range(TAKERS):
            reply = int.from_bytes((yield user.Read(PLACE + number * 8, 8)), "little")
            answer = yield user.message("message_reply", reply, words=(0,))
            assert answer.error in (0, BadHandle.code), answer.error
        yield user.Work(170)


def other(_: int, __: int) -> user.UserCode:
    """Uses time."""
    while True:
        yield user.Work(700)
        yield from succeed("thread_yield")
        yield from programs.sleep(500)


def client(argument: int, rounds: int) -> user.UserCode:
    """Calls, and gets an answer of either kind."""
    endpoint, number = unpacked(argument, 2)
    for count in range(1, rounds + 1):
        got = yield user.message("message_call", endpoint, words=(count,))
        assert got.error == 0 and got.words[0] in (0, count + 1), (got.error, got.words)
    yield user.Write(user.SCRATCH + (number & 0xFF), b"\1")
    return None


@pytest.mark.parametrize("processors", (2, 3))
@pytest.mark.parametrize("seed", SEEDS)
def test_a_call_is_answered_once(seed: int, processors: int) -> None:
    with counted_alone() as counts:
        switched_off(*program(20), seed=seed, processors=processors, after_entry=look())
    assert for_messages(counts) <= 2, counts


@pytest.mark.parametrize("seed", SEEDS)
def test_time_of_a_limited_schedule_is_counted_by_whom_it_belongs_to(seed: int) -> None:
    """Also where whoever serves is another one than who answers: the kernel asserts that."""
    switched_off(*program(20, 900_000, 4_000), seed=seed, processors=3, after_entry=look())


def test_a_planted_bug_is_found() -> None:
    """What the other threads serve is anybody's."""
    assert is_noticed((WAITING, "are_at_hand", lambda first: True), lambda: program(20), 10, processors=3)
