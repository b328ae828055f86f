"""Every promise of the table holds, in QEMU; and a row that does not hold is seen as that row's failure."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conformance import runner
from tests.conformance.runner import run
from tests.conformance.table import Row, is_anywhere, module_names, rows_of

OFTEN = ("faults", "interrupts", "messages", "spaces", "threads")
"""Where the hardware layer has the largest part; the others run on AArch64 with `--long`."""


@pytest.mark.parametrize("module", module_names())
def test_the_rows_of_a_file_hold(module: str, tmp_path: Path) -> None:
    verdicts = run(module, rows_of(module), tmp_path)
    failures = [f"{verdict.row.name}: {verdict.failure}" for verdict in verdicts if verdict.failure]
    assert not failures, "\n\n".join(failures)


@pytest.mark.parametrize("module", module_names())
def test_they_hold_on_aarch64(module: str, tmp_path: Path) -> None:
    if module not in OFTEN and not os.environ.get("CLOUDOS_LONG_TESTS"):
        pytest.skip("with --long")
    rows = [row for row in rows_of(module) if is_anywhere(row)]
    assert rows
    verdicts = run(module, rows, tmp_path, architecture="aarch64")
    failures = [f"{verdict.row.name}: {verdict.failure}" for verdict in verdicts if verdict.failure]
    assert not failures, "\n\n".join(failures)


def test_rows_that_panic_fault_or_hang_fail_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "SECONDS", 4.0)
    names = ["holds", "panics", "holds_again", "faults", "hangs", "holds_after_all"]
    rows = [Row("planted", name, "") for name in names]
    verdicts = run("planted", rows, tmp_path, "tests.conformance")
    assert [bool(verdict.failure) for verdict in verdicts] == [False, True, False, True, True, False]
    assert "planted on purpose" in verdicts[1].failure
    assert "planted.py" in verdicts[3].failure
    assert verdicts[4].failure.startswith("hangs")
