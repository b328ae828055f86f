"""Unsupported and wrong programs: refused at the right place, with the line and what is wrong, nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudos.compiler.api import compile_host
from cloudos.compiler.diagnostics import CompileError
from tests.dual.comparison import load_text
from tests.dual.refused import CASES, HEADER, HELPERS, Case
from tests.dual.soundness import SOUNDNESS, SOUNDNESS_HELPERS


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_refused(case: Case, tmp_path: Path) -> None:
    check_refused(case, HEADER + case.text + HELPERS, tmp_path)


@pytest.mark.parametrize("case", SOUNDNESS, ids=[case.name for case in SOUNDNESS])
def test_unsound_program_is_refused(case: Case, tmp_path: Path) -> None:
    check_refused(case, HEADER + HELPERS + SOUNDNESS_HELPERS + "\n\n" + case.text, tmp_path)


def check_refused(case: Case, text: str, tmp_path: Path) -> None:
    """Import and compile the program without its mark; the refusal must be the expected one."""
    lines = text.split("\n")
    place = next(((row, line.index("§")) for row, line in enumerate(lines, 1) if "§" in line), None)
    name = "refused_" + "".join(letter if letter.isalnum() else "_" for letter in case.name)
    output = tmp_path / "out" / "library.so"
    with pytest.raises((CompileError, TypeError)) as caught:
        module = load_text(name, text.replace("§", ""), tmp_path)
        compile_host((module.run,), output, "0")
    assert not output.exists()
    assert case.fragment in str(caught.value)
    if place is None:
        return
    assert isinstance(caught.value, CompileError), "refused at import, without a place"
    first = caught.value.diagnostics[0]
    assert first.path.endswith(f"{name}.py")
    assert (first.line, first.column) == (place[0], place[1] + 1), str(first)
    assert first.source_line.strip() == lines[place[0] - 1].replace("§", "").strip()
