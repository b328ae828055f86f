"""Every promise of the table holds, in QEMU; and a row that does not hold is seen as that row's failure."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conformance import runner
from tests.conformance.runner import boot_several, run
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


# Who runs before whom, and for how long, where one processor is all that they have: these are kept to one.
OF_ONE_PROCESSOR = ("priorities", "scheduling")
# They measure time, which passes between any two instructions where instructions are not counted.
OF_COUNTED_TIME = {"a_woken_thread_takes_over_from_a_less_urgent", "an_interrupted_thread_keeps_its_turn"}
# Milliseconds that take the place of one: processors take turns on the host, which may have other things to do.
PATIENCE = 30


@pytest.mark.parametrize("module", module_names())
@pytest.mark.parametrize("processors", (2, 4, 8))
@pytest.mark.parametrize("architecture", ("x86_64", "aarch64"))
def test_they_hold_with_several_processors(architecture: str, processors: int, module: str, tmp_path: Path) -> None:
    """Time is the host's here, and may pass between any two instructions: a row that fails is tried again, twice."""
    # Rows of these do not measure time.
    usual = processors == 4 and module in ("messages", "spaces", "capabilities")
    if not usual and not os.environ.get("CLOUDOS_LONG_TESTS"):
        pytest.skip("with --long")
    rows = [row for row in rows_of(module) if row.name not in OF_COUNTED_TIME]
    if architecture == "aarch64":
        rows = [row for row in rows if is_anywhere(row)]
    boot, pinned = boot_several(processors), module in OF_ONE_PROCESSOR
    failures: list[str] = []
    for _ in range(3):
        verdicts = run(module, rows, tmp_path, boot=boot, architecture=architecture, patience=PATIENCE, pinned=pinned)
        failures = [f"{verdict.row.name}: {verdict.failure}" for verdict in verdicts if verdict.failure]
        rows = [verdict.row for verdict in verdicts if verdict.failure]
        if not rows:
            break
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
