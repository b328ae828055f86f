"""The label matrix and the audit ring."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.abi.audit import AuditRecord
from cloudos.abi.errors import BadAddress, BadArgument, BadState, Sealed
from cloudos.abi.layout import USER_END
from cloudos.abi.objects import ALL_OPERATIONS, Event, Operation
from cloudos.kernel.hal import user_access
from cloudos.kernel.objects.audit import MOST_AT_ONCE, audit_read
from cloudos.kernel.objects.header import CapabilityTable
from cloudos.kernel.objects.policy import policy_load, policy_seal
from cloudos.kernel.restart import Restart
from cloudos.kernel.security import audit, labels
from cloudos.kernel.security.labels import MATRIX
from cloudos.lang import U8, U64, Ptr, UserPtr, VirtAddr, current_address_space, size_of
from tests.unit.kernel.capability_machine import machine

USER = 0x40_0000
SIZE = size_of(AuditRecord)
ALL = ALL_OPERATIONS


def user_memory(content: bytes) -> UserPtr[U8]:
    """Memory of the running process."""
    space = current_address_space()
    region = space.allocate(max(1, len(content)), 4096, address=USER, initialised=True)
    region.data[: len(content)] = content
    KEPT[:] = [region]
    return UserPtr.at(U8, U64(USER))


KEPT: list[object] = []


def release() -> None:
    for region in KEPT:
        current_address_space().release(region)  # type: ignore[arg-type]
    KEPT.clear()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6).flatmap(lambda n: st.lists(st.integers(0, ALL), min_size=n * n, max_size=n * n)))
def test_the_matrix_says_what_was_loaded(cells: list[int]) -> None:
    with machine():
        policy_load(user_memory(bytes(cells)), U64(len(cells)))
        release()
        count = round(len(cells) ** 0.5)
        for subject in range(count + 2):
            for object in range(count + 2):
                allowed = cells[subject * count + object] if max(subject, object) < count else 0
                for operation in Operation:
                    permitted = labels.permits(U8(subject), U8(object), operation)
                    assert permitted == bool(allowed & operation.value)
        everything = Operation(ALL)
        assert labels.permits(U8(0), U8(0), everything) == (cells[0] == ALL)


def test_the_largest_policy() -> None:
    with machine():
        cells = user_memory(bytes([ALL]) * 4096)
        for _ in range(7):
            with pytest.raises(Restart):
                policy_load(cells, U64(4096))
            assert not labels.permits(U8(1), U8(1), Operation.CALL)
        policy_load(cells, U64(4096))
        release()
        assert labels.permits(U8(63), U8(63), Operation.CALL)
        assert not labels.permits(U8(64), U8(0), Operation.CALL)
        assert not labels.permits(U8(255), U8(255), Operation.CALL)


def test_before_there_is_a_policy_label_0_may_do_everything() -> None:
    with machine():
        assert labels.permits(U8(0), U8(0), Operation(ALL))
        assert not labels.permits(U8(0), U8(1), Operation.CALL)


@pytest.mark.parametrize("length", [0, 2, 3, 5, 4095, 4097, 4225, (1 << 64) - 1])
def test_what_has_no_square_length_is_no_policy(length: int) -> None:
    with machine():
        with pytest.raises(BadArgument):
            policy_load(UserPtr.at(U8, U64(USER)), U64(length))
        assert not MATRIX.loaded


@pytest.mark.parametrize("bad", range(9))
def test_an_undefined_operation_anywhere_refuses_all(bad: int) -> None:
    with machine():
        cells = bytearray(9)
        cells[bad] = ALL + 1
        with pytest.raises(BadArgument):
            policy_load(user_memory(bytes(cells)), U64(9))
        release()
        assert MATRIX.count == 1 and not MATRIX.loaded
        assert labels.permits(U8(0), U8(0), Operation(ALL))
        policy_load(user_memory(bytes(9)), U64(9))
        release()
        assert not labels.permits(U8(0), U8(0), Operation.CALL)


@pytest.mark.parametrize("address", [USER_END - 1, USER_END, (1 << 64) - 2])
def test_a_policy_lies_in_user_space(address: int) -> None:
    with machine():
        with pytest.raises(BadAddress):
            policy_load(UserPtr.at(U8, U64(address)), U64(4))
        assert not MATRIX.loaded


def test_it_is_loaded_once_and_sealed_once() -> None:
    with machine():
        policy_load(user_memory(bytes([ALL])), U64(1))
        with pytest.raises(BadState):
            policy_load(UserPtr.at(U8, U64(USER)), U64(1))
        policy_seal()
        with pytest.raises(Sealed):
            policy_load(UserPtr.at(U8, U64(USER)), U64(1))
        with pytest.raises(Sealed):
            policy_seal()
        release()
        events = [read_one().event for _ in range(2)]
        assert events == [Event.POLICY_LOADED, Event.POLICY_SEALED]


def test_a_sealed_kernel_takes_no_first_policy_either() -> None:
    with machine():
        policy_seal()
        with pytest.raises(Sealed):
            policy_load(user_memory(bytes([ALL])), U64(1))
        release()


def read_one() -> AuditRecord:
    record = audit.RING.peek()
    assert record is not None
    audit.RING.consume()
    return record


# Audit


def note(detail: int) -> None:
    subject = CapabilityTable(owner=U64(1), label=U8(2))
    object = CapabilityTable(owner=U64(3), label=U8(4))
    audit.record(Event.PROCESS_ENDED, subject, object, U64(detail))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.integers(1, 200), st.integers(0, 60).map(lambda n: -n)), max_size=12))
def test_no_record_is_lost_silently(steps: list[int]) -> None:
    """Positive: so many records; otherwise: read so many."""
    with machine():
        waiting: list[int] = []
        number = lost = 0
        buffer = user_memory(bytes(60 * SIZE))
        for step in steps:
            for _ in range(max(0, step)):
                note(number)
                if len(waiting) < audit.CAPACITY:
                    waiting.append(number)
                else:
                    lost += 1
                number += 1
            if step <= 0:
                result = int(audit_read(buffer, U64(-step * SIZE)))
                count = min(-step, len(waiting), MOST_AT_ONCE)
                assert (result & 0xFFFF_FFFF, result >> 32) == (count, lost)
                records = [Ptr.at(AuditRecord, VirtAddr(USER + n * SIZE)).value for n in range(count)]
                assert [int(record.detail) for record in records] == waiting[:count]
                assert [int(record.number) for record in records] == waiting[:count]
                del waiting[:count]
                lost = 0
        release()


def test_a_record_that_cannot_be_delivered_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    with machine():
        for detail in range(3):
            note(detail)
        buffer = user_memory(bytes(3 * SIZE))
        with pytest.raises(BadAddress):
            audit_read(UserPtr.at(U8, U64(USER_END - SIZE + 1)), U64(3 * SIZE))
        assert audit.RING.read == 0
        real = user_access.copy

        def second_page_is_missing(destination: VirtAddr, source: VirtAddr, length: U64) -> U64:
            return U64(1) if destination.value > USER else real(destination, source, length)

        monkeypatch.setattr(user_access, "copy", second_page_is_missing)
        assert audit_read(buffer, U64(3 * SIZE)) == 1
        assert read_one().detail == 1
        release()


def test_records_before_the_ring_has_memory_are_counted() -> None:
    with machine():
        audit.RING.capacity = U64(0)
        note(0)
        assert audit.RING.take_lost() == 1 and audit.RING.take_lost() == 0
        audit.RING.capacity = U64(audit.CAPACITY)


def test_every_byte_of_a_record_is_defined() -> None:
    """What is copied to a process must not be whatever stood in memory before."""
    with machine():
        assert SIZE == 48
        for number in range(audit.CAPACITY):
            note(number)
        buffer = user_memory(bytes([0xEE]) * SIZE)
        audit_read(buffer, U64(SIZE))
        record = Ptr.at(AuditRecord, VirtAddr(USER)).value
        assert bytes(record.reserved.slice()) == bytes(5)
        release()
