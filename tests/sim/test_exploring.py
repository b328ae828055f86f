"""All interleavings of two processors up to a bound, over the paths of the kernel where they meet.

In the suite one departure at every so manieth place; `--long` does all, and then pairs that are not far apart.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from cloudos.abi.errors import BadHandle, Cancelled, PeerGone
from cloudos.abi.objects import ALL_RIGHTS_BITS
from cloudos.lang import Panic
from tests.sim import programs
from tests.sim.exploring import Program, run
from tests.sim.harness import MB, simulation
from tests.sim.ownership import replaced
from tests.sim.several import look
from tests.sim.sizes import LONG
from tests.sim.test_clones_at_home import writing
from tests.sim.test_messages_at_home import conversing
from tests.sim.test_processors import PLANTED as OF_PROCESSORS
from tests.sim.test_processors import calling, ending, packed, signalling, stopping, taking_memory, unpacked
from tests.sim.world import board, machine, user

succeed, start_thread = user.succeed, programs.start_thread
GONE = (BadHandle.code, Cancelled.code, PeerGone.code)


def revoking(rounds: int) -> tuple[user.UserFunction, ...]:
    """Handles are taken back while others signal, wait and call through them."""

    def main(bundle: int, length: int) -> user.UserCode:
        for _ in range(rounds):
            bell = yield from programs.new_notification()
            endpoint = yield from programs.new_endpoint()
            theirs = yield from succeed("handle_derive", bell, ALL_RIGHTS_BITS, 0)
            called = yield from succeed("handle_derive", endpoint, ALL_RIGHTS_BITS, 0)
            for number in (1, 2):
                yield from start_thread(number, packed(theirs, called))
            yield from programs.sleep(5_000)
            for handle in (bell, endpoint):
                yield from succeed("handle_revoke", handle)
            yield from until_both_are_done()
        return 0

    return main, signaller, waiter


def until_both_are_done() -> programs.Steps:
    """Wait for the marks of the two others, and take them away."""
    while (yield user.Read(user.SCRATCH + 1, 2)) != b"\1\1":
        yield from programs.sleep(20_000)
    yield user.Write(user.SCRATCH + 1, b"\0\0")
    return 0


def signaller(argument: int, _: int) -> user.UserCode:
    """Signals until that is not possible any more, then serves until that is not."""
    bell, endpoint = unpacked(argument, 2)
    while (yield user.call("notification_signal", bell, 1)).error == 0:
        yield from programs.sleep(1_000)
    reply = 0
    got = yield user.message("message_receive", endpoint)
    while got.error == 0:
        reply = got.reply
        got = yield user.message("message_reply_receive", endpoint, reply=reply)
    assert got.error in GONE
    # Whoever called just before that was taken away was not answered.
    yield user.message("message_reply", reply)
    yield user.Write(user.SCRATCH + 1, b"\1")
    return None


def waiter(argument: int, _: int) -> user.UserCode:
    """Waits for signals, and then calls."""
    bell, endpoint = unpacked(argument, 2)
    while (yield user.call("notification_wait", bell, (1 << 64) - 1)).error == 0:
        pass
    while not (error := (yield user.message("message_call", endpoint)).error):
        yield from programs.sleep(1_000)
    assert error in GONE
    yield user.Write(user.SCRATCH + 2, b"\1")
    return None


PATHS: dict[str, tuple[Program, int]] = {
    "words": (lambda: calling(2), 17),
    "bytes and deadlines": (lambda: conversing(1), 53),
    "signals": (lambda: signalling(1), 17),
    "revoke": (lambda: revoking(1), 11),
    "unmap": (lambda: taking_memory(2), 8),
    "stop": (lambda: stopping(3), 8),
    "end": (lambda: ending(2), 13),
    "clones": (lambda: writing(2, 4), 53),
}
"""Programs, and at which of their places the suite departs."""


APART = 12
"""Places between two departures, at most."""


def maker(program: Program) -> Callable[[], machine.Simulation]:
    """Makes the machine that a program runs on."""
    return lambda: simulation(*program(), seed=0, processors=2, after_entry=look(1), memory=8 * MB)


@pytest.mark.parametrize("path", PATHS)
def test_one_departure_anywhere_does_no_harm(path: str) -> None:
    program, stride = PATHS[path]
    places = run(maker(program)).places
    assert places >= 100, "nothing is tried"
    for place in range(0, places, 1 if LONG else stride):
        run(maker(program), (place,))


@pytest.mark.skipif(not LONG, reason="an hour: with --long")
@pytest.mark.parametrize("path", PATHS)
def test_two_departures_do_no_harm(path: str) -> None:
    program, _ = PATHS[path]
    places = run(maker(program)).places
    assert places >= 100, "nothing is tried"
    for first, apart in itertools.product(range(places), range(1, APART)):
        run(maker(program), (first, first + apart))


def test_each_departure_makes_another_history() -> None:
    program, _ = PATHS["words"]
    histories = [run(maker(program), (place,)) for place in (3, 3, 40, 80)]
    assert histories[0] == histories[1] and len(set(histories)) == 3


# Those that two processors show within a few instructions.
SLOW = {"nobody is waited for"}
BUGS = {name: bug for name, bug in OF_PROCESSORS.items() if name not in SLOW}


@pytest.mark.parametrize("bug", BUGS)
def test_planted_bugs_are_found(bug: str) -> None:
    module, name, instead, program = BUGS[bug]
    made = maker(program)
    with replaced(module, name, instead):
        try:
            places = run(made).places
            for place in range(0, places, 7):
                run(made, (place,))
        except (Exception, Panic, machine.Hung, board.Stuck):
            return
    raise AssertionError(f"{bug}, and nobody noticed")
