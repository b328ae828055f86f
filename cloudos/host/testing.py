"""`cloudos test`: lint, types, tests; what continuous integration runs is this and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence

from cloudos.host import state
from cloudos.host.bootstrap import Environment, SetupError, say
from cloudos.host.errors import ToolError


def available() -> list[str]:
    """The kinds of tests that this checkout has."""
    return sorted(
        path.name
        for path in (state.ROOT / "tests").iterdir()
        if path.is_dir() and path.name[0] not in "._" and path.name != "coverage"
    )


def test(kind: str, options: Sequence[str]) -> int:
    """Run lint, type check and the tests of `kind` ("all": every one); the result is 0 when all passed, else 1."""
    prepare()
    if kind != "all" and kind not in available():
        raise ToolError(f"there are no {kind} tests yet", f"choose from: {', '.join(available())}, all")
    folder = "tests" if kind == "all" else f"tests/{kind}"
    processes = ["-n", str(min(4, len(os.sched_getaffinity(0))))]
    steps = {
        # Only the project's folders: programs that a user keeps beside them are his own.
        "ruff": ["ruff", "check", "--quiet", "bench", "cloudos", "examples", "tests"],
        "mypy": ["mypy", "--no-error-summary"],
        "pytest": ["pytest", "-q", *processes, folder, *options],
    }
    failed = [name for name, step in steps.items() if not passes(name, step)]
    say(f"failed: {', '.join(failed)}" if failed else "all passed")
    return 1 if failed else 0


def prepare() -> None:
    """Install what tests need. Raises ToolError, also where there are no tests."""
    if not state.is_checkout():
        raise ToolError("tests run from a checkout of the repository", "clone it and run bin/cloudos test there")
    try:
        Environment(state.ROOT, state.directory()).ensure("test")
    except SetupError as error:
        raise ToolError(str(error), "the tests need these packages") from error
    state.use_cache()


def coverage(quick: bool, again: bool) -> int:
    """Run tests/coverage; the result is its status. Raises ToolError."""
    prepare()
    options = ["--quick"] * quick + ["--report"] * again
    line = [sys.executable, "-m", "tests.coverage", *options]
    return subprocess.run(
        line, cwd=state.ROOT, env={**os.environ, "PYTHONPATH": str(state.ROOT)}, check=False
    ).returncode


def passes(name: str, step: list[str]) -> bool:
    """Run one step from the root of the checkout and say how it went."""
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-m", *step], cwd=state.ROOT, check=False)
    verdict = "passed" if done.returncode == 0 else "FAILED"
    say(f"{name} {verdict} in {time.monotonic() - start:.1f} s")
    return done.returncode == 0
