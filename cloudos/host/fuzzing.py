"""`cloudos fuzz`: looks for inputs that break a boundary, guided by the branches that they reach.

The targets, their inputs and the engine are in tests/fuzz; this installs what the engine needs, runs it in a process of
its own, keeps what it finds below the state directory, and says how to run that again.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cloudos.host import state
from cloudos.host.bootstrap import Environment, SetupError, say
from cloudos.host.errors import ToolError

SLOWEST = 60
"""Seconds for one input, whatever else the machine does: each takes milliseconds."""

MEMORY = 3000
"""Megabytes that the engine may take: imported programs and generated code are kept by CPython for ever."""

PAUSE = 10
"""Seconds between two lines about how it goes."""

STATUS = re.compile(r"#(\d+)\s+\S+\s+cov: (\d+).*?corp: (\d+)")
TRACEBACK = ("=== Uncaught Python exception", "==")
"""Where the traceback of a crash begins in what the engine says, and what the line behind it begins with."""


@dataclass
class Search:
    """How a search went: executions, branches reached, and the lines that say what broke."""

    executions: int = 0
    branches: int = 0
    problem: str = ""


def prepare() -> None:
    """Install what the engine needs. Raises ToolError."""
    if not state.is_checkout():
        raise ToolError("fuzzing runs from a checkout of the repository", "clone it and run bin/cloudos fuzz there")
    try:
        Environment(state.ROOT, state.directory()).ensure("fuzz")
    except SetupError as error:
        raise ToolError(str(error), "fuzzing needs these packages") from error
    state.use_cache()


def python(*arguments: str) -> list[str]:
    """A command that runs one of the modules of tests/fuzz."""
    return [sys.executable, *arguments]


def targets() -> int:
    """Print what can be fuzzed; the status."""
    if not state.is_checkout():
        raise ToolError("fuzzing runs from a checkout of the repository", "clone it and run bin/cloudos fuzz there")
    return subprocess.run(python("-m", "tests.fuzz", "--list"), cwd=state.ROOT, check=False).returncode


def replay(target: str, files: tuple[str, ...]) -> int:
    """Run inputs once each, without the engine. Status 1 and a traceback: one crashes."""
    paths = [str(Path(file).resolve()) for file in files]
    return subprocess.run(python("-m", "tests.fuzz", target, *paths), cwd=state.ROOT, check=False).returncode


def fuzz(target: str, seconds: int, seed: int) -> int:
    """Search for `seconds`; 0 when nothing broke, 1 when something did. `seed` 0: another one each time."""
    prepare()
    folder = state.directory() / "fuzz" / target
    found = folder / "found"
    for path in (folder / "corpus", found):
        path.mkdir(parents=True, exist_ok=True)
    kept = [state.ROOT / "tests" / "fuzz" / kind / target for kind in ("corpus", "crashes")]
    options = [f"-max_total_time={seconds}", f"-seed={seed}", f"-timeout={SLOWEST}", f"-rss_limit_mb={MEMORY}",
               "-len_control=0", f"-artifact_prefix={found}/", "-print_final_stats=1"]  # fmt: skip
    folders = [str(folder / "corpus"), *(str(path) for path in kept if path.is_dir())]
    before = set(found.iterdir())
    start = time.monotonic()
    search = run(python("-m", "tests.fuzz.engine", target, *options, *folders), folder / "log")
    say(f"{target}: {search.executions:,} executions in {time.monotonic() - start:.0f} s, {search.branches:,} branches")
    new = sorted(path for path in found.iterdir() if path not in before and not path.name.startswith("slow-unit"))
    if not new and not search.problem:
        return 0
    print(search.problem or "it ended before its time", file=sys.stderr)
    for path in new:
        say(f"the input is {path}")
        say(f"run it again with: bin/cloudos fuzz {target} --replay {path}")
    say(f"all that the engine said: {folder / 'log'}")
    return 1


def run(command: list[str], log: Path) -> Search:
    """Run the engine to its end and say from time to time how it goes."""
    search = Search()
    with log.open("w") as copy:
        engine = subprocess.Popen(
            command, cwd=state.ROOT, stdout=copy, stderr=subprocess.PIPE, text=True, errors="replace"
        )
        assert engine.stderr is not None
        try:
            follow(lines(engine.stderr, copy), search)
            status = engine.wait()
        finally:
            engine.kill()
            engine.wait()
    if status and not search.problem:
        search.problem = "".join(log.read_text(errors="replace").splitlines(keepends=True)[-10:])
    return search


def lines(stream: IO[str], copy: IO[str]) -> Iterator[str]:
    """Each line, once it has been copied."""
    for line in stream:
        copy.write(line)
        yield line


def follow(said: Iterator[str], search: Search) -> None:
    """Take what the engine says."""
    shown = time.monotonic()
    in_traceback = False
    for line in said:
        found = STATUS.match(line)
        if found:
            search.executions, search.branches = int(found[1]), int(found[2])
            if time.monotonic() - shown > PAUSE:
                shown = time.monotonic()
                say(f"{search.executions:,} executions, {search.branches:,} branches, {found[3]} inputs kept")
        elif line.startswith("stat::number_of_executed_units:"):
            search.executions = int(line.split()[-1])
        elif TRACEBACK[0] in line:
            in_traceback = True
        elif line.startswith(TRACEBACK[1]):
            in_traceback = False
        elif in_traceback:
            search.problem += line
