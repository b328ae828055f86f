"""What messages of each kind cost, and notifications, in instructions.

Run by `cloudos bench`. Prints one line per measure: its key and the average; docs/benchmarks.md says what each
contains.
"""

from __future__ import annotations

from typing import Literal

from bench.calls import (
    ROUNDS,
    UNCOUNTED,
    call_words,
    child_of,
    clocked_sink,
    measured,
    one_way,
    reply_receive_words,
)
from bench.counter import cycles
from cloudos.abi import initial, tags
from cloudos.abi.messages import NEVER
from cloudos.abi.objects import ALL_RIGHTS_BITS
from cloudos.lang import U64, Array, code_address, place, struct, zeroed
from cloudos.sdk import ipc, system, transport
from cloudos.sdk.ipc import Message
from cloudos.sdk.processes import Child
from cloudos.sdk.threads import start

BYTES = tags.MAXIMUM_BYTES << tags.BYTES_SHIFT
ONE_HANDLE = 1 << tags.HANDLES_SHIFT


@struct
class Pair:
    """The two notifications of a round trip between threads of one process."""

    handles: Array[U64, Literal[2]] = zeroed()


PAIR = place(Pair())


def echo_nothing(endpoint: U64) -> None:
    """Answer every call with a message of no words."""
    reply = U64(0)
    while True:
        error, _word, _tag, _badge, handle = reply_receive_words(endpoint, U64(0), U64(0), reply)
        assert error == 0
        reply = handle


def without_words(endpoint: U64) -> None:
    """Call the server that answers with nothing."""
    begin = U64(0)
    for index in U64.range(ROUNDS + UNCOUNTED):
        if index == UNCOUNTED:
            begin = cycles()
        error, _word, _tag, _badge, _handle = call_words(endpoint, U64(0), U64(0))
        assert error == 0, "no reply"
    measured("round_trip_0_words", begin, U64(ROUNDS))


def echo_all(endpoint: U64) -> None:
    """Answer every message with the same again: its words, and bytes when it had some. A handle is closed."""
    transport.attach()
    message = Message()
    ipc.receive(endpoint, message)
    while True:
        if message.tag & (tags.HANDLES_MASK << tags.HANDLES_SHIFT) != 0:
            system.handle_close(transport.buffer().handles[0])
            message.tag = U64(0)
        ipc.reply_and_receive(endpoint, message)


def with_cargo(name: str, endpoint: U64, tag: U64, handle: U64) -> None:
    """Through the calls of the SDK, which load and store all eight words."""
    message = Message()
    begin = U64(0)
    for index in U64.range(ROUNDS + UNCOUNTED):
        if index == UNCOUNTED:
            begin = cycles()
        message.tag = tag
        message.words[7] = index
        if handle != 0:
            transport.buffer().handles[0] = handle
        ipc.call(endpoint, message)
        assert message.words[7] == index, "wrong reply"
    measured(name, begin, U64(ROUNDS))


def signals_to_oneself(bell: U64) -> None:
    """Set a signal, and take it."""
    begin = cycles()
    for _ in U64.range(ROUNDS):
        system.notification_signal(bell, U64(1))
        system.notification_wait(bell, U64(0))
    measured("notification_signal_and_wait", begin, U64(ROUNDS))


def answer_signals(there: U64, back: U64) -> None:
    """Wait for a signal, and set one."""
    while True:
        system.notification_wait(there, U64(NEVER))
        system.notification_signal(back, U64(1))


def answering_thread(argument: U64) -> None:
    """Of the same process."""
    answer_signals(PAIR.handles[0], PAIR.handles[1])


def answering_process(there: U64) -> None:
    """With two handles, of which the second was installed next."""
    answer_signals(there, there + 1)


def signals(name: str) -> None:
    """Set a signal for another thread, which waits, and wait for the one that it sets then."""
    there, back = PAIR.handles[0], PAIR.handles[1]
    begin = U64(0)
    for index in U64.range(ROUNDS + UNCOUNTED):
        if index == UNCOUNTED:
            begin = cycles()
        system.notification_signal(there, U64(1))
        system.notification_wait(back, U64(NEVER))
    measured(name, begin, U64(ROUNDS))


def notifications(quota: U64) -> None:
    """All measures of notifications."""
    for index in U64.range(2):
        PAIR.handles[index] = system.notification_create(quota)
    signals_to_oneself(PAIR.handles[0])
    thread = start(code_address(answering_thread), U64(0))
    signals("notification_round_trip_same_space")
    system.thread_kill(thread)
    child = Child()
    child.make(quota)
    there = system.process_install(child.process, PAIR.handles[0], U64(0), U64(0))
    back = system.process_install(child.process, PAIR.handles[1], U64(0), U64(0))
    assert back == there + 1, "handles are numbered in order"
    child.start(code_address(answering_process), there)
    signals("notification_round_trip_other_space")


def main() -> None:
    quota = U64(initial.QUOTA)
    transport.attach()
    near = system.endpoint_create(quota)
    start(code_address(clocked_sink), near)
    one_way("message_one_way_same_space", near)
    silent = system.endpoint_create(quota)
    child_of(code_address(echo_nothing), silent)
    without_words(silent)
    endpoint = system.endpoint_create(quota)
    child_of(code_address(echo_all), endpoint)
    with_cargo("round_trip_8_words", endpoint, U64(8), U64(0))
    with_cargo("round_trip_4_kb", endpoint, U64(BYTES | 8), U64(0))
    with_cargo("round_trip_handle", endpoint, U64(ONE_HANDLE | 8), weaker(quota))
    notifications(quota)


def weaker(quota: U64) -> U64:
    """A handle to give away."""
    return system.handle_derive(system.notification_create(quota), U64(ALL_RIGHTS_BITS), U64(0))
