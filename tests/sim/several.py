"""Programs on several processors of the simulated machine: run to their end, all that processors touch is looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.lang import Panic
from tests.sim import invariants
from tests.sim.harness import simulation
from tests.sim.ownership import Watch, replaced, watched
from tests.sim.world import board, kernel_module, machine, user

SCHEDULER = kernel_module("sched.scheduler")
MESSAGES = {call.number for call in SYSTEM_CALLS if call.is_message}
EVERY = 7
SEEDS = range(6)


@dataclass(frozen=True)
class Run:
    """The machine as it was at the end, and what was looked at on it."""

    machine: machine.Simulation
    watch: Watch


def look(every: int = EVERY) -> Callable[[machine.Simulation], None]:
    """Checks the structures after each so manieth entry."""
    count = 0

    def check(simulated: machine.Simulation) -> None:
        nonlocal count
        count += 1
        if count % every == 0:
            invariants.check(simulated)

    return check


def switched_off(
    *functions: user.UserFunction, prepare: Callable[[board.Board], None] | None = None, **options: Any
) -> Run:
    """Run to the end, in order, all accesses being looked at. `prepare`: done to the board before it is switched on."""
    made = simulation(*functions, **options)
    if prepare is not None:
        made.prepare(prepare)
    watches: list[Watch] = []
    with ExitStack() as stack:
        made.prepare(lambda _: watches.append(stack.enter_context(watched(made))))
        result = made.run()
    assert result.log.splitlines()[-1:] == ["@off"], result.log
    return Run(made, watches[0])


@contextmanager
def counted_alone() -> Iterator[Counter[int]]:
    """How often a processor made itself alone, by reason: a number of a system call, or one of `counters.py`."""
    counts: Counter[int] = Counter()
    exclude = SCHEDULER.exclude

    def counted(frame: Any, reason: Any) -> None:
        counts[int(reason)] += not SCHEDULER.is_alone()
        exclude(frame, reason)

    with replaced(SCHEDULER, "exclude", counted):
        yield counts


def for_messages(counts: Counter[int]) -> int:
    """How often that was for a message."""
    return sum(count for reason, count in counts.items() if reason in MESSAGES)


def is_noticed(
    bug: tuple[Any, str, Any], program: Callable[[], Sequence[user.UserFunction]], seeds: int, **options: Any
) -> bool:
    """Whether one of the first seeds fails when a function of the kernel is another one.

    `bug`: its owner, its name, and what stands in its place.
    """
    with replaced(*bug):
        for seed in range(seeds):
            try:
                switched_off(*program(), seed=seed, after_entry=look(1), **options)
            except (Exception, Panic, machine.Hung, board.Stuck):
                return True
    return False
