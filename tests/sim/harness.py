"""Runs programs on the simulated machine; every run ends with the leak check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloudos.host import bundle as bundles
from tests.sim.accounting import check_frames
from tests.sim.world import KERNEL, board, machine, report, user

MB = 1 << 20
LARGEST_FRAME = 65535


def bundle_of(*functions: user.UserFunction, arguments: tuple[bytes, ...] = (), data: bytes = b"") -> bytes:
    """A boot bundle with a program of these functions, and one file."""
    files = {b"data": data} if data else {}
    return bundles.encode(bundles.contents(user.executable(functions), [b"program", *arguments], {}, files))


def framed(data: bytes) -> bytes:
    """Standard input as the host sends it, with its end."""
    pieces = [data[start : start + LARGEST_FRAME] for start in range(0, len(data), LARGEST_FRAME)]
    return b"".join(len(piece).to_bytes(2, "little") + piece for piece in [*pieces, b""])


def simulation(*functions: user.UserFunction, given: bytes | None = b"", **options: Any) -> machine.Simulation:
    """A machine that will run the first function as its program. `given`: standard input, left open when None."""
    content = options.pop("bundle", None) or bundle_of(*functions)
    made = machine.Simulation(KERNEL, functions, content, at_end=check_frames, **options)
    if given is not None:
        made.prepare(lambda machine: machine.send_input(framed(given)))
    return made


def run(*functions: user.UserFunction, **options: Any) -> report.Run:
    """Boot, run, and check that the kernel switched the machine off in order."""
    result = simulation(*functions, **options).run()
    assert result.log.splitlines()[-1:] == ["@off"], result.log
    assert "@kernel-panic" not in result.log, result.log
    return result


def at(time: int, action: Callable[[board.Board], None]) -> Callable[[board.Board], None]:
    """For `Simulation.prepare`: have something happen at a time."""
    return lambda machine: machine.at(time, action)
