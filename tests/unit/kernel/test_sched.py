"""Run queue, timers and budgets against simple models."""

from __future__ import annotations

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.kernel.objects.thread import Thread
from cloudos.kernel.sched.budget import PIECES, Budget
from cloudos.kernel.sched.run_queue import RunQueue
from cloudos.kernel.sched.timers import DEEP, Timers
from cloudos.lang import U8, U64, Ptr
from tests.unit.kernel.simulated_machine import memory

MB = 1 << 20


def threads(count: int) -> list[Ptr[Thread]]:
    return [Ptr.to(Thread()) for _ in range(count)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["append", "prepend", "take", "remove"]), st.integers(0, 255)), max_size=60))
def test_the_run_queue_gives_the_most_urgent_first_come_first_served(steps: list[tuple[str, int]]) -> None:
    queue = RunQueue()
    model: dict[int, deque[Ptr[Thread]]] = {}
    idle = threads(12)
    for step, number in steps:
        waiting = [thread for entries in model.values() for thread in entries]
        if step in ("append", "prepend") and idle:
            # Few priorities, so that they meet; the ends of the range and of the bitmap's words among them.
            priority = (0, 1, 63, 64, 127, 128, 254, 255)[number % 8]
            thread = idle.pop()
            thread.value.priority = U8(priority)
            entries = model.setdefault(priority, deque())
            if step == "append":
                queue.append(thread)
                entries.append(thread)
            else:
                queue.prepend(thread)
                entries.appendleft(thread)
        elif step == "take" and waiting:
            highest = max(priority for priority, entries in model.items() if entries)
            assert queue.highest() == highest
            assert queue.take() == model[highest].popleft()
        elif step == "remove" and waiting:
            thread = waiting[number % len(waiting)]
            queue.remove(thread)
            model[int(thread.value.priority)].remove(thread)
            idle.append(thread)
        remaining = [priority for priority, entries in model.items() if entries]
        assert queue.is_empty == (not remaining)
        for priority in (0, 63, 64, 255):
            assert queue.has_at(U64(priority)) == (priority in remaining)
            assert queue.has_above(U64(priority)) == any(other > priority for other in remaining)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["add", "pop", "remove"]), st.integers(0, 50)), max_size=80))
def test_timers_come_in_order_of_deadlines(steps: list[tuple[str, int]]) -> None:
    with memory((1 * MB, 4 * MB)):
        timers, others = Timers(), Timers()
        for deadline, thread in enumerate(elsewhere := threads(5)):
            others.add(thread, U64(deadline * 7 % 5))
        idle = threads(20)
        model: list[tuple[int, Ptr[Thread]]] = []
        for step, number in steps:
            if step == "add" and idle:
                thread = idle.pop()
                timers.add(thread, U64(number))
                model.append((number, thread))
            elif step == "pop" and model:
                thread = timers.first
                deadline = min(entry[0] for entry in model)
                assert thread.value.deadline == deadline
                model.remove(next(entry for entry in model if entry[1] == thread and entry[0] == deadline))
                timers.remove(thread)
                idle.append(thread)
            elif step == "remove" and model:
                deadline, thread = model.pop(number % len(model))
                timers.remove(thread)
                assert thread.value.timer_rank == 0
                idle.append(thread)
            assert timers.is_empty == (not model)
            if model:
                assert timers.first.value.deadline == min(entry[0] for entry in model)
            assert all(timers.holds(thread) for _, thread in model)
            assert not any(timers.holds(thread) for thread in idle + elsewhere)


def depth(thread: Ptr[Thread]) -> int:
    """How many threads stand on the longest way to the right, from any place below."""
    if thread.is_null():
        return 0
    right = steps = 0
    at = thread
    while not at.is_null():
        at = at.value.timer_right
        steps += 1
    right = depth(thread.value.timer_right)
    return max(steps, right, depth(thread.value.timer_left) if steps > 1 else 0)


def test_ways_to_the_right_are_short_whatever_the_order_of_deadlines() -> None:
    with memory((1 * MB, 8 * MB)):
        timers = Timers()
        several = threads(600)
        for index, thread in enumerate(several):
            timers.add(thread, U64((index * 7919) % 600))
            assert depth(timers.first) <= (index + 2).bit_length()
        for expected in range(600):
            thread = timers.first
            assert thread.value.deadline == expected
            timers.remove(thread)


def test_whoever_stands_very_deep_in_a_heap_is_not_looked_for() -> None:
    with memory((1 * MB, 8 * MB)):
        timers = Timers()
        several = threads(DEEP + 5)
        # Each is earlier than all before: all ways are to the left.
        for index, thread in enumerate(several):
            timers.add(thread, U64(1000 - index))
        assert [timers.holds(thread) for thread in several] == [False] * 5 + [True] * DEEP


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 100),
    st.integers(0, 900),
    st.lists(st.tuples(st.integers(0, 150), st.integers(0, 200)), max_size=40),
)
def test_in_no_period_more_than_the_budget_is_used(limit: int, more: int, runs: list[tuple[int, int]]) -> None:
    """Whoever runs only while something is left never gets more than the budget in any window of a period."""
    period = limit + more
    budget = Budget()
    budget.set(U64(limit), U64(period))
    now = 0
    used: list[tuple[int, int]] = []
    for pause, wish in runs:
        now += pause
        budget.replenish(U64(now))
        length = min(wish, int(budget.left))
        budget.charge(U64(now), U64(now + length))
        if length:
            used.append((now, now + length))
        now += length
        assert int(budget.left) <= limit
        assert int(budget.count) <= PIECES
    if more == 0:
        return
    for start, _ in used:
        window = sum(max(0, min(end, start + period) - max(begin, start)) for begin, end in used)
        assert window <= limit


@given(st.integers(1, 100), st.integers(1, 900))
def test_a_budget_comes_back(limit: int, more: int) -> None:
    budget = Budget()
    budget.set(U64(limit), U64(limit + more))
    assert budget.charge(U64(0), U64(limit))
    assert budget.left == 0
    assert budget.next_time == limit + more
    budget.replenish(U64(limit + more - 1))
    assert budget.left == 0
    budget.replenish(U64(limit + more))
    assert budget.left == limit


@settings(max_examples=100, deadline=None)
@given(st.integers(10, 100), st.integers(1, 900), st.lists(st.integers(0, 300), min_size=1, max_size=30))
def test_what_is_used_beyond_the_budget_is_paid_back(limit: int, more: int, runs: list[int]) -> None:
    """Whoever may overrun by any time gets, in the long run, no more than the budget in each period."""
    period = limit + more
    budget = Budget()
    budget.set(U64(limit), U64(period))
    now = used = 0
    for length in runs:
        budget.replenish(U64(now))
        while budget.left == 0:
            assert budget.next_time > now, "what is due has been taken back"
            now = int(budget.next_time)
            budget.replenish(U64(now))
        # Running is as long as it pleases: only the beginning is up to the scheduler.
        assert used <= limit * (now // period + 1), "the debt is paid before the next run"
        budget.charge(U64(now), U64(now + length))
        used += length
        now += length
        outstanding = sum(int(budget.pieces[(int(budget.first) + n) % PIECES].amount) for n in range(int(budget.count)))
        assert int(budget.left) + outstanding == limit, "nothing is lost or made"


def test_a_whole_period_is_a_turn_that_comes_back_at_once() -> None:
    budget = Budget()
    budget.set(U64(10), U64(10))
    assert not budget.charge(U64(0), U64(4))
    assert budget.left == 6
    assert budget.charge(U64(4), U64(12))
    assert budget.left == 10
