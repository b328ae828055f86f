"""Quotas promise what they hold, and objects end when nobody needs them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.abi.errors import OutOfMemory, QuotaExceeded, TooManyHandles
from cloudos.abi.objects import Kind, Rights
from cloudos.kernel.memory import heap
from cloudos.kernel.objects import cleanup
from cloudos.kernel.objects import quota as quotas
from cloudos.kernel.objects.header import MAXIMUM_CHUNKS, Header, Quota
from cloudos.kernel.security import capabilities
from cloudos.lang import U64, Panic, Ptr, struct
from tests.unit.kernel.capability_machine import DONE_BY, THING_SIZE, machine, snapshot, table_state

QUOTA_BLOCK = 64
THING_BLOCK = 128


def test_a_part_is_charged_when_it_is_made_and_comes_back_when_it_ends() -> None:
    with machine() as kernel:
        before = int(quotas.ROOT.used)
        parent = kernel.quota(10_000)
        assert int(quotas.ROOT.used) == before + 10_000 + QUOTA_BLOCK
        child = quotas.create(parent, U64(5_000))
        assert parent.used == 5_000 + QUOTA_BLOCK
        heap.free(child.value, heap.allocate(child.value, U64(1)), U64(1))
        assert parent.used == 5_000 + QUOTA_BLOCK
        cleanup.drop(Ptr.to(child.value.header))
        kernel.settle()
        assert parent.used == 0


@pytest.mark.parametrize("limit", [1000 - QUOTA_BLOCK + 1, 1000, 1001, (1 << 64) - 1])
def test_a_part_must_fit_with_its_object(limit: int) -> None:
    with machine() as kernel:
        parent = kernel.quota(1000)
        before = snapshot()
        with pytest.raises(QuotaExceeded):
            quotas.create(parent, U64(limit))
        assert parent.used == 0 and snapshot() == before
        cleanup.drop(Ptr.to(quotas.create(parent, U64(1000 - QUOTA_BLOCK)).value.header))


def test_without_memory_no_part_is_charged() -> None:
    with machine() as kernel:
        parent = kernel.quota(1000)
        before = snapshot()
        heap.FAILURES.at = U64(1)
        with pytest.raises(OutOfMemory):
            quotas.create(parent, U64(10))
        assert parent.used == 0 and snapshot() == before


def test_the_call_reports_and_leaves_nothing() -> None:
    with machine() as kernel:
        table = kernel.table()
        parent = kernel.quota(1000)
        before = (table_state([table]), int(parent.used))
        for number, error in ((1, OutOfMemory), (2, OutOfMemory), (0, TooManyHandles)):
            heap.FAILURES.at = U64(number)
            if number == 0:
                table.capacity = U64(MAXIMUM_CHUNKS * 64)
            with pytest.raises(error):
                quotas.quota_create(table, parent, U64(10))
            table.capacity = U64(0)
            kernel.settle()
            assert (table_state([table]), int(parent.used)) == before
        handle = quotas.quota_create(table, parent, U64(10))
        made = capabilities.lookup(table, handle, Kind.QUOTA, Rights.ALLOCATE).value.object.cast(Quota).value
        assert (int(made.limit), int(made.used), int(made.header.references)) == (10, 0, 1)


def test_a_quota_outlives_its_handles_while_something_is_charged() -> None:
    with machine() as kernel:
        table = kernel.table()
        handle = quotas.quota_create(table, quotas.ROOT, U64(1000))
        payer = capabilities.find(table, handle).value.object.cast(Quota).value
        thing = kernel.thing(payer)
        assert payer.used == THING_BLOCK
        capabilities.close(table, handle)
        kernel.settle()
        assert payer.used == THING_BLOCK and not payer.header.dying
        used = int(quotas.ROOT.used)
        cleanup.drop(thing)
        kernel.settle()
        assert int(quotas.ROOT.used) == used - 1000 - QUOTA_BLOCK


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 3000), st.booleans()), max_size=30))
def test_no_part_exceeds_the_whole(steps: list[tuple[int, int, bool]]) -> None:
    """A tree of quotas and objects: each has used what its parts and objects take, and never more than its limit."""
    with machine(1) as kernel:
        members: list[tuple[Ptr[Quota], int]] = [(Ptr.to(kernel.quota(8000)), -1)]
        charges = [0]
        things: list[tuple[Ptr[Header], int]] = []
        for choice, limit, is_quota in steps:
            index = choice % len(members)
            payer = members[index][0].value
            try:
                if is_quota:
                    members.append((quotas.create(payer, U64(limit)), index))
                    charges.append(0)
                    charges[index] += limit + QUOTA_BLOCK
                else:
                    things.append((kernel.thing(payer), index))
                    charges[index] += THING_BLOCK
            except QuotaExceeded:
                assert charges[index] + (limit + QUOTA_BLOCK if is_quota else THING_BLOCK) > int(payer.limit)
            assert [int(member.value.used) for member, _ in members] == charges
            assert all(member.value.used <= member.value.limit for member, _ in members)
        for thing, _ in things:
            cleanup.drop(thing)
        for member, _ in members[1:]:
            cleanup.drop(Ptr.to(member.value.header))


# Objects


@struct
class Slow:
    """A handler whose objects need several steps, and that drops another object on the way."""

    left: U64 = U64(3)
    ended: U64 = U64(0)

    def capability_removed(self, object: Ptr[Header], rights: Rights) -> None:
        """The last one makes it look after itself, though it is still referenced."""
        if object.value.references == 2:
            cleanup.queue(object)

    def cleanup_step(self, object: Ptr[Header]) -> bool:
        if self.left != 0:
            self.left -= 1
            return False
        if object.value.references != 0:
            return True
        self.ended += 1
        cleanup.destroy(object)
        return True


def test_an_object_is_taken_apart_in_steps() -> None:
    with machine() as kernel:
        handler = Slow()
        DONE_BY[Kind.INTERRUPT] = handler
        slow, plain = kernel.thing(kind=Kind.INTERRUPT), kernel.thing()
        cleanup.drop(slow)
        cleanup.drop(plain)
        assert slow.value.dying
        assert [cleanup.step() for _ in range(5)] == [False, False, False, False, True]
        assert handler.ended == 1


def test_an_object_that_is_still_referenced_may_ask_for_steps() -> None:
    with machine() as kernel:
        handler = Slow()
        DONE_BY[Kind.INTERRUPT] = handler
        table = kernel.table()
        slow = kernel.thing(kind=Kind.INTERRUPT)
        capabilities.close(table, capabilities.insert_root(table, slow, Rights.READ, U64(0)))
        assert cleanup.PENDING.first == slow and not slow.value.dying
        kernel.settle()
        assert handler.left == 0 and handler.ended == 0
        cleanup.drop(slow)
        kernel.settle()
        assert handler.ended == 1


def test_who_asks_twice_is_on_the_list_once() -> None:
    with machine() as kernel:
        handler = Slow()
        DONE_BY[Kind.INTERRUPT] = handler
        slow, plain = kernel.thing(kind=Kind.INTERRUPT), kernel.thing()
        cleanup.queue(slow)
        cleanup.drop(plain)
        cleanup.queue(slow)
        cleanup.drop(slow)
        assert slow.value.next_cleanup == plain and plain.value.next_cleanup.is_null()
        kernel.settle()
        assert handler.ended == 1


def test_destroying_what_is_in_use_is_a_panic() -> None:
    with machine() as kernel:
        thing = kernel.thing()
        with pytest.raises((Panic, AssertionError)):
            cleanup.destroy(thing)
        cleanup.drop(thing)


def test_an_object_is_zero_and_knows_its_payer() -> None:
    with machine() as kernel:
        payer = kernel.quota(1000)
        header = kernel.thing(payer).value
        assert (header.kind, int(header.references), int(header.size)) == (Kind.NOTIFICATION, 1, THING_SIZE)
        assert header.quota == Ptr.to(payer) and header.capabilities.is_null()
        assert payer.header.references == 2
        cleanup.drop(Ptr.to(header))
