"""The whole programs of docs/language.md, in a virtual machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.boot.harness import run
from tests.dual.test_language_reference import examples, program_arguments


@pytest.mark.parametrize(("text", "output"), examples("program"))
def test_program_example(text: str, output: str, tmp_path: Path) -> None:
    path = tmp_path / "example.py"
    path.write_text(text, encoding="utf-8")
    assert run(path, *program_arguments(text)).check().output.decode().strip() == output
