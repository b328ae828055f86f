"""Memory of a process, as its own loads and stores see it through the page tables."""

from __future__ import annotations

from random import Random

import pytest

from cloudos.abi import layout
from cloudos.abi.errors import BadArgument, OutOfMemory
from tests.sim.accounting import ledger
from tests.sim.harness import MB, run
from tests.sim.world import user

PAGE = 4096
LARGE = 2 << 20
call, succeed = user.call, user.succeed


def test_mapped_memory_is_zero_and_can_be_used() -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        for size in (1, PAGE, PAGE + 1, 20 * PAGE, LARGE + PAGE):
            start = yield from succeed("memory_map", size)
            end = start + -(-size // PAGE) * PAGE
            assert start % PAGE == 0 and layout.HEAP_START <= start < end <= layout.HEAP_END
            for address in sorted({start, end - 16, end - 8}):
                assert (yield user.Read(address, 8)) == bytes(8)
                yield user.Write(address, b"12345678")
                assert (yield user.Read(address, 8)) == b"12345678"
            yield from succeed("memory_unmap", start, end - start)
        return 0

    assert run(program).record("exit") == "status=0"


def test_mappings_do_not_overlap_and_memory_is_zero_again_after_use() -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        draw = Random(3)
        held: dict[int, int] = {}
        for _ in range(60):
            if held and draw.random() < 0.4:
                start, pages = draw.choice(sorted(held.items()))
                assert (yield user.Read(start, 8)) == start.to_bytes(8, "little")
                yield from succeed("memory_unmap", start, pages * PAGE)
                del held[start]
                continue
            pages = draw.choice((1, 2, 7, 40))
            start = yield from succeed("memory_map", pages * PAGE)
            assert all(start + pages * PAGE <= other or other + size * PAGE <= start for other, size in held.items())
            held[start] = pages
            assert (yield user.Read(start, pages * PAGE)) == bytes(pages * PAGE)
            yield user.Write(start, start.to_bytes(8, "little") * (pages * PAGE // 8))
        return 0

    for seed in range(2):
        assert run(program, seed=seed).record("exit") == "status=0"


@pytest.mark.parametrize("gone", range(4))
def test_unmapped_pages_fault_and_their_neighbours_stay(gone: int) -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        start = yield from succeed("memory_map", 4 * PAGE)
        for page in range(4):
            yield user.Write(start + page * PAGE, b"here")
        yield from succeed("memory_unmap", start + gone * PAGE, PAGE)
        for page in set(range(4)) - {gone}:
            assert (yield user.Read(start + page * PAGE, 4)) == b"here"
        yield user.Read(start + gone * PAGE, 4)
        return 0

    address = layout.HEAP_START + gone * PAGE
    assert "kind=unmapped-address ip=0x401" in (record := run(program).record("fault")) and f"{address:#x}" in record


def test_a_part_of_a_large_page_can_be_given_back() -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        start = yield from succeed("memory_map", LARGE)
        yield user.Write(start + LARGE - 8, b"the last")
        yield from succeed("memory_unmap", start, 3 * PAGE)
        assert (yield user.Read(start + LARGE - 8, 8)) == b"the last"
        assert (yield user.Read(start + 3 * PAGE, 8)) == bytes(8)
        yield user.Read(start + 3 * PAGE - 8, 8)
        return 0

    assert "kind=unmapped-address" in run(program, memory=12 * MB).record("fault")


@pytest.mark.parametrize(
    ("address", "length"),
    [
        (layout.HEAP_START, 0),
        (layout.HEAP_START + 1, PAGE),
        (layout.HEAP_START, PAGE + 1),
        (layout.HEAP_START, 3 * PAGE),
        (layout.HEAP_START - PAGE, PAGE),
        (layout.HEAP_START + 2 * PAGE, PAGE),
        (0, PAGE),
        (user.SCRATCH, PAGE),
        (user.entry_of(0), PAGE),
        (layout.STACK_TOP - PAGE, PAGE),
        (layout.BUNDLE_START, PAGE),
        (1 << 47, PAGE),
        ((1 << 64) - PAGE, PAGE),
        (layout.HEAP_START, (1 << 64) - PAGE),
        (0xFFFF_8000_0010_0000, PAGE),
    ],
)
def test_what_is_not_ones_own_cannot_be_unmapped(address: int, length: int) -> None:
    def program(bundle: int, size: int) -> user.UserCode:
        start = yield from succeed("memory_map", 2 * PAGE)
        assert start == layout.HEAP_START
        before = ledger()
        reply = yield call("memory_unmap", address, length)
        assert reply.error == BadArgument.code and ledger() == before
        assert (yield user.Read(start, 2 * PAGE)) == bytes(2 * PAGE)
        assert (yield user.Read(user.READ_ONLY, 9)) == b"constants"
        return 0

    assert run(program).record("exit") == "status=0"


def test_exhaustion_is_an_error_and_everything_comes_back() -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        yield from succeed("memory_unmap", (yield from succeed("memory_map", PAGE)), PAGE)
        counts = []
        for _ in range(3):
            blocks = []
            while (reply := (yield call("memory_map", 16 * PAGE))).error == 0:
                blocks.append(reply.value)
            assert reply.error == OutOfMemory.code
            for block in blocks:
                yield from succeed("memory_unmap", block, 16 * PAGE)
            counts.append((len(blocks), ledger()))
        assert counts[0][0] > 10 and counts[1] == counts[2]
        for size in (1 << 40, (1 << 64) - 1, (1 << 64) - PAGE, layout.HEAP_END):
            assert (yield call("memory_map", size)).error == OutOfMemory.code
        assert (yield call("memory_map", 0)).error == BadArgument.code
        assert ledger() == counts[2][1]
        return 0

    assert run(program, memory=3 * MB).record("exit") == "status=0"


def test_the_kernel_uses_no_more_than_its_share() -> None:
    """Less than 5 % of a machine's memory is not for programs."""

    def program(bundle: int, length: int) -> user.UserCode:
        pages = 0
        size = LARGE
        while size >= PAGE:
            while (yield call("memory_map", size)).error == 0:
                pages += size // PAGE
            size //= 2
        assert pages * PAGE > 0.95 * (16 * MB - (1 << 20) - length)
        return 0

    assert run(program, memory=16 * MB).record("exit") == "status=0"


def test_nothing_of_an_earlier_life_is_left_in_new_memory() -> None:
    """Frames full of secrets go back, and come again as zeroes: in the heap, on the stack, in reply to nothing."""

    def program(bundle: int, length: int) -> user.UserCode:
        blocks = []
        while (reply := (yield call("memory_map", 8 * PAGE))).error == 0:
            blocks.append(reply.value)
            yield user.Write(reply.value, b"SECRET!!" * PAGE)
        for block in blocks:
            yield from succeed("memory_unmap", block, 8 * PAGE)
        for page in range(layout.STACK_TOP - 40 * PAGE, layout.STACK_TOP, PAGE):
            assert (yield user.Read(page, PAGE)) == bytes(PAGE)
        again = yield from succeed("memory_map", 20 * PAGE)
        assert (yield user.Read(again, 20 * PAGE)) == bytes(20 * PAGE)
        return 0

    assert run(program, memory=3 * MB).record("exit") == "status=0"
