"""Messages

Tag, eight words and badge; who waits for whom.
"""

from __future__ import annotations

from cloudos.abi import tags
from cloudos.abi.objects import Rights
from cloudos.lang import U64, code_address
from cloudos.sdk import ipc, system
from cloudos.sdk.ipc import Message
from tests.conformance.support import (
    BAD_ARGUMENT,
    BAD_HANDLE,
    BOARD,
    DENIED,
    MESSAGE_CALL,
    MESSAGE_RECEIVE,
    MESSAGE_REPLY_RECEIVE,
    MESSAGE_SEND,
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
    weaker,
)

_install = attempt("process_install")
_create = attempt("endpoint_create")


def _note_message(message: Message) -> None:
    """Badge, tag and words."""
    BOARD.note(message.badge)
    BOARD.note(message.tag)
    for index in U64.range(8):
        BOARD.note(message.words[index])


def _receiver(handle: U64) -> None:
    """Receive once and write down what came."""
    message = Message()
    ipc.receive(handle, message)
    _note_message(message)
    BOARD.note(message.reply)


def _receiver_of_words(handle: U64) -> None:
    """Receive twice; write down the first word."""
    message = Message()
    for _ in U64.range(2):
        ipc.receive(handle, message)
        BOARD.note(message.words[0])


def _receiver_of_badges(handle: U64) -> None:
    message = Message()
    for _ in U64.range(4):
        ipc.receive(handle, message)
        BOARD.note(message.badge)


def _doubler(handle: U64) -> None:
    """Answer every call with its words doubled, its label plus one, and one word less."""
    message = Message()
    ipc.receive(handle, message)
    while True:
        for index in U64.range(8):
            message.words[index] = message.words[index] * 2
        message.tag = (message.label + 1) << tags.LABEL_SHIFT | (message.tag & 15) - 1
        ipc.reply_and_receive(handle, message)


def _sender(handle: U64) -> None:
    """Send the number of its handle."""
    message = Message()
    message.set(U64(0), U64(1))
    message.words[0] = handle
    ipc.send(handle, message)
    BOARD.note(U64(100))


def _numbered(number: U64) -> Message:
    message = Message()
    message.set(number, U64(8))
    for index in U64.range(8):
        message.words[index] = number + index
    return message


def a_call_brings_the_reply() -> None:
    """A call ends with the reply: its words replace those of the request."""
    handle = endpoint()
    run(code_address(_doubler), handle)
    message = _numbered(U64(10))
    ipc.call(handle, message)
    assert message.words[0] == 20, "the first word"


def all_eight_words_travel_both_ways() -> None:
    """All eight words reach the server and come back, on the fast path."""
    handle = endpoint()
    run(code_address(_doubler), handle)
    message = _numbered(U64(1000))
    ipc.call(handle, message)
    for index in U64.range(8):
        assert message.words[index] == 2000 + 2 * index, "each word"


def all_eight_words_travel_when_the_caller_comes_first() -> None:
    """All eight words travel as well when the caller waits for its server, on the slow path."""
    handle = endpoint()
    run(code_address(_caller), handle)
    run(code_address(_doubler), handle)
    assert BOARD.count == 8, "answered"
    for index in U64.range(8):
        assert BOARD.cells[index] == 14 + 2 * index, "each word"


def _caller(handle: U64) -> None:
    message = _numbered(U64(7))
    ipc.call(handle, message)
    for index in U64.range(8):
        BOARD.note(message.words[index])


def label_and_number_of_words_travel() -> None:
    """Label and number of words in the tag travel unchanged in both directions."""
    handle = endpoint()
    run(code_address(_doubler), handle)
    message = Message()
    message.set(U64(0xFFFF_FFFE), U64(3))
    ipc.call(handle, message)
    assert message.label == 0xFFFF_FFFF and message.tag & 15 == 2, "the tag of the reply"


def the_receiver_sees_the_badge_of_the_handle() -> None:
    """A message carries the badge of the handle that it was sent through; one without badge, 0."""
    handle = endpoint()
    run(code_address(_receiver_of_badges), handle)
    message = Message()
    for badge in U64.range(3):
        message.set(U64(0), U64(0))
        ipc.send(badged(handle, badge) if badge != 0 else handle, message)
        settle()
    assert BOARD.count == 3, "received"
    assert BOARD.cells[0] == 0 and BOARD.cells[1] == 1 and BOARD.cells[2] == 2, "badges"


def a_badge_has_64_bits() -> None:
    """Badges are 64-bit numbers."""
    handle = endpoint()
    run(code_address(_receiver), handle)
    message = Message()
    ipc.send(badged(handle, U64(0xFEDC_BA98_7654_3210)), message)
    settle()
    assert BOARD.cells[0] == 0xFEDC_BA98_7654_3210, "badge"


def a_badge_cannot_be_changed() -> None:
    """What is derived from a badged handle keeps its badge; another one is Denied."""
    handle = badged(endpoint(), U64(7))
    assert _install(PROCESS, handle, U64(0), U64(8)) == DENIED, "another"
    assert _install(PROCESS, handle, U64(0), U64(7)) == 0, "the same"


def a_badge_is_inherited() -> None:
    """A handle derived without a badge of its own has that of its source."""
    handle = endpoint()
    run(code_address(_receiver), handle)
    message = Message()
    ipc.send(weaker(badged(handle, U64(9)), Rights.SEND), message)
    settle()
    assert BOARD.cells[0] == 9, "badge"


def a_reply_shows_no_badge_and_no_reply_handle() -> None:
    """The caller sees badge 0 and no reply handle with its reply."""
    handle = endpoint()
    run(code_address(_doubler), handle)
    message = _numbered(U64(1))
    ipc.call(badged(handle, U64(77)), message)
    assert message.badge == 0 and message.reply == 0, "no badge, no handle"


def a_send_brings_no_reply_handle() -> None:
    """The receiver of a message that was sent, not called, gets no reply handle."""
    handle = endpoint()
    run(code_address(_receiver), handle)
    ipc.send(handle, _numbered(U64(5)))
    settle()
    assert BOARD.count == 11 and BOARD.cells[10] == 0, "no handle"
    assert BOARD.cells[2] == 5 and BOARD.cells[9] == 12, "words"


def a_send_waits_for_its_receiver() -> None:
    """A send ends when the message is received, not before."""
    handle = endpoint()
    run(code_address(_sender), handle)
    assert BOARD.count == 0, "waits"
    message = Message()
    ipc.receive(handle, message)
    assert message.words[0] == handle, "received"
    settle()
    assert BOARD.count == 1, "goes on"


def a_send_to_a_waiting_receiver_ends_at_once() -> None:
    """A send to a thread that waits for it does not wait itself, and leaves the sender's words as they were."""
    handle = endpoint()
    run(code_address(_receiver), handle)
    message = _numbered(U64(3))
    ipc.send(handle, message)
    assert message.tag == U64(3) << 32 | 8, "tag"
    settle()
    assert BOARD.cells[1] == U64(3) << 32 | 8, "received"


def senders_are_received_in_order() -> None:
    """Of several that wait to send, the first to come is received first."""
    handle = endpoint()
    first = badged(handle, U64(1))
    second = badged(handle, U64(2))
    run(code_address(_sender), first)
    run(code_address(_sender), second)
    message = Message()
    ipc.receive(handle, message)
    assert message.badge == 1, "first"
    ipc.receive(handle, message)
    assert message.badge == 2, "second"


def receivers_are_served_in_order() -> None:
    """Of several that wait to receive, the first to come gets the first message."""
    handle = endpoint()
    run(code_address(_receiver), handle)
    run(code_address(_receiver_of_words), handle)
    message = Message()
    message.set(U64(1), U64(1))
    message.words[0] = U64(50)
    ipc.send(handle, message)
    settle()
    assert BOARD.count == 11, "the first receiver"


def a_message_is_received_once() -> None:
    """Two messages reach two receives, one each: none is lost or doubled."""
    handle = endpoint()
    run(code_address(_receiver_of_words), handle)
    message = Message()
    for value in U64.range(2):
        message.set(U64(0), U64(1))
        message.words[0] = value + 30
        ipc.send(handle, message)
    settle()
    assert BOARD.count == 2 and BOARD.cells[0] == 30 and BOARD.cells[1] == 31, "each once"


def a_killed_sender_is_not_received() -> None:
    """The message of a sender that was killed while it waited is not received; the next one is."""
    handle = endpoint()
    thread = run(code_address(_sender), badged(handle, U64(1)))
    run(code_address(_sender), badged(handle, U64(2)))
    system.thread_kill(thread)
    message = Message()
    ipc.receive(handle, message)
    assert message.badge == 2, "the living"


def a_killed_receiver_gets_nothing() -> None:
    """A message for a receiver that was killed goes to the next."""
    handle = endpoint()
    thread = run(code_address(_receiver), handle)
    run(code_address(_receiver_of_words), handle)
    system.thread_kill(thread)
    message = Message()
    message.set(U64(0), U64(1))
    ipc.send(handle, message)
    settle()
    assert BOARD.count == 1, "the living"


def calling_needs_the_right_to_send() -> None:
    """message_call through a handle without SEND is Denied."""
    message = Message()
    handle = weaker(endpoint(), Rights.RECEIVE)
    assert message_error(MESSAGE_CALL, handle, message) == DENIED, "call"


def sending_needs_the_right_to_send() -> None:
    """message_send through a handle without SEND is Denied."""
    message = Message()
    handle = weaker(endpoint(), Rights.RECEIVE)
    assert message_error(MESSAGE_SEND, handle, message) == DENIED, "send"


def receiving_needs_the_right_to_receive() -> None:
    """message_receive and message_reply_receive through a handle without RECEIVE are Denied."""
    message = Message()
    handle = weaker(endpoint(), Rights.SEND)
    assert message_error(MESSAGE_RECEIVE, handle, message) == DENIED, "receive"
    assert message_error(MESSAGE_REPLY_RECEIVE, handle, message) == DENIED, "reply_receive"


def one_right_is_enough_for_each_side() -> None:
    """SEND alone is enough to call, RECEIVE alone to serve."""
    handle = endpoint()
    run(code_address(_doubler), weaker(handle, Rights.RECEIVE))
    message = _numbered(U64(4))
    ipc.call(weaker(handle, Rights.SEND), message)
    assert message.words[0] == 8, "answered"


def only_endpoints_carry_messages() -> None:
    """A handle of another kind is WrongKind for call, send, receive and reply_receive."""
    message = Message()
    other = notification()
    assert message_error(MESSAGE_CALL, other, message) == WRONG_KIND, "call"
    assert message_error(MESSAGE_SEND, other, message) == WRONG_KIND, "send"
    assert message_error(MESSAGE_RECEIVE, other, message) == WRONG_KIND, "receive"
    assert message_error(MESSAGE_REPLY_RECEIVE, other, message) == WRONG_KIND, "reply_receive"


def no_handle_no_message() -> None:
    """A number that is no handle is BadHandle for call, send, receive and reply_receive."""
    message = Message()
    for handle in U64.range(0xFFFF_FFFF_FFFF_FFF0, 0xFFFF_FFFF_FFFF_FFFF, 7):
        assert message_error(MESSAGE_CALL, handle, message) == BAD_HANDLE, "call"
        assert message_error(MESSAGE_SEND, handle, message) == BAD_HANDLE, "send"
        assert message_error(MESSAGE_RECEIVE, handle, message) == BAD_HANDLE, "receive"
        assert message_error(MESSAGE_REPLY_RECEIVE, handle, message) == BAD_HANDLE, "reply_receive"


def _refused(tag: U64) -> None:
    """Neither a call nor a send may have this tag, and a receiver does not see it."""
    handle = endpoint()
    run(code_address(_receiver), handle)
    message = Message()
    message.tag = tag
    assert message_error(MESSAGE_CALL, handle, message) == BAD_ARGUMENT, "call"
    assert message_error(MESSAGE_SEND, handle, message) == BAD_ARGUMENT, "send"
    settle()
    assert BOARD.count == 0, "nothing received"


def at_most_eight_words() -> None:
    """A tag of more than eight words is BadArgument, also when a receiver waits."""
    _refused(U64(9))
    _refused(U64(15))


def at_most_four_handles() -> None:
    """A tag of more than four handles is BadArgument."""
    _refused(U64(5 << tags.HANDLES_SHIFT))


def at_most_4032_bytes() -> None:
    """A tag of more than 4,032 bytes is BadArgument."""
    _refused(U64((tags.MAXIMUM_BYTES + 1) << tags.BYTES_SHIFT))


def no_program_speaks_as_the_kernel() -> None:
    """A tag with the mark of the kernel's messages is BadArgument."""
    _refused(U64(tags.FROM_KERNEL))


def reserved_bits_of_a_tag_are_refused() -> None:
    """A tag with a reserved bit is BadArgument."""
    _refused(U64(1 << 21))
    _refused(U64(1 << 31))


def handles_bytes_and_deadlines_need_a_buffer() -> None:
    """A thread without message buffer that sends handles or bytes, or names a deadline, gets BadArgument."""
    handle = endpoint()
    run(code_address(_without_buffer), handle)
    assert BOARD.count == 3, "answered"
    for index in U64.range(3):
        assert BOARD.cells[index] == BAD_ARGUMENT, "refused"


def _without_buffer(handle: U64) -> None:
    message = Message()
    message.tag = U64(1 << tags.HANDLES_SHIFT)
    BOARD.note(message_error(MESSAGE_SEND, handle, message))
    message.tag = U64(1 << tags.BYTES_SHIFT)
    BOARD.note(message_error(MESSAGE_SEND, handle, message))
    message.tag = U64(tags.DEADLINE)
    BOARD.note(message_error(MESSAGE_RECEIVE, handle, message))


def a_receive_has_only_a_deadline() -> None:
    """message_receive with words, handles or a label in its tag is BadArgument."""
    handle = endpoint()
    message = Message()
    message.tag = U64(1)
    assert message_error(MESSAGE_RECEIVE, handle, message) == BAD_ARGUMENT, "words"
    message.tag = U64(1 << tags.HANDLES_SHIFT)
    assert message_error(MESSAGE_RECEIVE, handle, message) == BAD_ARGUMENT, "handles"
    message.tag = U64(1 << tags.LABEL_SHIFT)
    assert message_error(MESSAGE_RECEIVE, handle, message) == BAD_ARGUMENT, "label"


def creating_an_endpoint_needs_a_quota_to_spend() -> None:
    """endpoint_create needs a quota with ALLOCATE: Denied without, WrongKind for another object, BadHandle for none."""
    assert _create(weaker(QUOTA, Rights.INSPECT)) == DENIED, "right"
    assert _create(notification()) == WRONG_KIND, "kind"
    assert _create(U64(0)) == BAD_HANDLE, "handle"


def endpoints_are_apart() -> None:
    """A message sent to one endpoint is not received from another."""
    first = endpoint()
    second = endpoint()
    run(code_address(_receiver), first)
    run(code_address(_sender), second)
    assert BOARD.count == 0, "neither goes on"
