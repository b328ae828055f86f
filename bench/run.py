"""Measures the kernel: `python bench/run.py`. One JSON object: instructions of each operation.

The machine runs under `-icount shift=0,sleep=off`, so that one nanosecond of guest time is one instruction and every
run gives the same numbers.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUN = """
import sys
from cloudos.host import cli, machine
plain = machine.command
machine.command = lambda *given: [*plain(*given), "-icount", "shift=0,sleep=off"]
sys.argv = ["cloudos", "run", "--timeout", "120", "--memory", "64M", sys.argv[1]]
sys.exit(cli.main())
"""


def measure(program: Path) -> dict[str, int]:
    """What the program prints: a key and a number on each line. Raises CalledProcessError."""
    run = subprocess.run(
        [sys.executable, "-c", RUN, str(program)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return {key: int(value) for key, value in (line.split() for line in run.stdout.splitlines())}


if __name__ == "__main__":
    print(
        json.dumps(
            {"arch": "x86_64", "processors": 1, "instructions": measure(ROOT / "bench/microkernel.py")}, indent=2
        )
    )
