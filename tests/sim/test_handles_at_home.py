"""Messages with handles between processes on several processors: nobody is alone in the kernel for most of them."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from cloudos.abi import initial, tags
from cloudos.abi.messages import MessageBuffer
from cloudos.lang import offset_of
from tests.sim import programs
from tests.sim.several import counted_alone, for_messages, is_noticed, look, switched_off
from tests.sim.test_processors import PAGE, packed, unpacked
from tests.sim.world import kernel_module, user

succeed = user.succeed
MESSAGE = kernel_module("objects.message")
HANDLES, MOVES = (int(offset_of(MessageBuffer, name)) for name in ("handles", "moves"))
ONE_HANDLE = 1 << tags.HANDLES_SHIFT
PAIRS, ROUNDS = 2, 12
SEEDS = range(4)


def put(buffer: int, handle: int) -> programs.Steps:
    """Let a handle be what the next message moves."""
    yield user.Write(buffer + HANDLES, handle.to_bytes(8, "little"))
    yield user.Write(buffer + MOVES, b"\1")
    return 0


def got(buffer: int) -> programs.Steps:
    """The handle that came with a message."""
    return int.from_bytes((yield user.Read(buffer + HANDLES, 8)), "little")


def answer(endpoint: int, reply: int, handle: int) -> Generator[user.Instruction, Any, user.Reply]:
    """Let a handle go back to the caller, and wait for the next one; the message that it comes with."""
    yield from put(programs.BUFFERS, handle)
    message: user.Reply = yield user.message("message_reply_receive", endpoint, ONE_HANDLE, reply=reply)
    assert message.error == 0, message.error
    return message


def start(endpoints: list[int], function: int) -> programs.Steps:
    """A process with a thread for each endpoint; the first runs this function, the second the next one."""
    quota = yield from succeed("quota_create", initial.QUOTA, 1 << 20)
    process = yield from programs.new_process(4, quota)
    threads = []
    for number, endpoint in enumerate(endpoints):
        theirs = yield from programs.install(process, endpoint)
        bell = yield from programs.new_notification()
        handle = yield from programs.install(process, bell)
        threads.append((yield from programs.new_thread(function + number, packed(theirs, handle), process)))
    # Not before all handles are there: one that has been moved away would leave its number to the next.
    for thread in threads:
        yield from succeed("thread_start", thread)
    return process


def server(argument: int, _: int) -> user.UserCode:
    """Signals what it gets, and gives it back."""
    endpoint, _unused = unpacked(argument, 2)
    yield from succeed("thread_set_buffer", programs.BUFFERS)
    message = yield user.message("message_receive", endpoint)
    while True:
        bell = yield from got(programs.BUFFERS)
        yield from succeed("notification_signal", bell, 4)
        message = yield from answer(endpoint, message.reply, bell)


def passing(rounds: int, threads: int) -> tuple[user.UserFunction, ...]:
    """Processes with so many threads, of which each hands a notification to a process of its own and gets it back."""

    def main(bundle: int, length: int) -> user.UserCode:
        clients = []
        for _ in range(PAIRS):
            endpoints = []
            for _ in range(threads):
                endpoints.append((yield from programs.new_endpoint()))
                yield from start(endpoints[-1:], 1)
            clients.append((yield from start(endpoints, 2)))
        for process in clients:
            assert (yield from programs.wait_for_end(process)) == 0
        return 0

    def client(argument: int, number: int) -> user.UserCode:
        endpoint, bell = unpacked(argument, 2)
        buffer = programs.BUFFERS + number * PAGE
        yield from succeed("thread_set_buffer", buffer)
        for _ in range(rounds):
            yield from put(buffer, bell)
            done = yield user.message("message_call", endpoint, ONE_HANDLE)
            assert done.error == 0, done.error
            bell = yield from got(buffer)
            assert (yield from succeed("notification_wait", bell, (1 << 64) - 1)) == 4
        yield user.Write(user.SCRATCH + number, b"\1")
        while (yield user.Read(user.SCRATCH, threads)) != b"\1" * threads:
            yield from programs.sleep(50_000)
        return 0

    return main, server, lambda argument, _: client(argument, 0), lambda argument, _: client(argument, 1)


@pytest.mark.parametrize("processors", (2, 3))
@pytest.mark.parametrize("seed", SEEDS)
def test_handles_go_from_process_to_process(seed: int, processors: int) -> None:
    with counted_alone() as counts:
        switched_off(*passing(ROUNDS, 1), seed=seed, processors=processors, after_entry=look(25))
        few = for_messages(counts)
        done = switched_off(*passing(3 * ROUNDS, 1), seed=seed, processors=processors, after_entry=look(25))
        many = for_messages(counts) - few
    assert many - few < PAIRS * ROUNDS // 2, f"{few} of {PAIRS * ROUNDS} messages alone, {many} of three times as many"
    assert done.watch.accesses > 1_000


@pytest.mark.parametrize("seed", SEEDS)
def test_threads_of_a_process_share_its_table(seed: int) -> None:
    done = switched_off(*passing(ROUNDS, 2), seed=seed, processors=3, after_entry=look(25))
    assert done.watch.accesses > 1_000 and done.watch.visiting > 100


PLANTED: dict[str, tuple[Any, str, Any]] = {
    "a table is anybody's": (MESSAGE, "own_table", lambda thread, count: None),
    "an object is at home everywhere": (MESSAGE, "bring", lambda header: True),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_planted_bugs_are_found(bug: str) -> None:
    assert is_noticed(PLANTED[bug], lambda: passing(ROUNDS, 2), 10, processors=3)
