"""Clients give up calls without being alone, wherever the server is when their time is over."""

from __future__ import annotations

import pytest

from cloudos.abi import initial, tags
from tests.sim import programs
from tests.sim.harness import MB
from tests.sim.several import look, switched_off
from tests.sim.test_late_answers import LATE, noted
from tests.sim.test_messages_at_home import DEADLINE
from tests.sim.test_processors import PAGE, packed, unpacked
from tests.sim.world import user

succeed = user.succeed
PAIRS, ROUNDS, PATIENCE, SHORTEST = 2, 8, 15_000, 10_000
SLEEPS, EXHAUSTED, BEHIND, QUEUED = WAYS = (
    "it sleeps",
    "its time is used up",
    "it is not the first to receive",
    "it is not the first that is ready",
)


def program(way: str) -> tuple[user.UserFunction, ...]:
    """Servers in processes of their own, which do not answer before their clients give up."""

    def main(bundle: int, length: int) -> user.UserCode:
        for number in range(PAIRS):
            endpoint, behind = (yield from programs.new_endpoint()), (yield from programs.new_endpoint())
            quota = yield from succeed("quota_create", initial.QUOTA, MB)
            process = yield from programs.new_process(4, quota)
            theirs = (yield from programs.install(process, endpoint)), (yield from programs.install(process, behind))
            for function in (1,) if way == QUEUED and number else (3, 3, 1):
                thread = yield from programs.new_thread(function, packed(*theirs), process)
                yield from succeed("thread_start", thread)
            limit, period = (SHORTEST, 6 * SHORTEST) if way == EXHAUSTED else (1_000_000, 1_000_000)
            schedule = yield from programs.new_schedule(budget=limit, period=period)
            yield from programs.start_thread(2, packed(endpoint, number), schedule)
        yield from programs.wait_for_marks(PAIRS, 100_000)
        return 0

    return main, lambda argument, _: server(way, argument), client, lambda argument, _: other(way, argument)


def server(way: str, argument: int) -> user.UserCode:
    """Takes calls and keeps them."""
    endpoint, behind = unpacked(argument, 2)
    yield from succeed("thread_set_buffer", programs.BUFFERS)
    while True:
        got = yield user.message("message_receive", endpoint)
        if way == SLEEPS:
            yield from programs.sleep(3 * PATIENCE)
        elif way == BEHIND:
            until = (yield from succeed("clock_read")) + 3 * PATIENCE
            yield user.Write(programs.BUFFERS + DEADLINE, until.to_bytes(8, "little"))
            assert (yield user.message("message_receive", behind, tags.DEADLINE)).error in LATE
        else:
            for _ in range(4):
                yield user.Work(PATIENCE // 2)
                yield from succeed("thread_yield")
        yield user.message("message_reply", got.reply)


def client(argument: int, _: int) -> user.UserCode:
    """Calls, for so long."""
    endpoint, number = unpacked(argument, 2)
    buffer = programs.BUFFERS + (number & 0xFF) * PAGE
    yield from succeed("thread_set_buffer", buffer)
    for _ in range(ROUNDS):
        until = (yield from succeed("clock_read")) + PATIENCE
        yield user.Write(buffer + DEADLINE, until.to_bytes(8, "little"))
        got = yield user.message("message_call", endpoint, tags.DEADLINE)
        assert got.error in (0, *LATE), got.error
    yield user.Write(user.SCRATCH + (number & 0xFF), b"\1")
    return None


def other(way: str, argument: int) -> user.UserCode:
    """Is before the server wherever that is."""
    _, behind = unpacked(argument, 2)
    while way == QUEUED:
        yield user.Work(PATIENCE // 3)
        yield from succeed("thread_yield")
    while True:
        yield user.message("message_receive", behind)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(3))
def test_calls_are_given_up_at_home(way: str, seed: int) -> None:
    with noted() as late:
        switched_off(*program(way), seed=seed, processors=2, after_entry=look())
    at_home, alone = late["given up"]
    assert at_home >= 4 and alone == 0, late
