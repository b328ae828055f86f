"""Random system calls harm nobody but their process: ten million in the full size."""

from __future__ import annotations

import os
import random

import pytest

from tests.stress.harness import LONG, run, size

NEW = 0
"""Stands for a seed that is drawn when the test runs, so that every run tries something else."""


def seeds() -> list[int]:
    """$CLOUDOS_SEED, else some that are always the same and, except where results must repeat ($CI), a new one."""
    chosen = os.environ.get("CLOUDOS_SEED")
    if chosen:
        return [int(chosen)]
    if LONG:
        return [1]
    return [1, 2] if os.environ.get("CI") else [1, 2, NEW]


@pytest.mark.parametrize("seed", seeds())
def test_random_calls_harm_nobody(seed: int) -> None:
    calls = size(100_000, 10_000_000)
    seed = seed or random.SystemRandom().randrange(1 << 32)
    print(f"CLOUDOS_SEED={seed}")
    lines = run("random_calls.py", calls, seed).lines
    assert lines["calls"] >= calls
    assert lines["processes"] > 10 and lines["letters"] > 10 and lines["handles"] > 0


@pytest.mark.skipif(not LONG, reason="minutes: with --long")
@pytest.mark.parametrize("processors", (2, 4))
@pytest.mark.parametrize("architecture", ("x86_64", "aarch64"))
def test_random_calls_on_several_processors(architecture: str, processors: int) -> None:
    lines = run("random_calls.py", 100_000, 1, architecture=architecture, processors=processors).lines
    assert lines["calls"] >= 100_000 and lines["processes"] > 10
