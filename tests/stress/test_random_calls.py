"""Random system calls harm nobody but their process: ten million in the full size."""

from __future__ import annotations

import os
import random

import pytest

from tests.stress.harness import LONG, run, size

FIXED_SEEDS = [1, 2]


def seeds() -> list[int]:
    """Two that are always the same and one that is new, so that every run tries something else."""
    chosen = os.environ.get("CLOUDOS_SEED")
    if chosen:
        return [int(chosen)]
    return [1] if LONG else [*FIXED_SEEDS, random.SystemRandom().randrange(1 << 32)]


@pytest.mark.parametrize("seed", seeds())
def test_random_calls_harm_nobody(seed: int) -> None:
    calls = size(100_000, 10_000_000)
    lines = run("random_calls.py", calls, seed).lines
    assert lines["calls"] >= calls, f"CLOUDOS_SEED={seed}"
    assert lines["processes"] > 10 and lines["letters"] > 10 and lines["handles"] > 0
