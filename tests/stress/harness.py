"""Boots a program of `programs/` and checks how it ended. Sizes: short ones always, the full ones when asked for."""

from __future__ import annotations

import os
import re
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


def run(
    program: str,
    *arguments: int,
    memory: int = 64 << 20,
    kernel: Path | None = None,
    keep: Path | None = None,
    architecture: str | None = None,
    processors: int | None = None,
) -> Run:
    """Boot a program under instruction counting with numbers as arguments; it must end in order.

    `kernel`: another than the ordinary one. `keep`: a file that is to hold the machine's memory. Without an
    architecture or number of processors the usual. Several processors run at the same time and are not counted.
    """
    built = image.build(PROGRAMS / program, architecture)
    if kernel is not None:
        built = image.Image(kernel, built.program)
    seconds = LONG_SECONDS if LONG else SHORT_SECONDS
    words = map(str, arguments)
    outcome = counted.run(built, *words, memory=memory, seconds=seconds, memory_image=keep, processors=processors)
    assert outcome.in_order, f"{program} {arguments}: {failure(outcome, built)}"
    # Programs that make random calls print anything.
    return Run({name: int(value) for name, value in re.findall(r"^([a-z_]+) (\d+)$", outcome.output, re.M)}, outcome)


def failure(outcome: counted.Outcome, built: image.Image) -> str:
    """Why a program did not end in order; of what it printed the end, without what is not text."""
    printed = re.sub(r"[^ -~\n]+| {3,}", "", outcome.output)[-1000:]
    status = f"{outcome.ended.value}, status {outcome.log.status}"
    return f"{status}\n{printed}\n{explain(outcome, built)}\n" + "\n".join(outcome.log.lines[-5:])
