"""The rows that keep to registers hold on the simulated machine too, in several interleavings."""

from __future__ import annotations

import pytest

from tests.conformance.planted import panics
from tests.conformance.simulated import run
from tests.conformance.table import SIMULATED, Row, is_simulated, load, rows_of


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("module", SIMULATED)
def test_the_rows_of_a_file_hold(module: str, seed: int) -> None:
    rows = [row for row in rows_of(module) if is_simulated(row)]
    assert len(rows) >= 10
    run(rows, seed)


def test_a_row_that_does_not_hold_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load("notifications"), "planted", panics, raising=False)
    with pytest.raises(AssertionError, match="planted: planted on purpose"):
        run([Row("notifications", "planted", "")], seed=2)
