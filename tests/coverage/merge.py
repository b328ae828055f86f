"""Coverage under CPython and in QEMU, merged by statements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.coverage.statements import Module, read


@dataclass(frozen=True)
class File:
    """A module: its statements by first line, those reached under CPython and in QEMU, its branches and those taken.

    Bodies that are models of machine instructions are in none of these; `models` counts their statements.
    """

    name: str
    statements: frozenset[int]
    simulated: frozenset[int]
    machine: frozenset[int]
    branches: frozenset[tuple[int, int]]
    taken: frozenset[tuple[int, int]]
    models: int
    without_code: frozenset[int] = frozenset()
    """Statements that no kernel has instructions for: they were merged into others."""

    @property
    def reached(self) -> frozenset[int]:
        """Statements that some test reaches."""
        return self.simulated | self.machine

    @property
    def missing(self) -> list[int]:
        """Statements that no test reaches."""
        return sorted(self.statements - self.reached)


def merge(
    root: Path, report: Mapping[str, Any], machine: Mapping[str, set[int]], code: Mapping[str, set[int]]
) -> list[File]:
    """The modules of a JSON report of coverage.py, with the lines by file that were executed in QEMU, and those that
    have code there."""
    found = []
    for name, data in sorted(report["files"].items()):
        module = read((root / name).read_text())
        one = merge_file(name, module, data, machine.get(name, set()))
        if name in code:
            with_code = {module.first.get(line, line) for line in code[name]}
            one = replace(one, without_code=one.statements - with_code)
        found.append(one)
    return found


def merge_file(name: str, module: Module, data: Mapping[str, Any], machine: set[int]) -> File:
    """One module."""
    executed, missing = set(data["executed_lines"]), set(data["missing_lines"])
    statements = executed | missing
    models = statements & module.models
    statements -= models
    arcs = {(int(one), int(other)) for one, other in data.get("executed_branches", [])}
    untaken = {(int(one), int(other)) for one, other in data.get("missing_branches", [])}
    compiled = module.implied({module.first.get(line, line) for line in machine}) & statements
    kept = {arc for arc in arcs | untaken if arc[0] in statements}
    taken = {arc for arc in arcs & kept} | {arc for arc in untaken & kept if was_taken(arc, kept, compiled, executed)}
    return File(
        name, frozenset(statements), frozenset(executed & statements), frozenset(compiled), frozenset(kept),
        frozenset(taken), len(models),
    )  # fmt: skip


def was_taken(arc: tuple[int, int], all_arcs: set[tuple[int, int]], compiled: set[int], executed: set[int]) -> bool:
    """Whether a branch that CPython never took was taken in QEMU.

    So it is when where it leads was reached there, never under CPython, and no other branch leads there.
    """
    start, target = arc
    others = [other for other in all_arcs if other[1] == target and other != arc]
    return start in compiled and target in compiled and target not in executed and not others
