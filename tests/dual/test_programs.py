"""Every entry of every test program, three ways."""

from __future__ import annotations

import importlib
import types
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.dual.comparison import Comparison, load_text
from tests.dual.harness import argument_strategy, entries_of
from tests.dual.widths import TYPES, program_text

PROGRAMS = sorted(path.stem for path in (Path(__file__).parent / "programs").glob("*.py"))
SETTINGS = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), database=None)


def compare_all(module: types.ModuleType, directory: Path) -> None:
    """Compile a module once, then compare all its entries; every disagreement is reported, not the first alone."""
    entries = entries_of(module)
    comparison = Comparison(entries, directory)
    failures: list[str] = []
    for function in entries:
        arguments = argument_strategy(function)

        @SETTINGS
        @given(st.data())
        def compare(drawn: st.DataObject, run: object = None) -> None:
            comparison.check(function, drawn.draw(arguments))  # noqa: B023

        try:
            compare()
        except Exception as failure:
            failures.append(str(failure))
    assert not failures, f"{len(failures)} of {len(entries)} functions:\n" + "\n".join(failures)


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str, tmp_path: Path) -> None:
    compare_all(importlib.import_module(f"tests.dual.programs.{name}"), tmp_path)


@pytest.mark.parametrize("name", TYPES)
def test_every_operation_of_an_integer_type(name: str, tmp_path: Path) -> None:
    compare_all(load_text(f"every_operation_{name.lower()}", program_text(name), tmp_path), tmp_path)
