"""Drives `bin/cloudos` as a user does: programs are written to files, streams and status are what a shell would see."""

from __future__ import annotations

import subprocess
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloudos.host import usual

ROOT = Path(__file__).resolve().parents[2]
LAUNCHER = ROOT / "bin" / "cloudos"
PATIENCE = 300.0 if usual.processors() == 1 else 900.0
"""Seconds after which a run counts as hung, though it may compile the whole system first, and several processors may
take turns on a host that has fewer; `--timeout` is for tests of the time limit itself."""

LINE_DRIVER, CLOCK_DRIVER = {"x86_64": ("serial16550", "rtc"), "aarch64": ("virtio_console", "pl031")}[
    usual.architecture()
]
"""The drivers of console and clock in the image `system` for the usual machine."""

HEADER = "from __future__ import annotations\n"


@dataclass(frozen=True)
class Result:
    """What a run gave."""

    status: int
    output: bytes
    errors: str
    seconds: float

    def check(self, status: int = 0) -> Result:
        """This result, when the status is as expected; otherwise an assertion error that shows everything."""
        assert self.status == status, f"status {self.status}, expected {status}\n{self.output!r}\n{self.errors}"
        return self


def cloudos(*arguments: str | Path, given: bytes = b"", cwd: Path = ROOT, patience: float = PATIENCE) -> Result:
    """Run the tool with the given bytes as standard input."""
    start = time.monotonic()
    done = subprocess.run(
        [LAUNCHER, *map(str, arguments)], input=given, capture_output=True, cwd=cwd, timeout=patience, check=False
    )
    return Result(done.returncode, done.stdout, done.stderr.decode(errors="replace"), time.monotonic() - start)


def write(directory: Path, source: str, name: str = "program.py") -> Path:
    """A program file with `source`, which may be indented; the future import is added."""
    path = directory / name
    path.write_text(HEADER + textwrap.dedent(source))
    return path


def run(
    program: Path, *arguments: str, given: bytes = b"", options: Sequence[str | Path] = (), cwd: Path = ROOT
) -> Result:
    """`cloudos run OPTIONS PROGRAM ARGUMENTS`."""
    return cloudos("run", *options, program, *arguments, given=given, cwd=cwd)
