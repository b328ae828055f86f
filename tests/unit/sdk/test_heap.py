"""The process heap: no two live blocks overlap, every block is zeroed and aligned, and all memory can come back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.lang import U8, U64, Ptr, Slice
from cloudos.sdk import heap, models
from cloudos.sdk.heap import allocate, class_of, class_size, largest_class_within, release

sizes = st.one_of(st.integers(0, 100), st.integers(900, 3000), st.integers(30_000, 140_000))


@pytest.fixture(autouse=True)
def small_machine() -> Iterator[models.SystemModel]:
    """A fresh heap over a machine of 8 MiB."""
    model = models.SystemModel(memory_limit=8 << 20)
    models.install(model)
    kept = heap.heap
    heap.heap = heap.Heap()
    yield model
    heap.heap = kept


def block(pointer: Ptr[U8], size: int) -> Slice[U8]:
    return Slice.of(pointer, U64(size))


def test_classes_are_tight_and_in_order() -> None:
    previous = 0
    for number in range(heap.CLASS_COUNT):
        size = int(class_size(U64(number)))
        assert size > previous
        assert size % 16 == 0
        assert int(class_of(U64(size))) == number
        assert int(class_of(U64(previous + 1))) == number
        assert int(largest_class_within(U64(size))) == number
        previous = size
    assert previous == heap.MEDIUM_LIMIT
    assert int(largest_class_within(U64(1 << 20))) == heap.CLASS_COUNT - 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(sizes, st.booleans(), st.integers(0, 30)), max_size=30))
def test_live_blocks_never_overlap_and_start_zeroed(todo: list[tuple[int, bool, int]]) -> None:
    models.install(models.SystemModel(memory_limit=16 << 20))
    heap.heap = heap.Heap()
    live: list[tuple[Ptr[U8], int, int]] = []
    for serial, (size, free_one, which) in enumerate(todo):
        if free_one and live:
            pointer, old_size, mark = live.pop(which % len(live))
            assert bytes(block(pointer, old_size)) == bytes([mark]) * old_size
            release(pointer, U64(old_size))
            continue
        pointer = allocate(U64(size))
        assert not pointer.is_null()
        assert int(pointer.address.value) % 16 == 0
        assert bytes(block(pointer, size)) == bytes(size)
        mark = serial % 255 + 1
        block(pointer, size).fill(U8(mark))
        live.append((pointer, size, mark))
    for pointer, size, mark in live:
        assert bytes(block(pointer, size)) == bytes([mark]) * size
        release(pointer, U64(size))
    assert int(heap.heap.in_use) == 0


def test_released_blocks_are_used_again() -> None:
    first = allocate(U64(40))
    address = int(first.address.value)
    release(first, U64(40))
    assert int(allocate(U64(48)).address.value) == address


def test_large_blocks_go_back_to_the_system(small_machine: models.SystemModel) -> None:
    pointer = allocate(U64(1_000_000))
    assert len(small_machine.mapped) == 1
    release(pointer, U64(1_000_000))
    assert not small_machine.mapped


def test_the_rest_of_a_chunk_is_not_lost() -> None:
    allocate(U64(16))
    allocate(U64(65536))  # does not fit into what is left of the first chunk
    kept = 0
    for number in range(heap.CLASS_COUNT):
        pointer = heap.heap.free[number]
        while not pointer.is_null():
            kept += int(class_size(U64(number)))
            pointer = pointer.value.next
    assert kept == heap.FIRST_CHUNK - 16


def test_a_quota_is_used_up_to_its_last_pages(small_machine: models.SystemModel) -> None:
    # Chunks have grown to 1 MiB long before: the last ones must be smaller, whatever is asked for.
    for size in (5000, 40):
        while not allocate(U64(size)).is_null():
            pass
    left = small_machine.memory_limit - sum(region.size for region in small_machine.mapped.values())
    assert left < heap.PAGE
    assert allocate(U64(16)).is_null()


def test_few_chunks_are_mapped_when_the_quota_is_nearly_full(small_machine: models.SystemModel) -> None:
    # A page for each block would be a mapping for each block.
    allocate(U64((8 << 20) - 600_000))
    before = len(small_machine.mapped)
    while not allocate(U64(64)).is_null():
        pass
    assert len(small_machine.mapped) - before < 16


def test_without_new_memory_small_blocks_are_cut_from_large_free_ones() -> None:
    blocks = []
    while not (pointer := allocate(U64(4096))).is_null():
        block(pointer, 4096).fill(U8(0xEE))
        blocks.append(pointer)
    for pointer in blocks:
        release(pointer, U64(4096))
    count = 0
    while not (pointer := allocate(U64(48))).is_null():
        assert bytes(block(pointer, 48)) == bytes(48)
        count += 1
    assert count >= len(blocks) * (4096 // 48)


def test_without_new_memory_small_free_blocks_are_joined_to_large_ones() -> None:
    small = []
    while not (pointer := allocate(U64(48))).is_null():
        small.append(pointer)
        if len(small) == 20_000:
            # The rest in blocks that stay, so that this does not take long.
            while not allocate(U64(60_000)).is_null():
                pass
    for pointer in small[1:]:
        release(pointer, U64(48))
    large = []
    while not (pointer := allocate(U64(4096))).is_null():
        assert bytes(block(pointer, 4096)) == bytes(4096)
        large.append(pointer)
    assert len(large) >= len(small) * 48 // 4096 * 9 // 10
    block(small[0], 48).fill(U8(7))
    assert bytes(block(small[0], 48)) == bytes([7]) * 48


@pytest.mark.parametrize(("size", "largest"), [(4096, 4096), (20_000, 4096), (60_000, 60_000), (200_000, 200_000)])
def test_where_there_is_room_blocks_can_be_had(size: int, largest: int) -> None:
    live = []
    while heap.has_room(U64(size), U64(largest)):
        left = size
        while left > 0:
            part = min(left, largest)
            # As much as is that when it is rounded up.
            asked = part if part > heap.MEDIUM_LIMIT else int(class_size(largest_class_within(U64(part // 16 * 16))))
            pointer = allocate(U64(asked))
            assert not pointer.is_null()
            live.append((pointer, asked))
            left -= max(asked, 16)
    assert len(live) * largest > 4 << 20
    for pointer, asked in live:
        release(pointer, U64(asked))
    assert heap.has_room(U64(size), U64(largest))


def test_exhaustion_is_null_and_leaves_the_heap_usable() -> None:
    live = []
    while True:
        pointer = allocate(U64(100_000))
        if pointer.is_null():
            break
        live.append(pointer)
    assert len(live) > 70
    assert allocate(U64(2**63)).is_null()
    for pointer in live:
        release(pointer, U64(100_000))
    assert not allocate(U64(100_000)).is_null()
