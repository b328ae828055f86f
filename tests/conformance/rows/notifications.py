"""Notifications

Signals are bits; waiting takes all that are set.
"""

from __future__ import annotations

from cloudos.abi import tags
from cloudos.abi.objects import Rights
from cloudos.lang import U64, code_address
from cloudos.sdk import ipc, system
from cloudos.sdk.ipc import Message
from tests.conformance.support import (
    BAD_HANDLE,
    BOARD,
    DENIED,
    NEVER,
    QUOTA,
    TIMED_OUT,
    WOULD_BLOCK,
    WRONG_KIND,
    at_once,
    attempt,
    endpoint,
    notification,
    run,
    settle,
    settled,
    soon,
    weaker,
)

_signal = attempt("notification_signal")
_wait = attempt("notification_wait")
_create = attempt("notification_create")


def _waiter(handle: U64) -> None:
    BOARD.note(system.notification_wait(handle, NEVER))


def _error_of_waiting(handle: U64) -> None:
    BOARD.note(_wait(handle, NEVER))


def a_new_notification_has_no_signals() -> None:
    """A new notification has no signals: polling it is WouldBlock."""
    assert _wait(notification(), U64(0)) == WOULD_BLOCK, "poll"


def signals_are_kept_until_somebody_waits() -> None:
    """A signal without waiters is kept; the next wait takes it at once, also when it only polls."""
    handle = notification()
    system.notification_signal(handle, U64(5))
    assert system.notification_wait(handle, U64(0)) == 5, "the bits"


def signals_add_up() -> None:
    """Bits of several signals are joined: a wait gets all of them at once."""
    handle = notification()
    system.notification_signal(handle, U64(1))
    system.notification_signal(handle, U64(6))
    system.notification_signal(handle, U64(2))
    assert system.notification_wait(handle, NEVER) == 7, "the union"


def waiting_takes_the_signals() -> None:
    """A wait takes the signals: the next poll is WouldBlock."""
    handle = notification()
    system.notification_signal(handle, U64(1))
    system.notification_wait(handle, U64(0))
    assert _wait(handle, U64(0)) == WOULD_BLOCK, "taken"


def all_64_bits_are_signals() -> None:
    """Each of the 64 bits is a signal of its own."""
    handle = notification()
    for bit in U64.range(64):
        system.notification_signal(handle, U64(1).wrapping_shl(bit))
        assert system.notification_wait(handle, U64(0)) == U64(1).wrapping_shl(bit), "one bit"


def signalling_no_bits_does_nothing() -> None:
    """A signal of no bits wakes nobody and sets nothing."""
    handle = notification()
    run(code_address(_waiter), handle)
    system.notification_signal(handle, U64(0))
    settle()
    assert BOARD.count == 0, "still waiting"


def a_signal_wakes_a_waiter() -> None:
    """A thread that waits is woken by a signal, and gets its bits."""
    handle = notification()
    run(code_address(_waiter), handle)
    assert BOARD.count == 0, "waits"
    system.notification_signal(handle, U64(9))
    settle()
    assert BOARD.count == 1 and BOARD.cells[0] == 9, "woken with the bits"


def a_signal_wakes_one_waiter_in_order() -> None:
    """Of several waiters a signal wakes the one that has waited longest, and no other."""
    handle = notification()
    run(code_address(_waiter), handle)
    run(code_address(_waiter), handle)
    system.notification_signal(handle, U64(1))
    settle()
    assert BOARD.count == 1, "one"
    system.notification_signal(handle, U64(2))
    settle()
    assert BOARD.count == 2 and BOARD.cells[0] == 1 and BOARD.cells[1] == 2, "in order"


def signals_handed_to_a_waiter_are_not_kept() -> None:
    """What a waiter got is not set any more."""
    handle = notification()
    run(code_address(_waiter), handle)
    system.notification_signal(handle, U64(1))
    settle()
    assert _wait(handle, U64(0)) == WOULD_BLOCK, "gone"


def waiting_ends_at_its_deadline() -> None:
    """A wait that sees no signal ends with TimedOut, not before its deadline."""
    deadline = soon()
    assert _wait(notification(), deadline) == TIMED_OUT, "error"
    assert system.clock_read() >= deadline, "not before"


def a_deadline_in_the_past_does_not_wait() -> None:
    """With a deadline that has passed a wait fails at once."""
    before = system.clock_read()
    error = _wait(notification(), U64(1))
    assert error == TIMED_OUT or error == WOULD_BLOCK, "an error of time"
    assert system.clock_read() - before < at_once(), "at once"


def a_signal_before_the_deadline_ends_the_wait() -> None:
    """A wait with a deadline ends early when a signal comes, and its deadline is forgotten."""
    handle = notification()
    run(code_address(_signal_later), handle)
    deadline = system.clock_read() + settled(U64(1000))
    assert system.notification_wait(handle, deadline) == 3, "the signal"
    assert system.clock_read() < deadline, "early"


def _signal_later(handle: U64) -> None:
    system.thread_sleep(settled(U64(5)))
    system.notification_signal(handle, U64(3))


def signalling_needs_the_right_to_signal() -> None:
    """notification_signal through a handle without SIGNAL is Denied, and sets nothing."""
    handle = notification()
    assert _signal(weaker(handle, Rights.WAIT), U64(1)) == DENIED, "right"
    assert _wait(handle, U64(0)) == WOULD_BLOCK, "nothing set"


def waiting_needs_the_right_to_wait() -> None:
    """notification_wait through a handle without WAIT is Denied, and takes nothing."""
    handle = notification()
    system.notification_signal(handle, U64(1))
    assert _wait(weaker(handle, Rights.SIGNAL), U64(0)) == DENIED, "right"
    assert system.notification_wait(handle, U64(0)) == 1, "still set"


def signalling_with_the_right_alone_works() -> None:
    """SIGNAL alone is enough to signal, WAIT alone to wait."""
    handle = notification()
    system.notification_signal(weaker(handle, Rights.SIGNAL), U64(4))
    assert system.notification_wait(weaker(handle, Rights.WAIT), U64(0)) == 4, "the bits"


def only_notifications_are_signalled() -> None:
    """A handle to an object of another kind is WrongKind for both operations."""
    other = endpoint()
    assert _signal(other, U64(1)) == WRONG_KIND, "signal"
    assert _wait(other, U64(0)) == WRONG_KIND, "wait"


def no_handle_no_notification() -> None:
    """A number that is no handle is BadHandle for both operations."""
    assert _signal(U64(0), U64(1)) == BAD_HANDLE, "signal"
    assert _wait(U64(12345), U64(0)) == BAD_HANDLE, "wait"


def creating_needs_a_quota_to_spend() -> None:
    """notification_create needs a quota with ALLOCATE: Denied without, WrongKind for another object."""
    assert _create(weaker(QUOTA, Rights.INSPECT | Rights.DERIVE)) == DENIED, "right"
    assert _create(endpoint()) == WRONG_KIND, "kind"


def each_notification_is_its_own() -> None:
    """Signals of one notification are not seen by another."""
    first = notification()
    second = notification()
    system.notification_signal(first, U64(1))
    assert _wait(second, U64(0)) == WOULD_BLOCK, "the other"


def a_waiter_that_is_killed_takes_no_signal() -> None:
    """After a waiter was killed a signal goes to the next, or is kept."""
    handle = notification()
    thread = run(code_address(_waiter), handle)
    system.thread_kill(thread)
    system.notification_signal(handle, U64(1))
    settle()
    assert BOARD.count == 0, "the dead do not run"
    assert system.notification_wait(handle, U64(0)) == 1, "kept"


def _bound_receiver(handle: U64) -> None:
    """Bind the notification of cell 15, receive twice, and write down badge, tag and first word."""
    system.thread_bind(BOARD.cells[15])
    message = Message()
    for _ in U64.range(2):
        message.set(U64(0), U64(0))
        ipc.receive(handle, message)
        BOARD.note(message.badge)
        BOARD.note(message.tag)
        BOARD.note(message.words[0])


def _bound() -> tuple[U64, U64]:
    """An endpoint and a notification, for both of which a thread waits."""
    handle = endpoint()
    signals = notification()
    BOARD.cells[15] = signals
    run(code_address(_bound_receiver), handle)
    return handle, signals


def a_bound_signal_ends_a_receive() -> None:
    """A signal of the bound notification reaches a thread that receives, as a message of the kernel's with the bits in
    its first word."""
    _, signals = _bound()
    system.notification_signal(signals, U64(12))
    settle()
    assert BOARD.count == 3, "received"
    assert BOARD.cells[1] == tags.SIGNALS_TAG and BOARD.cells[2] == 12, "tag and bits"


def a_bound_signal_that_came_first_is_received_first() -> None:
    """Signals that are set when a thread begins to receive are its first message."""
    handle = endpoint()
    signals = notification()
    system.notification_signal(signals, U64(3))
    BOARD.cells[15] = signals
    run(code_address(_bound_receiver), handle)
    assert BOARD.count == 3 and BOARD.cells[2] == 3, "at once"
    assert _wait(signals, U64(0)) == WOULD_BLOCK, "taken"


def a_bound_thread_still_receives_messages() -> None:
    """A thread with a bound notification receives messages as before, and signals between them."""
    handle, signals = _bound()
    message = Message()
    message.set(U64(5), U64(1))
    message.words[0] = U64(70)
    ipc.send(handle, message)
    settle()
    system.notification_signal(signals, U64(1))
    settle()
    assert BOARD.count == 6, "both"
    assert BOARD.cells[1] == U64(5) << 32 | 1 and BOARD.cells[2] == 70, "the message"
    assert BOARD.cells[4] == tags.SIGNALS_TAG and BOARD.cells[5] == 1, "the signal"


def a_bound_thread_answers_calls() -> None:
    """A call to a server with a bound notification is answered as usual."""
    handle = endpoint()
    BOARD.cells[15] = notification()
    run(code_address(_bound_server), handle)
    message = Message()
    for value in U64.range(3):
        message.set(U64(0), U64(1))
        message.words[0] = value
        ipc.call(handle, message)
        assert message.words[0] == value + 1, "answered"


def _bound_server(handle: U64) -> None:
    system.thread_bind(BOARD.cells[15])
    message = Message()
    ipc.receive(handle, message)
    while True:
        message.words[0] = message.words[0] + 1
        message.set(U64(0), U64(1))
        ipc.reply_and_receive(handle, message)
