"""Random plans for threads of several priorities and budgets: who ran when is checked against what was promised.

Each thread works, sleeps, yields and calls a server in a random order, under a random schedule. From what the threads
themselves did, each piece of work with its time, follows: a more urgent thread that could run did (priorities), equal
threads took turns (no starvation), nobody used more than its budget in any period nor got less when it was the most
urgent, sleep ended at its deadline and not before, and who serves a call runs at its caller's priority until it
answers and no longer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudos.abi import initial
from tests.sim import programs
from tests.sim.harness import simulation
from tests.sim.invariants import check
from tests.sim.sizes import FACTOR
from tests.sim.world import board, machine, user

# Nanoseconds.
TURN = 100_000
PIECE = 5_000
HORIZON = 6_000_000
# Until an interrupt is taken and others are back: an instruction or two, and the kernel's entries between them.
TOLERANCE = 4 * PIECE
# A budget may end within an instruction, several times in a period.
OVERRUN = 4 * PIECE
PACE = (20, 60, 0.0)
MAIN, WORKER, SERVER = 0, 1, 2
TOP = 127
CHECK_EVERY = 20


@dataclass(frozen=True)
class Plan:
    """A thread: what it does again and again, and its schedule. `budget` 0: all time, in turns."""

    priority: int
    budget: int
    period: int
    steps: tuple[tuple[str, int], ...]

    @property
    def limited(self) -> bool:
        return self.budget != 0


@dataclass
class Piece:
    """Some work that was done."""

    start: int
    end: int
    who: int
    priority: int


@dataclass
class Trace:
    """What happened. `able`: when each thread could run."""

    plans: tuple[Plan, ...]
    server_priority: int
    board: board.Board | None = None
    pieces: list[Piece] = field(default_factory=list)
    able: dict[int, list[list[int]]] = field(default_factory=dict)
    serving: int | None = None
    late: list[int] = field(default_factory=list)

    @property
    def now(self) -> int:
        assert self.board is not None
        return self.board.clock

    def begin(self, who: int, at: int) -> None:
        """From then on it can run."""
        self.able.setdefault(who, []).append([at, HORIZON * 100])

    def stop(self, who: int) -> None:
        """Now it waits."""
        self.able[who][-1][1] = self.now

    def work(self, who: int, priority: Callable[[], int]) -> Work:
        """An instruction that is on record once it is executed."""
        return Work(lambda: self.pieces.append(Piece(self.now, self.now + PIECE, who, priority())))


class Work(user.Work):
    """`user.Work` that tells when it is executed."""

    def __init__(self, note: Callable[[], Any]) -> None:
        object.__setattr__(self, "note", note)

    @property
    def duration(self) -> int:
        """How long it takes; asked for when it begins."""
        self.note()  # type: ignore[attr-defined]
        return PIECE


PLANS = st.builds(
    lambda priority, limit, steps: Plan(priority, limit[0], limit[1], tuple(steps)),
    st.integers(100, 104),
    st.sampled_from([(0, 0), (0, 0), (100_000, 500_000), (200_000, 1_000_000)]),
    st.lists(
        st.one_of(
            st.tuples(st.just("work"), st.integers(1, 60)),
            st.tuples(st.just("sleep"), st.integers(1, 600_000)),
            st.tuples(st.just("yield"), st.just(0)),
            st.tuples(st.just("call"), st.integers(1, 20)),
        ),
        min_size=1,
        max_size=5,
    ).filter(lambda steps: any(name in ("work", "call") for name, _ in steps)),
)


def worker_of(trace: Trace, endpoint: list[int]) -> user.UserFunction:
    """A thread that follows its plan until the machine is off."""

    def worker(who: int, _: int) -> user.UserCode:
        plan = trace.plans[who]
        trace.begin(who, trace.now)
        while True:
            for name, amount in plan.steps:
                if name == "work":
                    for _ in range(amount):
                        yield trace.work(who, lambda: plan.priority)
                elif name == "sleep":
                    yield from nap(trace, who, amount)
                elif name == "yield":
                    yield user.call("thread_yield")
                else:
                    yield from ask(trace, who, amount, endpoint[0])

    return worker


def nap(trace: Trace, who: int, duration: int) -> programs.Steps:
    """Sleep: never too short."""
    begun = trace.now
    trace.stop(who)
    yield from programs.sleep(duration)
    assert trace.now >= begun + duration, "a thread woke too early"
    trace.begin(who, begun + duration + TOLERANCE)
    return 0


def ask(trace: Trace, who: int, amount: int, endpoint: int) -> programs.Steps:
    """Have the server work."""
    trace.stop(who)
    reply: user.Reply = yield user.message("message_call", endpoint, words=(amount, who))
    assert reply.error == 0 and reply.words[0] == amount
    trace.begin(who, trace.now)
    return 0


def server_of(trace: Trace, endpoint: list[int]) -> user.UserFunction:
    """Works for whoever calls, at the caller's priority; and a little for itself after each."""

    def server(_: int, __: int) -> user.UserCode:
        trace.able[-1] = []
        reply: user.Reply = yield user.message("message_receive", endpoint[0])
        while True:
            assert reply.error == 0
            amount, who = reply.words[:2]
            priority = max(trace.server_priority, trace.plans[who].priority)
            for _ in range(amount):
                yield trace.work(who, lambda: priority)  # noqa: B023
            yield user.message("message_reply", reply.reply, words=(amount,))
            for _ in range(3):
                yield trace.work(-1, lambda: trace.server_priority)
            reply = yield user.message("message_receive", endpoint[0])

    return server


def main_of(trace: Trace, endpoint: list[int]) -> user.UserFunction:
    """Starts everything, and ends it."""

    def main(bundle: int, length: int) -> user.UserCode:
        endpoint.append((yield from programs.new_endpoint()))
        own = yield from programs.new_schedule(trace.server_priority, TURN, TURN)
        yield from programs.start_thread(SERVER, 0, own)
        yield from programs.sleep(TOLERANCE)
        for who, plan in enumerate(trace.plans):
            budget, period = (plan.budget, plan.period) if plan.limited else (TURN, TURN)
            schedule = yield from programs.new_schedule(plan.priority, budget, period)
            yield from programs.start_thread(WORKER, who, schedule)
        yield from programs.sleep(HORIZON)
        return 0

    return main


def run_plans(plans: tuple[Plan, ...], server_priority: int, seed: int) -> Trace:
    """One machine."""
    trace = Trace(plans, server_priority)
    endpoint: list[int] = []
    count = 0

    def look(made: machine.Simulation) -> None:
        nonlocal count
        count += 1
        if count % CHECK_EVERY == 0:
            check(made)

    functions = main_of(trace, endpoint), worker_of(trace, endpoint), server_of(trace, endpoint)
    made = simulation(*functions, seed=seed, pace=PACE, after_entry=look)
    made.prepare(lambda machine: setattr(trace, "board", machine))
    assert made.run().record("exit") == "status=0"
    return trace


def between(pieces: list[Piece], start: int, end: int) -> list[Piece]:
    """What was done from `start` to `end`."""
    first = bisect_left(pieces, start, key=lambda piece: piece.start)
    last = bisect_left(pieces, end - PIECE, key=lambda piece: piece.start)
    return pieces[first:last]


def check_priorities(trace: Trace) -> None:
    """While a thread that has time could run, no less urgent one does."""
    for who, plan in enumerate(trace.plans):
        if plan.limited:
            continue
        for start, end in trace.able.get(who, []):
            for piece in between(trace.pieces, start + TOLERANCE, end):
                assert piece.priority >= plan.priority, f"thread {who} could run since {start}, but {piece} did"


def check_turns(trace: Trace) -> None:
    """A thread that has time and can run does so before all its equals had two turns, unless others are more urgent."""
    equals = len(trace.plans) + 1
    for who, plan in enumerate(trace.plans):
        if plan.limited:
            continue
        for start, end in trace.able.get(who, []):
            waited = 0
            for piece in between(trace.pieces, start, end):
                if piece.who == who:
                    waited = 0
                elif piece.priority == plan.priority:
                    waited += PIECE
                assert waited <= 2 * equals * (TURN + TOLERANCE), f"thread {who} starves"


def check_budgets(trace: Trace) -> None:
    """In no window as long as the period is more than the budget used: by the thread, and by the server for it."""
    for who, plan in enumerate(trace.plans):
        if not plan.limited:
            continue
        own = [piece for piece in trace.pieces if piece.who == who]
        for first in own:
            used = PIECE * len(between(own, first.start, first.start + plan.period))
            assert used <= plan.budget + OVERRUN, f"thread {who} used {used} of {plan.budget} within a period"


def check_guarantee(trace: Trace) -> None:
    """The most urgent thread, if it does nothing but work, gets its budget in each period."""
    top = max(plan.priority for plan in trace.plans)
    first = [who for who, plan in enumerate(trace.plans) if plan.priority == top]
    for who in first:
        plan = trace.plans[who]
        if len(first) > 1 or not plan.limited or any(name != "work" for name, _ in plan.steps):
            continue
        if any(name == "call" for other in trace.plans for name, _ in other.steps):
            continue
        used = sum(piece.end - piece.start for piece in trace.pieces if piece.who == who)
        assert used >= 0.8 * plan.budget * (HORIZON // plan.period - 1), f"thread {who} got only {used}"


def check_trace(trace: Trace) -> None:
    """All of it."""
    assert trace.pieces, "nobody ran"
    check_priorities(trace)
    check_turns(trace)
    check_budgets(trace)
    check_guarantee(trace)


@settings(max_examples=25 * FACTOR, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(PLANS, min_size=1, max_size=5).map(tuple), st.integers(99, 105), st.integers(0, 1 << 16))
def test_who_runs_is_who_should(plans: tuple[Plan, ...], server_priority: int, seed: int) -> None:
    assert max(server_priority, *(plan.priority for plan in plans)) < initial.PRIORITY
    check_trace(run_plans(plans, server_priority, seed))
