"""Several threads and processes, in many interleavings."""

from __future__ import annotations

import pytest

from cloudos.abi import initial, layout
from cloudos.abi.errors import BadState
from tests.sim import programs
from tests.sim.accounting import ledger
from tests.sim.harness import MB, run
from tests.sim.inventory import PENDING
from tests.sim.world import user

call, succeed, start_thread = user.call, user.succeed, programs.start_thread
SEEDS = range(4)


@pytest.mark.parametrize("seed", SEEDS)
def test_threads_of_a_process_share_its_memory_and_all_finish(seed: int) -> None:
    def main(bundle: int, length: int) -> user.UserCode:
        for number in range(5):
            yield from start_thread(1, number)
        yield from programs.wait_for_marks(5)
        return 0

    def worker(number: int, _: int) -> user.UserCode:
        for _ in range(30):
            yield user.Work(100_000)
        yield user.Write(user.SCRATCH + number, b"\1")
        return None

    assert run(main, worker, seed=seed).record("exit") == "status=0"


def test_seeds_give_different_interleavings() -> None:
    def order_of(seed: int) -> str:
        order: list[str] = []

        def main(bundle: int, length: int) -> user.UserCode:
            for number in range(3):
                yield from start_thread(1, number)
            yield from programs.sleep(10**9)
            return 0

        def worker(number: int, _: int) -> user.UserCode:
            for _ in range(10):
                order.append("abc"[number])
                yield user.Work(4_000_000)
            return None

        run(main, worker, seed=seed, pace=(20, 3_000_000, 0.2))
        assert sorted(order) == sorted("abc" * 10)
        return "".join(order)

    assert len({order_of(seed) for seed in range(8)}) > 4


def test_registers_belong_to_their_thread() -> None:
    def main(bundle: int, length: int) -> user.UserCode:
        for number in range(3):
            yield from start_thread(1, 1000 * (number + 1))
        yield from programs.sleep(500_000_000)
        return 0

    def worker(number: int, _: int) -> user.UserCode:
        previous = 0
        for step in range(20):
            assert (yield user.Vector(number + step)) == previous
            previous = number + step
            reply = yield user.Call(user.NUMBERS["clock_read"], (number,) * 6, (number + 1,) * 4, number + 2)
            assert reply.badge == reply.tag == number and reply.words[1:] == (number,) * 3 + (number + 1,) * 4
            assert reply.reply == number + 2
            yield user.Work(3_000_000)
        return None

    assert run(main, worker).record("exit") == "status=0"


def test_equal_threads_get_equal_shares_and_priorities_are_kept() -> None:
    steps = [0, 0, 0]

    def main(bundle: int, length: int) -> user.UserCode:
        low = yield from programs.new_schedule(priority=initial.PRIORITY - 1)
        yield from start_thread(1, 2, low)
        for number in range(2):
            yield from start_thread(1, number, (yield from programs.new_schedule(priority=initial.PRIORITY)))
        yield from programs.sleep(200_000_000)
        assert steps[2] == 0, "a thread of lower priority ran"
        assert abs(steps[0] - steps[1]) < 0.2 * (steps[0] + steps[1]), steps
        return 0

    def worker(number: int, _: int) -> user.UserCode:
        while True:
            steps[number] += 1
            yield user.Work(200_000)

    assert run(main, worker, memory=8 * MB).record("exit") == "status=0"


@pytest.mark.parametrize(("budget", "period"), [(1_000_000, 10_000_000), (2_000_000, 4_000_000)])
def test_a_budget_is_not_exceeded(budget: int, period: int) -> None:
    used = 0
    window = 100_000_000

    def main(bundle: int, length: int) -> user.UserCode:
        limited = yield from programs.new_schedule(initial.PRIORITY, budget, period)
        yield from start_thread(1, 0, limited)
        yield from start_thread(2, 0, (yield from programs.new_schedule(initial.PRIORITY - 1)))
        yield from programs.sleep(window)
        share = used / window
        assert 0.9 * budget / period < share < 1.1 * budget / period, share
        return 0

    def limited(_: int, __: int) -> user.UserCode:
        nonlocal used
        while True:
            yield user.Work(20_000)
            used += 21_000

    def greedy(_: int, __: int) -> user.UserCode:
        while True:
            yield user.Work(20_000)

    assert run(main, limited, greedy, pace=(20, 2_000, 0.0)).record("exit") == "status=0"


def test_yield_lets_the_others_go_first() -> None:
    order: list[int] = []

    def main(bundle: int, length: int) -> user.UserCode:
        for number in range(3):
            yield from start_thread(1, number)
        yield from programs.sleep(100_000_000)
        return 0

    def worker(number: int, _: int) -> user.UserCode:
        for _ in range(5):
            order.append(number)
            yield call("thread_yield")
        return None

    run(main, worker, pace=(20, 100, 0.0))
    assert order[3:] == [order[index % 3] for index in range(3, 15)]


def test_processes_do_not_see_each_others_memory() -> None:
    def main(bundle: int, length: int) -> user.UserCode:
        yield user.Write(user.SCRATCH, b"secret")
        child = yield from programs.new_process(2)
        thread = yield from programs.new_thread(1, process=child)
        yield from succeed("thread_start", thread)
        assert (yield from programs.wait_for_end(child)) == 42
        assert (yield user.Read(user.SCRATCH, 6)) == b"secret"
        return 0

    def other(_: int, __: int) -> user.UserCode:
        assert (yield user.Read(user.SCRATCH, 6)) == bytes(6)
        yield user.Write(user.SCRATCH, b"mine!!")
        return 42

    assert run(main, other).record("exit") == "status=0"


@pytest.mark.parametrize("seed", SEEDS)
def test_processes_come_and_go_without_a_trace(seed: int) -> None:
    def main(bundle: int, length: int) -> user.UserCode:
        quotas = []
        for _ in range(4):
            child = yield from programs.new_process(2)
            for number in range(3):
                thread = yield from programs.new_thread(1, number, child)
                yield from succeed("thread_start", thread)
            yield from programs.sleep(300_000)
            yield call("process_kill", child)
            assert (yield call("process_kill", child)).error == 0
            yield from programs.sleep(300_000)
            quotas.append(ledger()[0])
        # What stays are the dead processes and threads themselves, to which there are handles.
        assert max(quotas) - min(quotas) <= 16, quotas
        return 0

    def worker(number: int, _: int) -> user.UserCode:
        start = yield from succeed("memory_map", 30 * 4096)
        yield user.Write(start, b"x" * 5000)
        if number == 1:
            yield call("console_read", user.SCRATCH, 1)
        while True:
            yield user.Work(10_000)

    assert run(main, worker, seed=seed, given=None).record("exit") == "status=0"


def test_a_fault_in_another_process_ends_only_that() -> None:
    def main(bundle: int, length: int) -> user.UserCode:
        child = yield from programs.new_process(2)
        thread = yield from programs.new_thread(1, process=child)
        yield from succeed("thread_start", thread)
        yield from programs.wait_for_end(child)
        return 6

    def faulty(_: int, __: int) -> user.UserCode:
        yield user.Read(0, 8)
        raise AssertionError("went on after a fault")

    result = run(main, faulty)
    assert result.record("exit") == "status=6" and result.records("fault") == []
    assert "null-pointer" in result.log


def test_a_thread_can_be_killed_in_whatever_it_does() -> None:
    ways = ("run", "sleep", "read", "wait", "receive", "send", "call")

    def main(bundle: int, length: int) -> user.UserCode:
        handles = [(yield from programs.new_endpoint()), (yield from programs.new_notification())]
        yield user.Write(user.SCRATCH, b"".join(handle.to_bytes(8, "little") for handle in handles))
        for number in range(len(ways)):
            thread = yield from start_thread(1, number)
            yield from programs.sleep(2_000_000)
            yield from succeed("thread_kill", thread)
            assert (yield call("thread_start", thread)).error == BadState.code
        return 0

    def worker(number: int, _: int) -> user.UserCode:
        words = yield user.Read(user.SCRATCH, 16)
        endpoint, notification = int.from_bytes(words[:8], "little"), int.from_bytes(words[8:], "little")
        match ways[number]:
            case "sleep":
                yield call("thread_sleep", 1 << 50)
            case "read":
                yield call("console_read", layout.STACK_TOP - 100, 10)
            case "wait":
                yield call("notification_wait", notification, (1 << 64) - 1)
            case "receive" | "send" | "call" as kind:
                yield user.message(f"message_{kind}", endpoint)
            case _:
                while True:
                    yield user.Work(1000)
        raise AssertionError(f"{ways[number]} came back")

    assert run(main, worker, given=None).record("exit") == "status=0"


def test_ended_objects_are_taken_apart_while_threads_only_yield() -> None:
    """The fast path of a yield leaves the kernel by a way on which nothing else is done."""

    def main(bundle: int, length: int) -> user.UserCode:
        yield from start_thread(1)
        child = yield from programs.new_process(2)
        yield from succeed("process_kill", child)
        for _ in range(5000):
            yield call("thread_yield")
        assert PENDING.first.is_null(), "a process that ended is still there"
        return 0

    def yielding(_: int, __: int) -> user.UserCode:
        while True:
            yield call("thread_yield")

    assert run(main, yielding, pace=(20, 200, 0.0)).record("exit") == "status=0"
