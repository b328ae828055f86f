"""Memory objects and address spaces, case by case. `test_memory_model.py` compares long runs with a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cloudos.abi import layout
from cloudos.abi.errors import BadArgument, BadState, Denied, OutOfMemory, QuotaExceeded
from cloudos.abi.objects import Kind, Rights
from cloudos.kernel.hal import mmu
from cloudos.kernel.hal.interface import Access
from cloudos.kernel.memory import address_space, heap, mappings, pages
from cloudos.kernel.memory.address_space import Outcome
from cloudos.kernel.memory.frames import FRAMES
from cloudos.kernel.memory.structures import Memory, Region
from cloudos.kernel.objects import cleanup, memory, program_memory
from cloudos.kernel.objects import quota as quotas
from cloudos.kernel.objects.header import Header, Quota
from cloudos.lang import U8, U64, PhysAddr, Ptr, VirtAddr, size_of
from tests.unit.kernel.memory_machine import (
    ALL,
    EXECUTE,
    MB,
    PAGE,
    READ,
    WRITE,
    Asked,
    Refused,
    drop,
    machine,
    new_space,
    protect,
    reach,
    read,
    settle,
    show,
    snapshot,
    translate,
    unmap,
    write,
)

AT = 0x1000_0000
LARGE = 2 * MB


def create(quota: Quota, count: int, committed: bool = False) -> Ptr[Memory]:
    return memory.create(quota, U64(count * PAGE), committed)


def clone(quota: Quota, origin: Ptr[Memory]) -> Ptr[Memory]:
    for _ in range(10_000):
        made = memory.clone_step(quota, origin.value)
        if not made.is_null():
            return made
    raise AssertionError("cloning does not end")


def test_pages_come_into_being_zeroed_when_touched() -> None:
    with machine() as quota:
        space, object = new_space(quota), create(quota, 10)
        show(space, object, AT, 0, 10, WRITE)
        used = int(quota.used)
        assert read(space, AT + 3 * PAGE + 7) == 0
        # One page and three page tables.
        assert int(quota.used) - used == 4 * PAGE
        write(space, AT + 3 * PAGE + 7, 9)
        assert read(space, AT + 3 * PAGE + 7) == 9 and read(space, AT + 4 * PAGE + 7) == 0
        drop(object)
        drop(space)


def test_two_spaces_see_the_same_object_and_a_clone_does_not() -> None:
    with machine() as quota:
        first, second, object = new_space(quota), new_space(quota), create(quota, 4)
        show(first, object, AT, 0, 4, WRITE)
        show(second, object, 2 * AT, 1, 3, WRITE)
        write(first, AT + PAGE, 1)
        assert read(second, 2 * AT) == 1
        copy = clone(quota, object)
        third = new_space(quota)
        show(third, copy, AT, 0, 4, WRITE)
        assert read(third, AT + PAGE) == 1
        write(second, 2 * AT, 2)
        assert (read(first, AT + PAGE), read(third, AT + PAGE)) == (2, 1)
        write(third, AT + PAGE, 3)
        assert (read(first, AT + PAGE), read(second, 2 * AT), read(third, AT + PAGE)) == (2, 2, 3)
        for object_ in (object, copy, first, second, third):
            drop(object_)


def test_writing_to_a_clone_never_fails_even_when_all_memory_is_gone() -> None:
    with machine() as quota:
        space, object = new_space(quota), create(quota, 300)
        show(space, object, AT, 0, 300, WRITE)
        for index in range(300):
            write(space, AT + index * PAGE, index % 251)
        copy = clone(quota, object)
        other = new_space(quota)
        show(other, copy, AT, 0, 300, WRITE)
        assert read(other, AT) == 0
        held = []
        with pytest.raises(OutOfMemory):
            while True:
                held.append(FRAMES.allocate(U64(0)))
        for index in range(300):
            write(other, AT + index * PAGE, 7)
            assert read(space, AT + index * PAGE) == index % 251
        for frame in held:
            FRAMES.free(frame, U64(0))
        for object_ in (space, other, object, copy):
            drop(object_)


def test_clones_of_clones_end_in_any_order() -> None:
    with machine() as quota:
        space, object = new_space(quota), create(quota, 600)
        show(space, object, AT, 0, 600, WRITE)
        for index in (0, 1, 511, 512, 599):
            write(space, AT + index * PAGE, 5)
        family = [object]
        for _ in range(4):
            family.append(clone(quota, family[-1]))
        drop(space)
        for number in (2, 0, 4, 1, 3):
            other = new_space(quota)
            show(other, family[number], AT, 0, 600, WRITE)
            assert [read(other, AT + index * PAGE) for index in (0, 1, 511, 512, 599)] == [5] * 5
            write(other, AT + 511 * PAGE, number)
            drop(other)
            drop(family[number])


def test_a_clone_is_charged_in_full_and_refused_when_its_quota_cannot_pay() -> None:
    with machine() as quota:
        space, object = new_space(quota), create(quota, 40)
        show(space, object, AT, 0, 40, WRITE)
        for index in range(40):
            write(space, AT + index * PAGE, 1)
        small = quotas.create(quota, U64(39 * PAGE))
        before = snapshot(), int(small.value.used), int(small.value.header.references)
        with pytest.raises(QuotaExceeded):
            while memory.clone_step(small.value, object.value).is_null():
                pass
        assert (snapshot(), int(small.value.used), int(small.value.header.references)) == before
        large = quotas.create(quota, U64(50 * PAGE))
        copy = clone(large.value, object)
        assert 40 * PAGE < int(large.value.used) < 41 * PAGE
        for object_ in (copy, space, object, small, large):
            drop(object_)


@pytest.mark.parametrize(
    ("access", "rights", "error"),
    [
        (WRITE, Rights.READ, Denied),
        (EXECUTE, Rights.READ | Rights.WRITE, Denied),
        (READ, Rights.WRITE, Denied),
        (WRITE | Access.EXECUTE, ALL, BadArgument),
        (Access.WRITE, ALL, BadArgument),
    ],
)
def test_no_mapping_allows_more_than_its_handle(access: Access, rights: Rights, error: type[Exception]) -> None:
    with machine() as quota:
        space, object = new_space(quota), create(quota, 2)
        before = snapshot()
        with pytest.raises(error):
            show(space, object, AT, 0, 2, access, rights)
        assert snapshot() == before
        show(space, object, AT, 0, 2, READ, rights | Rights.READ)
        with pytest.raises(error):
            protect(space, AT, AT + PAGE, access if access != READ else EXECUTE)
        drop(object)
        drop(space)


def test_nothing_is_writable_here_and_executable_there() -> None:
    with machine() as quota:
        space, object = new_space(quota), create(quota, 4)
        show(space, object, AT, 0, 4, WRITE)
        write(space, AT, 1)
        with pytest.raises(Denied):
            show(space, object, 2 * AT, 0, 4, EXECUTE)
        # The rest of the region would stay writable.
        with pytest.raises(Denied):
            protect(space, AT, AT + PAGE, EXECUTE)
        protect(space, AT, AT + 4 * PAGE, EXECUTE)
        reach(space, AT, execute=True)
        with pytest.raises(Refused):
            write(space, AT, 2)
        with pytest.raises(Denied):
            show(space, object, 2 * AT, 0, 4, WRITE)
        show(space, object, 2 * AT, 0, 4, EXECUTE)
        drop(object)
        drop(space)


@pytest.mark.parametrize(
    ("start", "offset", "length"),
    [
        (AT + 1, 0, PAGE),
        (AT, 1, PAGE),
        (AT, 0, 1),
        (AT, 0, 0),
        (AT, 0, 5 * PAGE),
        (AT, 4 * PAGE, PAGE),
        (AT, (1 << 64) - PAGE, 2 * PAGE),
        (0, 0, PAGE),
        (layout.USER_END, 0, PAGE),
        (layout.USER_END - PAGE, 0, 2 * PAGE),
        ((1 << 64) - PAGE, 0, 2 * PAGE),
        (2 * AT - PAGE, 0, 2 * PAGE),
        (2 * AT, 0, PAGE),
    ],
)
def test_bad_places_are_refused(start: int, offset: int, length: int) -> None:
    with machine() as quota:
        space, object = new_space(quota), create(quota, 4)
        show(space, object, 2 * AT, 0, 4, READ)
        before = snapshot()
        with pytest.raises(BadArgument):
            address_space.map(space.value, object, ALL, U64(start), U64(offset), U64(length), READ)
        assert snapshot() == before
        drop(object)
        drop(space)


def test_unmapping_a_part_leaves_the_rest_and_gives_tables_back() -> None:
    with machine() as quota:
        space, object = new_space(quota), create(quota, 700)
        base = 4 * LARGE - 100 * PAGE
        show(space, object, base, 0, 700, WRITE)
        for index in range(0, 700, 50):
            write(space, base + index * PAGE, index % 251)
        # Two regions of 2 MB, one of 1 GB, one of 512 GB, and the root.
        assert int(space.value.tables) == 6
        unmap(space, base + 200 * PAGE, base + 651 * PAGE)
        assert int(space.value.tables) == 6 and int(space.value.count) == 2
        with pytest.raises(Refused):
            read(space, base + 200 * PAGE)
        assert read(space, base + 150 * PAGE) == 150
        unmap(space, base + 100 * PAGE, base + 200 * PAGE)
        unmap(space, base + 651 * PAGE, base + 700 * PAGE)
        assert int(space.value.tables) == 4
        show(space, object, base + 300 * PAGE, 300, 1, READ)
        assert read(space, base + 300 * PAGE) == 300 % 251
        unmap(space, 0x1_0000, layout.USER_END)
        assert (int(space.value.tables), int(space.value.count)) == (1, 0)
        drop(object)
        drop(space)


def test_changing_permissions_takes_effect_at_once() -> None:
    with machine() as quota:
        space, object = new_space(quota), create(quota, 200)
        show(space, object, AT, 0, 200, WRITE)
        for index in range(200):
            write(space, AT + index * PAGE, 3)
        protect(space, AT + 50 * PAGE, AT + 150 * PAGE, READ)
        for index in range(200):
            assert (translate(space, AT + index * PAGE, True, False) is None) == (50 <= index < 150)
        with pytest.raises(Refused):
            write(space, AT + 50 * PAGE, 1)
        assert read(space, AT + 149 * PAGE) == 3
        with pytest.raises(BadArgument):
            protect(space, AT, AT + 201 * PAGE, READ)
        drop(object)
        drop(space)


def test_committed_memory_uses_large_pages_where_they_fit() -> None:
    with machine(16) as quota:
        space, object = new_space(quota), create(quota, 3 * 512, committed=True)
        show(space, object, AT - LARGE // 2, 0, 3 * 512, WRITE)
        first = AT - LARGE // 2
        write(space, first, 1)
        write(space, AT + 5 * PAGE, 2)
        # Not congruent: the object's blocks do not begin where large pages can.
        assert int(space.value.pages.lookup(VirtAddr(AT)).level) == 0
        unmap(space, first, first + 3 * LARGE)
        drop(object)
        object = create(quota, 3 * 512, committed=True)
        show(space, object, AT, 0, 3 * 512, WRITE)
        write(space, AT + LARGE + 5 * PAGE + 1, 2)
        found = space.value.pages.lookup(VirtAddr(AT + LARGE))
        assert (int(found.level), found.present) == (1, True)
        assert not space.value.pages.lookup(VirtAddr(AT)).present
        copy, other = clone(quota, object), new_space(quota)
        show(other, copy, 4 * AT, 0, 3 * 512, WRITE)
        assert read(other, 4 * AT + LARGE + 5 * PAGE + 1) == 2
        assert int(other.value.pages.lookup(VirtAddr(4 * AT + LARGE)).level) == 1
        write(other, 4 * AT + LARGE + 6 * PAGE, 3)
        assert int(other.value.pages.lookup(VirtAddr(4 * AT + LARGE + 6 * PAGE)).level) == 0
        assert read(other, 4 * AT + LARGE + 5 * PAGE + 1) == 2
        assert read(space, AT + LARGE + 6 * PAGE) == 0
        drop(other)
        drop(copy)
        # The only user again: writable at once, but for what was not copied back.
        write(space, AT + LARGE, 4)
        assert int(space.value.pages.lookup(VirtAddr(AT + LARGE)).level) == 1
        drop(object)
        drop(space)


def test_a_large_page_gives_way_to_small_ones() -> None:
    with machine(10) as quota:
        space, object = new_space(quota), create(quota, 512, committed=True)
        show(space, object, AT, 0, 512, WRITE)
        for index in (0, 100, 511):
            write(space, AT + index * PAGE, index % 251)
        assert int(space.value.pages.lookup(VirtAddr(AT)).level) == 1
        protect(space, AT + 100 * PAGE, AT + 101 * PAGE, READ)
        for index in (0, 100, 511):
            assert read(space, AT + index * PAGE) == index % 251
        with pytest.raises(Refused):
            write(space, AT + 100 * PAGE, 1)
        write(space, AT + 99 * PAGE, 1)
        drop(object)
        drop(space)


def test_a_block_in_preparation_is_given_up_when_its_object_changes() -> None:
    with machine(10) as quota:
        space, object = new_space(quota), create(quota, 1024, committed=True)
        show(space, object, AT, 0, 1024, WRITE)
        for _ in range(3):
            address_space.resolve(space.value, U64(AT), True, False)
        assert object.value.block.value != 0
        # A mapping that a large page does not fit touches the same block meanwhile.
        other = new_space(quota)
        show(other, object, AT + PAGE, 0, 1024, WRITE)
        write(other, AT + 2 * PAGE, 9)
        assert read(space, AT + PAGE) == 9
        assert object.value.block.value == 0 or int(space.value.pages.lookup(VirtAddr(AT + PAGE)).level) == 0
        address_space.resolve(space.value, U64(AT + LARGE), True, False)
        drop(space)
        drop(other)
        drop(object)


def test_contiguous_memory_is_one_zeroed_piece() -> None:
    with machine() as quota:
        dirty = FRAMES.allocate(U64(5))
        for index in range(32):
            mmu_byte(dirty.offset(index * PAGE)).value = U8(7)
        FRAMES.free(dirty, U64(5))
        object = memory.create_contiguous(quota, U64(19 * PAGE))
        space = new_space(quota)
        show(space, object, AT, 0, 19, WRITE)
        assert all(read(space, AT + index * PAGE) == 0 for index in (18, 0, 7, 8))
        places = [translate(space, AT + index * PAGE, False, False) for index in (0, 7, 8, 18)]
        assert places == [int(object.value.base.value) + index * PAGE for index in (0, 7, 8, 18)]
        with pytest.raises(BadArgument):
            memory.create_contiguous(quota, U64(LARGE + 1))
        with pytest.raises(BadState):
            memory.clone_step(quota, object.value)
        drop(object)
        drop(space)


def mmu_byte(frame: PhysAddr) -> Any:
    return Ptr.at(U8, mmu.direct(frame))


def test_foreign_memory_is_shown_with_the_largest_pages_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    gigabyte = 1 << 30
    with machine() as quota:
        monkeypatch.setattr(mmu.KERNEL, "largest", U64(2))
        space = new_space(quota)
        object = memory.create_foreign(quota, PhysAddr(8 * gigabyte), U64(gigabyte + LARGE + 3 * PAGE), True)
        length = gigabyte // PAGE + 512 + 3
        show(space, object, 4 * gigabyte, 0, length, WRITE)
        for address, level in (
            (4 * gigabyte + 5, 2),
            (5 * gigabyte + 4096, 1),
            (5 * gigabyte + LARGE + 4096, 0),
        ):
            assert address_space.resolve(space.value, U64(address), True, False) == Outcome.RETRY
            found = space.value.pages.lookup(VirtAddr(address))
            assert (int(found.level), Access.DEVICE in found.access) == (level, True)
            assert translate(space, address, True, False) == address + 4 * gigabyte
        unmap(space, 4 * gigabyte, 4 * gigabyte + PAGE)
        assert translate(space, 4 * gigabyte + PAGE, False, False) is None
        address_space.resolve(space.value, U64(4 * gigabyte + PAGE), False, False)
        assert translate(space, 4 * gigabyte + PAGE, False, False) == 8 * gigabyte + PAGE
        drop(object)
        drop(space)


def test_a_pager_is_asked_once_and_supplies_or_denies() -> None:
    with machine() as quota:
        pager = cleanup.create(quota, Kind.ENDPOINT, U64(64))
        origin, backing = create(quota, 4), new_space(quota)
        show(backing, origin, AT, 0, 4, WRITE)
        write(backing, AT + PAGE, 8)
        object, space = create(quota, 6), new_space(quota)
        memory.set_pager(object.value, pager, U64(77))
        show(space, object, AT, 0, 6, WRITE)
        with pytest.raises(Asked) as first:
            read(space, AT + 2 * PAGE)
        assert first.value.args[0] == Outcome.ASK and first.value.args[2] == 2
        with pytest.raises(Asked) as again:
            write(space, AT + 2 * PAGE, 1)
        assert again.value.args[0] == Outcome.WAIT
        while not memory.supply_step(object.value, U64(2), origin.value, U64(1)):
            pass
        assert read(space, AT + 2 * PAGE) == 8
        write(backing, AT + PAGE, 9)
        assert read(space, AT + 2 * PAGE) == 8
        write(space, AT + 2 * PAGE, 10)
        assert read(backing, AT + PAGE) == 9
        memory.deny(object.value, U64(3))
        with pytest.raises(Refused):
            read(space, AT + 3 * PAGE)
        assert memory.supply_step(object.value, U64(3), origin.value, U64(3))
        assert read(space, AT + 3 * PAGE) == 0
        for page, error in ((2, BadState), (6, BadArgument)):
            with pytest.raises(error):
                memory.supply_step(object.value, U64(page), origin.value, U64(0))
            with pytest.raises(error):
                memory.deny(object.value, U64(page))
        with pytest.raises(BadState):
            memory.clone_step(quota, object.value)
        with pytest.raises(BadState):
            memory.set_pager(object.value, pager, U64(1))
        for object_ in (object, space, origin, backing, pager):
            drop(object_)


def give_back(space: Any, start: int, end: int) -> None:
    at = U64(start)
    while at < end:
        at = program_memory.unmap_anonymous_step(space.value, at, U64(end))
    settle()


def test_programs_map_and_unmap_parts() -> None:
    with machine() as quota:
        space = new_space(quota)
        start = int(program_memory.map_anonymous(space.value, U64(20 * PAGE - 5)))
        other = int(program_memory.map_anonymous(space.value, U64(1)))
        assert start >= layout.HEAP_START and other >= start + 20 * PAGE
        write(space, start + 19 * PAGE, 4)
        used = int(quota.used)
        give_back(space, start + PAGE, start + 11 * PAGE)
        # One region more; ten pages less.
        assert used - int(quota.used) == 10 * PAGE - int(heap.block_size(U64(size_of(Region))))
        assert read(space, start + 19 * PAGE) == 4
        with pytest.raises(BadArgument):
            give_back(space, start, start + 20 * PAGE)
        assert int(program_memory.map_anonymous(space.value, U64(10 * PAGE))) == start + PAGE
        foreign = create(quota, 1)
        show(space, foreign, start + 40 * PAGE, 0, 1, READ)
        with pytest.raises(BadArgument):
            give_back(space, start + 40 * PAGE, start + 41 * PAGE)
        drop(foreign)
        drop(space)


def test_what_was_mapped_can_be_used_to_the_last_byte() -> None:
    with machine(3) as quota:
        space = new_space(quota)
        starts: list[int] = []
        with pytest.raises((OutOfMemory, QuotaExceeded)):
            while True:
                starts.append(int(program_memory.map_anonymous(space.value, U64(16 * PAGE))))
        assert len(starts) > 20
        for start in starts:
            for index in range(16):
                write(space, start + index * PAGE, 1)
        settle()
        before = snapshot()
        with pytest.raises(OutOfMemory):
            program_memory.map_anonymous(space.value, U64(1 << 63))
        with pytest.raises((OutOfMemory, QuotaExceeded)):
            program_memory.map_anonymous(space.value, U64(MB))
        settle()
        assert snapshot() == before
        drop(space)


def test_managing_memory_costs_less_than_two_percent() -> None:
    """All of 1 GB used by one object in small pages: tree, page tables, region, object and the states of frames."""
    count = (1 << 30) // PAGE
    levels = pages.levels_for(U64(count))
    root = ((count - 1) >> (9 * int(levels))) + 1
    spent = (
        int(pages.nodes_for(U64(count), levels)) * PAGE + int(mappings.tables_for(U64(AT), U64(AT + (1 << 30)))) * PAGE
    )
    spent += PAGE + int(heap.block_size(U64(root * 8))) + int(heap.block_size(U64(size_of(Memory))))
    spent += int(heap.block_size(U64(size_of(Region)))) + count * 4
    assert spent < 0.006 * (1 << 30)
    # Objects of 64 KB each, in one space.
    object = int(heap.block_size(U64(size_of(Memory)))) + int(heap.block_size(U64(16 * 8)))
    object += int(heap.block_size(U64(size_of(Region))))
    tables = 16 * 8
    assert (object + tables + 16 * 4) * 64 / 63 < 0.02 * 65536


# Every allocation failing in turn


def scene(quota: Quota) -> dict[str, Any]:
    """Objects to try operations on."""
    space, object = new_space(quota), create(quota, 600)
    show(space, object, AT, 0, 600, WRITE)
    write(space, AT + 3 * PAGE, 3)
    write(space, AT + 520 * PAGE, 4)
    copy, other = clone(quota, object), new_space(quota)
    show(other, copy, AT, 0, 600, WRITE)
    pager = cleanup.create(quota, Kind.ENDPOINT, U64(64))
    paged = create(quota, 300)
    memory.set_pager(paged.value, pager, U64(0))
    return {"space": space, "object": object, "copy": copy, "other": other, "pager": pager, "paged": paged}


OPERATIONS: dict[str, Callable[[Quota, dict[str, Any]], Any]] = {
    "create": lambda quota, s: create(quota, 1000),
    "create committed": lambda quota, s: create(quota, 100, committed=True),
    "create contiguous": lambda quota, s: memory.create_contiguous(quota, U64(5 * PAGE)),
    "create foreign": lambda quota, s: memory.create_foreign(quota, PhysAddr(0), U64(5 * PAGE), False),
    "create space": lambda quota, s: new_space(quota),
    "clone": lambda quota, s: clone(quota, s["object"]),
    "map": lambda quota, s: (show(s["space"], s["copy"], 2 * AT, 0, 600, READ), None)[1],
    "program map": lambda quota, s: (program_memory.map_anonymous(s["space"].value, U64(MB)), None)[1],
    "touch": lambda quota, s: write(s["space"], AT + 300 * PAGE, 1),
    "touch far": lambda quota, s: write(s["space"], AT + 599 * PAGE, 1),
    "touch copy": lambda quota, s: write(s["other"], AT + 3 * PAGE, 1),
    "read copy": lambda quota, s: (read(s["other"], AT + 520 * PAGE), None)[1],
    "unmap middle": lambda quota, s: unmap(s["space"], AT + 100 * PAGE, AT + 200 * PAGE),
    "protect middle": lambda quota, s: protect(s["space"], AT + 100 * PAGE, AT + 200 * PAGE, READ),
    "supply": lambda quota, s: (memory.supply_step(s["paged"].value, U64(270), s["copy"].value, U64(3)), None)[1],
    "supply zeroes": lambda quota, s: (memory.supply_step(s["paged"].value, U64(270), s["copy"].value, U64(9)), None)[
        1
    ],
    "deny": lambda quota, s: memory.deny(s["paged"].value, U64(270)),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_that_runs_out_of_memory_leaves_no_trace(name: str) -> None:
    with machine() as quota:
        s = scene(quota)
        before = snapshot()
        counts = [int(s[key].value.count) for key in ("space", "other")]
        failures = 0
        while True:
            heap.FAILURES.at = U64(failures + 1)
            try:
                made = OPERATIONS[name](quota, s)
            except (OutOfMemory, QuotaExceeded):
                settle()
                assert snapshot() == before, failures
                assert [int(s[key].value.count) for key in ("space", "other")] == counts
                failures += 1
                continue
            break
        assert int(heap.FAILURES.at) > 0
        heap.FAILURES.at = U64(0)
        assert failures > 0 or name in ("touch copy",)
        if made is not None:
            drop(made)
        assert read(s["space"], AT + 3 * PAGE) == 3 or name != "touch copy"
        for object in s.values():
            drop(object)


def test_unmapping_and_ending_take_many_small_steps() -> None:
    with machine() as quota:
        space, object = new_space(quota), create(quota, 600)
        show(space, object, AT, 0, 600, WRITE)
        for index in range(600):
            write(space, AT + index * PAGE, 1)
        steps = 1
        while address_space.unmap_step(space.value, U64(AT), U64(AT + 600 * PAGE)) < AT + 600 * PAGE:
            steps += 1
            # What is being unmapped is gone for the program.
            with pytest.raises(Refused):
                read(space, AT)
        assert steps >= 600 // mappings.STEP
        cleanup.drop(object.cast(Header))
        steps = 1
        while not cleanup.step():
            steps += 1
        assert steps >= 600 // pages.STEP
        drop(space)
