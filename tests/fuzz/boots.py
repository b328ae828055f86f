"""Boots the kernel on the simulated machine with any boot module: it must refuse it, or run it and be sound."""

from __future__ import annotations

from collections.abc import Sequence

from tests.sim.accounting import check_frames
from tests.sim.harness import MB
from tests.sim.invariants import check
from tests.sim.world import KERNEL, board, machine, user

MEMORY = 2 * MB
ENDS = ("@off", "@exit", "@refused", "@fault")


def look(simulation: machine.Simulation) -> None:
    """Between two entries of the kernel."""
    check(simulation)


def boot(module: bytes, functions: Sequence[user.UserFunction]) -> str:
    """The kernel's log. AssertionError: the kernel panicked, or something is unsound."""
    made = machine.Simulation(KERNEL, functions, module, memory=MEMORY, after_entry=look, at_end=check_frames)
    try:
        log = made.run().log
    except board.Stuck:
        return ""
    assert "@kernel-panic" not in log and log.splitlines()[-1:] == ["@off"], log
    return log
