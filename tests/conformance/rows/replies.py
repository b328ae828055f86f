"""Replies

Each call gives its receiver a handle that answers once.
"""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U64, Array, code_address, place, struct
from cloudos.sdk import ipc, system
from cloudos.sdk.ipc import Message
from cloudos.sdk.processes import Child
from tests.conformance.support import (
    BAD_HANDLE,
    BOARD,
    DENIED,
    MESSAGE_CALL,
    MESSAGE_REPLY,
    MESSAGE_REPLY_RECEIVE,
    MESSAGE_SEND,
    PEER_GONE,
    PROCESS,
    QUOTA,
    WRONG_KIND,
    attempt,
    badged,
    endpoint,
    message_error,
    notification,
    run,
    settle,
)

_install = attempt("process_install")


@struct
class Chain:
    """The endpoint that `_relay` calls."""

    inner: U64 = U64(0)


CHAIN = place(Chain())


def _caller(handle: U64) -> None:
    """Call, and write down the first word of the reply."""
    message = Message()
    message.set(U64(0), U64(1))
    error = message_error(MESSAGE_CALL, handle, message)
    BOARD.note(message.words[0] if error == 0 else error + 1000)


def _received(handle: U64) -> Message:
    message = Message()
    ipc.receive(handle, message)
    return message


def _answer(reply: U64, word: U64) -> U64:
    """Reply with a word; the error."""
    message = Message()
    message.set(U64(0), U64(1))
    message.words[0] = word
    return message_error(MESSAGE_REPLY, reply, message)


def a_reply_handle_answers_once() -> None:
    """A reply handle is used up by replying: a second reply is BadHandle."""
    handle = endpoint()
    run(code_address(_caller), handle)
    reply = _received(handle).reply
    assert _answer(reply, U64(5)) == 0, "first"
    assert _answer(reply, U64(6)) == BAD_HANDLE, "second"
    settle()
    assert BOARD.count == 1 and BOARD.cells[0] == 5, "one reply"


def a_caller_waits_for_the_reply() -> None:
    """A call that was received waits until it is answered."""
    handle = endpoint()
    run(code_address(_caller), handle)
    reply = _received(handle).reply
    settle()
    assert BOARD.count == 0, "waits"
    _answer(reply, U64(1))
    settle()
    assert BOARD.count == 1, "answered"


def replies_may_be_deferred() -> None:
    """A server may hold several calls and answer them in any order, each to its own caller."""
    handle = endpoint()
    for badge in U64.range(1, 5):
        run(code_address(_caller), badged(handle, badge))
    replies = Array[U64, Literal[4]]()
    for index in U64.range(4):
        message = _received(handle)
        assert message.badge == index + 1, "in order"
        replies[index] = message.reply
    for index in U64.range(4):
        _answer(replies[3 - index], 10 + index)
        settle()
        assert BOARD.count == index + 1 and BOARD.cells[index] == 10 + index, "each its own"


def reply_handles_of_calls_differ() -> None:
    """Two calls that are held at the same time have different reply handles."""
    handle = endpoint()
    run(code_address(_caller), handle)
    run(code_address(_caller), handle)
    first = _received(handle).reply
    second = _received(handle).reply
    assert first != second and first != 0 and second != 0, "different"


def a_reply_handle_is_not_used_again() -> None:
    """The reply handle of a later call differs from every earlier one."""
    handle = endpoint()
    run(code_address(_many_calls), handle)
    last = U64(0)
    for _ in U64.range(100):
        message = _received(handle)
        assert message.reply != last, "a new number"
        last = message.reply
        _answer(last, U64(0))


def _many_calls(handle: U64) -> None:
    message = Message()
    for _ in U64.range(100):
        ipc.call(handle, message)


def another_thread_may_reply() -> None:
    """A reply handle belongs to the process: another of its threads may answer."""
    handle = endpoint()
    run(code_address(_caller), handle)
    run(code_address(_answer_two), _received(handle).reply)
    assert BOARD.count == 1 and BOARD.cells[0] == 2, "answered"


def _answer_two(reply: U64) -> None:
    _answer(reply, U64(2))


def a_reply_handle_cannot_be_derived() -> None:
    """A reply handle has no DERIVE: deriving from it is Denied, and it still answers."""
    handle = endpoint()
    run(code_address(_caller), handle)
    reply = _received(handle).reply
    assert _install(PROCESS, reply, U64(0), U64(0)) == DENIED, "derive"
    assert _answer(reply, U64(1)) == 0, "answers"


def a_reply_handle_is_no_endpoint() -> None:
    """Sending or calling through a reply handle is WrongKind."""
    handle = endpoint()
    run(code_address(_caller), handle)
    reply = _received(handle).reply
    message = Message()
    assert message_error(MESSAGE_SEND, reply, message) == WRONG_KIND, "send"
    assert message_error(MESSAGE_CALL, reply, message) == WRONG_KIND, "call"


def only_reply_handles_reply() -> None:
    """message_reply through a handle of another kind is WrongKind, through none BadHandle."""
    assert _answer(notification(), U64(0)) == WRONG_KIND, "notification"
    assert _answer(endpoint(), U64(0)) == WRONG_KIND, "endpoint"
    assert _answer(U64(0), U64(0)) == BAD_HANDLE, "none"


def reply_receive_without_reply_receives() -> None:
    """message_reply_receive with 0 for the reply only receives."""
    handle = endpoint()
    run(code_address(_caller), badged(handle, U64(3)))
    message = Message()
    ipc.reply_and_receive(handle, message)
    assert message.badge == 3 and message.reply != 0, "received"


def reply_receive_answers_and_receives() -> None:
    """message_reply_receive answers the one call and returns the next."""
    handle = endpoint()
    run(code_address(_caller), badged(handle, U64(1)))
    run(code_address(_caller), badged(handle, U64(2)))
    message = _received(handle)
    message.set(U64(0), U64(1))
    message.words[0] = U64(77)
    ipc.reply_and_receive(handle, message)
    assert message.badge == 2, "the next"
    settle()
    assert BOARD.count == 1 and BOARD.cells[0] == 77, "the first is answered"


def reply_receive_with_a_bad_reply_receives_nothing() -> None:
    """message_reply_receive with a reply handle that is none fails with BadHandle, another kind with WrongKind;
    the waiting message stays."""
    handle = endpoint()
    run(code_address(_caller), handle)
    message = Message()
    message.reply = U64(12345)
    assert message_error(MESSAGE_REPLY_RECEIVE, handle, message) == BAD_HANDLE, "none"
    message.reply = handle
    assert message_error(MESSAGE_REPLY_RECEIVE, handle, message) == WRONG_KIND, "kind"
    assert _received(handle).reply != 0, "still there"


def a_killed_caller_takes_its_reply_handle_along() -> None:
    """When the caller is killed its reply handle goes with it: BadHandle, and the server lives on."""
    handle = endpoint()
    thread = run(code_address(_caller), handle)
    reply = _received(handle).reply
    system.thread_kill(thread)
    assert _answer(reply, U64(1)) == BAD_HANDLE, "no caller"
    settle()
    assert BOARD.count == 0, "the dead do not run"


def a_call_outlives_the_thread_that_received_it() -> None:
    """When the receiving thread is killed its process still has the reply handle, and may answer."""
    handle = endpoint()
    thread = run(code_address(_holder), handle)
    run(code_address(_caller), handle)
    assert BOARD.count == 1, "received"
    system.thread_kill(thread)
    settle()
    assert BOARD.count == 1, "still waits"
    assert _answer(BOARD.cells[0], U64(8)) == 0, "answers"
    settle()
    assert BOARD.count == 2 and BOARD.cells[1] == 8, "answered"


def _holder(handle: U64) -> None:
    """Receive a call, write down its reply handle, and do nothing more."""
    BOARD.note(_received(handle).reply)
    system.thread_sleep(U64(1 << 60))


def _holder_elsewhere(handle: U64) -> None:
    _received(handle)
    system.thread_sleep(U64(1 << 60))


def a_server_process_that_dies_fails_the_calls_it_holds() -> None:
    """When the process that holds a reply handle ends, the caller gets PeerGone."""
    handle = endpoint()
    child = Child()
    child.make(QUOTA)
    child.start(code_address(_holder_elsewhere), system.process_install(child.process, handle, U64(0), U64(0)))
    run(code_address(_caller), handle)
    assert BOARD.count == 0, "held"
    system.process_kill(child.process)
    settle()
    assert BOARD.count == 1 and BOARD.cells[0] == 1000 + PEER_GONE, "PeerGone"


def a_server_process_that_dies_leaves_queued_calls() -> None:
    """Calls that wait at an endpoint which others can receive from are not failed when one server process ends."""
    handle = endpoint()
    child = Child()
    child.make(QUOTA)
    child.start(code_address(_holder_elsewhere), system.process_install(child.process, handle, U64(0), U64(0)))
    run(code_address(_caller), badged(handle, U64(1)))
    run(code_address(_caller), badged(handle, U64(2)))
    system.process_kill(child.process)
    settle()
    assert BOARD.count == 1, "only the one in flight"
    message = _received(handle)
    assert message.badge == 2, "the queued one"
    assert _answer(message.reply, U64(4)) == 0, "answer"
    settle()
    assert BOARD.count == 2 and BOARD.cells[1] == 4, "answered"


def replies_cross_address_spaces() -> None:
    """A call to another process is answered with that process's words."""
    handle = endpoint()
    child = Child()
    child.make(QUOTA)
    child.start(code_address(_incrementer), system.process_install(child.process, handle, U64(0), U64(0)))
    message = Message()
    for value in U64.range(10):
        message.set(U64(0), U64(1))
        message.words[0] = value
        ipc.call(handle, message)
        assert message.words[0] == value + 1, "one more"


def _incrementer(handle: U64) -> None:
    message = Message()
    ipc.receive(handle, message)
    while True:
        message.words[0] = message.words[0] + 1
        ipc.reply_and_receive(handle, message)


def a_server_may_call_another() -> None:
    """Calls nest: a server that calls another while it serves answers its own caller afterwards."""
    outer = endpoint()
    inner = endpoint()
    CHAIN.inner = inner
    run(code_address(_incrementer), inner)
    run(code_address(_relay), outer)
    message = Message()
    message.set(U64(0), U64(1))
    message.words[0] = U64(40)
    ipc.call(outer, message)
    assert message.words[0] == 42, "both"


def _relay(handle: U64) -> None:
    """Pass every call on, and add one to the answer."""
    message = Message()
    request = Message()
    ipc.receive(handle, message)
    while True:
        request.set(U64(0), U64(1))
        request.words[0] = message.words[0]
        ipc.call(CHAIN.inner, request)
        message.words[0] = request.words[0] + 1
        ipc.reply_and_receive(handle, message)
