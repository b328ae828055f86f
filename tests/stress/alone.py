"""A kernel that counts how often and why a processor is alone in it, and for how long, or keeps one other out.


It is the ordinary kernel, built with CLOUDOS_KERNEL_COUNTS=1 (`cloudos/kernel/sched/counters.py`): it also asserts that
a processor is alone where it must be. As a program (`python -m tests.stress.alone ARCHITECTURE FILE`) it compiles it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cloudos.abi.system_calls import SYSTEM_CALLS

ROOT = Path(__file__).parents[2]
CALLS = 96
OTHERS = ("fault", "interrupt", "deadline", "limited time", "idle", "cleanup", "tag of a space")
LINE = re.compile(r"alone reason=(\d+) count=(\d+) longest=(\d+) visits=(\d+)")


@dataclass(frozen=True)
class Alone:
    """`longest`: in nanoseconds, that is instructions where these are counted. `visits`: how often one other processor
    was kept out."""

    count: int
    longest: int
    visits: int


def build(architecture: str, output: Path) -> Path:
    """Compile the kernel that counts, in a process of its own."""
    line = [sys.executable, "-m", "tests.stress.alone", architecture, str(output)]
    environment = os.environ | {"CLOUDOS_KERNEL_COUNTS": "1"}
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return output


def name_of(reason: int) -> str:
    """A system call, or what else made a processor be alone."""
    return SYSTEM_CALLS[reason].name if reason < len(SYSTEM_CALLS) else OTHERS[reason - CALLS]


def counts(log: list[str]) -> dict[str, Alone]:
    """What the log of a machine says, by reason."""
    found = (LINE.search(line) for line in log)
    rows = [[int(group) for group in match.groups()] for match in found if match]
    return {name_of(reason): Alone(*row) for reason, *row in rows}


if __name__ == "__main__":
    from cloudos.compiler import api
    from cloudos.host import state

    state.use_cache()
    api.compile_kernel(sys.argv[1], Path(sys.argv[2]))
