"""The test programs under CPython alone: tells a mistake of a program from one of the compiler."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudos.compiler.host_library import Outcome, Returned, Value
from tests.dual.harness import Function, argument_strategy, entries_of, interpret

PROGRAMS = sorted(path.stem for path in (Path(__file__).parent / "programs").glob("*.py"))
FUNCTIONS = [
    pytest.param(function, id=f"{name}.{function.__name__}")
    for name in PROGRAMS
    for function in entries_of(importlib.import_module(f"tests.dual.programs.{name}"))
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_entry_runs(function: Function) -> None:
    """Every entry gives a value, an error or a panic for any arguments, and returns for some."""
    outcomes = outcomes_of(function, 3)
    if not any(isinstance(outcome, Returned) for outcome in outcomes):
        outcomes = outcomes_of(function, 100)
    assert any(isinstance(outcome, Returned) for outcome in outcomes), outcomes[:5]


def outcomes_of(function: Function, examples: int) -> list[Outcome]:
    """What CPython makes of ten calls per example."""
    outcomes: list[Outcome] = []

    @settings(
        max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
    )
    @given(st.lists(argument_strategy(function), min_size=10, max_size=10))
    def run(batch: list[tuple[Value, ...]]) -> None:
        outcomes.extend(interpret(function, arguments) for arguments in batch)

    run()
    return outcomes
