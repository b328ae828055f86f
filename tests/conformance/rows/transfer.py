"""Bytes and handles in messages

What lies in the message buffers of sender and receiver.
"""

from __future__ import annotations

from cloudos.abi import tags
from cloudos.abi.messages import MessageBuffer
from cloudos.abi.objects import Rights
from cloudos.lang import U8, U32, U64, Ptr, VirtAddr, code_address
from cloudos.sdk import ipc, system
from cloudos.sdk.ipc import Message
from cloudos.sdk.processes import Child
from tests.conformance.support import (
    BAD_ARGUMENT,
    BAD_HANDLE,
    BAD_STATE,
    BOARD,
    BUFFER,
    DENIED,
    MESSAGE_REPLY,
    MESSAGE_SEND,
    PAGE,
    QUOTA,
    WOULD_BLOCK,
    attempt,
    buffer_page,
    endpoint,
    message_error,
    notification,
    run,
    settle,
    weaker,
)

_set_buffer = attempt("thread_set_buffer")
_wait = attempt("notification_wait")
_signal = attempt("notification_signal")
LONGEST = tags.MAXIMUM_BYTES


def _own_buffer() -> MessageBuffer:
    """A message buffer for the calling thread, which has none."""
    address = buffer_page()
    system.thread_set_buffer(address)
    return Ptr.at(MessageBuffer, VirtAddr(address)).value


def _bytes(length: U64) -> U64:
    return length << tags.BYTES_SHIFT


def _handles(count: U64) -> U64:
    return count << tags.HANDLES_SHIFT


def _checksum_server(handle: U64) -> None:
    """Answer with the sum of the bytes that came, and send them back plus one."""
    buffer = _own_buffer()
    message = Message()
    ipc.receive(handle, message)
    while True:
        length = message.tag >> tags.BYTES_SHIFT & tags.BYTES_MASK
        total = U64(0)
        for index in U64.range(length):
            total = total + U64(buffer.data[index])
            buffer.data[index] = buffer.data[index].wrapping_add(1)
        message.words[0] = total
        message.tag = _bytes(length) | 1
        ipc.reply_and_receive(handle, message)


def _handle_taker(handle: U64) -> None:
    """Receive handles, and write down their numbers."""
    buffer = _own_buffer()
    message = Message()
    while True:
        ipc.receive(handle, message)
        for index in U64.range(message.tag >> tags.HANDLES_SHIFT & tags.HANDLES_MASK):
            BOARD.note(buffer.handles[index])


def _sent(handle: U64, first: U64, moves: U32) -> U64:
    """Send one handle; the error."""
    buffer = BUFFER.own()
    buffer.handles[0] = first
    buffer.moves = moves
    message = Message()
    message.tag = _handles(U64(1))
    return message_error(MESSAGE_SEND, handle, message)


def bytes_travel_in_a_call_and_its_reply() -> None:
    """Bytes of the message buffer reach the receiver's buffer, and those of the reply the caller's."""
    handle = endpoint()
    run(code_address(_checksum_server), handle)
    buffer = BUFFER.own()
    for index in U64.range(100):
        buffer.data[index] = U8(index)
    message = Message()
    message.tag = _bytes(U64(100))
    ipc.call(handle, message)
    assert message.words[0] == 4950 and message.tag >> tags.BYTES_SHIFT & tags.BYTES_MASK == 100, "sum and length"
    for index in U64.range(100):
        assert U64(buffer.data[index]) == index + 1, "bytes of the reply"


def four_thousand_and_thirty_two_bytes_are_the_most() -> None:
    """4,032 bytes travel in one message, every one of them."""
    handle = endpoint()
    run(code_address(_checksum_server), handle)
    buffer = BUFFER.own()
    for index in U64.range(LONGEST):
        buffer.data[index] = U8(index % 251)
    message = Message()
    message.tag = _bytes(U64(LONGEST))
    ipc.call(handle, message)
    for index in U64.range(LONGEST):
        assert U64(buffer.data[index]) == index % 251 + 1, "each byte"


def bytes_beyond_the_length_stay_as_they_are() -> None:
    """Only as many bytes are copied as the tag says: what lies after them in either buffer is not touched."""
    handle = endpoint()
    run(code_address(_checksum_server), handle)
    buffer = BUFFER.own()
    for index in U64.range(200):
        buffer.data[index] = U8(7)
    message = Message()
    message.tag = _bytes(U64(50))
    ipc.call(handle, message)
    assert buffer.data[49] == 8 and buffer.data[50] == 7, "the border"
    message.tag = _bytes(U64(60))
    for index in U64.range(60):
        buffer.data[index] = U8(0)
    ipc.call(handle, message)
    assert message.words[0] == 0, "none of the earlier bytes"


def bytes_cross_address_spaces() -> None:
    """Bytes reach a receiver in another process."""
    handle = endpoint()
    child = Child()
    child.make(QUOTA)
    child.start(code_address(_checksum_server), system.process_install(child.process, handle, U64(0), U64(0)))
    buffer = BUFFER.own()
    for index in U64.range(10):
        buffer.data[index] = U8(3)
    message = Message()
    message.tag = _bytes(U64(10))
    ipc.call(handle, message)
    assert message.words[0] == 30 and buffer.data[9] == 4, "there and back"


def bytes_need_a_buffer_on_the_other_side() -> None:
    """Bytes for a receiver without message buffer fail the sender with BadState; the receiver waits on."""
    handle = endpoint()
    run(code_address(_plain_receiver), handle)
    BUFFER.own()
    message = Message()
    message.tag = _bytes(U64(1))
    assert message_error(MESSAGE_SEND, handle, message) == BAD_STATE, "no buffer"
    settle()
    assert BOARD.count == 0, "nothing received"
    message.tag = U64(0)
    assert message_error(MESSAGE_SEND, handle, message) == 0, "words alone"
    settle()
    assert BOARD.count == 1, "received"


def _plain_receiver(handle: U64) -> None:
    message = Message()
    ipc.receive(handle, message)
    BOARD.note(message.tag)


def a_copied_handle_works_for_both() -> None:
    """A handle that is copied names the same object for the receiver under a number of its own, and stays."""
    handle = endpoint()
    run(code_address(_handle_taker), handle)
    signals = notification()
    assert _sent(handle, signals, U32(0)) == 0, "sent"
    settle()
    assert BOARD.count == 1 and BOARD.cells[0] != signals, "a number of its own"
    assert _signal(BOARD.cells[0], U64(1)) == 0, "the copy"
    assert system.notification_wait(signals, U64(0)) == 1, "the same object"


def a_moved_handle_is_gone() -> None:
    """A handle that is moved is stale for the sender, and works for the receiver."""
    handle = endpoint()
    run(code_address(_handle_taker), handle)
    signals = notification()
    assert _sent(handle, signals, U32(1)) == 0, "sent"
    settle()
    assert _signal(signals, U64(1)) == BAD_HANDLE, "stale"
    assert _signal(BOARD.cells[0], U64(1)) == 0, "moved"


def four_handles_travel_at_once() -> None:
    """Four handles travel in one message, in order, copied and moved ones side by side."""
    handle = endpoint()
    run(code_address(_handle_taker), handle)
    buffer = BUFFER.own()
    for index in U64.range(4):
        buffer.handles[index] = notification()
        system.notification_signal(buffer.handles[index], index + 1)
    buffer.moves = U32(0b1010)
    message = Message()
    message.tag = _handles(U64(4))
    assert message_error(MESSAGE_SEND, handle, message) == 0, "sent"
    settle()
    assert BOARD.count == 4, "four"
    for index in U64.range(4):
        assert system.notification_wait(BOARD.cells[index], U64(0)) == index + 1, "in order"
    assert _wait(buffer.handles[0], U64(0)) == WOULD_BLOCK, "copied"
    assert _wait(buffer.handles[1], U64(0)) == BAD_HANDLE, "moved"


def a_transferred_handle_has_the_same_rights() -> None:
    """The receiver's handle allows what the sender's did, no more."""
    handle = endpoint()
    run(code_address(_handle_taker), handle)
    signals = weaker(notification(), Rights.SIGNAL | Rights.DERIVE)
    assert _sent(handle, signals, U32(0)) == 0, "sent"
    settle()
    assert _signal(BOARD.cells[0], U64(1)) == 0, "signal"
    assert _wait(BOARD.cells[0], U64(0)) == DENIED, "wait"


def sending_handles_needs_the_right_to_grant() -> None:
    """Handles sent through an endpoint handle without GRANT are Denied, and the handle stays."""
    handle = endpoint()
    run(code_address(_handle_taker), handle)
    signals = notification()
    assert _sent(weaker(handle, Rights.SEND), signals, U32(1)) == DENIED, "no grant"
    assert _signal(signals, U64(1)) == 0, "stays"
    assert _sent(weaker(handle, Rights.SEND | Rights.GRANT), signals, U32(1)) == 0, "grant"


def copying_a_handle_needs_the_right_to_derive() -> None:
    """Copying a handle without DERIVE is Denied; moving it is not."""
    handle = endpoint()
    run(code_address(_handle_taker), handle)
    signals = weaker(notification(), Rights.SIGNAL)
    assert _sent(handle, signals, U32(0)) == DENIED, "copy"
    assert _sent(handle, signals, U32(1)) == 0, "move"


def a_handle_leaves_its_process_only_with_transfer() -> None:
    """A handle without TRANSFER does not go to another process, neither copied nor moved; one with it does."""
    handle = endpoint()
    child = Child()
    child.make(QUOTA)
    child.start(code_address(_handle_taker), system.process_install(child.process, handle, U64(0), U64(0)))
    settle()
    signals = weaker(notification(), Rights.SIGNAL | Rights.DERIVE)
    assert _sent(handle, signals, U32(0)) == DENIED, "copy"
    assert _sent(handle, signals, U32(1)) == DENIED, "move"
    assert _signal(signals, U64(1)) == 0, "stays"
    free = weaker(notification(), Rights.SIGNAL | Rights.DERIVE | Rights.TRANSFER)
    assert _sent(handle, free, U32(1)) == 0, "with the right"


def sending_no_handle_is_bad_handle() -> None:
    """A number among the handles that is none fails the whole message with BadHandle."""
    handle = endpoint()
    run(code_address(_handle_taker), handle)
    assert _sent(handle, U64(99), U32(0)) == BAD_HANDLE, "none"
    settle()
    assert BOARD.count == 0, "nothing received"


def all_handles_go_or_none() -> None:
    """When one of several handles cannot go, none does: those before it are neither moved nor copied."""
    handle = endpoint()
    run(code_address(_handle_taker), handle)
    buffer = BUFFER.own()
    signals = notification()
    buffer.handles[0] = signals
    buffer.handles[1] = U64(99)
    buffer.moves = U32(1)
    message = Message()
    message.tag = _handles(U64(2))
    assert message_error(MESSAGE_SEND, handle, message) == BAD_HANDLE, "the second"
    assert _signal(signals, U64(1)) == 0, "the first stays"
    settle()
    assert BOARD.count == 0, "nothing received"


def a_handle_is_not_moved_twice_in_one_message() -> None:
    """The same handle moved twice, or moved and copied, in one message is BadArgument."""
    handle = endpoint()
    run(code_address(_handle_taker), handle)
    buffer = BUFFER.own()
    signals = notification()
    buffer.handles[0] = signals
    buffer.handles[1] = signals
    message = Message()
    for moves in U32.range(1, 4):
        buffer.moves = moves
        message.tag = _handles(U64(2))
        assert message_error(MESSAGE_SEND, handle, message) == BAD_ARGUMENT, "refused"
    assert _signal(signals, U64(1)) == 0, "stays"


def a_handle_is_copied_twice_in_one_message() -> None:
    """The same handle copied twice in one message gives the receiver two handles."""
    handle = endpoint()
    run(code_address(_handle_taker), handle)
    buffer = BUFFER.own()
    signals = notification()
    buffer.handles[0] = signals
    buffer.handles[1] = signals
    buffer.moves = U32(0)
    message = Message()
    message.tag = _handles(U64(2))
    assert message_error(MESSAGE_SEND, handle, message) == 0, "sent"
    settle()
    assert BOARD.count == 2 and BOARD.cells[0] != BOARD.cells[1], "two"


def handles_come_with_a_reply() -> None:
    """A reply brings handles too; the caller finds them in its buffer."""
    handle = endpoint()
    run(code_address(_maker), handle)
    buffer = BUFFER.own()
    message = Message()
    ipc.call(handle, message)
    assert message.tag >> tags.HANDLES_SHIFT & tags.HANDLES_MASK == 1, "one handle"
    assert system.notification_wait(buffer.handles[0], U64(0)) == 6, "it works"


def _maker(handle: U64) -> None:
    """Answer each call with a notification that has signals."""
    buffer = _own_buffer()
    message = Message()
    ipc.receive(handle, message)
    while True:
        buffer.handles[0] = notification()
        buffer.moves = U32(1)
        system.notification_signal(buffer.handles[0], U64(6))
        message.tag = _handles(U64(1))
        ipc.reply_and_receive(handle, message)


def a_reply_handle_does_not_travel() -> None:
    """A reply handle in a message is Denied, also in the answer to its own caller, of the same process."""
    handle = endpoint()
    run(code_address(_caller_with_buffer), handle)
    buffer = BUFFER.own()
    message = Message()
    ipc.receive(handle, message)
    reply = message.reply
    buffer.handles[0] = reply
    buffer.moves = U32(1)
    message.tag = _handles(U64(1))
    assert message_error(MESSAGE_REPLY, reply, message) == DENIED, "it stays"
    message.tag = U64(0)
    ipc.reply(message)
    settle()
    assert BOARD.count == 1, "the caller has its answer, once"


def _caller_with_buffer(handle: U64) -> None:
    _own_buffer()
    message = Message()
    ipc.call(handle, message)
    BOARD.note(U64(1))


def a_transfer_to_oneself_waits_for_the_receiver() -> None:
    """Handles of a sender that comes first go over when the receiver comes: until then they are the sender's."""
    handle = endpoint()
    signals = notification()
    BOARD.cells[15] = signals
    run(code_address(_early_sender), handle)
    assert _signal(signals, U64(1)) == 0, "still the sender's"
    buffer = BUFFER.own()
    message = Message()
    ipc.receive(handle, message)
    assert _signal(signals, U64(1)) == BAD_HANDLE, "moved"
    assert system.notification_wait(buffer.handles[0], U64(0)) == 1, "here"


def _early_sender(handle: U64) -> None:
    buffer = _own_buffer()
    buffer.handles[0] = BOARD.cells[15]
    buffer.moves = U32(1)
    message = Message()
    message.tag = _handles(U64(1))
    ipc.send(handle, message)


def a_bad_message_of_a_waiting_sender_is_skipped() -> None:
    """A sender that waits with a handle it has lost meanwhile gets the error; the receiver gets the next message."""
    handle = endpoint()
    BOARD.cells[15] = U64(99)
    run(code_address(_early_sender_of_bad), handle)
    run(code_address(_plain_sender), handle)
    message = Message()
    ipc.receive(handle, message)
    assert message.words[0] == 55, "the next"
    settle()
    assert BOARD.cells[0] == BAD_HANDLE, "the error"


def _early_sender_of_bad(handle: U64) -> None:
    buffer = _own_buffer()
    buffer.handles[0] = U64(99)
    message = Message()
    message.tag = _handles(U64(1))
    BOARD.note(message_error(MESSAGE_SEND, handle, message))


def _plain_sender(handle: U64) -> None:
    message = Message()
    message.set(U64(0), U64(1))
    message.words[0] = U64(55)
    ipc.send(handle, message)


def a_thread_has_one_message_buffer() -> None:
    """thread_set_buffer for a thread that has a buffer is BadState."""
    BUFFER.own()
    assert _set_buffer(buffer_page()) == BAD_STATE, "one"


def a_message_buffer_takes_a_free_page() -> None:
    """thread_set_buffer at an address that is in use, no multiple of 4,096, or outside of user space is
    BadArgument."""
    run(code_address(_bad_buffers), U64(0))
    assert BOARD.count == 4, "tried"
    for index in U64.range(4):
        assert BOARD.cells[index] == BAD_ARGUMENT, "refused"


def _bad_buffers(argument: U64) -> None:
    BOARD.note(_set_buffer(system.memory_map(U64(PAGE))))
    BOARD.note(_set_buffer(buffer_page() + 8))
    BOARD.note(_set_buffer(argument))
    BOARD.note(_set_buffer(U64(0x8000_0000_0000)))


def a_new_message_buffer_is_zero() -> None:
    """A message buffer is all zeros at first."""
    run(code_address(_sum_of_buffer), U64(0))
    assert BOARD.count == 1 and BOARD.cells[0] == 0, "zeros"


def _sum_of_buffer(argument: U64) -> None:
    buffer = _own_buffer()
    total = buffer.deadline + argument
    for index in U64.range(LONGEST):
        total = total + U64(buffer.data[index])
    BOARD.note(total)


def a_message_buffer_goes_with_its_thread() -> None:
    """When a thread ends its message buffer is unmapped, and the page is free for another."""
    run(code_address(_report_buffer), U64(0))
    assert BOARD.count == 1, "made"
    BOARD.note(BOARD.cells[0])
    run(code_address(_buffer_at), BOARD.cells[0])
    assert BOARD.count == 3 and BOARD.cells[2] == 0, "free again"


def _report_buffer(argument: U64) -> None:
    address = buffer_page() + argument
    system.thread_set_buffer(address)
    BOARD.note(address)


def _buffer_at(address: U64) -> None:
    BOARD.note(_set_buffer(address))


def a_message_buffer_is_not_given_back_by_hand() -> None:
    """memory_unmap of a message buffer is BadArgument: it is the kernel's to take away."""
    run(code_address(_unmap_buffer), U64(0))
    assert BOARD.count == 1 and BOARD.cells[0] == BAD_ARGUMENT, "refused"


_unmap = attempt("memory_unmap")


def _unmap_buffer(argument: U64) -> None:
    address = buffer_page() + argument
    system.thread_set_buffer(address)
    BOARD.note(_unmap(address, U64(PAGE)))
