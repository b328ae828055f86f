"""Every entry of every test program, three ways."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tests.dual.comparison import compare_all, load_text
from tests.dual.widths import TYPES, program_text

PROGRAMS = sorted(path.stem for path in (Path(__file__).parent / "programs").glob("*.py"))


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str, tmp_path: Path) -> None:
    compare_all(importlib.import_module(f"tests.dual.programs.{name}"), tmp_path)


@pytest.mark.parametrize("name", TYPES)
def test_every_operation_of_an_integer_type(name: str, tmp_path: Path) -> None:
    compare_all(load_text(f"every_operation_{name.lower()}", program_text(name), tmp_path), tmp_path)
