"""Deadlines

Times are nanoseconds since the start; a deadline of 0 does not wait.
"""

from __future__ import annotations

from cloudos.abi import tags
from cloudos.lang import U64, code_address, panic
from cloudos.sdk import ipc, system
from cloudos.sdk.ipc import Message
from tests.conformance.support import (
    BAD_HANDLE,
    BOARD,
    BUFFER,
    MESSAGE_CALL,
    MESSAGE_RECEIVE,
    MESSAGE_REPLY,
    MESSAGE_REPLY_RECEIVE,
    MESSAGE_SEND,
    TIMED_OUT,
    WOULD_BLOCK,
    at_once,
    attempt,
    endpoint,
    message_error,
    notification,
    run,
    settle,
    settled,
    soon,
)

_wait = attempt("notification_wait")


def _with_deadline(number: U64, handle: U64, deadline: U64) -> U64:
    """Make a message's system call with a deadline; the error."""
    BUFFER.own().deadline = deadline
    message = Message()
    message.tag = U64(tags.DEADLINE)
    return message_error(number, handle, message)


def _times_out(number: U64) -> None:
    deadline = soon()
    assert _with_deadline(number, endpoint(), deadline) == TIMED_OUT, "error"
    assert system.clock_read() >= deadline, "not before"


def a_receive_ends_at_its_deadline() -> None:
    """A receive without message ends with TimedOut, not before its deadline."""
    _times_out(MESSAGE_RECEIVE)


def a_send_ends_at_its_deadline() -> None:
    """A send that nobody receives ends with TimedOut, not before its deadline."""
    _times_out(MESSAGE_SEND)


def a_call_nobody_receives_ends_at_its_deadline() -> None:
    """A call that nobody receives ends with TimedOut, not before its deadline."""
    _times_out(MESSAGE_CALL)


def a_reply_receive_ends_at_its_deadline() -> None:
    """message_reply_receive without another message ends with TimedOut."""
    _times_out(MESSAGE_REPLY_RECEIVE)


def a_call_nobody_answers_ends_at_its_deadline() -> None:
    """A call that was received and is not answered ends with TimedOut; the reply handle answers no more."""
    handle = endpoint()
    run(code_address(_late_server), handle)
    deadline = soon()
    assert _with_deadline(MESSAGE_CALL, handle, deadline) == TIMED_OUT, "error"
    assert system.clock_read() >= deadline, "not before"
    system.thread_sleep(settled(U64(10)))
    assert BOARD.count == 1, "the server goes on"
    assert BOARD.cells[0] == BAD_HANDLE, "too late"


def _late_server(handle: U64) -> None:
    message = Message()
    ipc.receive(handle, message)
    system.thread_sleep(settled(U64(5)))
    BOARD.note(message_error(MESSAGE_REPLY, message.reply, message))


def a_call_answered_in_time_succeeds() -> None:
    """A call with a deadline that is answered before it succeeds, and nothing happens at the deadline."""
    handle = endpoint()
    run(code_address(_prompt_server), handle)
    deadline = soon()
    assert _with_deadline(MESSAGE_CALL, handle, deadline) == 0, "answered"
    before = system.clock_read()
    system.thread_sleep(settled(U64(3)))
    assert system.clock_read() - before >= settled(U64(3)), "no early end of a later wait"


def a_deadline_does_not_travel() -> None:
    """The bit that announces a deadline stays with the sender: a server without message buffer can answer with the
    tag that it received, and the caller does not receive the bit of its server."""
    handle = endpoint()
    run(code_address(_mirror), handle)
    assert _with_deadline(MESSAGE_CALL, handle, soon()) == 0, "from the queue of receivers"
    settle()
    assert BOARD.cells[0] == 0 and BOARD.cells[1] == 0, "received tag, answered"
    run(code_address(_slow_mirror), handle)
    assert _with_deadline(MESSAGE_CALL, handle, system.clock_read() + settled(U64(5))) == 0, "from the queue of senders"
    settle()
    assert BOARD.cells[2] == 0 and BOARD.cells[3] == 0, "received tag, answered"


def _mirror(handle: U64) -> None:
    message = Message()
    ipc.receive(handle, message)
    BOARD.note(message.tag)
    BOARD.note(message_error(MESSAGE_REPLY, message.reply, message))


def _slow_mirror(handle: U64) -> None:
    system.thread_sleep(U64(1_000_000))
    _mirror(handle)


def a_deadline_of_a_server_does_not_travel() -> None:
    """A reply with the deadline of the server's next receive reaches the caller without it."""
    handle = endpoint()
    run(code_address(_caller_of), handle)
    BUFFER.own().deadline = U64(0)
    message = Message()
    ipc.receive(handle, message)
    message.tag = U64(tags.DEADLINE)
    assert message_error(MESSAGE_REPLY_RECEIVE, handle, message) == WOULD_BLOCK, "nothing more"
    settle()
    assert BOARD.count == 1 and BOARD.cells[0] == 0, "the tag of the reply"


def _caller_of(handle: U64) -> None:
    message = Message()
    ipc.call(handle, message)
    BOARD.note(message.tag)


def _prompt_server(handle: U64) -> None:
    message = Message()
    ipc.receive(handle, message)
    while True:
        message.set(U64(0), U64(0))
        ipc.reply_and_receive(handle, message)


def deadline_zero_does_not_wait() -> None:
    """With deadline 0 receive, send and call do not wait: WouldBlock when nobody is there."""
    handle = endpoint()
    assert _with_deadline(MESSAGE_RECEIVE, handle, U64(0)) == WOULD_BLOCK, "receive"
    assert _with_deadline(MESSAGE_SEND, handle, U64(0)) == WOULD_BLOCK, "send"
    assert _with_deadline(MESSAGE_CALL, handle, U64(0)) == WOULD_BLOCK, "call"


def deadline_zero_takes_what_is_there() -> None:
    """With deadline 0 a receive takes a message that waits, and a send goes to a receiver that waits."""
    handle = endpoint()
    run(code_address(_sender), handle)
    assert _with_deadline(MESSAGE_RECEIVE, handle, U64(0)) == 0, "receive"
    other = endpoint()
    run(code_address(_receiver), other)
    assert _with_deadline(MESSAGE_SEND, other, U64(0)) == 0, "send"


def _sender(handle: U64) -> None:
    ipc.send(handle, Message())


def _receiver(handle: U64) -> None:
    ipc.receive(handle, Message())


def a_deadline_that_has_passed_ends_at_once() -> None:
    """A deadline in the past ends the wait at once with TimedOut or WouldBlock."""
    before = system.clock_read()
    error = _with_deadline(MESSAGE_RECEIVE, endpoint(), U64(1))
    assert error == TIMED_OUT or error == WOULD_BLOCK, "an error of time"
    assert system.clock_read() - before < 2 * at_once(), "at once"


def after_a_timeout_nothing_is_left_behind() -> None:
    """A receiver that timed out does not take a later message; a sender that did is not received."""
    handle = endpoint()
    assert _with_deadline(MESSAGE_RECEIVE, handle, soon()) == TIMED_OUT, "receive"
    assert _with_deadline(MESSAGE_SEND, handle, soon()) == TIMED_OUT, "send"
    assert _with_deadline(MESSAGE_RECEIVE, handle, U64(0)) == WOULD_BLOCK, "nothing there"


def the_nearest_deadline_comes_first() -> None:
    """Of several that wait with deadlines each ends at its own, the nearest first, in whatever order they began."""
    for delay in U64.range(5):
        run(code_address(_sleeper), settled((delay * 3 % 5 + 1) * 10))
    system.thread_sleep(settled(U64(100)))
    assert BOARD.count == 5, "all"
    for index in U64.range(5):
        assert BOARD.cells[index] == settled((index + 1) * 10), "in order"


def _sleeper(duration: U64) -> None:
    system.thread_sleep(duration)
    BOARD.note(duration)


def sleeping_lasts_at_least_as_long() -> None:
    """thread_sleep takes at least the time asked for, and not a tenth of a millisecond more when nothing else runs."""
    for exponent in U64.range(8):
        duration = U64(1000).wrapping_shl(exponent)
        before = system.clock_read()
        system.thread_sleep(duration)
        after = system.clock_read()
        assert after - before >= duration, "not less"
        assert after - before < duration + at_once(), "not much more"


def sleeping_for_nothing_returns() -> None:
    """thread_sleep of 0 nanoseconds returns at once."""
    before = system.clock_read()
    system.thread_sleep(U64(0))
    assert system.clock_read() - before < at_once(), "at once"


def sleeping_for_ever_can_be_killed() -> None:
    """A thread that sleeps for longer than time can count is killed like any other."""
    thread = run(code_address(_sleeper), U64(0xFFFF_FFFF_FFFF_FFFF))
    system.thread_kill(thread)
    settle()
    assert BOARD.count == 0, "never woke"


def the_clock_never_goes_back() -> None:
    """clock_read never gives less than it gave before."""
    last = system.clock_read()
    for _ in U64.range(2000):
        now = system.clock_read()
        assert now >= last, "forward"
        last = now


def the_clock_moves() -> None:
    """clock_read grows while a program computes."""
    start = system.clock_read()
    for _ in U64.range(10_000):
        if system.clock_read() > start:
            return
    panic("it stands still")


def many_threads_sleep_at_once() -> None:
    """Fifty threads with deadlines of their own all wake."""
    for index in U64.range(50):
        run(code_address(_counter), settled(index * 7 % 50 + 1) // 5)
    system.thread_sleep(settled(U64(100)))
    assert BOARD.cells[0] == 50, "all"


def _counter(duration: U64) -> None:
    system.thread_sleep(duration)
    BOARD.cells[0] = BOARD.cells[0] + 1


def a_wait_for_signals_is_not_disturbed_by_other_deadlines() -> None:
    """The deadline of one thread does not wake another."""
    handle = notification()
    run(code_address(_sleeper), settled(U64(1)))
    deadline = system.clock_read() + settled(U64(20))
    assert _wait(handle, deadline) == TIMED_OUT, "its own deadline"
    assert system.clock_read() >= deadline, "not before"
