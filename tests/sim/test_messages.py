"""Messages between threads: every word arrives once, at the right place, in every interleaving."""

from __future__ import annotations

from random import Random

import pytest

from cloudos.abi import initial, tags
from cloudos.abi.errors import BadArgument, BadHandle, PeerGone, TimedOut, WouldBlock
from cloudos.abi.objects import Rights
from tests.sim import programs
from tests.sim.accounting import ledger
from tests.sim.harness import MB, run
from tests.sim.world import trap, user

call, succeed, message, start_thread = user.call, user.succeed, user.message, programs.start_thread
SEEDS = range(6)
BUFFER = programs.BUFFERS
DATA = 64
PLACE_OF_HANDLES = 8


def number(data: bytes) -> int:
    return int.from_bytes(data, "little")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("reply_receive", [False, True])
def test_calls_of_many_clients_are_answered_once_each(seed: int, reply_receive: bool) -> None:
    clients, rounds = 3, 12
    served: list[tuple[int, int]] = []

    def main(bundle: int, length: int) -> user.UserCode:
        endpoint = yield from programs.new_endpoint()
        yield user.Write(user.SCRATCH, endpoint.to_bytes(8, "little"))
        yield from start_thread(1)
        for index in range(clients):
            own = yield from programs.install(initial.PROCESS, endpoint, badge=100 + index)
            yield from start_thread(2, own)
        while (yield user.Read(user.SCRATCH + 8, clients)) != b"\1" * clients:
            yield from programs.sleep(1_000_000)
        return 0

    def server(_: int, __: int) -> user.UserCode:
        endpoint = number((yield user.Read(user.SCRATCH, 8)))
        got = yield message("message_receive", endpoint)
        while True:
            assert got.error == 0 and got.words[2:] == (7,) * 6
            served.append((got.badge, got.words[0]))
            answer = (got.badge + got.words[0], got.words[1], *[9] * 6)
            if reply_receive:
                got = yield message("message_reply_receive", endpoint, words=answer, reply=got.reply)
            else:
                assert (yield message("message_reply", got.reply, words=answer)).error == 0
                assert (yield message("message_reply", got.reply)).error == BadHandle.code
                got = yield message("message_receive", endpoint)

    def client(endpoint: int, _: int) -> user.UserCode:
        badge = 0
        for step in range(rounds):
            answer = yield message("message_call", endpoint, words=(step, step * 3, *[7] * 6))
            badge = badge or answer.words[0]
            assert answer.error == 0 and answer.words == (badge + step, step * 3, *[9] * 6)
        yield user.Write(user.SCRATCH + 8 + badge - 100, b"\1")
        return None

    assert run(main, server, client, seed=seed).record("exit") == "status=0"
    assert sorted(served) == [(100 + index, step) for index in range(clients) for step in range(rounds)]


@pytest.mark.parametrize("seed", SEEDS)
def test_messages_that_are_only_sent_are_received_in_order_and_once(seed: int) -> None:
    draw = Random(seed)
    received: list[tuple[int, int]] = []
    senders, each = 3, 15

    def main(bundle: int, length: int) -> user.UserCode:
        endpoint = yield from programs.new_endpoint()
        for index in range(senders):
            yield from start_thread(1, (yield from programs.install(initial.PROCESS, endpoint, badge=index + 1)))
        for _ in range(senders * each):
            yield user.Work(draw.randrange(3_000_000))
            got = yield message("message_receive", endpoint)
            assert got.error == 0 and got.reply == 0
            received.append((got.badge, got.words[0]))
        return 0

    def sender(endpoint: int, _: int) -> user.UserCode:
        for step in range(each):
            yield user.Work(draw.randrange(3_000_000))
            assert (yield message("message_send", endpoint, words=(step,))).error == 0
        return None

    assert run(main, sender, seed=seed).record("exit") == "status=0"
    for badge in range(1, senders + 1):
        assert [step for sender, step in received if sender == badge] == list(range(each))


def test_without_anybody_there_deadlines_end_the_wait() -> None:
    def main(bundle: int, length: int) -> user.UserCode:
        endpoint = yield from programs.new_endpoint()
        notification = yield from programs.new_notification()
        yield from succeed("thread_set_buffer", BUFFER)
        for name in ("message_call", "message_send", "message_receive"):
            yield user.Write(BUFFER, bytes(8))
            assert (yield message(name, endpoint, tags.DEADLINE)).error == WouldBlock.code
            until = (yield from succeed("clock_read")) + 5_000_000
            yield user.Write(BUFFER, until.to_bytes(8, "little"))
            assert (yield message(name, endpoint, tags.DEADLINE)).error == TimedOut.code
            assert until <= (yield from succeed("clock_read")) < until + 13_000_000
        assert (yield call("notification_wait", notification, 0)).error == WouldBlock.code
        assert (yield call("notification_wait", notification, until)).error in (WouldBlock.code, TimedOut.code)
        return 0

    for seed in SEEDS:
        assert run(main, seed=seed).record("exit") == "status=0"


@pytest.mark.parametrize("length", [1, 7, 8, 1000, tags.MAXIMUM_BYTES])
def test_bytes_travel_through_the_buffers_and_nothing_else_does(length: int) -> None:
    content = Random(length).randbytes(length)

    def main(bundle: int, size: int) -> user.UserCode:
        endpoint = yield from programs.new_endpoint()
        yield from succeed("thread_set_buffer", BUFFER)
        yield user.Write(BUFFER + DATA, b"\xaa" * tags.MAXIMUM_BYTES)
        yield from start_thread(1, endpoint)
        got = yield message("message_receive", endpoint)
        assert got.error == 0 and got.tag >> tags.BYTES_SHIFT & tags.BYTES_MASK == length
        data = yield user.Read(BUFFER + DATA, tags.MAXIMUM_BYTES)
        assert data == content + b"\xaa" * (tags.MAXIMUM_BYTES - length)
        return 0

    def sender(endpoint: int, _: int) -> user.UserCode:
        yield from succeed("thread_set_buffer", BUFFER + 4096)
        yield user.Write(BUFFER + 4096 + DATA, content.ljust(tags.MAXIMUM_BYTES, b"\xbb"))
        yield message("message_send", endpoint, length << tags.BYTES_SHIFT)
        return None

    assert run(main, sender).record("exit") == "status=0"


def test_handles_travel_with_no_more_rights_than_they_had() -> None:
    def main(bundle: int, length: int) -> user.UserCode:
        endpoint = yield from programs.new_endpoint()
        child = yield from programs.new_process(2)
        theirs = yield from programs.install(child, endpoint)
        thread = yield from programs.new_thread(1, theirs, child)
        yield from succeed("thread_start", thread)
        gift = yield from programs.new_notification()
        weak = yield from programs.install(initial.PROCESS, gift, Rights.SIGNAL | Rights.TRANSFER | Rights.DERIVE, 5)
        yield from succeed("thread_set_buffer", BUFFER)
        yield user.Write(BUFFER + PLACE_OF_HANDLES, weak.to_bytes(8, "little"))
        answer = yield message("message_call", endpoint, 1 << tags.HANDLES_SHIFT)
        assert answer.error == 0 and (yield from succeed("notification_wait", gift, 0)) == 4
        return 0

    def receiver(endpoint: int, _: int) -> user.UserCode:
        yield from succeed("thread_set_buffer", BUFFER)
        got = yield message("message_receive", endpoint)
        assert got.error == 0
        handle = number((yield user.Read(BUFFER + PLACE_OF_HANDLES, 8)))
        assert (yield call("notification_signal", handle, 4)).error == 0
        assert (yield call("notification_wait", handle, 0)).error != 0
        yield message("message_reply", got.reply)
        yield from programs.sleep(1 << 40)
        return None

    assert run(main, receiver).record("exit") == "status=0"


@pytest.mark.parametrize("seed", SEEDS)
def test_who_calls_a_server_that_dies_is_told(seed: int) -> None:
    def main(bundle: int, length: int) -> user.UserCode:
        endpoint = yield from programs.new_endpoint()
        child = yield from programs.new_process(2)
        theirs = yield from programs.install(child, endpoint)
        thread = yield from programs.new_thread(1, theirs, child)
        yield from succeed("thread_start", thread)
        assert (yield message("message_call", endpoint)).error == PeerGone.code
        assert (yield from programs.wait_for_end(child)) == 3
        return 0

    def server(endpoint: int, _: int) -> user.UserCode:
        got = yield message("message_receive", endpoint)
        assert got.error == 0
        return 3

    assert run(main, server, seed=seed).record("exit") == "status=0"


def test_faults_are_messages_and_their_replies_decide() -> None:
    def main(bundle: int, length: int) -> user.UserCode:
        endpoint = yield from programs.new_endpoint()
        faults = yield from programs.install(initial.PROCESS, endpoint, badge=77)
        child = yield from programs.new_process(3)
        yield from succeed("process_set_fault_endpoint", child, faults)
        thread = yield from programs.new_thread(1, process=child)
        yield from succeed("thread_start", thread)
        got = yield message("message_receive", endpoint)
        assert got.error == 0 and got.badge == 77 and got.tag == tags.FAULT_TAG
        assert got.words[2:4] == (user.SCRATCH + user.SCRATCH_SIZE, 11)
        # Supply what is missing, and let it try again.
        place = user.SCRATCH + user.SCRATCH_SIZE
        yield from programs.populate(child, place, b"supplied", 4096, programs.READ)
        yield message("message_reply", got.reply, tags.FAULT_RESUME << tags.LABEL_SHIFT)
        got = yield message("message_receive", endpoint)
        assert got.words[2:4] == (place, 11)
        # Now let it go on elsewhere.
        repair = (user.entry_of(2), got.words[1])
        yield message("message_reply", got.reply, tags.FAULT_REPAIR << tags.LABEL_SHIFT, repair)
        got = yield message("message_receive", endpoint)
        assert got.words[2:4] == (0, 8)
        yield message("message_reply", got.reply, tags.FAULT_KILL << tags.LABEL_SHIFT)
        yield from programs.wait_for_end(child)
        return 0

    def faulty(_: int, __: int) -> user.UserCode:
        place = user.SCRATCH + user.SCRATCH_SIZE
        assert (yield user.Read(place, 8)) == b"supplied"
        yield user.Write(place, b"x")
        raise AssertionError("went on after a fault")

    def elsewhere(_: int, __: int) -> user.UserCode:
        yield user.Raise(trap.Cause.DIVIDE)
        raise AssertionError("went on after a fault")

    assert run(main, faulty, elsewhere).record("exit") == "status=0"


def test_signals_are_never_lost() -> None:
    bits = 40

    def main(bundle: int, length: int) -> user.UserCode:
        notification = yield from programs.new_notification()
        for part in range(2):
            yield user.Write(user.SCRATCH, notification.to_bytes(8, "little"))
            yield from start_thread(1, part)
        seen = 0
        while seen != (1 << bits) - 1:
            got = yield from succeed("notification_wait", notification, (1 << 64) - 1)
            assert got and not got & seen
            seen |= got
        return 0

    def signaller(part: int, _: int) -> user.UserCode:
        notification = number((yield user.Read(user.SCRATCH, 8)))
        for bit in range(part, bits, 2):
            yield user.Work(300_000)
            yield from succeed("notification_signal", notification, 1 << bit)
        return None

    for seed in SEEDS:
        assert run(main, signaller, seed=seed).record("exit") == "status=0"


@pytest.mark.parametrize("tag", [9, 5 << tags.HANDLES_SHIFT, 4033 << tags.BYTES_SHIFT, 1 << 25, tags.FROM_KERNEL])
def test_tags_that_no_message_has_are_refused(tag: int) -> None:
    def main(bundle: int, length: int) -> user.UserCode:
        endpoint = yield from programs.new_endpoint()
        yield from succeed("thread_set_buffer", BUFFER)
        before = ledger()
        for name in ("message_call", "message_send", "message_receive"):
            assert (yield message(name, endpoint, tag)).error == BadArgument.code
        assert ledger() == before
        return 0

    assert run(main, memory=6 * MB).record("exit") == "status=0"
