"""Labels, policy and audit

The matrix of labels binds whatever rights a process holds; what it refuses is on record.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial, tags
from cloudos.abi.audit import AuditRecord
from cloudos.abi.errors import Sealed
from cloudos.abi.faults import ENDED
from cloudos.abi.objects import ALL_OPERATIONS, Event, Operation, Rights
from cloudos.lang import U8, U64, Array, Ptr, UserPtr, VirtAddr, code_address, place, struct
from cloudos.sdk import ipc, system
from cloudos.sdk.ipc import Message
from cloudos.sdk.processes import Child
from tests.conformance.support import (
    BAD_ADDRESS,
    BAD_ARGUMENT,
    BAD_HANDLE,
    BAD_STATE,
    BUFFER,
    DENIED,
    MESSAGE_CALL,
    MESSAGE_RECEIVE,
    QUOTA,
    WRONG_KIND,
    attempt,
    endpoint,
    message_error,
    notification,
    poke,
    quota_used,
    settle,
    soon,
    weaker,
)

_load = attempt("policy_load")
_seal = attempt("policy_seal")
_read = attempt("audit_read")
_install = attempt("process_install")
_create = attempt("process_create")

POLICY = U64(initial.POLICY)
AUDIT = U64(initial.AUDIT)
SEALED = Sealed.code
ALL_BUT_SHARE = ALL_OPERATIONS - int(Operation.SHARE)
RECORDS = 64
RECORD_SIZE = 48


@struct
class Matrix:
    """Four labels: the first may do everything to itself and the second, nothing to the third, all but share memory to
    the last; the second may control the last."""

    allowed: Array[U8, Literal[16]]
    loaded: bool = False


MATRIX = place(Matrix(Array[U8, Literal[16]](), False))


def _address() -> U64:
    return Ptr.to(MATRIX.allowed).address.value


def _loaded() -> None:
    """Load the policy unless a row before did."""
    if MATRIX.loaded:
        return
    for index in U64.range(16):
        MATRIX.allowed[index] = U8(0)
    MATRIX.allowed[0] = U8(ALL_OPERATIONS)
    MATRIX.allowed[1] = U8(ALL_OPERATIONS)
    MATRIX.allowed[3] = U8(ALL_BUT_SHARE)
    MATRIX.allowed[7] = U8(Operation.CONTROL)
    system.policy_load(POLICY, UserPtr.at(U8, _address()), U64(16))
    MATRIX.loaded = True


@struct
class Records:
    """What was read from the audit ring."""

    records: Array[AuditRecord, Literal[64]]
    count: U64 = U64(0)
    lost: U64 = U64(0)

    def drain(self) -> None:
        """Take what is there."""
        result = system.audit_read(
            AUDIT, UserPtr.at(U8, Ptr.to(self.records).address.value), U64(RECORDS * RECORD_SIZE)
        )
        self.count = result & 0xFFFF_FFFF
        self.lost = result >> 32

    def number_of(self, event: Event) -> U64:
        """How many records of an event were read."""
        found = U64(0)
        for index in U64.range(self.count):
            if self.records[index].event == event:
                found = found + 1
        return found


AUDITED = place(Records(Array[AuditRecord, Literal[64]]()))


def a_policy_is_a_square() -> None:
    """policy_load of a length that is no square of 1 to 64 is BadArgument."""
    assert _load(POLICY, _address(), U64(0)) == BAD_ARGUMENT, "nothing"
    assert _load(POLICY, _address(), U64(8)) == BAD_ARGUMENT, "no square"
    assert _load(POLICY, _address(), U64(65 * 65)) == BAD_ARGUMENT, "too many labels"
    assert _load(POLICY, _address(), U64(1 << 40)) == BAD_ARGUMENT, "far too many"


def a_policy_has_known_operations() -> None:
    """policy_load with bits that are no operations is BadArgument, and loads nothing."""
    for index in U64.range(16):
        MATRIX.allowed[index] = U8(0)
    MATRIX.allowed[8] = U8(64)
    assert _load(POLICY, _address(), U64(9)) == BAD_ARGUMENT, "unknown"


def a_policy_comes_from_memory_of_the_caller() -> None:
    """policy_load from memory that is not the caller's is BadAddress."""
    assert _load(POLICY, U64(8), U64(9)) == BAD_ADDRESS, "nowhere"
    assert _load(POLICY, U64(0xFFFF_FFFF_8010_0000), U64(9)) == BAD_ADDRESS, "the kernel's"


def loading_a_policy_needs_the_right_to_write() -> None:
    """policy_load and policy_seal without WRITE are Denied, through another object WrongKind."""
    weak = weaker(POLICY, Rights.READ | Rights.INSPECT)
    assert _load(weak, _address(), U64(9)) == DENIED, "load"
    assert _seal(weak) == DENIED, "seal"
    assert _load(QUOTA, _address(), U64(9)) == WRONG_KIND, "kind"
    assert _seal(U64(3)) == BAD_HANDLE, "none"


def a_policy_is_loaded_once() -> None:
    """A second policy_load is BadState."""
    _loaded()
    assert _load(POLICY, _address(), U64(9)) == BAD_STATE, "twice"


def the_policy_allows_what_it_says() -> None:
    """A process is given handles of another label's when the matrix allows TRANSFER between the two."""
    _loaded()
    same = system.process_create(QUOTA, U64(0))
    other = system.process_create(QUOTA, U64(1))
    assert _install(same, notification(), U64(0), U64(0)) == 0, "the same label"
    assert _install(other, notification(), U64(0), U64(0)) == 0, "another"


def the_policy_denies_in_spite_of_all_rights() -> None:
    """What the matrix does not allow is Denied, whatever rights the handles carry."""
    _loaded()
    outcast = system.process_create(QUOTA, U64(2))
    assert _install(outcast, notification(), U64(0), U64(0)) == DENIED, "denied"


def sharing_memory_is_a_class_of_its_own() -> None:
    """A handle to memory, or to an address space, goes to another label only when the matrix allows SHARE as well."""
    _loaded()
    stranger = system.process_create(QUOTA, U64(3))
    friend = system.process_create(QUOTA, U64(1))
    memory = system.memory_create(QUOTA, U64(4096), U64(0))
    assert _install(stranger, notification(), U64(0), U64(0)) == 0, "TRANSFER is allowed"
    assert _install(stranger, memory, U64(0), U64(0)) == DENIED, "memory"
    assert _install(stranger, U64(initial.SPACE), U64(0), U64(0)) == DENIED, "a space"
    assert _install(friend, memory, U64(0), U64(0)) == 0, "where SHARE is allowed"


def a_label_that_the_policy_does_not_know_is_refused() -> None:
    """process_create with a label beyond those of the policy is BadArgument."""
    _loaded()
    assert _create(QUOTA, U64(3)) == 0, "the last"
    assert _create(QUOTA, U64(4)) == BAD_ARGUMENT, "one more"
    assert _create(QUOTA, U64(255)) == BAD_ARGUMENT, "the last number of a label"
    assert _create(QUOTA, U64(1 << 32)) == BAD_ARGUMENT, "neither a label nor a limit on handles"


def a_denial_is_on_record() -> None:
    """Each operation that the matrix refuses leaves an audit record with both labels and the operation."""
    _loaded()
    AUDITED.drain()
    outcast = system.process_create(QUOTA, U64(2))
    _install(outcast, notification(), U64(0), U64(0))
    AUDITED.drain()
    assert AUDITED.number_of(Event.DENIED) == 1, "one"
    for index in U64.range(AUDITED.count):
        record = AUDITED.records[index]
        if record.event == Event.DENIED:
            assert record.subject_label == 0 and record.object_label == 2, "labels"
            assert record.detail == U64(Operation.TRANSFER), "operation"
            assert record.subject != record.object, "processes"


def a_missing_right_is_not_on_record() -> None:
    """What is refused for want of a right is no matter of policy, and leaves no record."""
    AUDITED.drain()
    _install(system.process_create(QUOTA, U64(0)), weaker(notification(), Rights.SIGNAL), U64(0), U64(0))
    AUDITED.drain()
    assert AUDITED.number_of(Event.DENIED) == 0, "none"


def records_are_numbered_in_order() -> None:
    """Audit records are numbered without gaps while none is lost, and their times do not go back."""
    _loaded()
    AUDITED.drain()
    outcast = system.process_create(QUOTA, U64(2))
    for _ in U64.range(5):
        _install(outcast, notification(), U64(0), U64(0))
    AUDITED.drain()
    assert AUDITED.count >= 5 and AUDITED.lost == 0, "all there"
    for index in U64.range(1, AUDITED.count):
        before = AUDITED.records[index - 1]
        record = AUDITED.records[index]
        assert record.number == before.number + 1 and record.time >= before.time, "in order"


def lost_records_are_counted() -> None:
    """When the ring is full new records are lost, and the next read says how many: written and lost add up."""
    _loaded()
    AUDITED.drain()
    while AUDITED.count != 0:
        AUDITED.drain()
    outcast = system.process_create(QUOTA, U64(2))
    signals = notification()
    for _ in U64.range(500):
        _install(outcast, signals, U64(0), U64(0))
    total = U64(0)
    lost = U64(0)
    AUDITED.drain()
    while AUDITED.count != 0:
        # Each attempt leaves two: what the policy denied, and the call that failed for it.
        total = total + AUDITED.number_of(Event.DENIED) + AUDITED.number_of(Event.REFUSED)
        lost = lost + AUDITED.lost
        AUDITED.drain()
    assert lost > 0 and total + lost >= 1000, "counted"
    assert total + lost <= 1002, "not more than there were"


def records_go_to_memory_of_the_caller() -> None:
    """audit_read into memory that is not the caller's is BadAddress, and loses no record."""
    _loaded()
    outcast = system.process_create(QUOTA, U64(2))
    _install(outcast, notification(), U64(0), U64(0))
    assert _read(AUDIT, U64(8), U64(480)) == BAD_ADDRESS, "nowhere"
    assert _read(AUDIT, U64(0xFFFF_FFFF_8010_0000), U64(480)) == BAD_ADDRESS, "the kernel's"
    AUDITED.drain()
    assert AUDITED.number_of(Event.DENIED) >= 1, "still there"


def reading_records_needs_the_right_to_read() -> None:
    """audit_read without READ is Denied, through another object WrongKind."""
    address = Ptr.to(AUDITED.records).address.value
    assert _read(weaker(AUDIT, Rights.WRITE | Rights.INSPECT), address, U64(480)) == DENIED, "right"
    assert _read(POLICY, address, U64(480)) == WRONG_KIND, "kind"


def a_buffer_smaller_than_a_record_takes_none() -> None:
    """audit_read into less than 48 bytes gives no record, and takes none."""
    _loaded()
    _install(system.process_create(QUOTA, U64(2)), notification(), U64(0), U64(0))
    address = Ptr.to(AUDITED.records).address.value
    assert system.audit_read(AUDIT, UserPtr.at(U8, address), U64(47)) & 0xFFFF_FFFF == 0, "none"
    AUDITED.drain()
    assert AUDITED.count >= 1, "still there"


def the_policy_denies_looking() -> None:
    """process_inspect and process_bind of a process that the matrix does not let the caller INSPECT are Denied."""
    _loaded()
    allowed = system.process_create(QUOTA, U64(1))
    outcast = system.process_create(QUOTA, U64(2))
    assert _inspect(allowed) == 0 and _bind(allowed, notification(), U64(1)) == 0, "allowed"
    assert _inspect(outcast) == DENIED, "inspect"
    assert _bind(outcast, notification(), U64(1)) == DENIED, "bind"


_inspect = attempt("process_inspect")
_bind = attempt("process_bind")


def the_policy_denies_calls() -> None:
    """A call that the matrix does not allow is Denied, to a thread that waits as well as from the queue, also between
    two processes of one label; within a process all is allowed."""
    _loaded()
    there = endpoint()
    assert _result_of(code_address(_calls), there) == 256 + DENIED, "from the queue of receivers"
    receiver = Child()
    receiver.make_labelled(QUOTA, U64(1))
    receiver.start(code_address(_serves), system.process_install(receiver.process, there, U64(0), U64(0)))
    settle()
    assert _result_of(code_address(_calls), there) == 256 + DENIED, "one label"
    message = Message()
    assert message_error(MESSAGE_CALL, there, message) == 0, "label 0 may call label 1"
    system.process_kill(receiver.process)


def _result_of(function: VirtAddr, handle: U64) -> U64:
    """How a process of label 1 ended that was given a handle; messages to it are received meanwhile."""
    child = Child()
    child.make_labelled(QUOTA, U64(1))
    child.start(function, system.process_install(child.process, handle, U64(0), U64(0)))
    message = Message()
    message.tag = U64(tags.DEADLINE)
    # On a busy host the child may begin after any deadline.
    while function == code_address(_calls) and system.process_inspect(child.process) & U64(ENDED) == 0:
        BUFFER.own().deadline = soon()
        message_error(MESSAGE_RECEIVE, handle, message)
    return child.wait()


def _calls(handle: U64) -> None:
    message = Message()
    system.process_exit(U8(message_error(MESSAGE_CALL, handle, message)))


def _serves(handle: U64) -> None:
    message = Message()
    ipc.receive(handle, message)
    while True:
        ipc.reply_and_receive(handle, message)


def who_may_control_a_label_makes_processes_of_it() -> None:
    """A process that is not of label 0 makes processes of its own label and of those that the matrix lets it control;
    process_create with any other label is Denied."""
    _loaded()
    child = Child()
    child.make_labelled(QUOTA, U64(1))
    child.start(code_address(_makes), system.process_install(child.process, QUOTA, U64(0), U64(0)))
    assert child.wait() == 256 + (1 << 1 | 1 << 3), "its own, and the one that it controls"


def _makes(quota: U64) -> None:
    """Try all labels; those that went as bits, 0xFF when one was not merely denied."""
    made = U64(0)
    for label in U64.range(4):
        error = _create(quota, label)
        if error == 0:
            made = made | U64(1) << label
        elif error != DENIED:
            made = U64(0xFF)
    system.process_exit(U8(made & 0xFF))


def lives_of_processes_are_on_record() -> None:
    """Who made a process, its faults and its end are on record, with its number and label."""
    _loaded()
    AUDITED.drain()
    child = Child()
    child.make_labelled(QUOTA, U64(1))
    child.start(code_address(_faults), U64(0))
    child.wait()
    AUDITED.drain()
    assert AUDITED.count == 3 and AUDITED.lost == 0, "three"
    made = AUDITED.records[0]
    fault = AUDITED.records[1]
    end = AUDITED.records[2]
    assert made.event == Event.PROCESS_CREATED and made.subject_label == 0 and made.object_label == 1, "made"
    assert fault.event == Event.PROCESS_FAULTED and fault.subject == made.object and fault.detail == 11, "fault"
    assert end.event == Event.PROCESS_ENDED and end.subject == made.object and end.subject_label == 1, "end"
    assert end.detail == 11 << 16 | 128 + 11, "why"


def _faults(argument: U64) -> None:
    poke(U64(8), U64(1))


def a_policy_that_is_sealed_stays() -> None:
    """After policy_seal neither loading nor sealing is possible: Sealed."""
    _loaded()
    system.policy_seal(POLICY)
    assert _load(POLICY, _address(), U64(9)) == SEALED, "load"
    assert _seal(POLICY) == SEALED, "seal"


def a_sealed_policy_is_in_force() -> None:
    """Sealing changes nothing of what is allowed and denied."""
    _loaded()
    _seal(POLICY)
    before = quota_used()
    assert _install(system.process_create(QUOTA, U64(1)), notification(), U64(0), U64(0)) == 0, "allowed"
    assert _install(system.process_create(QUOTA, U64(2)), notification(), U64(0), U64(0)) == DENIED, "denied"
    assert quota_used() > before and _create(QUOTA, U64(1)) == 0, "processes of any label are made"
