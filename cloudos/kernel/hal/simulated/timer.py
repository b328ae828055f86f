"""Virtual time: it passes as the machine runs, and jumps ahead when it sleeps."""

from __future__ import annotations

from cloudos.kernel.hal.simulated import board
from cloudos.lang import U64


def start() -> None:
    """The clock has been running since the machine was switched on."""


def now() -> U64:
    """Nanoseconds since the machine was switched on; never goes back."""
    return U64(board.current().clock)


def set_alarm(deadline: U64) -> None:
    """Interrupt once at `deadline`. From time to time it comes early, which callers must bear."""
    machine = board.current()
    wait = max(int(deadline) - machine.clock, 1)
    if machine.random.random() < machine.early_alarms:
        wait = machine.random.randint(1, wait)
    machine.alarm = machine.clock + wait


def handle_interrupt() -> None:
    """The timer's interrupt came: there is nothing to do."""
