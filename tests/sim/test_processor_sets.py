"""A schedule is time of some processors: its threads, and who serves them, run there and nowhere else."""

from __future__ import annotations

import pytest

from cloudos.abi import initial
from cloudos.abi.errors import Denied
from tests.sim import programs
from tests.sim.harness import run
from tests.sim.several import SEEDS, is_noticed, look, switched_off
from tests.sim.world import board, kernel_module, user

call, succeed = user.call, user.succeed
PLACEMENT = kernel_module("sched.placement")
SCHEDULE = kernel_module("objects.schedule").Schedule
PROCESSORS = 3
PLACES = ((1, 1), (2, 1), (0, 2), (0, 1), (1, 2), (1, 1 << 40))
"""First processor, and how many."""

WATCHED: list[tuple[int, int]] = []
"""Places in which the threads were seen, and nowhere else."""

USED: set[int] = set()
"""Processors on which threads of the schedule, or their server, executed anything."""


def here() -> None:
    """Somebody runs who should not run everywhere."""
    USED.add(board.current().processor.number)


def moving() -> tuple[user.UserFunction, user.UserFunction, user.UserFunction]:
    """Threads whose schedule is moved from place to place while they compute, sleep, and call a server."""

    def main(bundle: int, length: int) -> user.UserCode:
        schedule = yield from programs.new_schedule()
        endpoint = yield from programs.new_endpoint()
        yield from succeed("schedule_place", schedule, *PLACES[0])
        yield from programs.start_thread(2, endpoint)
        for number in range(PROCESSORS):
            yield from programs.start_thread(1, endpoint << 8 | number, schedule)
        for first, count in PLACES:
            yield from succeed("schedule_place", schedule, first, count)
            # Each is told, on the way out of the kernel.
            yield from programs.sleep(50_000)
            USED.clear()
            yield from programs.sleep(300_000)
            allowed = range(first, first + count)
            assert USED and all(number in allowed for number in USED), f"{USED} of {count} from {first}"
            WATCHED.append((first, count))
        return 0

    def worker(argument: int, _: int) -> user.UserCode:
        while True:
            here()
            yield user.Work(5_000)
            here()
            if argument & 0xFF == 1:
                yield from programs.sleep(10_000)
            if argument & 0xFF == 2:
                yield user.message("message_call", argument >> 8, words=(1,))

    def server(endpoint: int, _: int) -> user.UserCode:
        reply = yield user.message("message_receive", endpoint)
        while True:
            # On its client's time.
            here()
            reply = yield user.message("message_reply_receive", endpoint, words=(1,), reply=reply.reply)

    return main, worker, server


@pytest.mark.parametrize("seed", SEEDS)
def test_threads_run_where_their_schedule_is_time_of(seed: int) -> None:
    WATCHED.clear()
    switched_off(*moving(), seed=seed, processors=PROCESSORS, after_entry=look())
    assert tuple(WATCHED) == PLACES


def test_nobody_gives_time_of_processors_that_he_has_none_of() -> None:
    def main(bundle: int, length: int) -> user.UserCode:
        before = yield from programs.new_schedule()
        yield from succeed("schedule_place", initial.SCHEDULE, 1, 1)
        made = yield from programs.new_schedule()
        for schedule in (made, before, initial.SCHEDULE):
            for first, count in ((0, 1), (0, 2), (1, 2), (1, 1 << 40), (2, 1)):
                reply = yield call("schedule_place", schedule, first, count)
                assert reply.error == Denied.code, f"{count} from {first}"
        yield from programs.start_thread(1, 0, made)
        yield from programs.sleep(100_000)
        assert sorted(USED) == [1]
        return 0

    def worker(argument: int, _: int) -> user.UserCode:
        USED.clear()
        for _ in range(10):
            here()
            yield user.Work(5_000)
        return None

    switched_off(main, worker, seed=1, processors=PROCESSORS)


def test_there_must_be_a_processor() -> None:
    def main(bundle: int, length: int) -> user.UserCode:
        for first, count, fits in (
            (0, (1 << 64) - 1, True),
            (0, 1, True),
            (0, 0, False),
            (1, 1, False),
            (1 << 32, 1, False),
            ((1 << 64) - 1, (1 << 64) - 1, False),
        ):
            reply = yield call("schedule_place", initial.SCHEDULE, first, count)
            assert (reply.error == 0) is fits, f"{count} from {first}: {reply.error}"
        return 0

    assert run(main).record("exit") == "status=0"


@pytest.mark.parametrize("bug", ("a schedule is time of all", "threads stay where they are"))
def test_planted_bugs_are_found(bug: str) -> None:
    owner, name = {"a schedule is time of all": (SCHEDULE, "allows")}.get(bug, (PLACEMENT, "may_stay"))
    assert is_noticed((owner, name, lambda *arguments: True), moving, 5, processors=PROCESSORS)
