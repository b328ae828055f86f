"""Processors do not wait for each other: what a message or a page fault costs does not depend on how many there are.

None is alone in the kernel, or keeps another one out, on the paths of messages, wake-ups and deadlines, and none is
alone for page faults: one of 32 may have to visit the processor that took free frames last.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudos.host import bench, counted, image
from cloudos.host.counted import Outcome
from tests.stress import alone
from tests.stress.harness import LONG

GROWTH = 1.10
"""TARGETS: instructions of a message with 64 processors, compared to one."""

GROWTH_OF_COPIES = 1.12
"""The same of a page that is copied for a clone: for what one processor does not have to ask."""

HOLD = 10_000
"""Instructions for which a processor is alone at most: as long as interrupts may be off."""


PROCESSORS = 8

AT_HAND = 32
"""Frames that a processor puts by at once."""

Bench = Callable[..., Outcome]


def exchange(architecture: str, processors: int, batches: int, kernel: Path | None = None) -> Outcome:
    """As many pairs as processors exchange messages of words, and sleep in between."""
    return measured("pairs.py", architecture, processors, batches, kernel)


def exchange_cargo(architecture: str, processors: int, batches: int, kernel: Path | None = None) -> Outcome:
    """The same with bytes and deadlines."""
    return measured("pairs.py", architecture, processors, batches, kernel, "cargo")


def exchange_handles(architecture: str, processors: int, batches: int, kernel: Path | None = None) -> Outcome:
    """The same with a handle that moves to the server and back."""
    return measured("pairs.py", architecture, processors, batches, kernel, "handles")


def touch(architecture: str, processors: int, pages: int, kernel: Path | None = None) -> Outcome:
    """As many processes as processors touch so many pages each."""
    return measured("faults.py", architecture, processors, pages, kernel)


def copy(architecture: str, processors: int, pages: int, kernel: Path | None = None) -> Outcome:
    """The same, each with a clone of memory that was touched before."""
    return measured("faults.py", architecture, processors, pages, kernel, "clones")


def measured(name: str, architecture: str, processors: int, count: int, kernel: Path | None, *others: str) -> Outcome:
    """What a program of `bench/` says that does something on each processor."""
    built = image.build(bench.program(name), architecture)
    if kernel is not None:
        built = dataclasses.replace(built, kernel=kernel)
    arguments = (str(processors), str(count), *others)
    done = counted.run(built, *arguments, memory=256 << 20, seconds=120, processors=processors, in_turns=True)
    assert done.in_order, done.errors + "\n".join(done.log.lines)
    return done


@pytest.mark.parametrize(
    ("bench", "count", "growth"),
    (
        (exchange, 4, GROWTH),
        (exchange_cargo, 4, GROWTH),
        (exchange_handles, 4, GROWTH),
        (touch, 64, GROWTH),
        (copy, 64, GROWTH_OF_COPIES),
    ),
    ids=("message", "cargo", "handle", "page fault", "copy"),
)
def test_it_costs_the_same_with_64_processors(bench: Bench, count: int, growth: float) -> None:
    for architecture in ("x86_64", "aarch64"):
        one, all_64 = (int(bench(architecture, processors, count).output.split()[1]) for processors in (1, 64))
        assert 0.95 * one <= all_64 <= growth * one, f"{architecture}: {one} became {all_64} instructions"


BOTH = pytest.mark.parametrize(
    "architecture", ("x86_64", pytest.param("aarch64", marks=pytest.mark.skipif(not LONG, reason="long")))
)


@BOTH
@pytest.mark.parametrize("bench", (touch, copy), ids=("touch", "copy"))
def test_page_faults_are_resolved_without_being_alone(bench: Bench, architecture: str, tmp_path: Path) -> None:
    kernel = alone.build(architecture, tmp_path / "kernel.elf")
    few, many = (alone.counts(bench(architecture, 8, pages, kernel).log.lines) for pages in (64, 192))
    # For what processes are made of; and the memory that is cloned has its first pages from the first processor.
    assert many["fault"].count - few["fault"].count <= 4, (few, many)
    # Of each process, one object and one table of pages more than frames at hand.
    more = 8 * (2 * -(-(192 - 64) // AT_HAND) + 2)
    assert many["fault"].visits - few["fault"].visits <= more, (few, many)
    # Some take the mappings of all pages away, in steps; who is idle, and what a message finds where, differs.
    varies = ("fault", "idle", "memory_clone", "space_unmap", "message")
    others = [{name: row.count for name, row in rows.items() if not name.startswith(varies)} for rows in (few, many)]
    assert others[0] == others[1]
    assert many["fault"].longest < HOLD, many


@BOTH
@pytest.mark.parametrize("bench", (exchange, exchange_cargo, exchange_handles), ids=("words", "cargo", "handles"))
def test_nobody_is_alone_in_the_kernel_while_pairs_exchange_messages(
    bench: Bench, architecture: str, tmp_path: Path
) -> None:
    kernel = alone.build(architecture, tmp_path / "kernel.elf")
    few, many = (alone.counts(bench(architecture, PROCESSORS, batches, kernel).log.lines) for batches in (4, 24))
    # 1,000 more messages of each pair, and 20 more sleeps.
    # How often a processor found something to do on another one depends on who sleeps when; who is the last to end, and
    # where, too.
    counts = [{name: row.count for name, row in rows.items() if row.count and name != "idle"} for rows in (few, many)]
    assert counts[0] == counts[1]
    assert many["idle"].count - few["idle"].count <= PROCESSORS, (few, many)
    visits = [sum(row.visits for row in rows.values()) for rows in (few, many)]
    assert visits[1] - visits[0] <= 2, (few, many)
    # What is made on the first processor is at home there: the others visit it once.
    assert few["message_call"].count == 0 and few["message_call"].visits >= 7, few
    assert max(row.longest for row in many.values()) < HOLD, many
