"""Threads of one process on several processors use and change the handles that all of them have.

A handle may be sent away, or a reply that a thread holds be answered by another one, between any two looks at it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cloudos.abi.errors import BadHandle, Cancelled, PeerGone
from tests.sim import programs
from tests.sim.ownership import replaced
from tests.sim.several import SEEDS, is_noticed, look, switched_off
from tests.sim.test_handles_at_home import HANDLES, MOVES, ONE_HANDLE, got, put, server, start
from tests.sim.test_processors import unpacked
from tests.sim.world import board, kernel_module, user

succeed = user.succeed
DISPATCH, MESSAGE = kernel_module("dispatch"), kernel_module("objects.message")
CAPABILITIES = kernel_module("security.capabilities")
VISITING, HOME = 1, 4
NEVER = (1 << 64) - 1
ROUNDS = 10
NOTHING = bytes(8)
# Where threads tell each other of handles, that the client is done, and where handles are sent.
TOLD, DONE, SINK = user.SCRATCH, user.SCRATCH + 8, user.SCRATCH + 16


def told() -> programs.Steps:
    """The handle that another thread tells of; 0: none now."""
    return int.from_bytes((yield user.Read(TOLD, 8)), "little")


def tell(handle: int) -> programs.Steps:
    """Tell the other threads of a handle."""
    yield user.Write(TOLD, handle.to_bytes(8, "little"))
    return 0


def using(rounds: int) -> tuple[user.UserFunction, ...]:
    """A thread sends a handle away and gets it back under another number, while another one signals through it."""

    def main(bundle: int, length: int) -> user.UserCode:
        endpoint = yield from programs.new_endpoint()
        yield from start([endpoint], 1)
        process = yield from start([endpoint, (yield from programs.new_endpoint())], 2)
        assert (yield from programs.wait_for_end(process)) == 0
        return 0

    def mover(argument: int, _: int) -> user.UserCode:
        endpoint, bell = unpacked(argument, 2)
        yield from succeed("thread_set_buffer", programs.BUFFERS)
        for _ in range(rounds):
            yield from tell(bell)
            yield user.Work(2_000)
            yield from put(programs.BUFFERS, bell)
            answer = yield user.message("message_call", endpoint, ONE_HANDLE)
            assert answer.error == 0, answer.error
            bell = yield from got(programs.BUFFERS)
            yield from succeed("notification_wait", bell, NEVER)
        yield from succeed("process_exit", 0)
        return None

    def signaller(argument: int, _: int) -> user.UserCode:
        while True:
            bell = yield from told()
            if bell:
                reply = yield user.call("notification_signal", bell, 4)
                assert reply.error in (0, BadHandle.code), reply.error
            yield user.Work(300)

    return main, server, mover, signaller


def sink_of() -> programs.Steps:
    """The endpoint to which handles are sent."""
    return int.from_bytes((yield user.Read(SINK, 8)), "little")


def send(buffer: int, handle: int) -> programs.Steps:
    """Send a copy of a handle away, if that is possible."""
    yield user.Write(buffer + HANDLES, handle.to_bytes(8, "little"))
    yield user.Write(buffer + MOVES, b"\0")
    yield user.message("message_send", (yield from sink_of()), ONE_HANDLE)
    return 0


def serving(endpoint: int, _: int) -> user.UserCode:
    """Computes with a call until another thread has answered it."""
    while True:
        message = yield user.message("message_receive", endpoint)
        assert message.error == 0, message.error
        yield from tell(message.reply)
        while (yield from told()):
            yield user.Work(500)


def answerer(endpoint: int, _: int) -> user.UserCode:
    """Answers what the server has received. What it sends brings the table to its processor."""
    yield from succeed("thread_set_buffer", programs.BUFFERS)
    while True:
        yield from send(programs.BUFFERS, endpoint)
        reply = yield from told()
        if reply:
            answer = yield user.message("message_reply", reply, words=(5,))
            assert answer.error == 0, answer.error
            yield user.Write(TOLD, NOTHING)
        yield user.Work(700)


def serving_itself(endpoint: int, _: int) -> user.UserCode:
    """Answers by the fast path what it has told of."""
    message = yield user.message("message_receive", endpoint)
    while True:
        yield from tell(message.reply)
        yield user.Work(1_500)
        yield user.Write(TOLD, NOTHING)
        message = yield user.message("message_reply_receive", endpoint, words=(5,), reply=message.reply)


def sender(endpoint: int, _: int) -> user.UserCode:
    """Tries to send the handle of the reply away."""
    buffer = programs.BUFFERS + programs.PAGE
    yield from succeed("thread_set_buffer", buffer)
    while True:
        reply = yield from told()
        if reply:
            yield from send(buffer, reply)
        yield user.Work(400)


def taker(endpoint: int, _: int) -> user.UserCode:
    """Takes what is sent, and closes it."""
    sink, buffer = (yield from sink_of()), programs.BUFFERS + 2 * programs.PAGE
    yield from succeed("thread_set_buffer", buffer)
    while True:
        message = yield user.message("message_receive", sink)
        assert message.error in (0, Cancelled.code, PeerGone.code), message.error
        yield user.call("handle_close", (yield from got(buffer)))


def answering(rounds: int, *servers: user.UserFunction) -> tuple[user.UserFunction, ...]:
    """The calls to a server are answered, by it or by another thread of its process, and a third one tries to send the
    replies on."""

    def main(bundle: int, length: int) -> user.UserCode:
        endpoint, sink = (yield from programs.new_endpoint()), (yield from programs.new_endpoint())
        yield user.Write(SINK, sink.to_bytes(8, "little"))
        for number in range(1, 4 + len(servers)):
            yield from programs.start_thread(number, endpoint)
        while (yield user.Read(DONE, 1)) != b"\1":
            yield from programs.sleep(50_000)
        return 0

    def client(endpoint: int, _: int) -> user.UserCode:
        for number in range(rounds):
            answer = yield user.message("message_call", endpoint, words=(number,))
            assert answer.error == 0 and answer.words[0] == 5, answer
        yield user.Write(DONE, b"\1")
        return None

    return main, *servers, sender, client, taker


def slowly(function: Callable[..., Any], stops: list[str]) -> Callable[..., Any]:
    """The same, and then others go on, as when a hypervisor stops a virtual processor there, which `stops` notes."""

    def call(*arguments: Any) -> Any:
        found = function(*arguments)
        machine = board.running()
        if machine is not None and machine.processor.mode in (VISITING, HOME):
            stops.append(function.__name__)
            for _ in range(60):
                machine.interleave()
        return found

    return call


@pytest.fixture
def stops() -> Iterator[list[str]]:
    """Others go on between a look at a handle and its use: after which functions they did."""
    noted: list[str] = []
    with (
        replaced(DISPATCH, "lookup", slowly(DISPATCH.lookup, noted)),
        replaced(CAPABILITIES, "find", slowly(CAPABILITIES.find, noted)),
    ):
        yield noted


PROGRAMS: dict[str, Callable[[], tuple[user.UserFunction, ...]]] = {
    "used while it is sent": lambda: using(ROUNDS),
    "answered by another thread": lambda: answering(ROUNDS, serving, answerer),
    "sent while it is answered": lambda: answering(ROUNDS, serving_itself),
}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("seed", SEEDS)
def test_threads_change_what_others_use(program: str, seed: int) -> None:
    done = switched_off(*PROGRAMS[program](), seed=seed, processors=3, after_entry=look(25))
    assert done.watch.accesses > 500 and done.watch.visiting > 20


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("seed", range(3))
def test_a_handle_goes_between_a_look_at_it_and_its_use(program: str, seed: int, stops: list[str]) -> None:
    done = switched_off(*PROGRAMS[program](), seed=seed, processors=3, after_entry=look(25))
    assert done.watch.accesses > 500 and len(stops) > ROUNDS


PLANTED: dict[str, tuple[tuple[Any, str, Any], Callable[[], tuple[user.UserFunction, ...]]]] = {
    "what a handle names is within reach": (
        (DISPATCH, "bring", lambda header: True),
        PROGRAMS["used while it is sent"],
    ),
    "all that is answered is within reach": (
        (MESSAGE, "is_alone", lambda: True),
        PROGRAMS["answered by another thread"],
    ),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_planted_bugs_are_found(bug: str) -> None:
    planted, program = PLANTED[bug]
    assert is_noticed(planted, program, 10, processors=3)
