"""Limited schedules whose threads run on several processors: what is left of the time belongs to one at a time."""

from __future__ import annotations

from typing import Any

import pytest

from cloudos.abi import initial
from tests.sim import programs
from tests.sim.ownership import replaced
from tests.sim.several import is_noticed, look, switched_off
from tests.sim.world import kernel_module, user

succeed = user.succeed
SEEDS = range(4)
SCHEDULER, BUDGET_OF = kernel_module("sched.scheduler"), kernel_module("sched.budget").Budget
STATES = kernel_module("objects.thread").ThreadState
BUDGET, PERIOD = 100_000, 400_000
WORKERS, PIECES, PIECE = 4, 8, 8_000


def sharing(spent: list[int], pieces: int = PIECES) -> tuple[user.UserFunction, user.UserFunction, user.UserFunction]:
    """Threads on one limited schedule that work, sleep and wake each other, and others without a limit.

    `spent`: gets the time that the first ones worked, and how long that took.
    """

    def main(bundle: int, length: int) -> user.UserCode:
        begin = yield from succeed("clock_read")
        limited = yield from programs.new_schedule(initial.PRIORITY, BUDGET, PERIOD)
        bell = yield from programs.new_notification()
        for number in range(WORKERS):
            yield from programs.start_thread(1, bell << 8 | number, limited)
        yield from programs.start_thread(2, 0)
        yield from programs.wait_for_marks(WORKERS)
        yield user.Write(user.SCRATCH + WORKERS, b"\1")
        end = yield from succeed("clock_read")
        spent[:] = [WORKERS * pieces * PIECE, end - begin]
        return 0

    def worker(argument: int, _: int) -> user.UserCode:
        number, bell = argument & 0xFF, argument >> 8
        for count in range(pieces):
            yield user.Work(PIECE)
            if count % 5 == number:
                yield from programs.sleep(2_000)
            elif count % 5 == number - 1:
                yield from succeed("thread_yield")
            yield from succeed("notification_signal", bell, 1)
        yield user.Write(user.SCRATCH + number, b"\1")
        return None

    def other(_: int, __: int) -> user.UserCode:
        while (yield user.Read(user.SCRATCH + WORKERS, 1)) != b"\1":
            yield user.Work(20_000)
            yield from programs.sleep(1_000)
        return None

    return main, worker, other


@pytest.mark.parametrize("processors", (2, 3))
@pytest.mark.parametrize("seed", SEEDS)
def test_threads_on_all_processors_share_their_time(seed: int, processors: int) -> None:
    spent: list[int] = []
    done = switched_off(*sharing(spent), seed=seed, processors=processors, after_entry=look())
    assert done.watch.accesses > 300 and done.watch.visiting > 10, "hardly anything is done at the same time"
    worked, took = spent
    assert worked <= BUDGET * (took // PERIOD + 1) + processors * BUDGET, f"{worked} of {took} ns"


def test_a_planted_bug_is_found() -> None:
    """Time is counted by whoever runs on it."""
    planted = (SCHEDULER, "counts", lambda thread: True)
    assert is_noticed(planted, lambda: sharing([]), 10, processors=3)


@pytest.mark.parametrize("seed", SEEDS)
def test_time_that_cannot_be_counted_at_once_is_owed(seed: int) -> None:
    """A thread waits, and its processor has to leave the kernel before it may count what the thread has used."""
    lost: list[int] = []
    # By processor: others go on meanwhile.
    owed: dict[int, int] = {}
    go_out, owe = SCHEDULER._go_out, BUDGET_OF.owe

    def number() -> int:
        return int(SCHEDULER.PROCESSOR.line.number)

    def going_out() -> None:
        current = SCHEDULER.PROCESSOR.current
        if not current.is_null() and current.value.state != STATES.RUNNING:
            used = int(SCHEDULER.timer.now()) - int(SCHEDULER.PROCESSOR.turn_start)
            go_out()
            assert SCHEDULER.PROCESSOR.current.is_null()
            assert owed[number()] == used
            lost.append(used)
        else:
            go_out()

    def owing(budget: Any, used: Any) -> None:
        before = int(budget.owed.load())
        owe(budget, used)
        assert int(budget.owed.load()) == before + int(used)
        owed[number()] = int(used)

    with replaced(SCHEDULER, "_go_out", going_out), replaced(BUDGET_OF, "owe", owing):
        switched_off(*sharing([], 4), seed=seed, processors=3, after_entry=look(50))
    assert sum(lost) > 100, "nothing was to be counted later"
