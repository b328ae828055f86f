"""A processor stands still in the middle of a wake-up or a signal, and others go on for longer than usual."""

from __future__ import annotations

from typing import Any

import pytest

from cloudos.abi import initial, tags
from tests.sim import programs
from tests.sim.harness import MB
from tests.sim.ownership import replaced
from tests.sim.several import SEEDS, switched_off
from tests.sim.test_processors import PAGE, packed, unpacked
from tests.sim.world import board, kernel_module, user

succeed = user.succeed
PLACEMENT, WAITING = kernel_module("sched.placement"), kernel_module("objects.waiting")
STATES = kernel_module("objects.thread").ThreadState
SEND, OURS = PLACEMENT._send, WAITING.has_our_time
VISITING, HOME = 1, 4
BYTES = 8 << tags.BYTES_SHIFT
"""Of a message that no fast path takes."""


def crowded(rounds: int) -> tuple[user.UserFunction, ...]:
    """Two clients call a server, on processors that are busy with others."""

    def main(bundle: int, length: int) -> user.UserCode:
        endpoint = yield from programs.new_endpoint()
        first = yield from programs.new_schedule(initial.PRIORITY - 2)
        yield from succeed("schedule_place", first, 0, 1)
        yield from programs.start_thread(1, endpoint)
        for number in range(3):
            yield from programs.start_thread(3, number, first)
        for number in range(2):
            yield from programs.start_thread(2, packed(endpoint, number))
        yield from programs.wait_for_marks(2, 200_000)
        return 0

    def server(endpoint: int, _: int) -> user.UserCode:
        yield from succeed("thread_set_buffer", programs.BUFFERS)
        while True:
            got = yield user.message("message_receive", endpoint)
            yield user.Work(200)
            yield user.message("message_reply", got.reply, BYTES, words=(1,))

    def client(argument: int, _: int) -> user.UserCode:
        endpoint, number = unpacked(argument, 2)
        yield from succeed("thread_set_buffer", programs.BUFFERS + PAGE * (1 + number))
        for count in range(rounds):
            assert (yield user.message("message_call", endpoint, BYTES, words=(1,))).error == 0
            yield user.Work(300)
            yield from succeed("thread_sleep", 2_000) if count % 3 == 0 else succeed("clock_read")
        yield user.Write(user.SCRATCH + number, b"\1")
        return None

    def busy(_: int, __: int) -> user.UserCode:
        while True:
            yield user.Work(900)

    return main, server, client, busy


def long_after(thread: Any, processor: Any) -> None:
    """A server is on its way to another processor, and may have answered before its caller's has left the kernel."""
    made = board.current()
    caller = thread.value.client
    calls = made.processor.mode in (VISITING, HOME) and not caller.is_null()
    SEND(thread, processor)
    if calls:
        PLACEMENT.processors.interrupt(processor.machine)
        for _ in range(1_500):
            made.interleave()
            if caller.value.state == STATES.RUNNING:
                return


@pytest.mark.parametrize("seed", SEEDS)
def test_a_caller_may_be_answered_before_its_processor_has_left_the_kernel(seed: int) -> None:
    with replaced(PLACEMENT, "_send", long_after):
        switched_off(*crowded(60), seed=seed, processors=6, memory=16 * MB)


def slow(argument: int, _: int) -> user.UserCode:
    """A server that takes its time."""
    _, back, _ = unpacked(argument, 3)
    while True:
        got = yield user.message("message_receive", back)
        yield user.Work(2_000)
        yield user.message("message_reply", got.reply)


def caller(argument: int, _: int) -> user.UserCode:
    """Calls the other one, now and then."""
    front, _, _ = unpacked(argument, 3)
    while True:
        yield user.message("message_call", front, words=(1,))
        yield user.Work(3_000)


def bound(rounds: int) -> tuple[user.UserFunction, ...]:
    """A thread receives calls, and signals of another processor; it calls another one before it answers."""

    def main(bundle: int, length: int) -> user.UserCode:
        front, back = (yield from programs.new_endpoint()), (yield from programs.new_endpoint())
        bell = yield from programs.new_notification()
        for place, functions in ((1, (1, 2, 3)), (0, (4,))):
            schedule = yield from programs.new_schedule()
            yield from succeed("schedule_place", schedule, place, 1)
            for function in functions:
                yield from programs.start_thread(function, packed(front, back, bell), schedule)
        yield from programs.wait_for_marks(1, 200_000)
        return 0

    def server(argument: int, _: int) -> user.UserCode:
        front, back, bell = unpacked(argument, 3)
        yield from succeed("thread_bind", bell)
        while True:
            got = yield user.message("message_receive", front)
            if got.error == 0 and got.reply:
                yield user.message("message_call", back, words=(1,))
                yield user.message("message_reply", got.reply)

    def signaller(argument: int, _: int) -> user.UserCode:
        _, _, bell = unpacked(argument, 3)
        for _ in range(rounds):
            # Takes the notification here, and wakes nobody.
            yield user.call("notification_wait", bell, 0)
            yield from succeed("notification_signal", bell, 1)
            yield user.Work(500)
        yield user.Write(user.SCRATCH, b"\1")
        return None

    return main, server, slow, caller, signaller


def long_looked_at(thread: Any) -> Any:
    """A thread that was found to receive ceases to before more is asked of it."""
    found = OURS(thread)
    made = board.current()
    if made.processor.mode == HOME and thread.value.state == STATES.RECEIVING:
        for _ in range(made.random.randint(0, 80)):
            made.interleave()
    return found


@pytest.mark.parametrize("seed", (16, 22, 27, 28))
def test_who_is_bound_may_cease_to_receive_while_it_is_looked_at(seed: int) -> None:
    with replaced(WAITING, "has_our_time", long_looked_at):
        switched_off(*bound(400), seed=seed, processors=2, memory=16 * MB)
