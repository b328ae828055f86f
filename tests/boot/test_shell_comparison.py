"""Shell and utilities in the machine beside the host's dash and tools: same output and exit status for every row."""

from __future__ import annotations

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
from tests.boot.comparison.table import ABSENT, DIFFERENCES, Row, left_out, rows

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
    files: list[str]


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Comparison]:
    """Both run all rows at the same time, in directories of one path."""
    table = rows()
    base = Path(tempfile.mkdtemp(prefix="comparison-", dir="/tmp"))
    here = base / "here"
    try:
        with ThreadPoolExecutor(1) as other:
            theirs = other.submit(
                lambda: {n: host.run(row, here) for n, row in enumerate(table) if not host.lacks(row)}
            )
            made = machine.build(tmp_path_factory.mktemp("image"), table, here)
            begin = time.monotonic()
            outcome = machine.run(made, SECONDS)
            seconds = time.monotonic() - begin
            expected = theirs.result()
        ours = machine.answers(outcome.output)
        instructions = sum(answer.instructions for answer in ours.values())
        print(f"{len(ours)} of {len(table)} rows in {seconds:.1f} s, {instructions:,} instructions")
        shown = f"{outcome.ended}\n{outcome.output[-2000:]}\n" + "\n".join(outcome.log.lines)
        yield Comparison(table, ours, expected, shown, [*made.files])
    finally:
        shutil.rmtree(base, ignore_errors=True)


def difference(row: Row, ours: Answer | None, theirs: Answer) -> str:
    """What is not as it has to be, or nothing."""
    known = DIFFERENCES.get(row.script)
    wanted = (known.output, known.status) if known else (theirs.output, theirs.status)
    if ours is not None and (ours.output, ours.status) == wanted:
        return ""
    why = f"\n    wanted:  {known}" if known else ""
    return f"{row.script}\n    host:    {theirs}\n    CloudOS: {ours}{why}"


def test_each_row_as_on_the_host(comparison: Comparison) -> None:
    compared = [
        (number, difference(comparison.rows[number], comparison.ours.get(number), theirs))
        for number, theirs in comparison.theirs.items()
    ]
    problems = [f"{number}: {problem}" for number, problem in compared if problem]
    assert not problems, f"{len(problems)} of {len(compared)} rows differ\n" + "\n".join(problems)
    assert len(compared) >= 300


def test_each_row_was_answered(comparison: Comparison) -> None:
    silent = [row.script for number, row in enumerate(comparison.rows) if number not in comparison.ours]
    assert not silent, f"{silent[0]!r} and {len(silent) - 1} more have no answer\n{comparison.shown}"


def test_the_host_has_the_tools(comparison: Comparison) -> None:
    lacking = [host.lacks(row) for row in comparison.rows if host.lacks(row)]
    if lacking:
        pytest.skip(f"{len(lacking)} rows were not compared: the host has no {', '.join(sorted({*lacking}))}")


def test_what_is_left_out_is_not_in_the_system(comparison: Comparison) -> None:
    there = {path.rsplit("/", 1)[1] for path in comparison.files}
    assert there.isdisjoint(ABSENT), "the system has them now: their rows can be compared"
    assert "grep" in there
    assert len(left_out()) < 20


def test_known_differences_are_in_the_table(comparison: Comparison) -> None:
    assert {row.script for row in comparison.rows} >= {*DIFFERENCES}
