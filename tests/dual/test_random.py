"""Random programs, three ways. Hypothesis makes the choices, so that a failure prints the program that shows it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.dual.comparison import LONG, Comparison, Disagreement, load_text
from tests.dual.generator import Generator
from tests.dual.harness import argument_strategy, entries_of
from tests.dual.object_generator import ObjectGenerator

NUMBERS = itertools.count()
ENTRIES = 5
CALLS = 40


@pytest.mark.parametrize("kind", [Generator, ObjectGenerator])
def test_random_programs(kind: type[Generator], tmp_path: Path) -> None:
    # Shrinking would compile thousands of programs; the entry and the arguments in the message narrow it down instead.
    @settings(
        max_examples=300 if LONG else 8,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
        database=None,
    )
    @given(st.data())
    def compare(drawn: st.DataObject) -> None:
        compare_random(drawn, tmp_path, kind)

    compare()


def compare_random(drawn: st.DataObject, directory: Path, kind: type[Generator]) -> None:
    """Generate one program, compile it, and compare calls of all its entries."""
    random = drawn.draw(st.randoms(use_true_random=False))
    text = kind(random.randrange).program(ENTRIES)
    module = load_text(f"random_program_{next(NUMBERS)}", text, directory)
    entries = entries_of(module)
    comparison = Comparison(entries, directory)
    for function in entries:
        arguments = drawn.draw(st.lists(argument_strategy(function), min_size=CALLS // 2, max_size=CALLS))
        for values in arguments:
            try:
                comparison.check(function, values)
            except Disagreement as disagreement:
                raise Disagreement(f"{disagreement}\n\n{text}") from None
