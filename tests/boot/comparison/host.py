"""Rows on the host: dash, and the tools of its own."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.boot.comparison.table import Row
from tests.unit.apps.commands import FILES

TIMEOUT = 20  # seconds for one row
DASH = shutil.which("dash")


@dataclass(frozen=True)
class Answer:
    """What a row gave; `status` is None when it did not end. Errors are shown, and not compared."""

    output: bytes
    status: int | None
    errors: bytes = b""
    instructions: int = 0


def fill(directory: Path) -> None:
    """Make the files of the table, with the permissions that CloudOS gives to new files."""
    for path, content in FILES.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(content)
    for path in directory.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def run(row: Row, directory: Path) -> Answer:
    """Run a row in the directory, which is made anew. The file-mode mask is 022."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    directory.chmod(0o755)
    if row.files:
        fill(directory)
    place = str(directory)
    variables = {"PATH": "/usr/bin:/bin", "HOME": place, "LC_ALL": "C", "TZ": "UTC0", "PWD": place}
    assert DASH is not None
    try:
        done = subprocess.run(
            [DASH, "-c", row.script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=directory,
            env=variables,
            timeout=TIMEOUT,
            check=False,
            umask=0o022,
        )
    except subprocess.TimeoutExpired as late:
        return Answer(late.stdout or b"", None, late.stderr or b"")
    return Answer(done.stdout, done.returncode, done.stderr)
