"""Several processors: whatever the order in which they go on, all structures stay in order and nobody is lost.

Every seed is one interleaving. After every entry into the kernel, of whatever processor, the invariants are checked,
and with every access, that it touches nothing of another processor that is in the kernel too (`ownership.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cloudos.abi import initial
from tests.sim import programs
from tests.sim.harness import MB, run, simulation
from tests.sim.several import SEEDS, is_noticed, look, switched_off
from tests.sim.world import kernel_module, user

call, succeed, start_thread = user.call, user.succeed, programs.start_thread
REQUESTS = kernel_module("sched.requests")
SCHEDULER = kernel_module("sched.scheduler")
INSIDE = kernel_module("hal.simulated.processor").Inside
IMPLEMENTATIONS = kernel_module("dispatch").dispatch.__globals__
PAGE = 4096
WORKERS = 4


def compute(number: int, _: int) -> user.UserCode:
    """Some work, then a mark that it is done."""
    for _ in range(20):
        yield user.Work(50_000)
    yield user.Write(user.SCRATCH + number, b"\1")
    return None


@pytest.mark.parametrize("processors", (2, 3))
@pytest.mark.parametrize("seed", SEEDS)
def test_threads_run_on_all_processors_and_all_finish(seed: int, processors: int) -> None:
    used: set[int] = set()

    def main(bundle: int, length: int) -> user.UserCode:
        for number in range(WORKERS):
            yield from start_thread(1, number)
        yield from programs.wait_for_marks(WORKERS)
        return 0

    def worker(number: int, _: int) -> user.UserCode:
        for _ in range(40):
            used.add(made[0].board.processor.number)
            yield user.Work(50_000)
        yield user.Write(user.SCRATCH + number, b"\1")
        return None

    made = [simulation(main, worker, seed=seed, processors=processors, after_entry=look())]
    assert made[0].run().record("exit") == "status=0"
    assert used == set(range(processors))


def calling(rounds: int) -> tuple[user.UserFunction, user.UserFunction, user.UserFunction]:
    """A program whose threads call two servers, from whatever processor they are on."""

    def main(bundle: int, length: int) -> user.UserCode:
        endpoint = yield from programs.new_endpoint()
        yield from start_thread(1, endpoint)
        for number in range(3):
            yield from start_thread(2, endpoint << 8 | number)
        yield from programs.wait_for_marks(3, 100_000)
        return 0

    def server(endpoint: int, _: int) -> user.UserCode:
        reply = yield user.message("message_receive", endpoint)
        while True:
            words = (reply.words[0] + 1,)
            reply = yield user.message("message_reply_receive", endpoint, words=words, reply=reply.reply)

    def client(argument: int, _: int) -> user.UserCode:
        for number in range(rounds):
            yield user.Vector(argument & 0xFF)
            reply = yield user.message("message_call", argument >> 8, words=(number,))
            assert reply.error == 0 and reply.words[0] == number + 1
            assert (yield user.Vector(argument & 0xFF)) == argument & 0xFF, "another thread's vector registers"
        yield user.Write(user.SCRATCH + (argument & 0xFF), b"\1")
        return None

    return main, server, client


@pytest.mark.parametrize("processors", (2, 3))
@pytest.mark.parametrize("seed", SEEDS)
def test_messages_between_processors(seed: int, processors: int) -> None:
    watch = switched_off(*calling(15), seed=seed, processors=processors, after_entry=look()).watch
    assert watch.accesses > 400 and watch.visiting > 100, "hardly anything is done at the same time"


def taking_memory(rounds: int) -> tuple[user.UserFunction, user.UserFunction]:
    """A program that discards and clones memory to which other threads write."""

    def main(bundle: int, length: int) -> user.UserCode:
        memory = yield from succeed("memory_create", initial.QUOTA, 4 * PAGE, 0)
        yield from succeed("space_map", initial.SPACE, memory, programs.WINDOW, 0, 4 * PAGE, 3)
        for number in range(2):
            yield from start_thread(1, number)
        for _ in range(rounds):
            yield user.Work(3_000)
            yield from succeed("memory_discard", memory, 0, 4 * PAGE)
            copy = yield from succeed("memory_clone", memory, initial.QUOTA, 0)
            yield from succeed("handle_close", copy)
        yield user.Write(user.SCRATCH, b"\1")
        done = b""
        while done != b"\1\1":
            yield from programs.sleep(100_000)
            done = yield user.Read(user.SCRATCH + 1, 2)
        yield from succeed("space_unmap", initial.SPACE, programs.WINDOW, 4 * PAGE)
        return 0

    def writer(number: int, _: int) -> user.UserCode:
        count = 0
        while (yield user.Read(user.SCRATCH, 1)) != b"\1":
            yield user.Write(programs.WINDOW + count % 4 * PAGE + 8 * number, b"written.")
            count += 1
        yield user.Write(user.SCRATCH + 1 + number, b"\1")
        return None

    return main, writer


@pytest.mark.parametrize("processors", (2, 3))
@pytest.mark.parametrize("seed", SEEDS)
def test_memory_is_taken_away_under_threads_that_write_to_it(seed: int, processors: int) -> None:
    watch = switched_off(*taking_memory(6), seed=seed, processors=processors, after_entry=look()).watch
    assert watch.accesses > 100, "hardly anything is done at the same time"


def stopping(rounds: int) -> tuple[user.UserFunction, user.UserFunction]:
    """A program that suspends threads, looks whether they stand still, and lets them go on; then kills them."""

    def main(bundle: int, length: int) -> user.UserCode:
        bell = yield from programs.new_notification()
        threads = []
        for number in range(3):
            threads.append((yield from start_thread(1, bell << 8 | number)))
        for count in range(rounds):
            thread = threads[count % 3]
            yield from succeed("thread_suspend", thread)
            before = yield user.Read(user.SCRATCH + 8 * (count % 3), 8)
            yield user.Work(20_000)
            assert (yield user.Read(user.SCRATCH + 8 * (count % 3), 8)) == before, "a suspended thread goes on"
            yield from succeed("thread_start", thread)
            yield user.Work(5_000)
        for thread in threads:
            yield from succeed("thread_kill", thread)
            yield from succeed("handle_close", thread)
        return 0

    def worker(argument: int, _: int) -> user.UserCode:
        number, count = argument & 0xFF, 0
        while True:
            yield user.Vector(number + 1)
            yield from succeed("notification_signal", argument >> 8, 1 << number)
            count += 1
            yield user.Write(user.SCRATCH + 8 * number, count.to_bytes(8, "little"))
            assert (yield user.Vector(number + 1)) == number + 1, "another thread's vector registers"

    return main, worker


@pytest.mark.parametrize("processors", (2, 3))
@pytest.mark.parametrize("seed", SEEDS)
def test_threads_are_stopped_wherever_they_run(seed: int, processors: int) -> None:
    watch = switched_off(*stopping(12), seed=seed, processors=processors, after_entry=look()).watch
    assert watch.accesses > 100 and watch.visiting > 5, "hardly anything is done at the same time"


def ending(rounds: int) -> tuple[user.UserFunction, user.UserFunction, user.UserFunction]:
    """A program that makes processes with two threads, and kills them while they run."""

    def main(bundle: int, length: int) -> user.UserCode:
        for count in range(rounds):
            process = yield from programs.new_process(3)
            for function in (1, 2):
                thread = yield from programs.new_thread(function, 0, process)
                yield from succeed("thread_start", thread)
                yield from succeed("handle_close", thread)
            yield user.Work(4_000 + 10_000 * (count % 3))
            yield from succeed("process_kill", process)
            yield from programs.wait_for_end(process)
            yield from succeed("handle_close", process)
        return 0

    def toucher(argument: int, _: int) -> user.UserCode:
        count = 0
        while True:
            yield user.Write(user.SCRATCH + count % 8 * PAGE, b"touched")
            count += 1

    def mapper(argument: int, _: int) -> user.UserCode:
        while True:
            address = yield from succeed("memory_map", 2 * PAGE)
            yield user.Write(address, b"mine")
            yield from succeed("memory_unmap", address, 2 * PAGE)

    return main, toucher, mapper


@pytest.mark.parametrize("processors", (2, 3))
@pytest.mark.parametrize("seed", SEEDS)
def test_processes_are_killed_while_they_run(seed: int, processors: int) -> None:
    watch = switched_off(*ending(4), seed=seed, processors=processors, after_entry=look(), memory=8 * MB).watch
    assert watch.accesses > 400 and watch.visiting > 80, "hardly anything is done at the same time"


def packed(*handles: int) -> int:
    """The numbers of fresh handles, as one argument."""
    return int.from_bytes(bytes(handle & 0xFF for handle in handles), "little")


def unpacked(argument: int, count: int) -> list[int]:
    """The opposite."""
    return [1 << 32 | number for number in argument.to_bytes(count, "little")]


def signalling(rounds: int) -> tuple[user.UserFunction, user.UserFunction, user.UserFunction]:
    """Pairs of threads that wake each other, with deadlines and sleep between; a server that takes signals of all."""

    def main(bundle: int, length: int) -> user.UserCode:
        endpoint = yield from programs.new_endpoint()
        bell = yield from programs.new_notification()
        yield from start_thread(2, packed(endpoint, bell))
        for number in range(0, 4, 2):
            one = yield from programs.new_notification()
            other = yield from programs.new_notification()
            yield from start_thread(1, packed(one, other, bell, number))
            yield from start_thread(1, packed(other, one, bell, number + 1))
        yield from programs.wait_for_marks(4, 100_000)
        return 0

    def waker(argument: int, _: int) -> user.UserCode:
        mine, theirs, bell, number = unpacked(argument, 4)
        number &= 0xFF
        for count in range(rounds):
            yield from succeed("notification_signal", theirs, 1 << number)
            if count % 3 == number % 3:
                yield from succeed("notification_signal", bell, 1 << number)
            if count % 4 == number:
                yield from programs.sleep(3_000)
            yield from succeed("thread_yield")
            now = yield from succeed("clock_read")
            yield call("notification_wait", mine, now + 20_000)
        yield user.Write(user.SCRATCH + number, b"\1")
        return None

    def server(argument: int, _: int) -> user.UserCode:
        endpoint, bell = unpacked(argument, 2)
        yield from succeed("thread_bind", bell)
        while True:
            yield user.message("message_receive", endpoint)

    return main, waker, server


@pytest.mark.parametrize("processors", (2, 3))
@pytest.mark.parametrize("seed", SEEDS)
def test_signals_and_deadlines_on_all_processors(seed: int, processors: int) -> None:
    watch = switched_off(*signalling(12), seed=seed, processors=processors, after_entry=look()).watch
    assert watch.accesses > 400, "nothing is done without being alone in the kernel"
    assert watch.visiting > 20, "nothing is done with one other processor kept out"


class Failed(Exception):
    """What a processor did that failed."""


@pytest.mark.parametrize("seed", SEEDS)
def test_a_failing_processor_stops_the_others_before_they_come_in(seed: int) -> None:
    """From its own part of the kernel, where it keeps nobody out."""
    entries = 0
    clock_read = IMPLEMENTATIONS["clock_read"]

    def main(bundle: int, length: int) -> user.UserCode:
        yield from start_thread(1, 0)
        for _ in range(200):
            yield from succeed("clock_read")
        return 0

    def worker(_: int, __: int) -> user.UserCode:
        while True:
            yield from succeed("clock_read")

    def fail() -> Any:
        nonlocal entries
        entries += 1
        if entries != 100:
            return clock_read()
        assert REQUESTS.processors.is_home()
        REQUESTS.stop_others()
        for _ in range(400):
            SCHEDULER.cpu.pause()
        raise Failed

    IMPLEMENTATIONS["clock_read"] = fail
    try:
        with pytest.raises(Failed):
            run(main, worker, seed=seed, processors=2)
    finally:
        IMPLEMENTATIONS["clock_read"] = clock_read
    # One may be inside already.
    assert 100 <= entries <= 101, "others go on"


def test_a_seed_fixes_what_several_processors_do() -> None:
    def log_of(seed: int) -> tuple[int, int]:
        made = switched_off(*calling(5), seed=seed, processors=3).machine
        return made.entries, made.board.clock

    assert log_of(3) == log_of(3)
    assert len({log_of(seed) for seed in range(5)}) > 1


# The tests' own test


def stop_without_waiting(other: Any) -> None:
    """A processor is told, but nobody waits until its thread's registers stand still."""
    other.line.request.store(SCHEDULER.U32(REQUESTS.LET_GO))
    other.current = SCHEDULER.null()


def keep_own(own: Any) -> bool:
    """Another processor's word is taken for granted."""
    if own.address == REQUESTS.processors.this() and not own.value.machine.inside.try_take():
        return False
    REQUESTS._note(own)
    return True


PLANTED: dict[str, tuple[Any, str, Any, Callable[[], tuple[user.UserFunction, ...]]]] = {
    "everything is within reach": (REQUESTS, "reaches", lambda number: True, lambda: calling(20)),
    "who is visited is not kept out": (REQUESTS, "try_keep", keep_own, lambda: signalling(20)),
    "nobody is waited for": (INSIDE, "is_inside", property(lambda self: False), lambda: signalling(20)),
    "an invalidation is not sent": (REQUESTS, "_ask_others", lambda root, request: None, lambda: taking_memory(10)),
    "a stop does not wait": (SCHEDULER, "_take_from", stop_without_waiting, lambda: stopping(20)),
    "vector registers stay behind": (SCHEDULER, "let_go", lambda: None, lambda: stopping(20)),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_planted_bugs_are_found(bug: str) -> None:
    *planted, program = PLANTED[bug]
    assert is_noticed((planted[0], planted[1], planted[2]), program, 20, processors=2)


def test_one_processor_is_as_before() -> None:
    assert run(lambda bundle, length: compute(0, 0), seed=1).record("exit") == "status=0"
