"""Every allocation of every operation is made to fail in turn: the operation says so and leaves no trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cloudos.abi import initial, layout
from cloudos.abi.errors import OutOfMemory
from cloudos.abi.objects import Kind
from cloudos.abi.system_calls import SYSTEM_CALLS
from tests.sim import programs
from tests.sim.accounting import FRAMES, HEAP, ledger
from tests.sim.allocation_cases import CASES, MORE, Setting, new_setting
from tests.sim.harness import bundle_of, run
from tests.sim.invariants import check
from tests.sim.paging import user_pages
from tests.sim.world import board, user

call, succeed = user.call, user.succeed
PAGE = 4096
# Tables of a range that was not mapped before may stay: one for each level below the root.
TABLES = 3
LIMIT = 40
# What changes whenever a thread makes a call, and what has no meaning while nothing refers to it.
PASSING: tuple[str, ...] = (
    "frame.", "budget.", "queue_", "waiter_", "header.next_cleanup", "state", "badge", "through_rights", "is_call",
    "sweep_", "sweeping", "found",
)  # fmt: skip
NEEDS_MEMORY = {
    "thread_create", "thread_set_buffer", "process_create", "endpoint_create", "notification_create", "schedule_create",
    "quota_create", "memory_unmap", "device_create", "interrupt_create", "device_memory", "memory_create",
    "memory_create_paged", "memory_clone", "space_map", "space_unmap", "space_protect",
}  # fmt: skip


class Injector:
    """Makes the allocation number `at` fail, counting from 1; 0: none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = 0
        for owner, name in ((FRAMES.FrameAllocator, "allocate"), (HEAP.Failures, "check")):
            monkeypatch.setattr(owner, name, self._wrap(getattr(owner, name)))

    def _wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def allocate(*arguments: Any) -> Any:
            if self.at:
                self.at -= 1
                if not self.at:
                    raise OutOfMemory
            return function(*arguments)

        return allocate


@pytest.fixture
def injector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Injector]:
    made = Injector(monkeypatch)
    yield made
    made.at = 0


def state_of(setting: Setting) -> dict[str, Any]:
    """All that a failed call must leave as it was: objects, handles, what processes see, bytes charged."""
    found = check(setting.stage.simulation)
    objects = {
        address: {name: value for name, value in values.items() if not name.startswith(PASSING)}
        for address, values in found.objects.items()
    }
    handles = {at: (slot["object"], slot["rights"], slot["badge"]) for at, slot in found.capabilities.items()}
    seen = {address: user_pages(found.memory, found.root_of(address)) for address in found.of_kind(Kind.PROCESS)}
    return {"objects": objects, "handles": handles, "pages": seen}


def difference(after: dict[str, Any], before: dict[str, Any]) -> list[str]:
    """What has changed."""
    found = []
    for what in before:
        for key in before[what] | after[what]:
            old, new = before[what].get(key), after[what].get(key)
            if old != new and isinstance(old, dict) and isinstance(new, dict):
                found += [
                    f"{what} {key:#x} {name}: {old.get(name)} -> {new.get(name)}"
                    for name in old
                    if old[name] != new.get(name)
                ]
            elif old != new:
                found.append(f"{what} {key:#x}: {old} -> {new}")
    return found


def test_every_system_call_has_a_case() -> None:
    assert set(CASES) == {declared.name for declared in SYSTEM_CALLS}


@pytest.mark.parametrize("name", [*CASES, *MORE])
def test_an_operation_without_memory_leaves_no_trace(name: str, injector: Injector) -> None:
    """Its first, second, third allocation fails, until it needs no more."""
    failures = 0
    setting = new_setting()
    step = {**CASES, **MORE}[name](setting)
    try:
        for at in range(1, LIMIT):
            before, frames = state_of(setting), ledger()
            injector.at = at
            try:
                reply = setting.stage.do(setting.actor, step)
            except board.PoweredOff:
                assert name in ("process_exit", "process_panic", "device_reset")
                return
            missed, injector.at = not injector.at, 0
            if reply is None or not reply.error:
                # Or it did without: a large page was made of small ones, or fewer pages were supplied.
                assert not missed or "large" in name or ("supply" in name and reply and reply.value < 3 * PAGE)
                break
            assert missed and reply.error == OutOfMemory.code, reply
            failures += 1
            assert difference(state_of(setting), before) == []
            after = ledger()
            assert after[1] == frames[1], "bytes stay charged"
            assert 0 <= frames[0] - after[0] <= TABLES, "frames stay"
        else:
            raise AssertionError("it always fails")
        assert (failures > 0) == (name in NEEDS_MEMORY or name in MORE), f"{failures} allocations"
        if setting.actor.home == initial.PROCESS and not setting.stage.actors[0].busy:
            setting.stage.finish()
    finally:
        setting.stage.close()


def test_tables_of_handles_grow_only_with_memory(injector: Injector) -> None:
    """Slots come in frames of 64: many handles need several."""

    def program(bundle: int, length: int) -> user.UserCode:
        endpoint = yield from programs.new_endpoint()
        failed = 0
        for _ in range(150):
            before = ledger()
            injector.at = 1
            reply = yield call("handle_derive", endpoint, 1, 0)
            injector.at = 0
            if reply.error:
                failed += 1
                assert reply.error == OutOfMemory.code and ledger() == before
                yield from succeed("handle_derive", endpoint, 1, 0)
        assert failed >= 2
        return 0

    assert run(program).record("exit") == "status=0"


def test_a_stack_page_that_cannot_be_had_is_a_fault_of_its_own(injector: Injector) -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        injector.at = 1
        yield user.Write(layout.STACK_TOP - 5 * PAGE, b"x")
        return 0

    assert "kind=out-of-memory" in run(program).record("fault")


def test_a_copy_to_a_stack_page_that_cannot_be_had_is_a_bad_address(injector: Injector) -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        injector.at = 1
        reply = yield call("console_write", 1, layout.STACK_TOP - 5 * PAGE, 10)
        injector.at = 0
        assert reply.error == 1
        yield from succeed("console_write", 1, layout.STACK_TOP - 5 * PAGE, 10)
        return 0

    assert run(program).streams[1] == bytes(10)


def test_a_boot_that_runs_out_of_memory_anywhere_says_so(injector: Injector) -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        injector.at = 0
        yield call("system_null")
        return 0

    content = bundle_of(program)
    outcomes = []
    for at in range(1, 200):
        injector.at = at
        result = run(program, bundle=content)
        outcomes.append("@exit" in result.log)
        if injector.at:
            raise AssertionError("the program did not run")
        if outcomes[-10:] == [True] * 10:
            break
        # The last allocations are for the program's first instruction.
        assert outcomes[-1] or "@fault" in result.log or result.record("refused") == "reason=not enough memory"
    assert outcomes.count(False) > 10
