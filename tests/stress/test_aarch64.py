"""The same programs on the other architecture: there, all runs are of the size that runs always."""

from __future__ import annotations

import pytest

from tests.stress.harness import run


@pytest.mark.parametrize(
    ("program", "amount", "count"),
    [
        ("messages.py", 7_000, "messages"),
        ("derivations.py", 15_000, "operations"),
        ("churn.py", 84, "processes"),
        ("memory_load.py", 20_000, "done"),
        ("random_calls.py", 100_000, "calls"),
    ],
)
def test_it_holds_on_aarch64(program: str, amount: int, count: str) -> None:
    assert run(program, amount, 1, architecture="aarch64").lines[count] >= amount // 2
