"""Shell and utilities in the machine beside the host's dash and tools: same output and exit status for every row."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloudos.apps.administration.table import NAMES as ADMINISTRATION
from cloudos.apps.toolbox.table import NAMES as UTILITIES
from cloudos.host import usual
from tests.boot.comparison import host, machine
from tests.boot.comparison.host import Answer
from tests.boot.comparison.table import ABSENT, DIFFERENCES, Row, left_out, rows

pytestmark = pytest.mark.skipif(host.DASH is None, reason="dash is not installed")

LONG = bool(os.environ.get("CLOUDOS_LONG_TESTS"))
"""Whether all rows are compared, and not every second one."""

SECONDS = (420.0 if not LONG else 1200.0) * (1 if usual.processors() == 1 else 3)
"""Of real time for the rows in the machine, on a machine that others use too."""


@dataclass(frozen=True)
class Comparison:
    """All rows with both answers."""

    rows: list[Row]
    ours: dict[int, Answer]
    theirs: dict[int, Answer]
    shown: str


def compare(folder: Path) -> Comparison:
    """Run the rows on both sides at the same time, in directories of one path; the image is made in a folder."""
    table = rows() if LONG else rows()[::2]
    base = Path(tempfile.mkdtemp(prefix="comparison-", dir="/tmp"))
    here = base / "here"
    try:
        with ThreadPoolExecutor(1) as other:
            theirs = other.submit(
                lambda: {n: host.run(row, here) for n, row in enumerate(table) if not host.lacks(row)}
            )
            made = machine.build(folder, table, here)
            begin = time.monotonic()
            outcome = machine.run(made, SECONDS)
            seconds = time.monotonic() - begin
            expected = theirs.result()
    finally:
        shutil.rmtree(base, ignore_errors=True)
    ours = machine.answers(outcome.output)
    instructions = sum(answer.instructions for answer in ours.values())
    print(f"{len(ours)} of {len(table)} rows in {seconds:.1f} s, {instructions:,} instructions")
    shown = f"{outcome.ended}\n{outcome.output[-2000:]}\n" + "\n".join(outcome.log.lines)
    return Comparison(table, ours, expected, shown)


def difference(row: Row, ours: Answer, theirs: Answer) -> str:
    """What is not as it has to be, or nothing."""
    known = DIFFERENCES.get(row.script)
    wanted = (known.output, known.status) if known else (theirs.output, theirs.status)
    if (ours.output, ours.status) == wanted:
        return ""
    why = f"\n    wanted:  {known}" if known else ""
    return f"{row.script}\n    host:    {theirs}\n    CloudOS: {ours}{why}"


def test_each_row_as_on_the_host(tmp_path: Path) -> None:
    found = compare(tmp_path)
    compared = [
        (number, difference(found.rows[number], found.ours[number], theirs))
        for number, theirs in found.theirs.items()
        if number in found.ours
    ]
    problems = [f"{number}: {problem}" for number, problem in compared if problem]
    silent = [row.script for number, row in enumerate(found.rows) if number not in found.ours]
    if silent:
        problems.append(f"{len(silent)} rows have no answer, the first is {silent[0]!r}\n{found.shown}")
    assert not problems, f"{len(problems)} problems in {len(compared)} rows\n" + "\n".join(problems)
    assert len(compared) >= 300


def test_the_host_has_the_tools() -> None:
    lacking = [name for name in map(host.lacks, rows()) if name]
    if lacking:
        pytest.skip(f"{len(lacking)} rows are not compared: the host has no {', '.join(sorted({*lacking}))}")


def test_what_is_left_out_is_not_in_the_system() -> None:
    assert {*UTILITIES, *ADMINISTRATION}.isdisjoint(ABSENT), "the system has them now: their rows can be compared"
    assert len(left_out()) < 20


def test_known_differences_are_in_the_table() -> None:
    assert {row.script for row in rows()} >= {*DIFFERENCES}
