"""The tests' own test: bugs that are planted in the kernel must be found by the stateful machines.

Each replaces one function of the kernel. Most are to be found by what system calls do, without a look at structures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from cloudos.abi.errors import BadHandle
from tests.sim import invariants
from tests.sim.inventory import Inventory
from tests.sim.test_capability_machine import CapabilityMachine
from tests.sim.test_message_machine import MessageMachine
from tests.sim.test_scheduling_plans import PLANS, Plan, check_trace, run_plans
from tests.sim.world import kernel_module

CAPABILITIES = kernel_module("security.capabilities")
CLEANUP = kernel_module("objects.cleanup")
SCHEDULER = kernel_module("sched.scheduler")
WAITING = kernel_module("objects.waiting")
BUDGET = kernel_module("sched.budget").Budget
Function = Callable[..., Any]
# The same in every run: whether a bug is found must not be a matter of luck.
ENOUGH = settings(
    max_examples=40,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    phases=(Phase.generate,),
    database=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)


def every(count: int, instead: Function) -> Callable[[Function], Function]:
    """Each so manieth call is another's."""

    def plant(original: Function) -> Function:
        calls = 0

        def planted(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            return (instead if calls % count == 0 else original)(*arguments)

        return planted

    return plant


def nothing(*_: Any) -> None:
    """What should have been done is not."""


def without_generation(_: Function) -> Function:
    def check(capability: Any, object: Any, handle: Any) -> None:
        if object.is_null():
            raise BadHandle

    return check


def leaving_one(original: Function) -> Function:
    def revoke_step(capability: Any) -> bool:
        child = capability.value.child
        return child.is_null() or child == capability.value.last or bool(original(capability))

    return revoke_step


def same_generation(original: Function) -> Function:
    def give_back(table: Any, capability: Any) -> None:
        generation = capability.value.generation
        original(table, capability)
        capability.value.generation = generation

    return give_back


def keeping_priority(original: Function) -> Function:
    """Whoever served a more urgent caller stays as urgent."""

    def stop_donation(caller: Any) -> None:
        server = caller.value.server
        priority = None if server.is_null() else server.value.priority
        original(caller)
        if priority is not None and priority > server.value.priority:
            server.value.priority = priority

    return stop_donation


def children_forgotten(original: Function) -> Function:
    """A capability that is closed takes its second child with it."""

    def unlink(capability: Any) -> None:
        entry = capability.value
        if not entry.child.is_null() and entry.child != entry.last:
            entry.last = entry.child
            entry.child.value.next = capability
        original(capability)

    return unlink


@dataclass(frozen=True)
class Bug:
    """`machine` must notice that `owner.name` is what `plant` makes of it; `structures`: by looking at them."""

    machine: type[RuleBasedStateMachine]
    owner: Any
    name: str
    plant: Callable[[Function], Function]
    structures: bool = False


BUGS = {
    "stale handles are taken": Bug(CapabilityMachine, CAPABILITIES, "_check", without_generation),
    "generations come again": Bug(CapabilityMachine, CAPABILITIES, "_give_back", same_generation),
    "one child is not revoked": Bug(CapabilityMachine, CAPABILITIES, "revoke_step", leaving_one),
    "a closed handle loses a child": Bug(CapabilityMachine, CAPABILITIES, "_unlink", children_forgotten),
    "anything is handed over": Bug(CapabilityMachine, CAPABILITIES, "_check_transfer", lambda _: nothing),
    "a reference is leaked": Bug(CapabilityMachine, CLEANUP, "drop", every(9, nothing), structures=True),
    "a reference is lost": Bug(CapabilityMachine, CLEANUP, "retain", every(9, nothing), structures=True),
    "a wake-up is lost": Bug(MessageMachine, SCHEDULER, "wake", every(9, nothing)),
    "a deadline is forgotten": Bug(MessageMachine, WAITING, "expire", every(4, nothing)),
    "a suspension is forgotten": Bug(MessageMachine, SCHEDULER, "wake", lambda _: SCHEDULER.ready),
    "signals are lost": Bug(MessageMachine, WAITING, "_resume_receiver", lambda _: nothing),
}


@pytest.mark.parametrize("name", BUGS)
def test_the_machines_find(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bug = BUGS[name]
    monkeypatch.setattr(bug.owner, bug.name, bug.plant(getattr(bug.owner, bug.name)))
    if not bug.structures:
        monkeypatch.setattr(invariants, "check", Inventory)
    with pytest.raises(BaseException):  # noqa: B017
        run_state_machine_as_test(bug.machine, settings=ENOUGH)
        # What the library draws changes with its versions, and with all that it finds in the modules.
        run_state_machine_as_test(bug.machine, settings=settings(ENOUGH, max_examples=400))


def test_the_plans_find_a_priority_that_is_not_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WAITING, "stop_donation", keeping_priority(WAITING.stop_donation))
    assert_found()


def test_the_plans_find_a_budget_that_is_not_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    charge = BUDGET.charge
    half = lambda self, start, end: charge(self, start + (end - start) // 2, end)  # noqa: E731
    monkeypatch.setattr(BUDGET, "charge", half)
    assert_found()


def test_the_plans_find_turns_that_do_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SCHEDULER, "_set_alarm", nothing)
    assert_found()


def assert_found() -> None:
    """Some plan shows it."""

    @ENOUGH
    @given(st.lists(PLANS, min_size=1, max_size=5).map(tuple), st.integers(99, 105), st.integers(0, 1 << 16))
    def search(plans: tuple[Plan, ...], server_priority: int, seed: int) -> None:
        check_trace(run_plans(plans, server_priority, seed))

    with pytest.raises(BaseException):  # noqa: B017
        search()
