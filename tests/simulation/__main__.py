"""`cloudos simulate`: runs of the whole system on the simulated machine, by their seeds."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.simulation.bugs import BUGS, plant
from tests.simulation.plans import FAULTS, plan
from tests.simulation.runs import Booted, Result
from tests.simulation.shrink import Shrinker

STEPS = 1_000
PROGRESS = 60.0


def seeds_of(text: str) -> range:
    """`7` or `7..20`, both ends included. Raises ArgumentTypeError."""
    first, dots, last = text.partition("..")
    try:
        found = range(int(first), int(last if dots else first) + 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor FIRST..LAST") from None
    if not found or found.start < 0:
        raise argparse.ArgumentTypeError(f"there is no seed in {text!r}")
    return found


def faults_of(text: str) -> tuple[str, ...]:
    """Kinds of faults, separated by commas; `all` or `none`. Raises ArgumentTypeError."""
    if text in ("all", "none"):
        return FAULTS if text == "all" else ()
    kinds = tuple(text.split(","))
    for kind in kinds:
        if kind not in FAULTS:
            raise argparse.ArgumentTypeError(f"{kind!r} is no kind of fault; there are: {', '.join(FAULTS)}")
    return kinds


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    made = argparse.ArgumentParser(prog="cloudos simulate", description=__doc__)
    made.add_argument("--seed", dest="seeds", type=seeds_of, metavar="N", help="one run, told in full")
    made.add_argument("--seeds", type=seeds_of, metavar="A..B", help="many runs")
    made.add_argument("--steps", type=int, default=STEPS, help="steps of each run with faults")
    made.add_argument("--faults", type=faults_of, default=FAULTS, help=f"all, none, or of: {','.join(FAULTS)}")
    made.add_argument("--boot", action="store_true", help="let things go wrong from the first step of the boot on")
    made.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    made.add_argument("--bug", choices=[*BUGS], help="plant a bug in the kernel, to see it found")
    made.add_argument("--history", action="store_true", help="show what happened also when all was well")
    made.add_argument("--until-failure", action="store_true", help="end with the first seed that fails")
    made.add_argument("--no-shrink", action="store_true", help="do not look for a smaller plan that fails")
    return made


def results(booted: Booted, given: argparse.Namespace) -> Iterator[Result]:
    """The runs, in the order of their seeds."""
    before = plant(given.bug) if given.bug else None
    with ThreadPoolExecutor(given.jobs) as pool:
        waiting = []
        for seed in given.seeds:
            # Only this thread forks.
            waiting.append(
                pool.submit(booted.collect, *booted.start(plan(seed, given.steps, given.faults, given.boot), before))
            )
            if len(waiting) == given.jobs:
                yield waiting.pop(0).result()
        for one in waiting:
            yield one.result()


def tell(booted: Booted, given: argparse.Namespace, result: Result) -> None:
    """Say what went wrong, as short as it can be made."""
    print(f"seed {result.plan.seed}: {result.problem}\n{result.detail}")
    if not given.no_shrink and result.detail:
        before = plant(given.bug) if given.bug else None
        result = Shrinker(lambda made: booted.run(made, before), result).shrink()
        faults, operations = len(result.plan.faults), len(result.plan.operations)
        print(f"the smallest plan that fails so has {faults} faults and {operations} operations:")
    print("\n".join(result.history))
    print(f"seed {result.plan.seed}: {result.problem}")
    kinds = ",".join(given.faults) or "none"
    kinds += " --boot" if given.boot else ""
    planted = f" --bug '{given.bug}'" if given.bug else ""
    print(f"again: bin/cloudos simulate --seed {result.plan.seed} --steps {given.steps} --faults {kinds}{planted}")


def main() -> int:
    """Run; the exit status is 1 when a seed failed."""
    given = parser().parse_args()
    # Failures are to be seen while others are looked for.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    if given.seeds is None or given.steps < 1 or given.jobs < 1:
        parser().error("say which: --seed N or --seeds A..B, with at least one step and one job")
    start = told = time.monotonic()
    booted = Booted()
    steps = runs = failed = 0
    for result in results(booted, given):
        runs, steps = runs + 1, steps + result.steps
        if result.problem:
            failed += 1
            tell(booted, given, result)
            if given.until_failure:
                break
        elif given.history:
            print("\n".join(result.history))
        if time.monotonic() - told > PROGRESS:
            told = time.monotonic()
            print(f"{runs} runs, {steps} steps, {failed} failed, {told - start:.0f} s", file=sys.stderr, flush=True)
    seconds = time.monotonic() - start
    print(f"{runs} runs, {steps:,} steps, {steps / seconds:,.0f} steps a second, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
