"""What `test_runs.py` looks at: runs of one booted system, as JSON on standard output.

The system decides for a whole interpreter where things lie, so this is a process of its own, and it boots once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

from tests.simulation.bugs import BUGS, plant
from tests.simulation.plans import Fault, Plan, plan
from tests.simulation.runs import Booted, Result
from tests.simulation.shrink import Shrinker

STEPS = 1_000
# Seeds that found something once.
FOUND = (114, 3470, 6323)


def summary(result: Result) -> dict[str, Any]:
    """A run as JSON has it."""
    return {
        "seed": result.plan.seed,
        "problem": result.problem,
        "detail": result.detail,
        "history": result.history,
        "faults": len(result.plan.faults),
        "operations": len(result.plan.operations),
        "steps": result.steps,
    }


def first_failure(booted: Booted, seeds: Iterable[int], bug: str) -> Result | None:
    """The first of the seeds that finds a planted bug."""
    found = (booted.run(plan(seed, STEPS), plant(bug)) for seed in seeds)
    return next((result for result in found if result.problem), None)


def main(seeds: int, first: dict[str, int], most: int) -> dict[str, Any]:
    """`seeds`: how many without a bug; `first`: the seed from which on each bug is looked for, `most` of them."""
    booted = Booted()
    runs = [summary(booted.run(plan(seed, STEPS))) for seed in (*FOUND, *range(seeds))]
    boots = [summary(booted.run(plan(seed, STEPS, boots=True))) for seed in range(max(2, seeds // 20))]
    # Of the boot, the allocations for some components failed, which were then never started.
    short = Plan(0, 200, (), (Fault(62, "memory", "", 10),), boots=True)
    boots.append(summary(booted.run(short)))
    again = summary(booted.run(plan(seeds - 1, STEPS)))
    bugs: dict[str, Any] = {}
    smaller = None
    for bug in BUGS:
        found = first_failure(booted, range(first[bug], first[bug] + most), bug)
        bugs[bug] = summary(found) if found else None
        if found and smaller is None and bug == "a revoke that skips one child":
            smaller = summary(
                Shrinker(lambda made: booted.run(made, plant("a revoke that skips one child")), found).shrink()
            )
    return {"runs": runs, "boots": boots, "again": again, "bugs": bugs, "smaller": smaller}


if __name__ == "__main__":
    json.dump(main(*json.loads(sys.argv[1])), sys.stdout)
