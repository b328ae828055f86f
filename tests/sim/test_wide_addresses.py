"""Tables of five levels: programs map memory further up, and nothing else changes."""

from __future__ import annotations

import pytest

from cloudos.abi import faults, initial, layout
from cloudos.abi.errors import BadAddress, BadArgument
from tests.sim import programs
from tests.sim.accounting import ledger
from tests.sim.harness import run
from tests.sim.programs import PAGE, READ, WRITE
from tests.sim.world import user

call, succeed = user.call, user.succeed
MIDDLE = 1 << 47
LARGE = layout.LARGE_PAGE_SIZE
# In tables of their own, on one level or another.
PLACES = (1 << 39, MIDDLE, 1 << 48, (1 << 48) + (1 << 39), 1 << 55, layout.WIDE_USER_END - PAGE)
# By the number of levels.
END = {4: layout.USER_END, 5: layout.WIDE_USER_END}
levels = pytest.mark.parametrize("levels", (4, 5))


def map_at(memory: int, address: int, length: int = PAGE) -> user.Call:
    return call("space_map", initial.SPACE, memory, address, 0, length, READ | WRITE)


def test_the_limits_are_those_of_the_processors() -> None:
    """Half of what 48 and 57 bits can say, without the last page: the return from a system call needs that."""
    assert END == {4: (1 << 47) - PAGE, 5: (1 << 56) - PAGE}


@levels
def test_memory_can_be_mapped_up_to_the_limit(levels: int) -> None:
    end = END[levels]

    def program(bundle: int, length: int) -> user.UserCode:
        memory = yield from succeed("memory_create", initial.QUOTA, 2 * PAGE, 0)
        yield from succeed("space_unmap", initial.SPACE, layout.STACK_TOP - PAGE, PAGE)
        for address in (end, end + PAGE, 1 << 57, (1 << 64) - 2 * PAGE):
            assert (yield map_at(memory, address)).error == BadArgument.code
        assert (yield map_at(memory, end - PAGE, 2 * PAGE)).error == BadArgument.code
        assert (yield map_at(memory, end - PAGE)).error == 0
        yield user.Write(end - 8, b"the last")
        assert (yield user.Read(end - PAGE, PAGE)) == bytes(PAGE - 8) + b"the last"
        assert (yield call("console_write", 1, end - 8, 8)).error == 0
        assert (yield call("console_write", 1, end - 8, 9)).error == BadAddress.code
        yield from succeed("space_unmap", initial.SPACE, end - PAGE, PAGE)
        return 0

    result = run(program, levels=levels)
    assert result.record("exit") == "status=0" and result.output == "the last"


@levels
def test_addresses_above_the_middle_are_the_wide_processors(levels: int) -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        memory = yield from succeed("memory_create", initial.QUOTA, LARGE, 0)
        before = ledger()
        answers = []
        for address in (MIDDLE, 1 << 48, (1 << 55) + LARGE):
            reply = yield map_at(memory, address, LARGE)
            answers.append(reply.error)
            if reply.error == 0:
                yield user.Write(address + LARGE - 4, b"wide")
                assert (yield user.Read(address + LARGE - 4, 4)) == b"wide"
                assert (yield user.Read(address, 8)) == bytes(8)
                yield from succeed("space_unmap", initial.SPACE, address, LARGE)
                yield from succeed("memory_discard", memory, 0, LARGE)
        assert answers == [0 if levels == 5 else BadArgument.code] * 3
        assert levels == 5 or ledger() == before
        return 0

    assert run(program, levels=levels).record("exit") == "status=0"


@pytest.mark.parametrize(
    ("levels", "address", "fault"),
    [
        (4, MIDDLE, faults.BAD_ADDRESS),
        (5, MIDDLE, faults.UNMAPPED_ADDRESS),
        (5, layout.WIDE_USER_END - 8, faults.UNMAPPED_ADDRESS),
        (5, layout.WIDE_USER_END, faults.KERNEL_ADDRESS),
        (5, 1 << 56, faults.BAD_ADDRESS),
        (5, (1 << 64) - (1 << 56), faults.KERNEL_ADDRESS),
    ],
)
def test_where_nothing_is_mapped_there_are_faults(levels: int, address: int, fault: faults.Fault) -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        yield user.Read(address, 8)
        return 0

    assert f"kind={bytes(fault.name).decode()} " in run(program, levels=levels).record("fault")


@levels
def test_threads_begin_below_the_limit(levels: int) -> None:
    end = END[levels]

    def program(bundle: int, length: int) -> user.UserCode:
        for entry, stack, error in (
            (end - 1, end, 0),
            (end, end, BadArgument.code),
            (end - 1, end + 16, BadArgument.code),
        ):
            reply = yield call("thread_create", initial.PROCESS, initial.SCHEDULE, entry, stack, 0)
            assert reply.error == error
        return 0

    assert run(program, levels=levels).record("exit") == "status=0"


def test_a_process_gives_back_the_tables_of_all_levels() -> None:
    """Each of the addresses has a table of its own on some level. The leak check at the end sees them all."""

    def program(bundle: int, length: int) -> user.UserCode:
        for round_ in range(3):
            process = yield from programs.new_process(2)
            for address in PLACES:
                yield from programs.populate(process, address, b"", PAGE, READ | WRITE)
            schedule = yield from programs.new_schedule()
            stack = user.SCRATCH + user.SCRATCH_SIZE
            thread = yield from succeed("thread_create", process, schedule, user.entry_of(1), stack, 0)
            yield from succeed("thread_start", thread)
            assert (yield from programs.wait_for_end(process)) == 7
            for handle in (thread, schedule, process):
                yield from succeed("handle_close", handle)
            yield from programs.sleep(1_000_000)
            if round_ == 0:
                before = ledger()
        assert ledger() == before
        return 0

    def child(argument: int, _: int) -> user.UserCode:
        for address in PLACES:
            yield user.Write(address, address.to_bytes(8, "little"))
        for address in PLACES:
            assert (yield user.Read(address, 8)) == address.to_bytes(8, "little")
        return 7

    assert run(program, child, levels=5).record("exit") == "status=0"
