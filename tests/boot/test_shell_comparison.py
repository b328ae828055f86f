"""Shell and utilities in the machine beside the host's dash and tools: same output and exit status for every row."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.boot.comparison import host, machine
from tests.boot.comparison.host import Answer
from tests.boot.comparison.table import DIFFERENCES, Row, missing, rows

pytestmark = pytest.mark.skipif(host.DASH is None, reason="dash is not installed")

SECONDS = 300.0
"""Of real time for all rows in the machine, on a machine that others use too."""


@dataclass(frozen=True)
class Comparison:
    """All rows with both answers."""

    rows: list[Row]
    ours: dict[int, Answer]
    theirs: dict[int, Answer]
    shown: str


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Comparison]:
    """Both run all rows at the same time, in directories of one path."""
    table = rows()
    base = Path(tempfile.mkdtemp(prefix="comparison-", dir="/tmp"))
    here = base / "here"
    try:
        with ThreadPoolExecutor(1) as other:
            begin = time.monotonic()
            theirs = other.submit(lambda: {n: host.run(row, here) for n, row in enumerate(table) if not missing(row)})
            ours, log, shown = machine.run(tmp_path_factory.mktemp("image"), table, here, SECONDS)
            machine_seconds = time.monotonic() - begin
            expected = theirs.result()
        counted = sum(answer.instructions for answer in ours.values())
        print(f"{len(ours)} rows in {machine_seconds:.1f} s, {counted:,} instructions; {log.status=}")
        yield Comparison(table, ours, expected, shown)
    finally:
        shutil.rmtree(base, ignore_errors=True)


def difference(row: Row, ours: Answer | None, theirs: Answer) -> str:
    """What is not the same, or nothing."""
    if ours is not None and (ours.output, ours.status) == (theirs.output, theirs.status):
        return ""
    return f"{row.script}\n    here:    {theirs}\n    CloudOS: {ours}"


def test_each_row_as_on_the_host(comparison: Comparison) -> None:
    problems = []
    for number, theirs in comparison.theirs.items():
        row = comparison.rows[number]
        found = difference(row, comparison.ours.get(number), theirs)
        if row.name in DIFFERENCES:
            # A reason for a difference that is none any more has to go.
            found = "" if found else f"{row.script}\n    does not differ any more: {DIFFERENCES[row.name]}"
        problems += [f"{number}: {found}"] if found else []
    assert not problems, f"{len(problems)} rows differ\n" + "\n".join(problems)
    assert len(comparison.theirs) >= 300
