"""Interrupts of devices while several processors are in the kernel: whoever drives a device may run on any of them."""

from __future__ import annotations

import pytest

from cloudos.abi import devices, initial
from tests.sim import programs
from tests.sim.several import SEEDS, is_noticed, look, switched_off
from tests.sim.test_devices import LINE, NEVER, PORT, Doorbell
from tests.sim.world import board, kernel_module, user

succeed = user.succeed
DRIVERS, ROUNDS = 3, 10
PORTS = 0x10


def doorbells(machine: board.Board) -> None:
    """One for each driver, which ring after different times."""
    for number in range(DRIVERS):
        first = PORT + number * PORTS
        delay = 3_000 + 7_000 * number
        machine.port_devices[range(first, first + 4)] = Doorbell(LINE + number, machine, delay)


def driving(rounds: int) -> tuple[user.UserFunction, user.UserFunction]:
    """Drivers of devices that ring at the same time, each in a thread of its own."""

    def main(bundle: int, length: int) -> user.UserCode:
        for number in range(DRIVERS):
            yield from programs.start_thread(1, number)
        yield from programs.wait_for_marks(DRIVERS)
        return 0

    def driver(number: int, _: int) -> user.UserCode:
        machine, quota = initial.DEVICE, initial.QUOTA
        ports = yield from succeed("device_create", machine, quota, devices.PORTS, PORT + number * PORTS, 4)
        flags = devices.LEVEL if number % 2 else 0
        line = yield from succeed("interrupt_create", machine, quota, LINE + number, flags)
        bell = yield from programs.new_notification()
        yield from succeed("interrupt_bind", line, bell, 1 << number)
        for count in range(1, rounds + 1):
            yield from succeed("device_write", ports, 0, 1, count)
            if count % 3 == number:
                yield user.Work(15_000)
            assert (yield from succeed("notification_wait", bell, NEVER)) == 1 << number
            assert (yield from succeed("device_read", ports, 0, 1)) == count
            yield from succeed("interrupt_acknowledge", line)
        yield user.Write(user.SCRATCH + number, b"\1")
        return None

    return main, driver


@pytest.mark.parametrize("processors", (2, 3))
@pytest.mark.parametrize("seed", SEEDS)
def test_drivers_hear_every_ring_wherever_they_run(seed: int, processors: int) -> None:
    done = switched_off(*driving(ROUNDS), seed=seed, processors=processors, after_entry=look(), prepare=doorbells)
    assert done.watch.visiting > 20, "no interrupt comes for a driver that waits on another processor"


def test_a_planted_bug_is_found() -> None:
    """All that lines signal is taken to be within reach."""
    planted = (kernel_module("objects.devices"), "is_within_reach", lambda line: True)
    assert is_noticed(planted, lambda: driving(ROUNDS), 10, processors=3, prepare=doorbells)
