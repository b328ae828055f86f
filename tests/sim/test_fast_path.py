"""What the fast path of messages leaves to the general one: the threads of a call that are suspended, that are answered
in another order, or that are less urgent than somebody else."""

from __future__ import annotations

import pytest

from cloudos.abi import initial
from tests.sim import programs
from tests.sim.harness import run
from tests.sim.world import user

call, succeed, message, start_thread = user.call, user.succeed, user.message, programs.start_thread
SEEDS = range(4)
PAUSE = 3_000_000


def answering(endpoint: int, order: list[str]) -> user.UserCode:
    """Answers each call with its word and 100, and tells that."""
    got = yield message("message_receive", endpoint)
    while True:
        order.append(f"serves {got.words[0]}")
        got = yield message("message_reply_receive", endpoint, words=(got.words[0] + 100, *[0] * 7), reply=got.reply)


def calling(endpoint: int, word: int, order: list[str]) -> user.UserCode:
    """Calls once, and tells of the answer."""
    answer = yield message("message_call", endpoint, words=(word, *[0] * 7))
    assert answer.error == 0
    order.append(f"gets {answer.words[0]}")
    return None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_suspended_server_serves_when_it_goes_on(seed: int) -> None:
    order: list[str] = []

    def main(bundle: int, length: int) -> user.UserCode:
        endpoint = yield from programs.new_endpoint()
        server = yield from start_thread(1, endpoint)
        yield from programs.sleep(PAUSE)
        yield from succeed("thread_suspend", server)
        yield from start_thread(2, endpoint)
        yield from programs.sleep(PAUSE)
        order.append("suspended")
        yield from succeed("thread_start", server)
        yield from programs.sleep(PAUSE)
        return 0

    def server(endpoint: int, _: int) -> user.UserCode:
        return (yield from answering(endpoint, order))

    def client(endpoint: int, _: int) -> user.UserCode:
        return (yield from calling(endpoint, 1, order))

    assert run(main, server, client, seed=seed).record("exit") == "status=0"
    assert order == ["suspended", "serves 1", "gets 101"]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_suspended_caller_has_its_answer_when_it_goes_on(seed: int) -> None:
    order: list[str] = []

    def main(bundle: int, length: int) -> user.UserCode:
        endpoint = yield from programs.new_endpoint()
        client = yield from start_thread(2, endpoint)
        yield from programs.sleep(PAUSE)
        # It waits to send; who receives its call is about to answer when it is suspended.
        got = yield message("message_receive", endpoint)
        yield from succeed("thread_suspend", client)
        yield from start_thread(1, endpoint)
        yield message("message_reply_receive", endpoint, words=(7, *[0] * 7), reply=got.reply)
        order.append("answered")
        yield from succeed("thread_start", client)
        yield from programs.sleep(PAUSE)
        return 0

    def other(endpoint: int, _: int) -> user.UserCode:
        yield from programs.sleep(PAUSE)
        yield message("message_send", endpoint, words=(0,) * 8)
        return None

    def client(endpoint: int, _: int) -> user.UserCode:
        return (yield from calling(endpoint, 1, order))

    assert run(main, other, client, seed=seed).record("exit") == "status=0"
    assert order == ["answered", "gets 7"]


@pytest.mark.parametrize("seed", SEEDS)
def test_calls_are_answered_in_any_order(seed: int) -> None:
    order: list[str] = []

    def main(bundle: int, length: int) -> user.UserCode:
        endpoint = yield from programs.new_endpoint()
        for _ in range(2):
            yield from start_thread(1, endpoint)
            yield from programs.sleep(PAUSE)
        first = yield message("message_receive", endpoint)
        second = yield message("message_receive", endpoint)
        assert (first.words[0], second.words[0]) == (1, 2)
        yield from start_thread(2, endpoint)
        # The one that it serves now is the second.
        yield message("message_reply_receive", endpoint, words=(11, *[0] * 7), reply=first.reply)
        yield from start_thread(2, endpoint)
        yield message("message_reply_receive", endpoint, words=(22, *[0] * 7), reply=second.reply)
        return 0

    numbers = iter((1, 2))

    def client(endpoint: int, _: int) -> user.UserCode:
        return (yield from calling(endpoint, next(numbers), order))

    def other(endpoint: int, _: int) -> user.UserCode:
        yield from programs.sleep(PAUSE)
        yield message("message_send", endpoint, words=(0,) * 8)
        return None

    assert run(main, client, other, seed=seed).record("exit") == "status=0"
    assert order == ["gets 11", "gets 22"]


@pytest.mark.parametrize("seed", SEEDS)
def test_after_the_answer_the_most_urgent_goes_on(seed: int) -> None:
    order: list[str] = []

    def main(bundle: int, length: int) -> user.UserCode:
        endpoint = yield from programs.new_endpoint()
        between = yield from programs.new_schedule(initial.PRIORITY - 1)
        least = yield from programs.new_schedule(initial.PRIORITY - 2)
        yield user.Write(user.SCRATCH, between.to_bytes(8, "little"))
        yield from start_thread(1, endpoint)
        yield from start_thread(3, endpoint, least)
        yield from programs.sleep(PAUSE)
        return 0

    def server(endpoint: int, _: int) -> user.UserCode:
        got = yield message("message_receive", endpoint)
        between = int.from_bytes((yield user.Read(user.SCRATCH, 8)), "little")
        yield from start_thread(2, 0, between)
        order.append("started")
        yield message("message_reply_receive", endpoint, words=(5, *[0] * 7), reply=got.reply)
        return None

    def other(_: int, __: int) -> user.UserCode:
        yield call("system_null")
        order.append("more urgent")
        return None

    def client(endpoint: int, _: int) -> user.UserCode:
        return (yield from calling(endpoint, 1, order))

    assert run(main, server, other, client, seed=seed).record("exit") == "status=0"
    assert order == ["started", "more urgent", "gets 5"]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("urgent", [0, 1, 2])
def test_the_most_urgent_server_has_the_next_call(seed: int, urgent: int) -> None:
    """The first one receives again while another one, of lower, equal or higher priority, waits for the next call."""
    order: list[str] = []

    def main(bundle: int, length: int) -> user.UserCode:
        endpoint = yield from programs.new_endpoint()
        schedules = []
        for below in (1, 2 - urgent, 3):
            schedules.append((yield from programs.new_schedule(initial.PRIORITY - below)))
        yield user.Write(user.SCRATCH, schedules[1].to_bytes(8, "little"))
        yield from start_thread(1, endpoint, schedules[0])
        yield from start_thread(3, endpoint, schedules[2])
        yield from programs.sleep(2 * PAUSE)
        return 0

    def first(endpoint: int, _: int) -> user.UserCode:
        got = yield message("message_receive", endpoint)
        yield from start_thread(2, endpoint, int.from_bytes((yield user.Read(user.SCRATCH, 8)), "little"))
        yield from programs.sleep(PAUSE // 2)
        while True:
            order.append("first")
            got = yield message("message_reply_receive", endpoint, words=(0,) * 8, reply=got.reply)

    def second(endpoint: int, _: int) -> user.UserCode:
        got = yield message("message_receive", endpoint)
        while True:
            order.append("second")
            got = yield message("message_reply_receive", endpoint, words=(0,) * 8, reply=got.reply)

    def client(endpoint: int, _: int) -> user.UserCode:
        for _ in range(2):
            assert (yield message("message_call", endpoint, words=(0,) * 8)).error == 0
        return None

    assert run(main, first, second, client, seed=seed).record("exit") == "status=0"
    # Among equals it is the one that has waited longer.
    assert order == ["first", "first" if urgent == 0 else "second"]
