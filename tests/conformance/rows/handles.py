"""Handles

Deriving, closing and revoking; stale numbers.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.objects import ALL_RIGHTS_BITS, DERIVED, Kind, Rights
from cloudos.lang import U32, U64, Array, code_address
from cloudos.sdk import ipc, system
from cloudos.sdk.ipc import Message
from cloudos.sdk.processes import Child
from tests.conformance.support import (
    BAD_ARGUMENT,
    BAD_HANDLE,
    BOARD,
    CANCELLED,
    DENIED,
    MESSAGE_CALL,
    MESSAGE_RECEIVE,
    MESSAGE_SEND,
    NEVER,
    PEER_GONE,
    PROCESS,
    QUOTA,
    SCHEDULE,
    THREAD,
    attempt,
    badged,
    endpoint,
    message_error,
    notification,
    run,
    settle,
    weaker,
)

_derive = attempt("handle_derive")
_close = attempt("handle_close")
_revoke = attempt("handle_revoke")
_inspect = attempt("handle_inspect")
_signal = attempt("notification_signal")
_wait = attempt("notification_wait")
_install = attempt("process_install")

ALL = U64(ALL_RIGHTS_BITS)
SIGNAL = U64(U32(Rights.SIGNAL))
WAIT = U64(U32(Rights.WAIT))
REVOKE = U64(U32(Rights.REVOKE))


def _copy(handle: U64) -> U64:
    return system.handle_derive(handle, ALL, U64(0))


def zero_is_no_handle() -> None:
    """0 is never a handle: every operation on handles says BadHandle."""
    none = U64(0)
    assert _derive(none, SIGNAL, none) == BAD_HANDLE, "derive"
    assert _close(none) == BAD_HANDLE, "close"
    assert _revoke(none) == BAD_HANDLE, "revoke"
    assert _inspect(none) == BAD_HANDLE, "inspect"
    assert _install(PROCESS, none, none, none) == BAD_HANDLE, "install"


def random_numbers_are_no_handles() -> None:
    """Numbers that were never given out are BadHandle, whatever their bits."""
    number = U64(0x9E37_79B9_7F4A_7C15)
    for _ in U64.range(2000):
        number = number.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407)
        assert _inspect(number | 1 << 62) == BAD_HANDLE, "inspect"


def another_generation_is_no_handle() -> None:
    """The index of a handle with another generation is BadHandle."""
    handle = notification()
    assert _signal(handle + (1 << 32), U64(1)) == BAD_HANDLE, "later"
    assert _signal(handle & 0xFFFF_FFFF, U64(1)) == BAD_HANDLE, "generation 0"


def a_new_object_comes_with_all_rights() -> None:
    """The handle that creating an object gives has every right."""
    assert system.handle_inspect(endpoint()) >> 8 == ALL, "endpoint"
    assert system.handle_inspect(notification()) >> 8 == ALL, "notification"


def inspecting_tells_kind_and_rights() -> None:
    """handle_inspect gives the object's kind and the handle's rights."""
    assert system.handle_inspect(PROCESS) & 255 == U64(Kind.PROCESS), "process"
    assert system.handle_inspect(THREAD) & 255 == U64(Kind.THREAD), "thread"
    assert system.handle_inspect(QUOTA) & 255 == U64(Kind.QUOTA), "quota"
    assert system.handle_inspect(SCHEDULE) & 255 == U64(Kind.SCHEDULE), "schedule"
    assert system.handle_inspect(endpoint()) & 255 == U64(Kind.ENDPOINT), "endpoint"
    signals = system.handle_derive(notification(), SIGNAL, U64(0))
    assert system.handle_inspect(signals) == U64(Kind.NOTIFICATION) | SIGNAL << 8, "both"


def inspecting_tells_whether_something_was_derived() -> None:
    """handle_inspect says whether a handle exists that was derived from this one, directly or not, in any process."""
    handle = notification()
    assert system.handle_inspect(handle) & DERIVED == 0, "nothing yet"
    first = _copy(handle)
    second = _copy(first)
    assert system.handle_inspect(first) & DERIVED != 0, "directly"
    system.handle_close(first)
    assert system.handle_inspect(handle) & DERIVED != 0, "what was derived from the one that is gone"
    assert system.handle_inspect(second) & DERIVED == 0, "not the derived one"
    system.handle_close(second)
    assert system.handle_inspect(handle) & DERIVED == 0, "nothing any more"
    quota = system.quota_create(QUOTA, U64(65536))
    process = system.process_create(quota, U64(0))
    _install(process, handle, U64(0), U64(0))
    assert system.handle_inspect(handle) & DERIVED != 0, "in another process"
    system.process_kill(process)
    while system.handle_inspect(handle) & DERIVED != 0:
        system.thread_yield()
    system.handle_close(process)
    system.handle_close(quota)


def a_derived_handle_names_the_same_object() -> None:
    """What is done through a derived handle is done to the object of the original."""
    handle = notification()
    system.notification_signal(_copy(handle), U64(4))
    assert system.notification_wait(handle, U64(0)) == 4, "the same"


def a_derived_handle_has_only_the_rights_asked_for() -> None:
    """A handle derived with fewer rights allows those operations alone."""
    weak = system.handle_derive(notification(), SIGNAL, U64(0))
    assert _signal(weak, U64(1)) == 0, "signal"
    assert _wait(weak, U64(0)) == DENIED, "wait"


def rights_cannot_be_won() -> None:
    """Asking for a right that the source lacks is Denied, and gives nothing."""
    weak = system.handle_derive(notification(), SIGNAL | 1, U64(0))
    assert _derive(weak, WAIT, U64(0)) == DENIED, "another"
    assert _derive(weak, SIGNAL | WAIT, U64(0)) == DENIED, "one more"
    assert _derive(weak, ALL, U64(0)) == DENIED, "all"
    assert _derive(weak, SIGNAL, U64(0)) == 0, "its own"


def deriving_needs_the_right_to_derive() -> None:
    """handle_derive from a handle without DERIVE is Denied, also for no rights at all."""
    weak = system.handle_derive(notification(), SIGNAL, U64(0))
    assert _derive(weak, SIGNAL, U64(0)) == DENIED, "a copy"
    assert _derive(weak, U64(0), U64(0)) == DENIED, "nothing"


def unknown_rights_are_bad_arguments() -> None:
    """handle_derive with bits that are no rights is BadArgument."""
    handle = notification()
    assert _derive(handle, U64(ALL_RIGHTS_BITS + 1), U64(0)) == BAD_ARGUMENT, "the next bit"
    assert _derive(handle, U64(1 << 40), U64(0)) == BAD_ARGUMENT, "a high bit"


def every_handle_has_a_number_of_its_own() -> None:
    """Handles to the same object have different numbers."""
    handle = notification()
    first = _copy(handle)
    second = _copy(handle)
    assert first != second and first != handle and second != handle, "different"


def a_badge_is_given_once() -> None:
    """handle_derive gives a badge to a handle without one; a badged one keeps its own, and another is Denied."""
    handle = system.handle_derive(endpoint(), ALL, U64(5))
    assert _derive(handle, ALL, U64(6)) == DENIED, "another"
    assert _derive(handle, ALL, U64(5)) == 0, "the same"
    assert _derive(handle, ALL, U64(0)) == 0, "none asked for"


def a_closed_handle_is_stale() -> None:
    """After handle_close the number is BadHandle for every operation, a second close included."""
    handle = notification()
    system.handle_close(handle)
    assert _signal(handle, U64(1)) == BAD_HANDLE, "signal"
    assert _close(handle) == BAD_HANDLE, "close"
    assert _derive(handle, SIGNAL, U64(0)) == BAD_HANDLE, "derive"
    assert _inspect(handle) == BAD_HANDLE, "inspect"


def a_stale_number_does_not_come_back() -> None:
    """Handles made after a close have other numbers: the stale one stays BadHandle."""
    stale = notification()
    system.handle_close(stale)
    for _ in U64.range(200):
        handle = notification()
        assert handle != stale, "another number"
        assert _signal(stale, U64(1)) == BAD_HANDLE, "stale"
        system.handle_close(handle)


def closing_needs_no_right() -> None:
    """Any handle can be closed, one without rights too."""
    bare = system.handle_derive(notification(), U64(0), U64(0))
    assert _close(bare) == 0, "closed"
    assert _inspect(bare) == BAD_HANDLE, "gone"


def closing_leaves_what_was_derived() -> None:
    """Closing a handle leaves those derived from it, and their object."""
    handle = notification()
    derived = _copy(handle)
    system.handle_close(handle)
    assert _signal(derived, U64(1)) == 0, "works"
    assert system.notification_wait(derived, U64(0)) == 1, "the object lives"


def closing_leaves_the_source() -> None:
    """Closing a derived handle leaves the one that it was derived from."""
    handle = notification()
    system.handle_close(_copy(handle))
    assert _signal(handle, U64(1)) == 0, "works"


def revoking_takes_what_was_derived() -> None:
    """handle_revoke takes every handle derived from the handle; the handle itself stays."""
    handle = notification()
    first = _copy(handle)
    second = _copy(handle)
    system.handle_revoke(handle)
    assert _signal(first, U64(1)) == BAD_HANDLE, "first"
    assert _signal(second, U64(1)) == BAD_HANDLE, "second"
    assert _signal(handle, U64(1)) == 0, "stays"


def revoking_takes_grandchildren() -> None:
    """handle_revoke takes what was derived from the derived, however deep."""
    handle = notification()
    last = handle
    chain = Array[U64, Literal[20]]()
    for index in U64.range(20):
        last = _copy(last)
        chain[index] = last
    system.handle_revoke(handle)
    for index in U64.range(20):
        assert _inspect(chain[index]) == BAD_HANDLE, "each"


def revoking_leaves_siblings_and_ancestors() -> None:
    """handle_revoke of a derived handle leaves its source and the source's other children."""
    handle = notification()
    left = _copy(handle)
    right = _copy(handle)
    below = _copy(left)
    system.handle_revoke(left)
    assert _inspect(below) == BAD_HANDLE, "below"
    assert _inspect(left) == 0 and _inspect(right) == 0 and _inspect(handle) == 0, "the others"


def revoking_reaches_past_a_closed_handle() -> None:
    """Children of a closed handle belong to its source: revoking that takes them."""
    handle = notification()
    middle = _copy(handle)
    below = _copy(middle)
    system.handle_close(middle)
    system.handle_revoke(handle)
    assert _inspect(below) == BAD_HANDLE, "taken"


def revoking_needs_the_right_to_revoke() -> None:
    """handle_revoke through a handle without REVOKE is Denied, and takes nothing."""
    handle = system.handle_derive(notification(), ALL & ~REVOKE, U64(0))
    derived = system.handle_derive(handle, SIGNAL, U64(0))
    assert _revoke(handle) == DENIED, "right"
    assert _signal(derived, U64(1)) == 0, "stays"


def revoking_with_nothing_derived_does_nothing() -> None:
    """handle_revoke of a handle without descendants succeeds, as often as one likes."""
    handle = notification()
    assert _revoke(handle) == 0 and _revoke(handle) == 0, "twice"
    assert _signal(handle, U64(1)) == 0, "stays"


def revoking_reaches_other_processes() -> None:
    """handle_revoke takes handles that were installed into another process: its calls fail from then on."""
    signals = notification()
    handle = endpoint()
    child = Child()
    child.make(QUOTA)
    theirs = system.process_install(child.process, signals, U64(0), U64(0))
    child.start(code_address(_signal_on_request), system.process_install(child.process, handle, U64(0), U64(0)))
    message = Message()
    message.words[0] = theirs
    message.set(U64(0), U64(1))
    ipc.call(handle, message)
    assert message.words[0] == 0, "works"
    system.handle_revoke(signals)
    message.words[0] = theirs
    message.set(U64(0), U64(1))
    ipc.call(handle, message)
    assert message.words[0] == BAD_HANDLE, "taken"


def _signal_on_request(handle: U64) -> None:
    message = Message()
    ipc.receive(handle, message)
    while True:
        message.words[0] = _signal(message.words[0], U64(1))
        message.set(U64(0), U64(1))
        ipc.reply_and_receive(handle, message)


def revoking_takes_handles_sent_in_messages() -> None:
    """A handle that process_install weakened is taken by a revoke of its source."""
    handle = notification()
    weak = weaker(handle, Rights.SIGNAL)
    system.handle_revoke(handle)
    assert _signal(weak, U64(1)) == BAD_HANDLE, "taken"


def a_thousand_handles_are_revoked() -> None:
    """One revoke takes a thousand handles."""
    handle = notification()
    last = U64(0)
    for _ in U64.range(1000):
        last = _copy(handle)
    system.handle_revoke(handle)
    assert _inspect(last) == BAD_HANDLE and _inspect(handle) == 0, "all gone"


def _waiter(handle: U64) -> None:
    BOARD.note(_wait(handle, NEVER))


def _receiver(handle: U64) -> None:
    BOARD.note(message_error(MESSAGE_RECEIVE, handle, Message()))


def _sender(handle: U64) -> None:
    BOARD.note(message_error(MESSAGE_SEND, handle, Message()))


def _caller(handle: U64) -> None:
    BOARD.note(message_error(MESSAGE_CALL, handle, Message()))


def _is_cancelled() -> None:
    settle()
    assert BOARD.count == 1 and BOARD.cells[0] == CANCELLED, "Cancelled"


def closing_cancels_a_waiter() -> None:
    """Closing the handle through which a thread waits for signals ends its wait with Cancelled."""
    handle = notification()
    through = _copy(handle)
    run(code_address(_waiter), through)
    system.handle_close(through)
    _is_cancelled()


def closing_cancels_a_receiver() -> None:
    """Closing the handle through which a thread waits to receive ends its wait with Cancelled."""
    handle = endpoint()
    through = _copy(handle)
    run(code_address(_receiver), through)
    system.handle_close(through)
    _is_cancelled()


def closing_cancels_a_sender() -> None:
    """Closing the handle through which a thread waits to send ends its wait with Cancelled."""
    handle = endpoint()
    through = _copy(handle)
    run(code_address(_sender), through)
    system.handle_close(through)
    _is_cancelled()


def closing_cancels_a_caller_that_was_not_received() -> None:
    """Closing the handle through which a thread calls, before anybody received it, ends the call with Cancelled."""
    handle = endpoint()
    through = _copy(handle)
    run(code_address(_caller), through)
    system.handle_close(through)
    _is_cancelled()


def revoking_cancels_all_who_wait_through_it() -> None:
    """Revoking ends with Cancelled whatever waits through the handles it takes; others wait on."""
    handle = endpoint()
    through = _copy(handle)
    run(code_address(_receiver), through)
    run(code_address(_receiver), _copy(through))
    run(code_address(_receiver), handle)
    system.handle_revoke(handle)
    settle()
    assert BOARD.count == 2 and BOARD.cells[0] == CANCELLED and BOARD.cells[1] == CANCELLED, "both"


def a_call_in_service_survives_the_loss_of_its_handle() -> None:
    """A call that was received is answered although the handle it was made through has gone."""
    handle = endpoint()
    through = badged(handle, U64(3))
    run(code_address(_caller), through)
    message = Message()
    ipc.receive(handle, message)
    system.handle_close(through)
    settle()
    assert BOARD.count == 0, "still waits"
    ipc.reply(message)
    settle()
    assert BOARD.count == 1 and BOARD.cells[0] == 0, "answered"


def closing_a_reply_handle_fails_the_call() -> None:
    """Closing a reply handle ends the call with PeerGone."""
    handle = endpoint()
    run(code_address(_caller), handle)
    message = Message()
    ipc.receive(handle, message)
    system.handle_close(message.reply)
    settle()
    assert BOARD.count == 1 and BOARD.cells[0] == PEER_GONE, "PeerGone"


def a_reply_handle_shows_its_kind() -> None:
    """A reply handle is inspected as one, and allows only to send."""
    handle = endpoint()
    run(code_address(_caller), handle)
    message = Message()
    ipc.receive(handle, message)
    assert system.handle_inspect(message.reply) == U64(Kind.REPLY) | U64(U32(Rights.SEND)) << 8, "kind and right"
    ipc.reply(message)


def an_endpoint_lives_as_long_as_one_handle() -> None:
    """An object goes with its last handle, not before."""
    handle = endpoint()
    copy = _copy(handle)
    system.handle_close(handle)
    run(code_address(_receiver), copy)
    message = Message()
    assert message_error(MESSAGE_SEND, copy, message) == 0, "it lives"
    settle()
    assert BOARD.count == 1 and BOARD.cells[0] == 0, "received"


def closing_a_thread_handle_does_not_stop_the_thread() -> None:
    """A thread goes on when the last handle to it is closed."""
    handle = notification()
    thread = run(code_address(_waiter), handle)
    system.handle_close(thread)
    system.notification_signal(handle, U64(1))
    settle()
    assert BOARD.count == 1 and BOARD.cells[0] == 0, "goes on"
