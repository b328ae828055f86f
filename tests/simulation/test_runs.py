"""A few seeds of the simulation, and its own test: planted bugs are found, a seed is a run, plans are made smaller."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LONG = os.environ.get("CLOUDOS_LONG_TESTS") == "1"
SEEDS = 1_000 if LONG else 10
# Seeds that are known to find each bug, or one of the next; the long tests look from 0 on.
FINDS = {
    "a missed wake-up": 0,
    "a skipped generation check": 0,
    "a lost reference count": 0,
    "a revoke that skips one child": 0,
    "a stale translation": 2,
}
MOST = 1_000 if LONG else 3
ENVIRONMENT = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def found() -> Any:
    """What `self_test.py` found."""
    given = json.dumps([SEEDS, dict.fromkeys(FINDS, 0) if LONG else FINDS, MOST])
    command = [sys.executable, "-m", "tests.simulation.self_test", given]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_seeds_run_without_a_violation(found: Any) -> None:
    failed = [run for run in found["runs"] if run["problem"]]
    assert len(found["runs"]) > SEEDS
    assert not failed, "\n".join([f"seed {run['seed']}: {run['problem']}\n{run['detail']}" for run in failed])


def test_the_system_boots_while_things_go_wrong(found: Any) -> None:
    failed = [run for run in found["boots"] if run["problem"]]
    assert found["boots"] and not failed, "\n".join([f"seed {run['seed']}: {run['detail']}" for run in failed])
    for name in ("names", "files", "client3"):
        assert all(any(f"{name} starts" in line for line in run["history"]) for run in found["boots"])


def test_runs_do_what_they_are_for(found: Any) -> None:
    lines = [line for run in found["runs"] for line in run["history"]]
    assert sum(" -> " in line for line in lines) > 40 * SEEDS
    for word in ("fault: kill", "fault: memory", "fault: delay", "fault: order", " starts", " ends", "ServiceGone"):
        assert any(word in line for line in lines), f"no run has '{word}'"


def test_a_seed_is_a_run(found: Any) -> None:
    assert found["again"] == found["runs"][-1]


@pytest.mark.parametrize("bug", FINDS)
def test_planted_bugs_are_found(bug: str, found: Any) -> None:
    assert found["bugs"][bug] is not None


def test_a_failing_plan_is_made_smaller(found: Any) -> None:
    smaller = found["smaller"]
    assert smaller["problem"].split(":")[0] == found["bugs"]["a revoke that skips one child"]["problem"].split(":")[0]
    assert (smaller["faults"], smaller["operations"]) == (0, 1)
    assert "revoke_children" in "".join(smaller["history"])


def test_the_command_replays_a_seed(found: Any) -> None:
    bug = "a revoke that skips one child"
    seed = str(found["bugs"][bug]["seed"])
    line = [sys.executable, "-m", "tests.simulation", "--seed", seed, "--bug", bug, "--no-shrink"]
    done = subprocess.run(line, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert f"seed {seed}: {found['bugs'][bug]['problem']}" in done.stdout
    assert f"again: bin/cloudos simulate --seed {seed} --steps 1000 --faults" in done.stdout
