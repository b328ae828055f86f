"""Rows on the host: dash, and the tools of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.boot.comparison.table import BUILTINS, Row
from tests.unit.apps.commands import FILES

TIMEOUT = 20  # seconds for one row
PATH = "/usr/bin:/bin"
MODIFIED = 1577934245  # seconds since 1970: when the files of the table were changed last; OLDER an hour before
HOUR = 3600
OWNERS = re.compile(rb"^([-d][-rwx]{9} +\d+) +\S+ +\S+ ", re.MULTILINE)
OLDER = "words"
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
    for made in directory.rglob("*"):
        made.chmod(0o755 if made.is_dir() else 0o644)
        modified = MODIFIED - (HOUR if made.name == OLDER else 0)
        os.utime(made, (modified, modified))


def run(row: Row, directory: Path) -> Answer:
    """Run a row in the directory, which is made anew. The file-mode mask is 022."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    directory.chmod(0o755)
    if row.files:
        fill(directory)
    place = str(directory)
    variables = {"PATH": PATH, "HOME": place, "LC_ALL": "C", "TZ": "UTC0", "PWD": place}
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
    # In CloudOS all files are root's, on the host the user's.
    output = OWNERS.sub(rb"\1 root root ", done.stdout) if row.program == "ls" else done.stdout
    status = done.returncode if done.returncode >= 0 else 128 - done.returncode
    return Answer(output, status, done.stderr)


def lacks(row: Row) -> str:
    """The program that the host does not have for a row, or nothing."""
    found = Path("/bin", row.program).exists() if row.program in BUILTINS else shutil.which(row.program, path=PATH)
    return "" if found else row.program
