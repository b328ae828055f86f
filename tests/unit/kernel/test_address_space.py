"""Address spaces and the pages in them, case by case; `test_memory_model.py` does the same at random."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from cloudos.abi import layout
from cloudos.abi.errors import BadArgument, Denied, OutOfMemory, QuotaExceeded
from cloudos.abi.objects import ALL_RIGHTS, Rights
from cloudos.kernel.hal import mmu
from cloudos.kernel.hal.interface import Access
from cloudos.kernel.memory import address_space, heap, page_faults, pages, regions
from cloudos.kernel.memory.frames import FRAMES
from cloudos.kernel.memory.page_faults import Outcome
from cloudos.kernel.memory.structures import Memory, Region, Space
from cloudos.kernel.objects import cleanup
from cloudos.kernel.objects import memory as memories
from cloudos.kernel.objects import quota as quotas
from cloudos.kernel.objects import spaces as space_calls
from cloudos.kernel.objects.header import Header
from cloudos.lang import U64, Panic, PhysAddr, Ptr, VirtAddr
from tests.unit.kernel.capability_machine import snapshot
from tests.unit.kernel.memory_machine import (
    PAGE,
    Refused,
    memory_machine,
    new_memory,
    new_space,
    regions_of,
    settle,
    tables_of,
    touch,
    tree_of,
)

MB = 1 << 20
READ_WRITE = Access.READ | Access.WRITE
START = 0x400
GIGABYTE = 1 << 18


def show(space: Ptr[Space], memory: Ptr[Memory], page: int, access: Access = READ_WRITE, count: int = 0) -> None:
    """Map all of an object, or its first pages."""
    length = U64((count or int(memory.value.length)) * PAGE)
    address_space.map(space.value, memory, ALL_RIGHTS, U64(page * PAGE), U64(0), length, access)


def drop(*objects: Ptr[Space] | Ptr[Memory]) -> None:
    """Give up the references that tests hold."""
    for one in objects:
        cleanup.drop(one.cast(Header))
    settle()


def sweep_all(memory: Ptr[Memory]) -> None:
    while not address_space.sweep(memory.value, U64(0), memory.value.length):
        pass


def test_a_region_that_is_split_during_a_sweep_is_swept() -> None:
    """The right part of a region that others split is taken out of the page tables like all of it."""
    with memory_machine():
        space, memory = new_space(), new_memory(40)
        show(space, memory, START)
        for page in range(40):
            touch(space.value, START + page, page)
        copy = new_memory(40)
        pages.clone(memory.value, copy.value)
        assert not address_space.sweep(memory.value, U64(0), U64(40))
        regions.split(space.value, U64((START + 30) * PAGE))
        while not address_space.sweep(memory.value, U64(0), U64(40)):
            pass
        assert not tables_of(space.value).pages
        touch(space.value, START + 35, 99)
        show(space, copy, 2 * START)
        assert touch(space.value, 2 * START + 35) == 35
        drop(space, memory, copy)


@pytest.mark.parametrize("operation", ["protect", "sweep"])
def test_tables_in_use_are_not_freed_with_their_last_pages(operation: str) -> None:
    """Taking out the last page before a border of 1 GB leaves the tables of the others; all come back at the end."""
    with memory_machine():
        space, memory = new_space(), new_memory(GIGABYTE)
        show(space, memory, GIGABYTE)
        touch(space.value, GIGABYTE, 5)
        before = tables_of(space.value).count
        last, end = U64((2 * GIGABYTE - 1) * PAGE), U64(2 * GIGABYTE * PAGE)
        if operation == "protect":
            assert address_space.protect_step(space.value, last, end, READ_WRITE) == end
        else:
            assert address_space.sweep(memory.value, U64(GIGABYTE - 1), U64(GIGABYTE))
        assert tables_of(space.value).count == before
        assert touch(space.value, GIGABYTE) == 5
        drop(space, memory)


def test_a_block_that_is_being_zeroed_goes_with_its_object() -> None:
    with memory_machine():
        before = int(FRAMES.available)
        space, memory = new_space(), new_memory(512, paid=True)
        show(space, memory, START)
        assert page_faults.resolve(space.value, U64((START + 9) * PAGE), True, False, True) == Outcome.RETRY
        assert memory.value.block.value != 0 and memory.value.root.bits == 0
        drop(memory, space)
        assert int(FRAMES.available) >= before - 1


def test_what_a_program_unmaps_and_maps_again_is_zero() -> None:
    with memory_machine():
        space = new_space()
        start = int(space_calls._map_program(space.value, U64(4)))
        for page in range(4):
            touch(space.value, start // PAGE + page, page + 1)
        used = int(quotas.ROOT.used)
        assert address_space.unmap_step(space.value, U64(start + PAGE), U64(start + 3 * PAGE)) == start + 3 * PAGE
        assert used - int(quotas.ROOT.used) >= 2 * PAGE - 256
        assert int(space_calls._map_program(space.value, U64(2))) == start + PAGE
        assert [touch(space.value, start // PAGE + page) for page in range(4)] == [1, 0, 0, 4]
        drop(space)


@pytest.mark.parametrize("first", [0, 700])
def test_memory_paid_in_advance_is_shown_in_large_pages(first: int) -> None:
    with memory_machine():
        space, memory = new_space(), new_memory(1024, paid=True)
        show(space, memory, START)
        touch(space.value, START + first, 7)
        tables = tables_of(space.value)
        assert len(tables.pages) == 512 and tables.count == 2
        touch(space.value, START + 700, 7)
        touch(space.value, START, 1)
        address_space.protect_step(space.value, U64((START + 5) * PAGE), U64((START + 6) * PAGE), Access.READ)
        assert touch(space.value, START) == 1 and touch(space.value, START + 700) == 7
        with pytest.raises(Refused):
            touch(space.value, START + 5, 1)
        drop(space, memory)


def test_without_a_block_small_pages_do() -> None:
    """Memory in pieces: there is no run of 2 MB, and pages come one by one."""
    with memory_machine(5):
        taken = [FRAMES.allocate(U64(0)) for _ in range(int(FRAMES.available))]
        kept, free = taken[::2], taken[1::2]
        for frame in free:
            FRAMES.free(frame, U64(0))
        space, memory = new_space(), new_memory(512, paid=True)
        show(space, memory, START)
        touch(space.value, START + 9, 3)
        assert len(tables_of(space.value).pages) == 1
        drop(space, memory)
        for frame in kept:
            FRAMES.free(frame, U64(0))


def test_a_page_of_a_clone_is_copied_once_and_then_its_own() -> None:
    with memory_machine():
        space, memory, copy = new_space(), new_memory(3), new_memory(3)
        show(space, memory, START)
        touch(space.value, START, 1)
        touch(space.value, START + 1, 2)
        pages.clone(memory.value, copy.value)
        sweep_all(memory)
        show(space, copy, 2 * START)
        assert touch(space.value, 2 * START) == 1
        shared = tree_of(memory.value).pages[0][0]
        assert tree_of(copy.value).pages[0] == (shared, True)
        touch(space.value, 2 * START, 9)
        assert tree_of(copy.value).pages[0][0] != shared and touch(space.value, START) == 1
        # What only one sees any more it may write as it is.
        touch(space.value, START, 4)
        assert tree_of(memory.value).pages[0][0] == shared
        drop(space, memory, copy)


def test_touching_says_when_memory_is_out() -> None:
    """Each allocation that a first touch makes may fail: it says so, and goes on where it was the next time."""
    with memory_machine():
        space, memory = new_space(), new_memory(600)
        show(space, memory, START)
        for number in range(1, 20):
            heap.FAILURES.at = U64(number)
            try:
                touch(space.value, START + 520, 1)
                break
            except OutOfMemory:
                assert not tables_of(space.value).pages
        assert number >= 4 and heap.FAILURES.at != 0
        heap.FAILURES.at = U64(0)
        assert touch(space.value, START + 520) == 1
        drop(space, memory)


@pytest.mark.parametrize(
    ("start", "offset", "length"),
    [
        (START * PAGE, 0, 0),
        (START * PAGE + 1, 0, PAGE),
        (START * PAGE, 1, PAGE),
        (START * PAGE, 0, PAGE + 1),
        (0, 0, PAGE),
        (layout.USER_END - PAGE, 0, 2 * PAGE),
        ((1 << 64) - PAGE, 0, PAGE),
        (START * PAGE, 0, 5 * PAGE),
        (START * PAGE, 3 * PAGE, 2 * PAGE),
        (START * PAGE, (1 << 64) - PAGE, 2 * PAGE),
        (0x2000_0000 - PAGE, 0, 2 * PAGE),
        (0x2000_0000, 0, PAGE),
    ],
)
def test_bad_mappings_are_refused(start: int, offset: int, length: int) -> None:
    with memory_machine(4):
        space, memory = new_space(), new_memory(4)
        show(space, memory, 0x2000_0000 // PAGE, count=1)
        with pytest.raises(BadArgument):
            address_space.map(space.value, memory, ALL_RIGHTS, U64(start), U64(offset), U64(length), READ_WRITE)
        assert len(regions_of(space.value)) == 1
        drop(space, memory)


def test_a_mapping_that_goes_on_is_one_region() -> None:
    with memory_machine(4):
        space, memory = new_space(), new_memory(8)
        for first in range(4):
            part = (U64((START + first) * PAGE), U64(first * PAGE), U64(PAGE))
            address_space.map(space.value, memory, ALL_RIGHTS, *part, READ_WRITE)
        assert len(regions_of(space.value)) == 1
        # Another access, other rights, or another place in the object: another region.
        for page, rights, access, offset in (
            (4, ALL_RIGHTS, Access.READ, 4),
            (5, Rights.READ, Access.READ, 5),
            (6, Rights.READ, Access.READ, 7),
        ):
            part = (U64((START + page) * PAGE), U64(offset * PAGE), U64(PAGE))
            address_space.map(space.value, memory, rights, *part, access)
        assert len(regions_of(space.value)) == 4
        drop(space, memory)


def test_protect_asks_for_cover_and_rights() -> None:
    with memory_machine(4):
        space, memory = new_space(), new_memory(8)
        only_read = Rights.READ | Rights.MAP
        address_space.map(space.value, memory, only_read, U64(START * PAGE), U64(0), U64(4 * PAGE), Access.READ)
        show(space, memory, START + 5, count=1)
        first, end = U64(START * PAGE), U64((START + 4) * PAGE)
        for access in (READ_WRITE, Access.READ | Access.EXECUTE):
            with pytest.raises(Denied):
                address_space.check_protect(space.value, first, end, access)
        address_space.check_protect(space.value, first, end, Access.READ)
        with pytest.raises(BadArgument):
            address_space.check_protect(space.value, first, end + 2 * PAGE, Access.READ)
        drop(space, memory)


def test_a_full_table_of_regions_refuses_and_is_as_before() -> None:
    with memory_machine(4):
        space, memory = new_space(), new_memory(3)
        show(space, memory, START)
        for number in range(511):
            show(space, memory, START + 4 + 2 * number, count=1)
        before = [(int(one.start), int(one.end)) for one in regions_of(space.value)]
        middle, end = U64((START + 1) * PAGE), U64((START + 2) * PAGE)
        with pytest.raises(QuotaExceeded):
            show(space, memory, 4 * START, count=1)
        with pytest.raises(QuotaExceeded):
            address_space.unmap_step(space.value, middle, end)
        with pytest.raises(QuotaExceeded):
            address_space.protect_step(space.value, middle, end, Access.READ)
        assert [(int(one.start), int(one.end)) for one in regions_of(space.value)] == before
        drop(space, memory)


def test_a_first_page_like_that_of_a_block_makes_no_block() -> None:
    """Pages that came one by one: the first at a multiple of 2 MB, the last one before it."""
    with memory_machine():
        space, memory = new_space(), new_memory(512)
        show(space, memory, START)
        touch(space.value, START + 1, 1, large=False)
        free = [FRAMES.allocate(U64(0)) for _ in range(int(FRAMES.available))]
        free.sort(key=lambda frame: int(frame.value))
        lowest = free.pop(0)
        first = next(frame for frame in free if frame.value % (512 * PAGE) == 0)
        free.remove(first)
        for page in (0, *range(2, 511), 511):
            frame = first if page == 0 else lowest if page == 511 else free.pop()
            FRAMES.free(frame, U64(0))
            touch(space.value, START + page, page, large=False)
            assert pages.find(memory.value, U64(page), U64(0)).frame == frame
        for frame in free:
            FRAMES.free(frame, U64(0))
        show(space, memory, 2 * START)
        assert [touch(space.value, 2 * START + page) for page in (0, 1, 511)] == [0, 1, 511]
        drop(space, memory)


def test_a_move_that_fails_has_taken_nothing() -> None:
    """Of a page that its source has not: it is zeroed and paid for before there is a place for it."""
    with memory_machine():
        source, memory = new_memory(8), new_memory(8)
        before, failed = (int(quotas.ROOT.used), int(FRAMES.available)), 0
        for failing in range(1, 9):
            heap.FAILURES.at = U64(failing)
            try:
                pages.move(source.value, U64(0), memory.value, U64(3))
                break
            except OutOfMemory:
                failed += 1
                assert (int(quotas.ROOT.used), int(FRAMES.available)) == before
            finally:
                heap.FAILURES.at = U64(0)
        assert failed >= 2 and pages.find(memory.value, U64(3), U64(0)).entry != 0
        drop(new_space(), source, memory)


def test_a_run_is_shown_with_the_largest_pages_that_fit() -> None:
    with memory_machine():
        space = new_space()
        run = memories.create_run(quotas.ROOT, U64(1024), U64(0))
        while not page_faults.prepare_run(run.value):
            pass
        show(space, run, START)
        touch(space.value, START + 600, 8)
        assert len(tables_of(space.value).pages) == 512
        show(space, run, 4 * START + 1)
        assert touch(space.value, 4 * START + 601) == 8
        assert len(tables_of(space.value).pages) == 513
        drop(space, run)


def test_a_device_of_gigabytes_is_shown_with_pages_of_1_gb() -> None:
    """Where the processor has them, the region covers one, and the frames are aligned to it; else smaller ones."""
    with memory_machine():
        before = mmu.KERNEL.largest
        mmu.KERNEL.largest = U64(2)
        space = new_space()
        device = memories.create_foreign(quotas.ROOT, PhysAddr(4 << 30), U64(2 * GIGABYTE), True)
        show(space, device, 3 * GIGABYTE)
        for page, level in ((5, 2), (GIGABYTE + 7, 2)):
            address = U64((3 * GIGABYTE + page) * PAGE)
            assert page_faults.resolve(space.value, address, True, False, True) == Outcome.RETRY
            walk = space.value.pages.walk(VirtAddr(address), U64(0))
            assert (walk.present, int(walk.level)) == (True, level)
            assert int(walk.frame.value) == (4 << 30) + page // GIGABYTE * GIGABYTE * PAGE
        show(space, device, 8 * GIGABYTE + 1)
        address = U64((8 * GIGABYTE + 1 + GIGABYTE) * PAGE)
        page_faults.resolve(space.value, address, True, False, True)
        assert int(space.value.pages.walk(VirtAddr(address), U64(0)).level) == 0
        drop(space, device)
        mmu.KERNEL.largest = before


def test_objects_that_cannot_be_made_leave_nothing() -> None:
    with memory_machine(4):
        before = snapshot()
        for length, error in ((4097, BadArgument), (4096, QuotaExceeded)):
            with pytest.raises(error):
                memories.create_run(quotas.ROOT, U64(length), U64(0))
        with pytest.raises(QuotaExceeded):
            new_memory(5000, paid=True)
        for number in (1, 2, 3):
            heap.FAILURES.at = U64(number)
            with pytest.raises(OutOfMemory):
                new_space()
            settle()
        heap.FAILURES.at = U64(0)
        settle()
        assert snapshot() == before


# Mistakes that the cases above must find.


def split_goes_unseen(space: Space, like: Region) -> None:
    """A new region that a sweep in progress does not see."""
    sweeping = like.memory.value.sweeping
    ADD(space, like)
    like.memory.value.sweeping = sweeping


def upper_tables_go_early(space: Space, address: U64, end: U64) -> U64:
    """Taking pages out frees the table of 1 GB, whatever else is in it."""
    reached = CLEAR(space, address, end)
    address_space._release_tables(space, reached)
    return reached


def block_is_forgotten(memory: Memory) -> None:
    """A block that is being zeroed is not freed."""
    memory.block = PhysAddr(0)


ADD, CLEAR = regions.add, address_space.clear
PLANTED: list[tuple[Any, str, Any, Callable[[], None]]] = [
    (regions, "add", split_goes_unseen, test_a_region_that_is_split_during_a_sweep_is_swept),
    (
        address_space,
        "clear",
        upper_tables_go_early,
        partial(test_tables_in_use_are_not_freed_with_their_last_pages, "sweep"),
    ),
    (pages, "drop_block", block_is_forgotten, test_a_block_that_is_being_zeroed_goes_with_its_object),
    (pages, "unreserve", lambda memory, count: None, test_what_a_program_unmaps_and_maps_again_is_zero),
    (page_faults, "_covers", lambda region, address, level: True, test_a_run_is_shown_with_the_largest_pages_that_fit),
    (pages, "_copy", lambda entry, is_node: None, test_a_page_of_a_clone_is_copied_once_and_then_its_own),
]


@pytest.mark.parametrize("number", range(len(PLANTED)))
def test_mistakes_are_found(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    module, name, mistake, case = PLANTED[number]
    monkeypatch.setattr(module, name, mistake)
    with pytest.raises((AssertionError, Panic)):
        case()
