"""Address spaces against a model that knows every page, with memory running out anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.abi import layout
from cloudos.abi.errors import BadArgument, OutOfMemory
from cloudos.kernel.hal import mmu
from cloudos.kernel.hal.interface import Access
from cloudos.kernel.memory.address_space import AddressSpace, Backing
from cloudos.kernel.memory.frames import FrameAllocator
from cloudos.lang import U8, U64, Ptr, VirtAddr
from tests.unit.kernel.simulated_machine import memory, user_table

PAGE = 4096
LARGE = 2 << 20
MB = 1 << 20
USER_DATA = Access.READ | Access.WRITE | Access.USER


@contextmanager
def address_space(megabytes: int = 6) -> Iterator[tuple[AddressSpace, FrameAllocator]]:
    """An empty address space on a machine with little memory."""
    with memory((2 * MB, (2 + megabytes) * MB)) as frames, user_table(frames):
        space = AddressSpace()
        space.start()
        yield space, frames


def mapped_pages(space: AddressSpace) -> set[int]:
    """Pages of anonymous regions, from the regions; each must be mapped, and regions be in order and apart."""
    pages: set[int] = set()
    last = 0
    for index in range(int(space.count)):
        region = space.regions[index]
        start, end = int(region.start), int(region.end)
        assert last <= start < end
        last = end
        pages |= set(range(start // PAGE, end // PAGE))
    return pages


mapping = st.tuples(st.just("map"), st.integers(1, 700), st.just(0))
unmapping = st.tuples(st.just("unmap"), st.integers(0, 40), st.integers(1, 600))


@settings(max_examples=15, deadline=None)
@given(st.lists(mapping | unmapping, max_size=10))
def test_regions_frames_and_model_agree(operations: list[tuple[str, int, int]]) -> None:
    with address_space() as (space, frames):
        model: set[int] = set()
        for kind, first, count in operations:
            before = int(frames.available)
            if kind == "map":
                try:
                    start = int(space.map_anonymous(U64(first * PAGE - 7))) // PAGE
                except OutOfMemory:
                    continue
                pages = set(range(start, start + first))
                assert not pages & model
                model |= pages
                assert before - int(frames.available) >= first
            else:
                start = layout.HEAP_START // PAGE + first
                pages = set(range(start, start + count))
                try:
                    space.unmap_anonymous(U64(start * PAGE), U64(count * PAGE))
                except BadArgument:
                    assert not pages <= model
                    continue
                assert pages <= model
                model -= pages
                # A page that had to be split may have cost a table; all frames unmapped came back.
                assert int(frames.available) - before >= count - 2
            assert mapped_pages(space) == model
            for page in sorted(model)[:: max(1, len(model) // 8)]:
                assert space.pages.lookup(VirtAddr(page * PAGE)).present


def test_new_memory_is_zero_even_where_it_was_used_before() -> None:
    with address_space() as (space, _frames):
        start = space.map_anonymous(U64(PAGE))
        frame = space.pages.lookup(VirtAddr(start)).frame
        Ptr.at(U8, mmu.direct(frame)).value = U8(7)
        space.unmap_anonymous(start, U64(PAGE))
        again = space.pages.lookup(VirtAddr(space.map_anonymous(U64(PAGE))))
        assert again.frame == frame
        assert Ptr.at(U8, mmu.direct(again.frame)).value == 0


def test_part_of_a_large_page_can_be_given_back() -> None:
    with address_space() as (space, frames):
        start = int(space.map_anonymous(U64(2 * LARGE)))
        assert start % LARGE == 0 and int(space.pages.lookup(VirtAddr(start)).level) == 1
        before = int(frames.available)
        space.unmap_anonymous(U64(start), U64(3 * PAGE))
        # One frame became the table of the pages that stay.
        assert int(frames.available) == before + 3 - 1
        assert not space.pages.lookup(VirtAddr(start + 2 * PAGE)).present
        assert space.pages.lookup(VirtAddr(start + 3 * PAGE)).present
        assert len(mapped_pages(space)) == 2 * 512 - 3


def test_only_anonymous_memory_can_be_given_back() -> None:
    with address_space() as (space, _):
        start = int(space.map_anonymous(U64(PAGE)))
        for index, backing in enumerate((Backing.FOREIGN, Backing.PROGRAM, Backing.ON_DEMAND)):
            address = start + (index + 1) * PAGE
            space.add(U64(address), U64(address + PAGE), USER_DATA, backing)
            with pytest.raises(BadArgument):
                space.unmap_anonymous(U64(address), U64(PAGE))
            with pytest.raises(BadArgument):
                space.unmap_anonymous(U64(start), U64((index + 2) * PAGE))
        assert space.pages.lookup(VirtAddr(start)).present


def test_exhaustion_gives_back_everything() -> None:
    with address_space(4) as (space, frames):
        space.map_anonymous(U64(PAGE))
        before = int(frames.available)
        # Fits the number of free frames, but not with the page tables that it needs.
        with pytest.raises(OutOfMemory):
            space.map_anonymous(U64(before * PAGE))
        # Only the table for the pages after the large one stays.
        assert int(frames.available) == before - 1
        start = space.map_anonymous(U64((before - 1) * PAGE))
        assert int(frames.available) == 0
        space.unmap_anonymous(start, U64((before - 1) * PAGE))
        assert int(frames.available) == before - 1
        assert int(space.count) == 1
        with pytest.raises(OutOfMemory):
            space.map_anonymous(U64((1 << 64) - 1))


def test_a_page_without_room_for_its_table_goes_back() -> None:
    with address_space(4) as (space, frames):
        while frames.available > 1:
            frames.allocate(U64(0))
        with pytest.raises(OutOfMemory):
            space.map_anonymous(U64(PAGE))
        assert int(frames.available) == 1
        assert int(space.count) == 0


def test_the_stack_grows_when_touched_and_nothing_else_does() -> None:
    with address_space() as (space, _frames):
        space.add(U64(0x1000_0000), U64(0x1010_0000), USER_DATA, Backing.ON_DEMAND)
        space.add(U64(0x2000_0000), U64(0x2000_1000), Access.READ | Access.USER, Backing.FOREIGN)
        assert space.resolve(U64(0x1000_5123), True, False)
        assert space.pages.lookup(VirtAddr(0x1000_5000)).present
        assert not space.pages.lookup(VirtAddr(0x1000_6000)).present
        assert not space.resolve(U64(0x1000_5123), False, True)
        assert not space.resolve(U64(0x2000_0000), False, False)
        assert not space.resolve(U64(0x1010_0000), False, False)
        assert not space.resolve(U64(0xFFF_F000), True, False)


@pytest.mark.parametrize(
    ("start", "end", "access"),
    [
        (0x1000_0000, 0x1000_0000, USER_DATA),
        (0x1000_0001, 0x1000_2000, USER_DATA),
        (0, PAGE, USER_DATA),
        (layout.USER_END - PAGE, layout.USER_END + PAGE, USER_DATA),
        (0x1000_0000, 0x1000_2000, USER_DATA | Access.EXECUTE),
        (0x1FFF_F000, 0x2000_2000, USER_DATA),
    ],
)
def test_bad_regions_are_refused(start: int, end: int, access: Access) -> None:
    with address_space() as (space, _):
        space.add(U64(0x2000_0000), U64(0x2000_1000), USER_DATA, Backing.PROGRAM)
        with pytest.raises(BadArgument):
            space.add(U64(start), U64(end), access, Backing.PROGRAM)
        assert int(space.count) == 1


def test_many_holes_run_out_of_room_without_harm() -> None:
    with address_space() as (space, frames):
        start = int(space.map_anonymous(U64(200 * PAGE)))
        before = int(frames.available)
        freed = 0
        with pytest.raises(OutOfMemory):
            for index in range(1, 200, 2):
                space.unmap_anonymous(U64(start + index * PAGE), U64(PAGE))
                freed += 1
        assert int(frames.available) == before + freed
        assert len(mapped_pages(space)) == 200 - freed
