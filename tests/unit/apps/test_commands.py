"""Each command line of the table gives what the host's utility gives: output, exit status, and files."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from tests.unit.apps.commands import COMMANDS, FILES
from tests.unit.apps.toolbox import Result, run, run_host

ROWS = [(name, line) for name, lines in COMMANDS.items() for line in lines]


def fill(directory: Path) -> None:
    """Make the files."""
    for path, content in FILES.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(content)


def contents(directory: Path) -> dict[str, tuple[bytes | None, int]]:
    """All files with their bytes, directories with None, and their permissions."""
    found: dict[str, tuple[bytes | None, int]] = {}
    for path in sorted(directory.rglob("*")):
        mode = path.stat().st_mode & 0o777
        found[str(path.relative_to(directory))] = (path.read_bytes() if path.is_file() else None, mode)
    return found


def split(name: str, line: str) -> tuple[list[str], bytes]:
    """The arguments, and what is fed."""
    words = shlex.split(line)
    feed = b""
    if words and words[-1].startswith("<") and len(words[-1]) > 1:
        feed = FILES[words.pop()[1:]]
    return [name, *words], feed


def in_order(name: str, line: str, output: bytes) -> bytes:
    """The lines in order, where directories are read in no particular one."""
    if name == "find" or (name == "grep" and "-r" in line):
        return b"\n".join(sorted(output.split(b"\n")))
    return output


@pytest.mark.parametrize(("name", "line"), ROWS, ids=[f"{name} {line}" for name, line in ROWS])
def test_it_does_what_the_hosts_does(name: str, line: str, tmp_path: Path) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"the host has no {name}")
    arguments, feed = split(name, line)
    results: list[tuple[Result, dict[str, tuple[bytes | None, int]]]] = []
    for kind, runner in (("ours", run), ("theirs", run_host)):
        directory = tmp_path / kind / "here"
        directory.mkdir(parents=True)
        fill(directory)
        results.append((runner(arguments, directory, feed), contents(directory)))
    (ours, our_files), (theirs, their_files) = results
    base = [str(tmp_path / kind).encode() for kind in ("ours", "theirs")]
    our_output = in_order(name, line, ours.output.replace(base[0], b""))
    assert our_output == in_order(name, line, theirs.output.replace(base[1], b"")), ours.errors
    assert ours.status == theirs.status, (ours.errors, theirs.errors)
    assert bool(ours.errors) == bool(theirs.errors), (ours.errors, theirs.errors)
    assert our_files == their_files


def test_the_table_is_large() -> None:
    assert len(ROWS) == len(set(ROWS)) >= 250
