"""Page tables: what was mapped is found, with the right frame and permissions, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.kernel.hal import mmu
from cloudos.kernel.hal.interface import Access
from cloudos.lang import U64, Panic, PhysAddr, Ptr, VirtAddr
from tests.unit.kernel.simulated_machine import memory, user_table

PAGE = 4096
LARGE = 2 << 20
MB = 1 << 20
READ = Access.READ | Access.USER
ACCESSES = (READ, READ | Access.WRITE, READ | Access.EXECUTE)

# Few bases, so that mappings share tables; addresses on both sides of table borders.
page_number = st.builds(
    lambda base, offset: base + offset,
    st.sampled_from((0x10, 0x1FF, 0x200, 0x3FFFF, 0x1000_0000, 0x7_FFFF_FF00)),
    st.integers(0, 4),
)
mapping = st.tuples(page_number, st.integers(0, 1 << 20), st.sampled_from(ACCESSES))


@settings(max_examples=30, deadline=None)
@given(st.lists(mapping, max_size=12), st.lists(page_number, max_size=4))
def test_lookup_finds_what_was_mapped(mappings: list[tuple[int, int, Access]], removed: list[int]) -> None:
    with memory((2 * MB, 4 * MB)) as frames, user_table(frames) as table:
        expected: dict[int, tuple[int, Access]] = {}
        for number, frame, access in mappings:
            table.map(VirtAddr(number * PAGE), PhysAddr(frame * PAGE), U64(0), access, frames)
            expected[number] = (frame, access)
        for number in removed:
            assert table.unmap(VirtAddr(number * PAGE + 5)).present == (number in expected)
            expected.pop(number, None)
        for number in {entry[0] for entry in mappings} | set(removed) | {0, 0x201}:
            found = table.lookup(VirtAddr(number * PAGE + 123))
            assert found.present == (number in expected)
            if number in expected:
                frame, access = expected[number]
                assert (int(found.frame.value), int(found.level), found.access) == (frame * PAGE, 0, access)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 600), st.integers(1, 1300))
def test_ranges_use_the_largest_pages_that_fit(start: int, pages: int) -> None:
    with memory((2 * MB, 4 * MB)) as frames, user_table(frames) as table:
        base = 0x10_0000_0000 + start * PAGE
        physical = 64 * MB + start * PAGE
        table.map_range(VirtAddr(base), PhysAddr(physical), U64(pages * PAGE), READ, frames, U64(1))
        for index in (0, pages // 2, pages - 1):
            address = base + index * PAGE
            found = table.lookup(VirtAddr(address))
            size = int(mmu.page_bytes(found.level))
            assert found.present and int(found.frame.value) + address % size == physical + index * PAGE
            block = address // LARGE * LARGE
            assert (size == LARGE) == (block >= base and block + LARGE <= base + pages * PAGE)
        assert not table.lookup(VirtAddr(base - 1)).present
        assert not table.lookup(VirtAddr(base + pages * PAGE)).present


def last_level(table: mmu.PageTable, address: int) -> list[int]:
    """The raw entries of the last-level table that covers an address."""
    frame = int(table.root.value)
    for level in (3, 2, 1):
        tables = Ptr.at(mmu.Table, mmu.direct(PhysAddr(frame))).value
        frame = int(tables.entries[U64(address >> (12 + 9 * level) & 511)]) & mmu.ADDRESS_MASK
    return [int(entry) for entry in Ptr.at(mmu.Table, mmu.direct(PhysAddr(frame))).value.entries]


def test_splitting_a_large_page_changes_nothing_but_the_size() -> None:
    with memory((2 * MB, 4 * MB)) as frames, user_table(frames) as table:
        access = READ | Access.WRITE
        table.map(VirtAddr(LARGE), PhysAddr(8 * MB), U64(1), access, frames)
        table.split(VirtAddr(LARGE), frames)
        for index in (0, 1, 511):
            found = table.lookup(VirtAddr(LARGE + index * PAGE))
            assert (int(found.level), found.access) == (0, access)
            assert int(found.frame.value) == 8 * MB + index * PAGE
        # In an entry for a small page, the bit that means "large" selects a memory type.
        assert all(entry & mmu.LARGE == 0 for entry in last_level(table, LARGE))
        table.unmap(VirtAddr(LARGE + PAGE))
        assert table.lookup(VirtAddr(LARGE)).present
        assert not table.lookup(VirtAddr(LARGE + PAGE)).present


def test_protect_changes_permissions_alone() -> None:
    with memory((2 * MB, 4 * MB)) as frames, user_table(frames) as table:
        table.map(VirtAddr(PAGE), PhysAddr(3 * PAGE), U64(0), READ | Access.WRITE, frames)
        table.protect(VirtAddr(PAGE), READ)
        found = table.lookup(VirtAddr(PAGE))
        assert found.access == READ and found.frame == PhysAddr(3 * PAGE)


def test_a_small_page_inside_a_large_one_is_a_bug() -> None:
    with memory((2 * MB, 4 * MB)) as frames, user_table(frames) as table:
        table.map(VirtAddr(LARGE), PhysAddr(8 * MB), U64(1), READ, frames)
        with pytest.raises((Panic, AssertionError)):
            table.map(VirtAddr(LARGE + PAGE), PhysAddr(0), U64(0), READ, frames)
