"""Every promise of the table holds, in QEMU; and a row that does not hold is seen as that row's failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.runner import run
from tests.conformance.table import Row, module_names, rows_of


@pytest.mark.parametrize("module", module_names())
def test_the_rows_of_a_file_hold(module: str, tmp_path: Path) -> None:
    verdicts = run(module, rows_of(module), tmp_path)
    failures = [f"{verdict.row.name}: {verdict.failure}" for verdict in verdicts if verdict.failure]
    assert not failures, "\n\n".join(failures)


def test_rows_that_panic_fault_or_hang_fail_alone(tmp_path: Path) -> None:
    names = ["holds", "panics", "holds_again", "faults", "holds_after_all"]
    rows = [Row("planted", name, "") for name in names]
    verdicts = run("planted", rows, tmp_path, "tests.conformance")
    assert [bool(verdict.failure) for verdict in verdicts] == [False, True, False, True, False]
    assert "planted on purpose" in verdicts[1].failure
    assert "planted.py" in verdicts[3].failure
