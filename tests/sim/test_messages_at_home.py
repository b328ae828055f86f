"""Messages that carry bytes and have deadlines, while each processor keeps to what belongs to it.

As in `test_processors.py`, each seed is one interleaving, and all accesses are looked at.
"""

from __future__ import annotations

from typing import Any

import pytest

from cloudos.abi import initial, tags
from cloudos.abi.errors import Denied, TimedOut, WouldBlock
from cloudos.abi.messages import MessageBuffer
from cloudos.abi.objects import ALL_OPERATIONS, Event, Operation
from cloudos.lang import offset_of
from tests.sim import programs
from tests.sim.ownership import replaced
from tests.sim.several import SEEDS, counted_alone, for_messages, is_noticed, look, switched_off
from tests.sim.test_processors import packed, unpacked
from tests.sim.world import kernel_module, user

succeed, start_thread = user.succeed, programs.start_thread
AUDIT, MESSAGE, WAITING = (kernel_module(name) for name in ("security.audit", "objects.message", "objects.waiting"))
DISPATCH = kernel_module("dispatch")
PAGE = 4096
DEADLINE, DATA = (int(offset_of(MessageBuffer, name)) for name in ("deadline", "data"))
LENGTH = 24
LATE = (TimedOut.code, WouldBlock.code)
PAIRS = 3


def content(number: int) -> bytes:
    return number.to_bytes(2, "little").ljust(LENGTH, b"\xa5")


def prepared(buffer: int, tag: int, number: int, patience: int) -> programs.Steps:
    """Fill a message buffer as the tag says."""
    if tag & tags.DEADLINE:
        until = (yield from succeed("clock_read")) + patience
        yield user.Write(buffer + DEADLINE, until.to_bytes(8, "little"))
    if tag & tags.BYTES_MASK << tags.BYTES_SHIFT:
        yield user.Write(buffer + DATA, content(number))
    return 0


def check(buffer: int, message: Any, number: int) -> programs.Steps:
    """What arrived is whole."""
    if message.tag & tags.BYTES_MASK << tags.BYTES_SHIFT:
        assert (yield user.Read(buffer + DATA, LENGTH)) == content(number), "other bytes"
    return 0


BYTES = LENGTH << tags.BYTES_SHIFT
KINDS = (0, BYTES, tags.DEADLINE, BYTES | tags.DEADLINE)


def server(argument: int, _: int) -> user.UserCode:
    """Answers, in all ways; bound to the bell when its number is odd."""
    endpoint, bell, number, _ = unpacked(argument, 4)
    buffer = programs.BUFFERS + (number & 0xFF) * PAGE
    yield from succeed("thread_set_buffer", buffer)
    if number & 1:
        yield from succeed("thread_bind", bell)
    reply, turn, last = 0, 0, 0
    while True:
        turn += 1
        tag = KINDS[turn % 4]
        yield from prepared(buffer, tag, last + 1, 30_000)
        if turn % 3 and reply:
            answer = user.message("message_reply_receive", endpoint, tag, words=(last + 1,), reply=reply)
        elif reply:
            # Whoever has called may have given up.
            yield user.message("message_reply", reply, tag & ~tags.DEADLINE, words=(last + 1,))
            answer = user.message("message_receive", endpoint, tag & tags.DEADLINE)
        else:
            answer = user.message("message_receive", endpoint, tag & tags.DEADLINE)
        got = yield answer
        reply = 0 if got.error else got.reply
        if not got.error and not got.tag & tags.FROM_KERNEL:
            last = got.words[0]
            yield from check(buffer, got, last)


def client(argument: int, _: int) -> user.UserCode:
    """Calls in all ways; how often comes with the argument."""
    endpoint, _bell, number, rounds = unpacked(argument, 4)
    number, rounds = number & 0xFF, rounds & 0xFF
    buffer = programs.BUFFERS + (PAIRS + number) * PAGE
    yield from succeed("thread_set_buffer", buffer)
    for count in range(rounds):
        tag = KINDS[(count + number) % 4]
        yield from prepared(buffer, tag, count, 40_000)
        got = yield user.message("message_call", endpoint, tag, words=(count,))
        if got.error:
            assert got.error in LATE and tag & tags.DEADLINE, got.error
        else:
            assert got.words[0] == count + 1
            yield from check(buffer, got, count + 1)
    yield user.Write(user.SCRATCH + number, b"\1")
    return None


def sender(argument: int, _: int) -> user.UserCode:
    """Sends in all ways, and signals."""
    endpoint, bell, number, rounds = unpacked(argument, 4)
    number, rounds = number & 0xFF, rounds & 0xFF
    buffer = programs.BUFFERS + (2 * PAIRS + number) * PAGE
    yield from succeed("thread_set_buffer", buffer)
    for count in range(rounds):
        tag = KINDS[(count // 2 + number) % 4]
        yield from prepared(buffer, tag, count, 20_000)
        got = yield user.message("message_send", endpoint, tag, words=(count,))
        assert got.error == 0 or (got.error in LATE and tag & tags.DEADLINE), got.error
        yield from succeed("notification_signal", bell, 2)
        yield from programs.sleep(2_000)
    yield user.Write(user.SCRATCH + PAIRS + number, b"\1")
    return None


def conversing(rounds: int) -> tuple[user.UserFunction, ...]:
    """Servers, each with a client that calls it and one that sends to it, in all ways but with handles."""

    def main(bundle: int, length: int) -> user.UserCode:
        pairs = []
        for _ in range(PAIRS):
            # Before a reply is given one of these handles.
            endpoint = yield from programs.new_endpoint()
            pairs.append((endpoint, (yield from programs.new_notification())))
        for number, (endpoint, bell) in enumerate(pairs):
            yield from start_thread(1, packed(endpoint, bell, number, rounds))
            yield from start_thread(2, packed(endpoint, bell, number, rounds))
            yield from start_thread(3, packed(endpoint, bell, number, rounds))
        yield from programs.wait_for_marks(2 * PAIRS, 100_000)
        return 0

    return main, server, client, sender


@pytest.mark.parametrize("processors", (2, 3))
@pytest.mark.parametrize("seed", SEEDS)
def test_messages_of_all_kinds_between_processors(seed: int, processors: int) -> None:
    with counted_alone() as counts:
        done = switched_off(*conversing(12), seed=seed, processors=processors, after_entry=look())
    assert done.watch.accesses > 1_000, "nothing is done without being alone in the kernel"
    # Late answers and what touches three processors included; a table of handles may grow.
    assert for_messages(counts) <= 1, counts


def denied(rounds: int) -> tuple[user.UserFunction, ...]:
    """Two processes that may not talk to each other, whoever comes first; a server's own threads may."""

    def main(bundle: int, length: int) -> user.UserCode:
        endpoint = yield from programs.new_endpoint()
        bell = yield from programs.new_notification()
        yield user.Write(user.SCRATCH, bytes([int(ALL_OPERATIONS) - int(Operation.CALL)]))
        yield from succeed("policy_load", initial.POLICY, user.SCRATCH, 1)
        process = yield from programs.new_process(3)
        theirs = yield from programs.install(process, endpoint)
        ring = yield from programs.install(process, bell)
        yield from start_thread(1, endpoint)
        thread = yield from programs.new_thread(2, packed(theirs, ring), process)
        yield from succeed("thread_start", thread)
        yield from succeed("notification_wait", bell, (1 << 64) - 1)
        for count in range(rounds):
            got = yield user.message("message_call", endpoint, words=(count,))
            assert got.error == 0 and got.words[0] == count + 1
        return 0

    def server(endpoint: int, _: int) -> user.UserCode:
        reply, answer = 0, 0
        while True:
            if answer % 5 == 0:
                yield from programs.sleep(20_000)
            got = yield user.message("message_reply_receive", endpoint, words=(answer,), reply=reply)
            reply, answer = got.reply, got.words[0] + 1

    def outsider(argument: int, _: int) -> user.UserCode:
        endpoint, bell = unpacked(argument, 2)
        for count in range(rounds):
            name = "message_send" if count % 2 else "message_call"
            got = yield user.message(name, endpoint, words=(count,))
            assert got.error == Denied.code, got.error
            yield user.Work(3_000 * (count % 4))
        yield from succeed("notification_signal", bell, 1)
        return None

    return main, server, outsider


@pytest.mark.parametrize("processors", (2, 3))
@pytest.mark.parametrize("seed", SEEDS)
def test_what_policy_denies_is_put_on_record_by_any_processor(seed: int, processors: int) -> None:
    rounds, records = 10, []
    record = AUDIT.record

    def noting(event: Any, *others: Any) -> None:
        records.append(event)
        record(event, *others)

    with replaced(AUDIT, "record", noting), counted_alone() as counts:
        switched_off(*denied(rounds), seed=seed, processors=processors, after_entry=look())
    assert records.count(Event.DENIED) == rounds
    assert for_messages(counts) <= 1, counts


PLANTED: dict[str, tuple[Any, str, Any]] = {
    "an endpoint is at home everywhere": (DISPATCH, "bring", lambda object: True),
    "deadlines are at home everywhere": (WAITING, "has_our_time", lambda thread: True),
    "who waits is woken from everywhere": (WAITING, "check_ours", lambda other: None),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_planted_bugs_are_found(bug: str) -> None:
    assert is_noticed(PLANTED[bug], lambda: conversing(12), 20, processors=3)
