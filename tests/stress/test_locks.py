"""Processors do not wait for each other: what a message costs does not depend on how many there are, and none is alone
in the kernel on the paths of messages, wake-ups and deadlines."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from cloudos.host import bench, counted, image
from cloudos.host.counted import Outcome
from tests.stress import alone
from tests.stress.harness import LONG

GROWTH = 1.10
"""TARGETS: instructions of a message with 64 processors, compared to one."""

HOLD = 10_000
"""Instructions for which a processor is alone at most: as long as interrupts may be off."""


def exchange(architecture: str, processors: int, batches: int, kernel: Path | None = None) -> Outcome:
    """As many pairs as processors exchange messages, and sleep in between."""
    built = image.build(bench.program("pairs.py"), architecture)
    if kernel is not None:
        built = dataclasses.replace(built, kernel=kernel)
    arguments = (str(processors), str(batches))
    done = counted.run(built, *arguments, memory=256 << 20, seconds=120, processors=processors, in_turns=True)
    assert done.in_order, done.errors + "\n".join(done.log.lines)
    return done


def test_a_message_costs_the_same_with_64_processors() -> None:
    for architecture in ("x86_64", "aarch64"):
        one, all_64 = (int(exchange(architecture, count, 4).output.split()[1]) for count in (1, 64))
        assert one <= all_64 <= GROWTH * one, f"{architecture}: {one} became {all_64} instructions"


@pytest.mark.parametrize(
    "architecture", ("x86_64", pytest.param("aarch64", marks=pytest.mark.skipif(not LONG, reason="long")))
)
def test_nobody_is_alone_in_the_kernel_while_pairs_exchange_messages(architecture: str, tmp_path: Path) -> None:
    kernel = alone.build(architecture, tmp_path / "kernel.elf")
    few, many = (alone.counts(exchange(architecture, 8, batches, kernel).log.lines) for batches in (4, 24))
    # 1,000 more messages of each pair, and 20 more sleeps.
    assert {reason: row.count for reason, row in few.items()} == {reason: row.count for reason, row in many.items()}
    assert few["message_call"].count >= 8, "nothing is counted"
    assert max(row.longest for row in many.values()) < HOLD, many
