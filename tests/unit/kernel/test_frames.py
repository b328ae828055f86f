"""The frame allocator: blocks never overlap, everything comes back, nothing untouched is touched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.abi.errors import OutOfMemory
from cloudos.kernel.hal.interface import BootInformation, NodeRange
from cloudos.kernel.memory.frames import MAXIMUM_ORDER, FrameAllocator
from cloudos.kernel.sched.processor import FIRST
from cloudos.kernel.sched.requests import ALL, Own
from cloudos.lang import U8, U64, Panic, PhysAddr, Ptr
from tests.unit.kernel.simulated_machine import memory

PAGE = 4096
MB = 1 << 20
# Odd borders: partial blocks at both ends, and a zone smaller than one large block.
MAP = ((1 * MB + 5 * PAGE, 6 * MB + 3 * PAGE), (7 * MB, 7 * MB + 9 * PAGE))


def pages(address: PhysAddr, order: int) -> set[int]:
    return set(range(int(address.value) // PAGE, int(address.value) // PAGE + (1 << order)))


operation = st.tuples(st.booleans(), st.integers(0, MAXIMUM_ORDER), st.integers(0, 1 << 16))


@settings(max_examples=20, deadline=None)
@given(st.lists(operation, max_size=40))
def test_blocks_are_aligned_disjoint_and_come_back(operations: list[tuple[bool, int, int]]) -> None:
    with memory(*MAP) as frames:
        total = int(frames.available)
        held: list[tuple[PhysAddr, int]] = []
        for allocate, order, choice in operations:
            if allocate or not held:
                try:
                    block = frames.allocate(U64(order))
                except OutOfMemory:
                    continue
                assert block.is_aligned(PAGE << order)
                assert any(start <= int(block.value) < end for start, end in MAP)
                assert not any(pages(block, order) & pages(other, size) for other, size in held)
                held.append((block, order))
            else:
                block, order = held.pop(choice % len(held))
                frames.free(block, U64(order))
            assert int(frames.available) == total - sum(1 << order for _, order in held)
        for block, order in held:
            frames.free(block, U64(order))
        assert int(frames.available) == total
        assert exhaust(frames) == total


def exhaust(frames: FrameAllocator) -> int:
    """Allocate single frames until there are none; how many there were."""
    seen: set[int] = set()
    try:
        while True:
            seen.add(int(frames.allocate(U64(0)).value))
    except OutOfMemory:
        return len(seen)


def test_frames_that_a_processor_has_at_hand_are_given_when_there_are_no_others() -> None:
    with memory(*MAP) as frames:
        total = int(frames.available)
        kept, ALL.first = ALL.first, Ptr.to(FIRST).cast(Own)
        try:
            frames.put_by()
            assert FIRST.line.at_hand.value != 0 and frames.available < total
            assert exhaust(frames) == total
            assert FIRST.line.at_hand.value == 0
        finally:
            ALL.first, FIRST.line.at_hand = kept, PhysAddr(0)


def test_freed_neighbours_become_a_large_block_again() -> None:
    with memory((2 * MB, 6 * MB)) as frames:
        before = frames.allocate(U64(9))
        frames.free(before, U64(9))
        blocks = [frames.allocate(U64(0)) for _ in range(int(frames.available))]
        for block in reversed(blocks):
            frames.free(block, U64(0))
        assert frames.allocate(U64(9)) == before


@pytest.mark.parametrize("seed", range(4))
def test_blocks_of_all_sizes_merge_in_any_order(seed: int) -> None:
    """Every frame is handed out, those at odd ends too; whatever the order of return, the same blocks form."""
    random = Random(seed)
    with memory(*MAP) as frames:
        total = int(frames.available)
        held: list[tuple[PhysAddr, int]] = []
        while frames.available > 0:
            order = random.choice((0, 0, 1, 2, 3))
            try:
                held.append((frames.allocate(U64(order)), order))
            except OutOfMemory:
                held.append((frames.allocate(U64(0)), 0))
        large = [block for block in range(2 * MB, 6 * MB, 2 * MB)]
        random.shuffle(held)
        for block, order in held:
            frames.free(block, U64(order))
        assert int(frames.available) == total
        assert sorted(int(frames.allocate(U64(9)).value) for _ in large) == large
        with pytest.raises(OutOfMemory):
            frames.allocate(U64(9))
        assert exhaust(frames) == total - len(large) * 512


def test_a_large_block_comes_back_in_pieces() -> None:
    with memory((2 * MB, 6 * MB)) as frames:
        block = frames.allocate(U64(9))
        for index in range(512):
            frames.free(block.offset(index * PAGE), U64(0))
        assert frames.allocate(U64(9)) == block


def test_start_touches_only_its_own_records() -> None:
    with memory((2 * MB, 40 * MB)) as frames:
        zone = frames.zones[0]
        # Four bytes for each of 9,728 frames.
        assert zone.frontier == zone.first + 10
        frames.allocate(U64(0))
        assert zone.frontier == 16 * MB // PAGE
        frames.allocate(U64(MAXIMUM_ORDER))
        assert zone.frontier == 32 * MB // PAGE


def test_freeing_twice_is_a_panic() -> None:
    with memory((2 * MB, 6 * MB)) as frames:
        block = frames.allocate(U64(3))
        frames.free(block, U64(3))
        with pytest.raises((Panic, AssertionError)):
            frames.free(block, U64(3))


def test_the_largest_block_comes_back_in_any_pieces() -> None:
    with memory((2 * MB, 34 * MB)) as frames:
        total = int(frames.available)
        block = frames.allocate(U64(MAXIMUM_ORDER))
        assert block.is_aligned(PAGE << MAXIMUM_ORDER) and int(frames.available) == total - (1 << MAXIMUM_ORDER)
        random = Random(1)
        pieces: list[tuple[int, int]] = [(0, MAXIMUM_ORDER)]
        while len(pieces) < 40:
            first, order = pieces.pop(random.randrange(len(pieces)))
            if order == 0:
                pieces.append((first, order))
                continue
            pieces += [(first, order - 1), (first + (1 << (order - 1)), order - 1)]
        random.shuffle(pieces)
        for first, order in pieces:
            frames.free(block.offset(first * PAGE), U64(order))
        assert int(frames.available) == total
        assert frames.allocate(U64(MAXIMUM_ORDER)) == block


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1 << 16)), max_size=60))
def test_a_frame_goes_with_its_last_user(operations: list[tuple[int, int]]) -> None:
    """Users are kept for each allocated frame, forgotten with it, and never those of another."""
    with memory(*MAP) as frames:
        total = int(frames.available)
        users: dict[int, int] = {}
        for kind, choice in operations:
            if kind == 0 or not users:
                frame = int(frames.allocate(U64(0)).value)
                assert frame not in users and int(frames.users(PhysAddr(frame)).value.load()) == 0, (
                    "a new one has no more"
                )
                users[frame] = 0
                continue
            frame = sorted(users)[choice % len(users)]
            count = frames.users(PhysAddr(frame))
            assert int(count.value.load()) == users[frame]
            if kind == 1:
                count.value.fetch_add(1)
                users[frame] += 1
            elif users[frame] > 0:
                with pytest.raises((Panic, AssertionError)):
                    frames.free(PhysAddr(frame), U64(0))
                count.value.fetch_sub(1)
                users[frame] -= 1
            else:
                frames.free(PhysAddr(frame), U64(0))
                del users[frame]
            assert int(frames.available) == total - len(users)


def test_no_memory_is_an_error() -> None:
    with memory((2 * MB, 2 * MB + 2 * PAGE)) as frames:
        frames.allocate(U64(0))
        with pytest.raises(OutOfMemory):
            frames.allocate(U64(0))


# Three nodes in two ranges; the second one's memory is in two pieces.
NODES = ((1 * MB, 16 * MB, 0), (16 * MB, 32 * MB, 1), (32 * MB, 40 * MB, 2), (41 * MB, 48 * MB, 1))
DISTANCES = ((10, 20, 30), (20, 10, 15), (30, 15, 10))


@contextmanager
def nodes() -> Iterator[FrameAllocator]:
    """Memory of three nodes, some of the first one's touched before they are known."""
    boot = BootInformation()
    boot.last_node = U64(2)
    boot.node_range_count = U64(len(NODES))
    for index, (start, end, node) in enumerate(NODES):
        boot.node_ranges[index] = NodeRange(U64(start), U64(end), U64(node))
    for node in range(3):
        for other in range(3):
            boot.distances[node][other] = U8(DISTANCES[node][other])
    with memory((1 * MB, 40 * MB), (41 * MB, 48 * MB)) as frames:
        frames.free(frames.allocate(U64(0)), U64(0))
        frames.set_nodes(boot)
        yield frames


def node_of(block: PhysAddr) -> int:
    return next(node for start, end, node in NODES if start <= int(block.value) < end)


def test_nodes_are_used_up_from_the_nearest_to_the_farthest() -> None:
    with nodes() as frames:
        total = int(frames.available)
        seen: list[int] = []
        blocks: list[PhysAddr] = []
        with pytest.raises(OutOfMemory):
            while True:
                blocks.append(frames.allocate_near(U64(0), U64(3)))
                seen.append(node_of(blocks[-1]))
        assert list(dict.fromkeys(seen)) == [2, 1, 0] and seen == sorted(seen, reverse=True)
        assert len(set(map(int, (block.value for block in blocks)))) == len(blocks) == total
        for block in blocks:
            frames.free(block, U64(0))
        assert int(frames.available) == total
        assert [node_of(frames.allocate_near(U64(0), U64(node + 1))) for node in range(3)] == [0, 1, 2]


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, MAXIMUM_ORDER), st.integers(0, 1 << 16)), max_size=40))
def test_blocks_go_back_to_their_nodes(operations: list[tuple[bool, int, int]]) -> None:
    with nodes() as frames:
        total = int(frames.available)
        held: list[tuple[PhysAddr, int]] = []
        for allocate, order, choice in operations:
            if allocate or not held:
                try:
                    block = frames.allocate_near(U64(order), U64(choice % 3 + 1))
                except OutOfMemory:
                    continue
                assert block.is_aligned(PAGE << order) and node_of(block) == node_of(block.offset((PAGE << order) - 1))
                assert not any(pages(block, order) & pages(other, size) for other, size in held)
                held.append((block, order))
            else:
                block, order = held.pop(choice % len(held))
                frames.free(block, U64(order))
        for block, order in held:
            frames.free(block, U64(order))
        assert int(frames.available) == total
        for node in range(3):
            for order in range(MAXIMUM_ORDER + 1):
                frame = int(frames.heads[node * (MAXIMUM_ORDER + 1) + order])
                assert frame == 0 or node_of(PhysAddr(frame * PAGE)) == node
        assert exhaust(frames) == total
