"""Page tables: what was mapped is found, with the right frame and permissions, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.kernel.hal import mmu
from cloudos.kernel.hal.interface import Access
from cloudos.kernel.memory.frames import FRAMES
from cloudos.lang import U64, PhysAddr, Ptr, VirtAddr
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


def put(table: mmu.PageTable, address: int, frame: int, level: int, access: Access) -> mmu.Walk:
    """Map a page of a level, with the tables that it takes."""
    walk = table.walk(VirtAddr(address), U64(level))
    while int(walk.level) != level:
        assert not walk.present, "a larger page is in the way"
        walk.set_table(FRAMES.allocate_zeroed())
        walk = table.walk(VirtAddr(address), U64(level))
    walk.set_page(PhysAddr(frame), access)
    return walk


def access_at(table: mmu.PageTable, address: int) -> Access:
    """What the entry of a small page allows, bit by bit: AMD64 manual volume 2, section 5.4."""
    value = int(table.walk(VirtAddr(address), U64(0)).value)
    access = Access.READ
    for bit, flag in ((mmu.WRITABLE, Access.WRITE), (mmu.USER, Access.USER), (mmu.UNCACHED, Access.DEVICE)):
        access |= flag if value & bit else Access(0)
    return access if value & mmu.NO_EXECUTE else access | Access.EXECUTE


@settings(max_examples=30, deadline=None)
@given(st.lists(mapping, max_size=12), st.lists(page_number, max_size=4))
def test_a_walk_finds_what_was_mapped(mappings: list[tuple[int, int, Access]], removed: list[int]) -> None:
    with memory((2 * MB, 4 * MB)) as frames, user_table(frames) as table:
        expected: dict[int, tuple[int, Access]] = {}
        for number, frame, access in mappings:
            put(table, number * PAGE, frame * PAGE, 0, access)
            expected[number] = (frame, access)
        for number in removed:
            walk = table.walk(VirtAddr(number * PAGE + 5), U64(0))
            assert walk.present == (number in expected)
            walk.clear()
            expected.pop(number, None)
        for number in {entry[0] for entry in mappings} | set(removed) | {0, 0x201}:
            found = table.walk(VirtAddr(number * PAGE + 123), U64(0))
            assert found.present == (number in expected)
            if number in expected:
                frame, access = expected[number]
                assert (int(found.frame.value), int(found.level)) == (frame * PAGE, 0)
                assert access_at(table, number * PAGE) == access
                assert found.is_writable == (Access.WRITE in access) and not found.is_table


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 600), st.integers(1, 1300))
def test_ranges_use_the_largest_pages_that_fit(start: int, pages: int) -> None:
    with memory((2 * MB, 4 * MB)) as frames, user_table(frames) as table:
        base = 0x10_0000_0000 + start * PAGE
        physical = 64 * MB + start * PAGE
        table.map_range(VirtAddr(base), PhysAddr(physical), U64(pages * PAGE), READ, frames, U64(1))
        for index in (0, pages // 2, pages - 1):
            address = base + index * PAGE
            found = table.walk(VirtAddr(address), U64(0))
            size = int(mmu.page_bytes(found.level))
            assert found.present and int(found.frame.value) + address % size == physical + index * PAGE
            block = address // LARGE * LARGE
            assert (size == LARGE) == (block >= base and block + LARGE <= base + pages * PAGE)
        assert not table.walk(VirtAddr(base - 1), U64(0)).present
        assert not table.walk(VirtAddr(base + pages * PAGE), U64(0)).present


@pytest.mark.parametrize("level", [1, 2])
def test_a_large_page_is_found_from_everywhere_in_it(level: int) -> None:
    with memory((2 * MB, 4 * MB)) as frames, user_table(frames) as table:
        size = int(mmu.page_bytes(U64(level)))
        put(table, 4 * size, 8 * size, level, READ | Access.WRITE)
        for address in (4 * size, 4 * size + PAGE, 5 * size - 1):
            found = table.walk(VirtAddr(address), U64(0))
            assert (int(found.level), int(found.frame.value)) == (level, 8 * size)
            assert found.present and found.is_writable and not found.is_table
        for address in (4 * size - 1, 5 * size):
            assert not table.walk(VirtAddr(address), U64(0)).present


def test_a_large_page_gives_way_to_a_table_and_comes_back() -> None:
    with memory((2 * MB, 4 * MB)) as frames, user_table(frames) as table:
        put(table, LARGE, 8 * MB, 1, READ)
        table.walk(VirtAddr(LARGE), U64(1)).set_table(FRAMES.allocate_zeroed())
        assert table.walk(VirtAddr(LARGE), U64(1)).is_table
        put(table, LARGE + PAGE, 3 * PAGE, 0, READ)
        assert not table.walk(VirtAddr(LARGE), U64(0)).present
        assert int(table.walk(VirtAddr(LARGE + PAGE), U64(0)).frame.value) == 3 * PAGE
        walk = put(table, LARGE, 8 * MB, 1, READ)
        assert walk.is_table and int(table.walk(VirtAddr(LARGE + PAGE), U64(0)).level) == 1


def test_the_kernel_half_is_copied_as_it_is() -> None:
    with memory((2 * MB, 4 * MB)) as frames, user_table(frames) as table:
        kernel = mmu.PageTable(mmu.KERNEL.pages.root)
        put(kernel, 0x7000_0000_0000, PAGE, 0, READ)
        put(kernel, 0xFFFF_8000_0000_0000, PAGE, 0, Access.READ)
        mmu.copy_kernel_half(table.root)
        assert table.walk(VirtAddr(0xFFFF_8000_0000_0000), U64(0)).present
        assert not table.walk(VirtAddr(0x7000_0000_0000), U64(0)).present


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([0, 1, 2]), st.sets(st.sampled_from(list(Access))))
def test_entries_of_aarch64_allow_what_they_should(level: int, asked: set[Access]) -> None:
    """Arm Architecture Reference Manual (DDI 0487), D8.3: the bits of a block or page descriptor."""
    from cloudos.kernel.hal.aarch64 import mmu as arm

    access = Access(sum(asked)) | Access.READ
    entry = int(arm._flags(access, U64(level)))
    assert entry & 3 == (3 if level == 0 else 1)
    assert (entry >> 2 & 7) == (0 if Access.DEVICE in access else 1)
    assert bool(entry >> 6 & 1) == bool(entry >> 11 & 1) == (Access.USER in access)
    assert bool(entry >> 7 & 1) == (Access.WRITE not in access)
    assert entry >> 8 & 3 == 3 and entry >> 10 & 1
    user_code = Access.USER in access and Access.EXECUTE in access
    kernel_code = Access.USER not in access and Access.EXECUTE in access
    assert bool(entry >> 54 & 1) == (not user_code)
    assert bool(entry >> 53 & 1) == (not kernel_code)


def test_a_walk_on_aarch64_finds_what_was_mapped() -> None:
    from cloudos.kernel.hal.aarch64 import mmu as arm

    with memory((2 * MB, 4 * MB)) as frames:
        table = arm.PageTable(frames.allocate_zeroed())
        base, physical = LARGE - PAGE, 64 * MB + LARGE - PAGE
        table.map_range(VirtAddr(base), PhysAddr(physical), U64(LARGE + 2 * PAGE), READ, frames, U64(2))
        for offset, level in ((0, 0), (PAGE, 1), (LARGE, 1), (PAGE + LARGE, 0)):
            found = table.walk(VirtAddr(base + offset), U64(0))
            assert (int(found.level), found.present, found.is_table) == (level, True, False)
            assert int(found.frame.value) == (physical + offset) // (LARGE if level else PAGE) * (
                LARGE if level else PAGE
            )
        assert table.walk(VirtAddr(base), U64(1)).is_table
        for outside in (base - 1, base + LARGE + 2 * PAGE):
            assert not table.walk(VirtAddr(outside), U64(0)).present


def test_address_spaces_of_aarch64_have_tags_of_their_own() -> None:
    from cloudos.kernel.hal.aarch64 import mmu as arm
    from cloudos.kernel.hal.aarch64.processor import MODEL, State

    arm.TAGS.generation, arm.TAGS.latest = U64(1), U64(0)
    spaces = [arm.PageTable(PhysAddr(PAGE * (number + 1))) for number in range(300)]
    for number, space in enumerate(spaces):
        assert space.is_stale and space.renew() == (number == 255), "the others would not be told of a generation"
        assert int(space.loaded) & (1 << 48) - 1 == int(space.root.value)
    tags = [(int(space.generation), int(space.loaded) >> 48) for space in spaces]
    assert len(set(tags)) == 300 and all(1 <= tag <= 255 for _, tag in tags)
    # One of the first generation gets a new tag when it runs again, one of the latest keeps its own.
    assert spaces[0].is_stale and not spaces[299].is_stale
    spaces[0].renew()
    assert spaces[0].generation == 2 and int(spaces[0].loaded) >> 48 not in {tag for age, tag in tags if age == 2}
    assert (int(spaces[299].generation), int(spaces[299].loaded) >> 48) == tags[299]
    # A processor that is told of a generation gets a tag of that for what it uses.
    own = State()
    MODEL[:] = [own]
    for used, generation in ((spaces[1], 2), (spaces[299], 2)):
        own.pages = Ptr.to(used).address
        arm.forget_translations()
        assert int(used.generation) == generation
    assert int(spaces[299].loaded) >> 48 == tags[299][1]
    own.pages = VirtAddr(0)
    arm.forget_translations()
