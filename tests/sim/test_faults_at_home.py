"""Page faults of processes that run on processors of their own: nobody is alone in the kernel for most of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cloudos.abi import initial
from tests.sim import programs
from tests.sim.accounting import FRAMES
from tests.sim.harness import MB
from tests.sim.ownership import replaced
from tests.sim.several import is_noticed, look, switched_off
from tests.sim.test_processors import PAGE
from tests.sim.world import kernel_module, user

succeed = user.succeed
FAULTS, REQUESTS = kernel_module("memory.page_faults"), kernel_module("sched.requests")
PAGES = 48
ROUNDS = 4
PROCESSES = 2
COMMON = programs.WINDOW + (64 << 20)
SEEDS = range(4)


def touching() -> tuple[user.UserFunction, user.UserFunction]:
    """A program that makes processes, each paid from a quota of its own, which map memory, touch it, and end.

    Some of their memory is paid from one quota.
    """

    def main(bundle: int, length: int) -> user.UserCode:
        made = []
        for _ in range(PROCESSES):
            quota = yield from succeed("quota_create", initial.QUOTA, 2 * MB)
            process = yield from programs.new_process(2, quota)
            yield from programs.populate(process, COMMON, b"", PAGES * PAGE, programs.READ | programs.WRITE)
            thread = yield from programs.new_thread(1, 0, process)
            yield from succeed("thread_start", thread)
            made.append(process)
        for process in made:
            assert (yield from programs.wait_for_end(process)) == 0
            yield from succeed("handle_close", process)
        return 0

    def toucher(argument: int, _: int) -> user.UserCode:
        for page in range(PAGES):
            yield user.Write(COMMON + page * PAGE, b"mine")
        for _ in range(ROUNDS):
            address = yield from succeed("memory_map", PAGES * PAGE)
            for page in range(PAGES):
                assert (yield user.Read(address + page * PAGE, 8)) == bytes(8), "not zeroed"
                yield user.Write(address + page * PAGE, b"mine")
            yield from succeed("memory_unmap", address, PAGES * PAGE)
        return 0

    return main, toucher


@pytest.fixture
def alone_for() -> Iterator[list[int]]:
    """How often page faults were resolved: at home, and alone."""
    counts = [0, 0]
    resolve = FAULTS.resolve

    def counted(*arguments: Any) -> Any:
        outcome = resolve(*arguments)
        counts[bool(REQUESTS.is_alone())] += outcome == FAULTS.Outcome.RETRY
        return outcome

    with replaced(FAULTS, "resolve", counted):
        yield counts


@pytest.mark.parametrize("seed", SEEDS)
def test_processes_touch_their_memory_on_two_processors(seed: int, alone_for: list[int]) -> None:
    done = switched_off(*touching(), seed=seed, processors=2, after_entry=look(25), memory=32 * MB)
    assert done.watch.accesses > 1_000
    at_home, alone = alone_for
    assert at_home > 4 * alone, f"{at_home} faults at home, {alone} alone"
    assert at_home > PROCESSES * ROUNDS * PAGES // 2


def settle_anywhere(space: Any, memory: Any) -> bool:
    """Whatever a fault changes belongs to everybody."""
    if REQUESTS.is_alone():
        space.header.home = REQUESTS.OWN.line.number
        FRAMES.FRAMES.put_by()
    return True


PLANTED: dict[str, tuple[Any, str, Any]] = {
    "all memory is at home": (FAULTS, "_settle", settle_anywhere),
    "a frame is taken twice": (FRAMES, "_pop", lambda line: line.at_hand),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_planted_bugs_are_found(bug: str) -> None:
    assert is_noticed(PLANTED[bug], touching, 10, processors=2, memory=32 * MB)
