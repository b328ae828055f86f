"""Devices and interrupts: what may be divided, and lines that interrupt while threads and objects come and go."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from cloudos.abi import devices, initial
from cloudos.abi.errors import BadState, WouldBlock
from cloudos.abi.objects import ALL_RIGHTS_BITS
from tests.sim import programs
from tests.sim.accounting import ledger
from tests.sim.harness import simulation
from tests.sim.programs import start_thread
from tests.sim.stage import Stage
from tests.sim.world import board, kernel_module, user

call, succeed = user.call, user.succeed
SEEDS = range(6)
NEVER = (1 << 64) - 1
LINE = 9
PORT = 0x500
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
    machine.port_devices[range(PORT, PORT + 4)] = Doorbell(LINE, machine)


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
        ports = yield from succeed("device_create", MACHINE, QUOTA, devices.PORTS, PORT, 4)
        line, notification = yield from bound(flags, 6)
        for number in range(1, 20):
            yield from succeed("device_write", ports, 0, 1, number)
            assert (yield from succeed("notification_wait", notification, NEVER)) == 6
            assert (yield from succeed("device_read", ports, 0, 1)) == number
            yield from succeed("interrupt_acknowledge", line)
        return 0

    run_with(doorbell, main, seed=seed)


def test_ports_carry_every_width() -> None:
    made: list[Doorbell] = []

    def prepare(machine: board.Board) -> None:
        made.append(Doorbell(LINE, machine))
        machine.port_devices[range(PORT, PORT + 4)] = made[0]

    def main(bundle: int, length: int) -> user.UserCode:
        ports = yield from succeed("device_create", MACHINE, QUOTA, devices.PORTS, PORT, 4)
        for width, value in ((1, 0xFE), (2, 0xFEDC), (4, 0xFEDCBA98)):
            yield from succeed("device_write", ports, 0, width, value)
        return 0

    run_with(prepare, main)
    assert made[0].seen == [(1, 0xFE), (2, 0xFEDC), (4, 0xFEDCBA98)]


def test_a_level_waits_for_its_acknowledgement() -> None:
    def main(bundle: int, length: int) -> user.UserCode:
        line, notification = yield from bound(devices.LEVEL)
        for _ in range(3):
            assert (yield from succeed("notification_wait", notification, NEVER)) == 1
            yield from programs.sleep(1_000_000)
            assert (yield call("notification_wait", notification, 0)).error == WouldBlock.code
            yield from succeed("interrupt_acknowledge", line)
        return 0

    run_with(lambda machine: machine.at(1_000, lambda at: at.set_line(LINE, True)), main)


def test_a_line_is_masked_as_soon_as_nobody_is_there_to_handle_it() -> None:
    """However the driver loses it."""
    ways = ("interrupt", "notification", "revoke", "process", "unbind")

    def main(bundle: int, length: int) -> user.UserCode:
        for way in ways:
            line = yield from interrupt()
            notification = yield from programs.new_notification()
            child = yield from programs.new_process(1)
            owned = yield from programs.install(child, line)
            yield from succeed("interrupt_bind", line, notification, 1)
            assert state.lines[LINE].is_open and owned
            if way == "process":
                yield from succeed("process_kill", child)
                yield from programs.sleep(1_000_000)
            elif way == "unbind":
                yield from succeed("interrupt_bind", line, notification, 0)
            elif way == "revoke":
                yield from succeed("handle_revoke", line)
            else:
                yield from succeed("handle_close", line if way == "interrupt" else notification)
                yield call("system_null")
            assert not state.lines[LINE].is_open, way
            for handle in (child, line, notification):
                yield call("handle_close", handle)
        return 0

    state: board.Board

    def prepare(machine: board.Board) -> None:
        nonlocal state
        state = machine

    run_with(prepare, main)


def test_an_interrupt_that_was_sent_before_the_line_was_masked_signals_nobody() -> None:
    def main(bundle: int, length: int) -> user.UserCode:
        line, notification = yield from bound()
        state.pulse_line(LINE)
        assert "line 9" in state.pending
        state.pending.clear()
        yield from succeed("handle_close", line)
        state.pending.append("line 9")
        yield from programs.sleep(1_000)
        assert (yield call("notification_wait", notification, 0)).error == WouldBlock.code
        state.pending.append("line 11")
        yield from programs.sleep(1_000)
        return 0

    state: board.Board

    def prepare(machine: board.Board) -> None:
        nonlocal state
        state = machine

    run_with(prepare, main)


BUSY_LINES = range(8, 14)


def take_line(line: int, random: Random) -> Generator[user.Instruction, Any, list[int]]:
    """An interrupt bound through a derived handle, and a driver for it; the handles."""
    interrupt = yield from succeed("interrupt_create", MACHINE, QUOTA, line, random.choice((0, 1)))
    notification = yield from programs.new_notification()
    given = yield from succeed("handle_derive", interrupt, ALL_RIGHTS_BITS, 0)
    yield user.Write(user.SCRATCH, given.to_bytes(8, "little") + notification.to_bytes(8, "little"))
    yield from succeed("interrupt_bind", given, notification, 1 << line)
    thread = yield from start_thread(1, line)
    yield from programs.sleep(random.randrange(200_000))
    return [interrupt, given, notification, thread]


def lose_line(handles: list[int], random: Random) -> Generator[user.Instruction, Any, None]:
    """One way or another, the line is given up."""
    interrupt, given, _, thread = handles
    if random.random() < 0.5:
        yield from succeed("handle_revoke", interrupt)
        handles.remove(given)
    random.shuffle(handles)
    if random.random() < 0.5:
        yield from succeed("thread_kill", thread)
    for handle in handles:
        yield from succeed("handle_close", handle)


@pytest.mark.parametrize("seed", range(12))
def test_lines_interrupt_while_everything_comes_and_goes(seed: int) -> None:
    """Drivers are made, revoked and killed while their lines interrupt at any moment."""

    def main(bundle: int, length: int) -> user.UserCode:
        random = Random(seed)
        before = 0
        for _ in range(6):
            made = []
            for line in random.sample(BUSY_LINES, 4):
                made.append((yield from take_line(line, random)))
            for handles in made:
                yield from lose_line(handles, random)
            yield from programs.sleep(2_000_000)
            assert not any(line.is_open for line in state.lines)
            used = ledger()[1]
            # The slots of handles stay, and one object may wait to be taken apart.
            assert before == 0 or used <= before + 8192, (before, used)
            before = max(before, used)
        return 0

    def driver(line: int, _: int) -> user.UserCode:
        words = yield user.Read(user.SCRATCH, 16)
        interrupt, notification = int.from_bytes(words[:8], "little"), int.from_bytes(words[8:], "little")
        while not (reply := (yield call("notification_wait", notification, NEVER))).error:
            assert reply.value == 1 << line
            state.set_line(line, False)
            yield call("interrupt_acknowledge", interrupt)
        return None

    state: board.Board

    def ring(machine: board.Board) -> None:
        machine.set_line(machine.random.choice(BUSY_LINES), machine.random.random() < 0.7)
        machine.at(machine.clock + machine.random.randrange(1, 30_000), ring)

    def prepare(machine: board.Board) -> None:
        nonlocal state
        state = machine
        machine.at(1_000_000, ring)

    run_with(prepare, main, driver, seed=seed)


def test_a_line_is_free_before_its_interrupt_has_been_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Taking objects apart may lag behind; the new interrupt is not lost when the old one goes at last."""
    monkeypatch.setattr(kernel_module("microkernel"), "CLEANUP_STEPS", 0)

    def main(bundle: int, length: int) -> user.UserCode:
        first = yield from interrupt()
        yield from succeed("handle_close", first)
        second = yield from interrupt()
        yield from programs.sleep(1_000_000)
        reply = yield call("interrupt_create", MACHINE, QUOTA, LINE, 0)
        assert reply.error == BadState.code
        yield from succeed("handle_close", second)
        return 0

    run_with(lambda _: None, main)


def test_the_machine_is_reset_when_the_output_is_out() -> None:
    with Stage() as stage:
        stage.succeed("console_write", 1, user.SCRATCH, 4)
        stage.post(stage.actors[0], user.call("device_reset", MACHINE))
        with pytest.raises(board.Reset):
            while True:
                stage.simulation.step()
        run = stage.simulation.report()
        assert run.log.splitlines()[-1] == "@restart" and "@off" not in run.log
        assert run.records("exit") == [] and len(run.streams[1]) == 4
