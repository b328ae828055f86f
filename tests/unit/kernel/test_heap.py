"""The heap: blocks are zero, apart from each other, paid for, and all of it comes back."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cloudos.abi.errors import OutOfMemory, QuotaExceeded
from cloudos.kernel.hal import mmu
from cloudos.kernel.memory import heap
from cloudos.kernel.memory.frames import FRAMES
from cloudos.kernel.objects import quota as quotas
from cloudos.lang import U8, U64, Panic, Ptr, Slice
from tests.unit.kernel.capability_machine import address_of, machine, snapshot

PAGE = 4096


def content(block: Ptr[U8], size: int) -> Slice[U8]:
    return Slice.of(block, U64(size))


def test_sizes_are_rounded_up_to_a_class() -> None:
    assert [int(heap.block_size(U64(size))) for size in (1, 64, 65, 513, 2048)] == [64, 64, 128, 768, 2048]


@pytest.mark.parametrize("size", heap.SIZES)
def test_a_slab_wastes_little(size: int) -> None:
    kind = U64(heap.SIZES.index(size))
    slab = int(heap._slab_bytes(kind))
    blocks = (slab - heap.RECORD) // size
    assert blocks * size >= 0.87 * slab


@pytest.mark.parametrize("size", heap.SIZES)
@pytest.mark.parametrize("missing", [-1, 0, 1, 2])
def test_around_a_full_slab(size: int, missing: int) -> None:
    """Whether a slab has room must be known to the block, from whichever side that border is crossed."""
    with machine() as kernel:
        payer = kernel.quota()
        count = (int(heap._slab_bytes(U64(heap.SIZES.index(size)))) - heap.RECORD) // size - missing
        blocks = [heap.allocate(payer, U64(size)) for _ in range(count)]
        for _ in range(3):
            heap.free(payer, blocks.pop(0), U64(size))
            blocks += [heap.allocate(payer, U64(size)) for _ in range(2)]
        assert len({int(block.address.value) for block in blocks}) == len(blocks) == count + 3
        for block in blocks[::2] + blocks[1::2]:
            heap.free(payer, block, U64(size))


@pytest.mark.parametrize("size", heap.SIZES)
def test_a_slab_is_used_to_its_last_block(size: int) -> None:
    with machine():
        slab = int(heap._slab_bytes(U64(heap.SIZES.index(size))))
        before = int(FRAMES.available)
        blocks = [heap.allocate(quotas.ROOT, U64(size)) for _ in range((slab - heap.RECORD) // size)]
        assert before - int(FRAMES.available) == slab // PAGE
        blocks.append(heap.allocate(quotas.ROOT, U64(size)))
        assert before - int(FRAMES.available) == 2 * slab // PAGE
        for block in blocks:
            heap.free(quotas.ROOT, block, U64(size))


def check_lists() -> None:
    """Every listed slab has room, and the links lead both ways."""
    for kind, first in enumerate(heap.HEAP.partial):
        before, at = 0, first
        while not at.is_null():
            slab = at.value
            assert address_of(slab.previous) == before
            room = int(slab.fresh) + heap.SIZES[kind] <= int(heap._slab_bytes(U64(kind)))
            assert slab.used != 0 and (room or not slab.free.is_null())
            before, at = int(at.address.value), slab.next


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([256, 384, 1024, 2048]), st.randoms(use_true_random=False))
def test_many_slabs_of_one_class(size: int, random: Random) -> None:
    with machine() as kernel:
        payer = kernel.quota()
        blocks = [heap.allocate(payer, U64(size)) for _ in range(40)]
        for share in (30, 10):
            random.shuffle(blocks)
            for _ in range(share):
                heap.free(payer, blocks.pop(), U64(size))
                check_lists()
            blocks += [heap.allocate(payer, U64(size)) for _ in range(share // 2)]
            check_lists()
        for block in blocks:
            heap.free(payer, block, U64(size))
            check_lists()


def test_zeroed_again_after_use() -> None:
    with machine():
        block = heap.allocate(quotas.ROOT, U64(100))
        content(block, 100).fill(U8(0xAA))
        heap.allocate(quotas.ROOT, U64(100))
        heap.free(quotas.ROOT, block, U64(100))
        again = heap.allocate(quotas.ROOT, U64(100))
        assert again == block
        assert bytes(content(again, 100)) == bytes(100)
        for one in (again, again.offset(128)):
            heap.free(quotas.ROOT, one, U64(100))


def test_a_charge_that_does_not_fit_changes_nothing() -> None:
    with machine() as kernel:
        payer = kernel.quota(127)
        block = heap.allocate(payer, U64(1))
        before = snapshot()
        with pytest.raises(QuotaExceeded):
            heap.allocate(payer, U64(64))
        with pytest.raises(QuotaExceeded):
            heap.allocate_frame(payer)
        assert snapshot() == before
        assert payer.used == 64
        heap.free(payer, block, U64(1))


def test_no_memory_changes_nothing() -> None:
    with machine() as kernel:
        payer = kernel.quota()
        taken = []
        try:
            while True:
                taken.append(FRAMES.allocate(U64(0)))
        except OutOfMemory:
            pass
        # The slab of the quota object has room, other classes have none.
        before = snapshot()
        for size in heap.SIZES[1:]:
            with pytest.raises(OutOfMemory):
                heap.allocate(payer, U64(size))
        for order in range(3):
            with pytest.raises(OutOfMemory):
                heap.allocate_frames(payer, U64(order))
        assert payer.used == 0
        assert snapshot() == before
        for frame in taken:
            FRAMES.free(frame, U64(0))


def test_the_chosen_allocation_fails() -> None:
    with machine():
        heap.FAILURES.at = U64(3)
        blocks = [heap.allocate(quotas.ROOT, U64(64)) for _ in range(2)]
        with pytest.raises(OutOfMemory):
            heap.allocate(quotas.ROOT, U64(64))
        assert heap.FAILURES.at == 0
        blocks.append(heap.allocate(quotas.ROOT, U64(64)))
        for block in blocks:
            heap.free(quotas.ROOT, block, U64(64))


def test_freeing_into_an_empty_slab_is_a_panic() -> None:
    with machine():
        block = heap.allocate(quotas.ROOT, U64(64))
        heap.free(quotas.ROOT, block, U64(64))
        with pytest.raises((Panic, AssertionError)):
            heap.free(quotas.ROOT, block, U64(64))


def test_frames_of_page_tables_are_paid_for() -> None:
    with machine() as kernel:
        payer = kernel.quota(2 * PAGE)
        source = heap.QuotaFrames(Ptr.to(payer))
        first, second = source.allocate_zeroed(), source.allocate_zeroed()
        with pytest.raises(QuotaExceeded):
            source.allocate_zeroed()
        for frame in (first, second):
            assert bytes(Slice.of(Ptr.at(U8, mmu.direct(frame)), U64(PAGE))) == bytes(PAGE)
            heap.free_frame(payer, frame)


class HeapMachine(RuleBasedStateMachine):
    """The heap against a dictionary of blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.context = machine(1)
        self.kernel = self.context.__enter__()
        self.payers = [self.kernel.quota(64 << 10) for _ in range(2)]
        self.blocks: dict[int, tuple[int, int, int, Ptr[U8]]] = {}
        self.mark = 0

    def expected_use(self, payer: int) -> int:
        return sum(int(heap.block_size(U64(size))) for size, owner, *_ in self.blocks.values() if owner == payer)

    @rule(
        size=st.sampled_from(heap.SIZES).flatmap(lambda size: st.integers(max(1, size - 70), size)),
        payer=st.integers(0, 1),
        fail=st.integers(0, 9),
    )
    def allocate(self, size: int, payer: int, fail: int) -> None:
        before = snapshot()
        if fail == 0:
            heap.FAILURES.at = U64(1)
        try:
            block = heap.allocate(self.payers[payer], U64(size))
        except QuotaExceeded:
            assert fail != 0
            assert self.expected_use(payer) + int(heap.block_size(U64(size))) > 64 << 10
            assert snapshot() == before
            return
        except OutOfMemory:
            assert fail == 0 or FRAMES.available < 4
            assert snapshot() == before
            return
        assert fail != 0
        address = int(block.address.value)
        assert address % 16 == 0
        assert all(address + size <= other or other + length <= address for other, (length, *_) in self.blocks.items())
        assert not any(bytes(content(block, size)))
        self.mark = self.mark % 255 + 1
        content(block, size).fill(U8(self.mark))
        self.blocks[address] = (size, payer, self.mark, block)

    @precondition(lambda self: self.blocks)
    @rule(choice=st.integers(0, 1 << 16))
    def free(self, choice: int) -> None:
        address = sorted(self.blocks)[choice % len(self.blocks)]
        self.free_block(address)

    def free_block(self, address: int) -> None:
        size, payer, mark, block = self.blocks.pop(address)
        assert bytes(content(block, size)) == bytes([mark]) * size
        heap.free(self.payers[payer], block, U64(size))

    @invariant()
    def quotas_count_exactly_what_is_held(self) -> None:
        for payer in range(2):
            assert int(self.payers[payer].used) == self.expected_use(payer)

    def teardown(self) -> None:
        for address in list(self.blocks):
            self.free_block(address)
        self.context.__exit__(None, None, None)


TestHeapMachine = HeapMachine.TestCase
TestHeapMachine.settings = settings(max_examples=20, stateful_step_count=40, deadline=None)
