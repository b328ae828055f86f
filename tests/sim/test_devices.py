"""Devices and interrupts: what may be divided, and lines that interrupt while threads and objects come and go."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import pytest

from cloudos.abi import devices, initial
from tests.sim import programs
from tests.sim.harness import simulation
from tests.sim.world import board, user

call, succeed = user.call, user.succeed
SEEDS = range(6)
NEVER = (1 << 64) - 1
LINE = 9
MACHINE, QUOTA = initial.DEVICE, initial.QUOTA


@dataclass
class Doorbell:
    """A device with one port: writing rings its line after a while, reading says how often, and quiets it."""

    line: int
    machine: board.Board
    delay: int = 5_000
    rings: int = 0
    seen: list[tuple[int, int]] = field(default_factory=list)

    def read(self, offset: int, width: int) -> int:
        self.machine.set_line(self.line, False)
        return self.rings

    def write(self, offset: int, width: int, value: int) -> None:
        self.seen.append((width, value))
        self.machine.at(self.machine.clock + self.delay, self.ring)

    def ring(self, machine: board.Board) -> None:
        self.rings += 1
        machine.set_line(self.line, True)


def doorbell(machine: board.Board) -> None:
    machine.port_devices[range(0x500, 0x504)] = Doorbell(LINE, machine)


def run_with(prepare: Callable[[board.Board], None], *functions: user.UserFunction, seed: int = 0) -> None:
    made = simulation(*functions, seed=seed)
    result = made.prepare(prepare).run()
    assert result.record("exit") == "status=0", result.log


def interrupt(flags: int = 0, line: int = LINE) -> programs.Steps:
    return (yield from succeed("interrupt_create", MACHINE, QUOTA, line, flags))


def bound(flags: int = 0, bits: int = 1) -> Generator[user.Instruction, Any, tuple[int, int]]:
    """An interrupt and its notification."""
    made = yield from interrupt(flags)
    notification = yield from programs.new_notification()
    yield from succeed("interrupt_bind", made, notification, bits)
    return made, notification


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("flags", (0, devices.LEVEL))
def test_a_driver_hears_every_ring(seed: int, flags: int) -> None:
    def main(bundle: int, length: int) -> user.UserCode:
        ports = yield from succeed("device_create", MACHINE, QUOTA, devices.PORTS, 0x500, 4)
        line, notification = yield from bound(flags, 6)
        for number in range(1, 20):
            yield from succeed("device_write", ports, 0, 1, number)
            assert (yield from succeed("notification_wait", notification, NEVER)) == 6
            assert (yield from succeed("device_read", ports, 0, 1)) == number
            yield from succeed("interrupt_acknowledge", line)
        return 0

    run_with(doorbell, main, seed=seed)
