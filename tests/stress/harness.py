"""Boots a program of `programs/` and checks how it ended. Sizes: short ones always, the full ones when asked for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cloudos.host import counted, image
from tests.conformance.runner import explain

PROGRAMS = Path(__file__).parent / "programs"
LONG = os.environ.get("CLOUDOS_LONG_TESTS", "") not in ("", "0")
"""Whether the full sizes run: `bin/cloudos test --long stress`."""

SHORT_SECONDS, LONG_SECONDS = 60.0, 3600.0


def size(short: int, full: int) -> int:
    """How much of something a test does."""
    return full if LONG else short


@dataclass(frozen=True)
class Run:
    """What a program printed: lines of a name and a number."""

    lines: dict[str, int]
    outcome: counted.Outcome


def run(program: str, *arguments: int, memory: int = 64 << 20, kernel: Path | None = None) -> Run:
    """Boot a program under instruction counting with numbers as arguments; it must end in order."""
    built = image.build(PROGRAMS / program, "x86_64")
    if kernel is not None:
        built = image.Image(kernel, built.program)
    seconds = LONG_SECONDS if LONG else SHORT_SECONDS
    outcome = counted.run(built, *map(str, arguments), memory=memory, seconds=seconds)
    assert outcome.in_order, f"{program} {arguments}\n{outcome.output}\n{explain(outcome, built)}"
    pairs = [line.split() for line in outcome.output.splitlines()]
    return Run({pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}, outcome)
