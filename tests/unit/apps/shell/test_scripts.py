"""Every script of `scripts.py` does what it does in dash: same output, same exit status."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.apps.shell.hosting import Outcome, run_apart, run_dash, run_shell
from tests.unit.apps.shell.isolation_scripts import ISOLATION_SCRIPTS
from tests.unit.apps.shell.process_scripts import PROCESS_SCRIPTS
from tests.unit.apps.shell.scripts import SCRIPTS

pytestmark = pytest.mark.skipif(shutil.which("dash") is None, reason="dash is not installed")


def both(
    script: str, directory: Path, ours: Callable[[list[str], Path], Outcome] = run_shell
) -> tuple[Outcome, Outcome]:
    """What the two shells make of a script, each in an empty directory of the same path."""
    place = directory / "work"
    results = []
    for runner in (run_dash, ours):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        (directory / "script").write_text(script)
        results.append(runner([str(directory / "script")], place))
    return results[0], results[1]


@pytest.mark.parametrize("script", SCRIPTS, ids=range(len(SCRIPTS)))
def test_as_dash(script: str, tmp_path: Path) -> None:
    expected, found = both(script, tmp_path)
    assert found == expected, f"{script}\ndash: {expected}\nshell: {found}"


@pytest.mark.parametrize("script", PROCESS_SCRIPTS, ids=range(len(PROCESS_SCRIPTS)))
def test_processes_as_dash(script: str, tmp_path: Path) -> None:
    expected, found = both(script, tmp_path, run_apart)
    assert found == expected, f"{script}\ndash: {expected}\nshell: {found}"


@pytest.mark.parametrize("script", ISOLATION_SCRIPTS, ids=range(len(ISOLATION_SCRIPTS)))
def test_subshells_as_dash(script: str, tmp_path: Path) -> None:
    expected, found = both(script, tmp_path, run_apart)
    assert found == expected, f"{script}\ndash: {expected}\nshell: {found}"


def test_there_are_enough() -> None:
    assert len(set(SCRIPTS)) >= 150
