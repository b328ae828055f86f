"""Capabilities: what each operation promises, one test each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloudos.abi.errors import (
    BadHandle,
    BadState,
    Denied,
    OutOfMemory,
    PeerGone,
    QuotaExceeded,
    SystemCallError,
    TooManyHandles,
    WrongKind,
)
from cloudos.abi.objects import ALL_OPERATIONS, ALL_RIGHTS, Event, Kind, Operation, Rights
from cloudos.kernel.memory import heap
from cloudos.kernel.objects import cleanup
from cloudos.kernel.objects.header import MAXIMUM_CHUNKS, Capability, CapabilityTable, Header
from cloudos.kernel.security import audit, capabilities
from cloudos.kernel.security.labels import MATRIX
from cloudos.lang import U8, U32, U64, Ptr, Slice, data, size_of, struct
from tests.unit.kernel.capability_machine import DONE_BY, Machine, machine, table_state

NO_BADGE = U64(0)
PAGE = 4096


def root(kernel: Machine, table: CapabilityTable, rights: Rights = ALL_RIGHTS, badge: int = 0) -> U64:
    """A handle to a new object, which it alone keeps."""
    thing = kernel.thing()
    handle = capabilities.insert_root(table, thing, rights, U64(badge))
    cleanup.drop(thing)
    return handle


def found(table: CapabilityTable, handle: U64) -> Ptr[Capability]:
    return capabilities.find(table, handle)


def revoke(capability: Ptr[Capability]) -> int:
    """To the end; the number of steps."""
    steps = 1
    while not capabilities.revoke_step(capability):
        steps += 1
    return steps


def test_sizes() -> None:
    assert size_of(Capability) == 64
    assert size_of(Header) <= 48
    assert size_of(CapabilityTable) <= 80


def test_zero_is_no_handle() -> None:
    with machine() as kernel:
        table = kernel.table()
        root(kernel, table)
        for handle in (0, 64, 1, 1 << 32, (1 << 64) - 1, 64 | 1 << 32):
            with pytest.raises(BadHandle):
                capabilities.find(table, U64(handle))


def test_lookup_checks_kind_then_rights_then_life() -> None:
    with machine() as kernel:
        table = kernel.table()
        handle = root(kernel, table, Rights.READ)
        assert capabilities.lookup(table, handle, Kind.NOTIFICATION, Rights.READ) == found(table, handle)
        found(table, handle).value.object.value.dying = True
        with pytest.raises(WrongKind):
            capabilities.lookup(table, handle, Kind.ENDPOINT, Rights.WRITE)
        with pytest.raises(Denied):
            capabilities.lookup(table, handle, Kind.NOTIFICATION, Rights.READ | Rights.WRITE)
        with pytest.raises(PeerGone):
            capabilities.lookup(table, handle, Kind.NOTIFICATION, Rights.READ)
        found(table, handle)


def test_nothing_is_derived_from_what_dies() -> None:
    with machine() as kernel:
        table = kernel.table()
        source = found(table, root(kernel, table))
        source.value.object.value.dying = True
        for operation in (capabilities.copy, capabilities.move):
            with pytest.raises(PeerGone):
                operation(source, table)


def test_a_slot_is_used_again_under_another_handle() -> None:
    with machine() as kernel:
        table = kernel.table()
        old = root(kernel, table)
        capabilities.close(table, old)
        new = root(kernel, table)
        assert old != new and old & 0xFFFF_FFFF == new & 0xFFFF_FFFF
        with pytest.raises(BadHandle):
            found(table, old)


@pytest.mark.parametrize("generation", [capabilities.LAST_GENERATION, capabilities.LAST_GENERATION + 1])
def test_a_slot_without_generations_left_is_never_used_again(generation: int) -> None:
    with machine() as kernel:
        table = kernel.table()
        capability = found(table, root(kernel, table))
        capability.value.generation = U32(generation)
        last = capabilities.handle_of(capability)
        capabilities.close(table, last)
        assert int(table.available) == 62
        for _ in range(62):
            assert root(kernel, table) & 0xFFFF_FFFF != last & 0xFFFF_FFFF
        assert table.capacity == 64 and table.available == 0


def test_a_small_table_takes_one_frame_and_a_large_one_a_directory_more() -> None:
    with machine() as kernel:
        table = kernel.table()
        for count, frames in ((63, 1), (1, 3), (62, 3), (1, 4)):
            for _ in range(count):
                root(kernel, table)
            assert table.quota.value.used == frames * PAGE


def test_the_largest_table() -> None:
    with machine() as kernel:
        table = kernel.table()
        table.capacity = U64(MAXIMUM_CHUNKS * 64)
        before = table_state([table])
        with pytest.raises(TooManyHandles):
            capabilities.reserve(table, U64(1))
        assert table_state([table]) == before
        table.capacity = U64(0)


def test_closing_in_the_middle_leaves_children_to_the_parent() -> None:
    with machine() as kernel:
        table = kernel.table()
        top = found(table, root(kernel, table))
        first = capabilities.copy(top, table)
        middle = capabilities.copy(top, table)
        child = capabilities.copy(found(table, middle), table)
        capabilities.close(table, middle)
        # The depth of the child says nothing any more: it must not have become a child of its neighbour.
        assert revoke(found(table, first)) == 1
        found(table, child)
        assert revoke(top) == 2
        for handle in (first, child):
            with pytest.raises(BadHandle):
                found(table, handle)


@pytest.mark.parametrize("shape", ["chain", "fan"])
def test_a_step_of_revoking_does_not_depend_on_the_tree(shape: str) -> None:
    with machine() as kernel:
        table = kernel.table()
        top = found(table, root(kernel, table))
        at = top
        for _ in range(200):
            new = capabilities.copy(at, table)
            at = found(table, new) if shape == "chain" else top
        assert revoke(top) == 200
        assert top.value.child.is_null()


def test_the_source_survives_revoking_and_can_derive_again() -> None:
    with machine() as kernel:
        table = kernel.table()
        top = found(table, root(kernel, table))
        for _ in range(3):
            capabilities.copy(top, table)
            assert revoke(top) == 1


def test_between_steps_others_may_derive() -> None:
    with machine() as kernel:
        mine, theirs = kernel.table(), kernel.table()
        top = found(mine, root(kernel, mine))
        handles = [capabilities.copy(top, theirs) for _ in range(3)]
        assert not capabilities.revoke_step(top)
        left = [handle for handle in handles if is_valid(theirs, handle)]
        assert len(left) == 2
        for handle in left:
            capabilities.copy(found(theirs, handle), theirs)
        assert revoke(top) == 4


def is_valid(table: CapabilityTable, handle: U64) -> bool:
    try:
        found(table, handle)
        return True
    except BadHandle:
        return False


# Threads that wait


@struct
class Sleeper:
    """Stands for a thread that is blocked through a capability."""

    header: Header
    woken: bool = False


@struct
class Alarm:
    """Wakes sleepers, which are linked by `next_cleanup`."""

    count: U64 = U64(0)

    def wake_one(self, capability: Ptr[Capability]) -> None:
        sleeper = capability.value.waiters
        capability.value.waiters = sleeper.value.next_cleanup
        sleeper.cast(Sleeper).value.woken = True
        self.count += 1


def test_who_waits_through_it_is_woken_first_one_per_step() -> None:
    with machine() as kernel:
        alarm = Alarm()
        DONE_BY[None] = alarm
        table = kernel.table()
        top = found(table, root(kernel, table))
        child = capabilities.copy(top, table)
        sleepers = [Sleeper(Header()), Sleeper(Header())]
        sleepers[0].header.next_cleanup = Ptr.to(sleepers[1].header)
        found(table, child).value.waiters = Ptr.to(sleepers[0].header)
        with pytest.raises(BadState):
            capabilities.move(found(table, child), table)
        assert [capabilities.revoke_step(top) for _ in range(2)] == [False, False]
        assert is_valid(table, child) and alarm.count == 2 and all(one.woken for one in sleepers)
        assert capabilities.revoke_step(top)
        assert not is_valid(table, child)


# Labels


def test_authority_moves_only_where_policy_lets_it() -> None:
    with machine() as kernel:
        count = MATRIX.labels_of(U64(4))
        MATRIX.set_row(U64(1), data(bytes([0, ALL_OPERATIONS])))
        MATRIX.set_row(U64(0), data(bytes([ALL_OPERATIONS, ALL_OPERATIONS & ~1])))
        MATRIX.commit(count)
        low, high = kernel.table(), kernel.table(label=1)
        source = found(low, root(kernel, low))
        audit.RING.read = audit.RING.written
        before = table_state([low, high])
        for operation in (capabilities.copy, capabilities.move):
            with pytest.raises(Denied):
                operation(source, high)
        assert table_state([low, high]) == before
        record = audit.RING.peek()
        assert record is not None and audit.RING.written - audit.RING.read == 2
        assert (record.event, record.detail) == (Event.DENIED, U64(Operation.TRANSFER))
        assert (int(record.subject), int(record.object)) == (1, 2)
        assert (int(record.subject_label), int(record.object_label)) == (0, 1)
        capabilities.copy(source, low)


# Every allocation fails in turn


def grown(kernel: Machine, handles: int) -> CapabilityTable:
    """A table with so many handles."""
    table = kernel.table()
    for _ in range(handles):
        root(kernel, table)
    return table


OPERATIONS: dict[str, Callable[[Machine, CapabilityTable, Ptr[Capability]], object]] = {
    "insert_root": lambda kernel, table, _: capabilities.insert_root(
        table, found(kernel.tables[0], U64(1 << 32 | 1)).value.object, ALL_RIGHTS, NO_BADGE
    ),
    "derive": lambda _, table, source: capabilities.derive(source, table, Rights.READ, NO_BADGE),
    "copy": lambda _, table, source: capabilities.copy(source, table),
    "move": lambda _, table, source: capabilities.move(source, table),
    "reserve": lambda _, table, source: capabilities.reserve(table, U64(63)),
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize(("handles", "allocations"), [(0, 1), (63, 2), (126, 1)])
def test_without_memory_nothing_changes(name: str, handles: int, allocations: int) -> None:
    with machine() as kernel:
        home = kernel.table()
        source = found(home, root(kernel, home))
        table = grown(kernel, handles)
        before = table_state([home, table])
        for number in range(1, allocations + 1):
            heap.FAILURES.at = U64(number)
            with pytest.raises(OutOfMemory):
                OPERATIONS[name](kernel, table, source)
            assert table_state([home, table]) == before
        limit = table.quota.value.limit
        for spare in range(allocations):
            table.quota.value.limit = table.quota.value.used + (spare * PAGE + PAGE - 1)
            with pytest.raises(QuotaExceeded):
                OPERATIONS[name](kernel, table, source)
            table.quota.value.limit = limit
            assert table_state([home, table]) == before
        heap.FAILURES.at = U64(allocations + 1)
        OPERATIONS[name](kernel, table, source)
        assert heap.FAILURES.at == 1, "the operation allocates more often than this test thinks"
        heap.FAILURES.at = U64(0)


def test_errors_are_told_apart() -> None:
    codes = [error.code for error in SystemCallError.__subclasses__()]
    assert len(set(codes)) == len(codes)


def test_freed_slots_keep_no_secrets_for_the_next_owner() -> None:
    with machine() as kernel:
        table = kernel.table()
        capabilities.close(table, root(kernel, table, badge=0x5EC2E7))
        kernel.settle()
        while not capabilities.empty_step(table):
            pass
        frame = heap.allocate_frame(table.quota.value)
        content = Slice.of(Ptr.at(U8, heap.at_frame(frame)), U64(PAGE))
        assert bytes(content) == bytes(PAGE)
        heap.free_frame(table.quota.value, frame)
