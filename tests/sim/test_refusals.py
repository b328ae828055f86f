"""A handle moves away while another thread of the process uses it: refusals say, and put on record, what was true."""

from __future__ import annotations

from typing import Any

import pytest

from cloudos.abi import initial
from cloudos.abi.errors import BadHandle, Denied, WrongKind
from cloudos.abi.objects import Rights
from tests.sim import programs
from tests.sim.harness import MB
from tests.sim.ownership import replaced
from tests.sim.several import SEEDS, is_noticed, look, switched_off
from tests.sim.test_handles_at_home import ONE_HANDLE, answer, got, put
from tests.sim.test_processors import packed, unpacked
from tests.sim.world import board, kernel_module, user

succeed = user.succeed
DISPATCH, CAPABILITIES = kernel_module("dispatch"), kernel_module("security.capabilities")
HOME, ROUNDS = 4, 60
PLACE = user.SCRATCH + 64
"""Where the handle is told to the other thread."""


def main(bundle: int, length: int) -> user.UserCode:
    """A server that keeps one handle, and gives back the one that it had; a client with two threads."""
    endpoint = yield from programs.new_endpoint()
    bells = (yield from programs.new_notification()), (yield from programs.new_notification())
    schedules = []
    for place in (0, 1):
        schedules.append((yield from programs.new_schedule()))
        yield from succeed("schedule_place", schedules[-1], place, 1)
    quota = yield from succeed("quota_create", initial.QUOTA, MB)
    threads = []
    client = 0
    for function, rights in ((1, Rights.RECEIVE | Rights.TRANSFER), (2, None)):
        client = yield from programs.new_process(4, quota)
        theirs = yield from programs.install(client, endpoint)
        bell = yield from programs.install(client, bells[function - 1], rights)
        threads.append((yield from programs.new_thread(function, packed(theirs, bell), client, schedules[1])))
    threads.append((yield from programs.new_thread(3, 0, client, schedules[0])))
    for thread in threads:
        yield from succeed("thread_start", thread)
    yield from programs.wait_for_end(client)
    return 0


def server(argument: int, _: int) -> user.UserCode:
    """Answers with the handle that came before."""
    endpoint, held = unpacked(argument, 2)
    yield from succeed("thread_set_buffer", programs.BUFFERS)
    message = yield user.message("message_receive", endpoint)
    while True:
        before, held = held, (yield from got(programs.BUFFERS))
        message = yield from answer(endpoint, message.reply, before)


def client(argument: int, _: int) -> user.UserCode:
    """Has in turns a handle that allows signals, of which it tells, and one in the same place that does not."""
    endpoint, bell = unpacked(argument, 2)
    yield from succeed("thread_set_buffer", programs.BUFFERS)
    for number in range(ROUNDS):
        if number % 2 == 0:
            yield user.Write(PLACE, bell.to_bytes(8, "little"))
            yield user.Work(500)
        yield from put(programs.BUFFERS, bell)
        done = yield user.message("message_call", endpoint, ONE_HANDLE)
        assert done.error == 0, done.error
        bell = yield from got(programs.BUFFERS)
    yield from succeed("process_exit", 0)
    return None


def signaller(_: int, __: int) -> user.UserCode:
    """Uses what it is told of, which may have gone."""
    while True:
        handle = int.from_bytes((yield user.Read(PLACE, 8)), "little")
        done = yield user.call("notification_signal", handle, 1)
        assert done.error not in (Denied.code, WrongKind.code), "it always names a notification that may be signalled"
        assert done.error in (0, BadHandle.code), done.error
        yield user.Work(100)


PROGRAM: tuple[user.UserFunction, ...] = (main, server, client, signaller)


def slowly(table: Any, handle: Any, kind: Any, rights: Any) -> Any:
    """The look-up, and others go on before its end."""
    found = CAPABILITIES._at(table, handle)
    object = found.value.object
    CAPABILITIES._check(found.value, object, handle)
    if object.value.kind != kind:
        raise WrongKind
    made = board.current()
    if made.processor.mode == HOME and made.processor.number == 0:
        for _ in range(120):
            made.interleave()
    if rights not in found.value.rights:
        raise Denied
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_a_handle_that_moves_away_is_bad_and_nothing_else(seed: int) -> None:
    with replaced(DISPATCH, "lookup", slowly):
        switched_off(*PROGRAM, seed=seed, processors=2, after_entry=look(50))


def test_a_planted_bug_is_found() -> None:
    """Whoever is refused something need not have the table."""
    with replaced(DISPATCH, "lookup", slowly):
        assert is_noticed((DISPATCH, "bring_far", lambda header: True), lambda: PROGRAM, 6, processors=2)
