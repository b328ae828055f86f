"""Makes a failing plan smaller: leaves out what it fails without.

Delta debugging (A. Zeller and R. Hildebrandt, 2002) over the faults and operations of a plan. What is left is no proof
of anything: a shorter plan meets other random numbers of the machine, so it counts only as long as it fails in the same
way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from tests.simulation.plans import Fault, Operation, Plan
from tests.simulation.runs import Result

Run = Callable[[Plan], Result]
WORDS = 6
ATTEMPTS = 150


def kind_of(problem: str) -> str:
    """What makes two failures the same: the first words, without numbers."""
    words = ["#" if any(letter.isdigit() for letter in word) else word for word in problem.split()]
    return " ".join(words[:WORDS])


class Shrinker:
    """Looks for a smaller plan. `attempts` runs at most."""

    def __init__(self, run: Run, failing: Result, attempts: int = ATTEMPTS) -> None:
        self._run = run
        self.best = failing
        self.left = attempts
        self._kind = kind_of(failing.problem)

    def shrink(self) -> Result:
        """The failure of the smallest plan that was found."""
        self._try(replace(self.best.plan, steps=min(self.best.plan.steps, self.best.steps)))
        if self.best.plan.every:
            self._try(replace(self.best.plan, every=False))
        while self.left > 0:
            before = self._size()
            self._reduce(self._with_faults, lambda: self.best.plan.faults)
            self._reduce(self._with_operations, self._done)
            if self._size() == before:
                break
        return self.best

    def _size(self) -> int:
        return len(self.best.plan.faults) + len(self.best.plan.operations)

    def _done(self) -> Sequence[Operation]:
        """Operations, the last ones first to go: most were not begun when it failed."""
        return self.best.plan.operations

    def _with_faults(self, faults: Sequence[Fault]) -> Plan:
        return replace(self.best.plan, faults=tuple(faults))

    def _with_operations(self, operations: Sequence[Operation]) -> Plan:
        return replace(self.best.plan, operations=tuple(operations))

    def _reduce(self, make: Callable[[Any], Plan], items: Callable[[], Sequence[Any]]) -> None:
        """Leave out halves, quarters, and so on."""
        size = len(items())
        while size >= 1 and self.left > 0:
            start = 0
            while start < len(items()) and self.left > 0:
                present = items()
                if not self._try(make([*present[:start], *present[start + size :]])):
                    start += size
            size //= 2

    def _try(self, plan: Plan) -> bool:
        if self.left <= 0:
            return False
        self.left -= 1
        result = self._run(plan)
        if kind_of(result.problem) != self._kind:
            return False
        self.best = result
        return True
