"""Every allocation of every operation is made to fail in turn: the operation says so and leaves no trace."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from cloudos.abi import devices, initial, layout
from cloudos.abi.errors import OutOfMemory
from tests.sim import programs
from tests.sim.accounting import FRAMES, HEAP, ledger
from tests.sim.harness import bundle_of, run
from tests.sim.world import user

call, succeed = user.call, user.succeed
Calls = Callable[[dict[str, int]], user.Call]
PAGE = 4096
FRESH = 0x7000_0000
# Tables of a range that was not mapped before may stay: one for each level below the root.
TABLES = 3
LIMIT = 40


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


def handles() -> Generator[user.Instruction, Any, dict[str, int]]:
    """One object of each kind."""
    found = {"endpoint": (yield from programs.new_endpoint())}
    found["process"] = yield from programs.new_process(1)
    found["heap"] = yield from succeed("memory_map", 3 * PAGE)
    found["memory"] = yield from succeed("memory_create", initial.QUOTA, 3 * PAGE, 0)
    return found


OPERATIONS: dict[str, Calls] = {
    "memory_map of a page": lambda own: call("memory_map", PAGE),
    "memory_map of many": lambda own: call("memory_map", 9 * PAGE),
    "memory_map of large pages": lambda own: call("memory_map", (2 << 20) + 2 * PAGE),
    "thread_create": lambda own: call("thread_create", own["process"], initial.SCHEDULE, user.entry_of(0), 0, 0),
    "thread_set_buffer": lambda own: call("thread_set_buffer", FRESH),
    "process_create": lambda own: call("process_create", initial.QUOTA, 0),
    "process_space": lambda own: call("process_space", own["process"]),
    "memory_create": lambda own: call("memory_create", initial.QUOTA, 5 * PAGE, 0),
    "memory_create of paid memory": lambda own: call("memory_create", initial.QUOTA, 5 * PAGE, 1),
    "memory_create of contiguous memory": lambda own: call("memory_create", initial.QUOTA, 5 * PAGE, 2),
    "memory_create_paged": lambda own: call("memory_create_paged", initial.QUOTA, own["endpoint"], 5 * PAGE),
    "memory_clone": lambda own: call("memory_clone", own["memory"], initial.QUOTA, 0),
    "space_map": lambda own: call("space_map", initial.SPACE, own["memory"], FRESH, 0, PAGE, 3),
    "process_install": lambda own: call("process_install", own["process"], own["endpoint"], 0, 0),
    "endpoint_create": lambda own: call("endpoint_create", initial.QUOTA),
    "notification_create": lambda own: call("notification_create", initial.QUOTA),
    "schedule_create": lambda own: call("schedule_create", initial.QUOTA, 1, 1_000_000, 1_000_000),
    "device_create": lambda own: call("device_create", initial.DEVICE, initial.QUOTA, devices.PORTS, 0x500, 4),
    "interrupt_create": lambda own: call("interrupt_create", initial.DEVICE, initial.QUOTA, 9, 0),
    "handle_derive": lambda own: call("handle_derive", own["endpoint"], 1, 0),
    "quota_create": lambda own: call("quota_create", initial.QUOTA, 1 << 16),
}


# There is room for a handle, and the mapping before is continued: nothing is allocated.
WITHOUT_ALLOCATION = ("process_install", "process_space", "handle_derive", "memory_map of a page", "memory_map of many")


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_without_memory_leaves_no_trace(name: str, injector: Injector) -> None:
    failures = 0

    def program(bundle: int, length: int) -> user.UserCode:
        nonlocal failures
        own = yield from handles()
        operation = OPERATIONS[name](own)
        for at in range(1, LIMIT):
            before = ledger()
            injector.at = at
            reply = yield operation
            failed, injector.at = not injector.at, 0
            if reply.error:
                assert failed and reply.error == OutOfMemory.code, reply
                failures += 1
                after = ledger()
                assert after[1] == before[1], "bytes stay charged"
                assert 0 <= before[0] - after[0] <= TABLES, "frames stay"
            elif not failed:
                return 0
            elif name.startswith("memory_map"):
                yield from succeed("memory_unmap", reply.value, operation.arguments[0])
        # Small pages in place of a large one take hundreds of allocations.
        assert "large" in name, "it always fails"
        return 0

    assert run(program, memory=12 << 20).record("exit") == "status=0"
    assert failures or name in WITHOUT_ALLOCATION


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
