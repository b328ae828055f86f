"""The page docs/kernel-coverage.md."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from tests.coverage.merge import File
from tests.coverage.reasons import Reason, lines_of
from tests.coverage.statements import read

TARGET = 95.0
UNEXPLAINED = "not looked into yet"
WITHOUT_CODE = "no instructions of its own: the compiler merged it into others, and QEMU cannot show whether it ran"

HEAD = """\
# Coverage of the kernel

Made by `bin/cloudos coverage` ({what}); [tests/coverage](../tests/coverage/README.md) says how. Lines are statements of
`cloudos/kernel`, named by their first line. *CPython*: reached on the simulated machine and in unit tests. *QEMU*:
instructions of the line were executed, on x86_64 or AArch64, of a kernel that was hardly optimised. Bodies of functions
that an assembly text stands for are not counted ({models} statements).

**{lines} of lines are reached, {branches} of branches.** Branches are measured under CPython; one that leads where only
QEMU came, and nothing else leads, counts too.
"""


def percent(part: int, whole: int) -> str:
    """A share, with one decimal; rounded down, so that 100 means all."""
    return f"{int(1000 * part / whole) / 10 if whole else 100.0:.1f} %"


def render(root: Path, files: list[File], reasons: list[Reason], what: str) -> str:
    """The whole page."""
    lines = sum(len(one.statements) for one in files)
    reached = sum(len(one.reached) for one in files)
    branches = sum(len(one.branches) for one in files)
    taken = sum(len(one.taken) for one in files)
    head = HEAD.format(
        what=what, models=sum(one.models for one in files), lines=percent(reached, lines),
        branches=percent(taken, branches),
    )  # fmt: skip
    return "\n".join([head, *table(files), "", *missing(root, files, reasons), ""])


def table(files: Iterable[File]) -> Iterator[str]:
    """The table of modules, those with most lines not reached first."""
    yield "| module | lines | CPython | QEMU | reached | branches |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for one in sorted(files, key=lambda one: (-len(one.missing), one.name)):
        if one.statements:
            cells = (
                one.name.removeprefix("cloudos/kernel/"), str(len(one.statements)), str(len(one.simulated)),
                str(len(one.machine)), percent(len(one.reached), len(one.statements)),
                percent(len(one.taken), len(one.branches)),
            )  # fmt: skip
            yield f"| {' | '.join(cells)} |"


def missing(root: Path, files: Iterable[File], reasons: list[Reason]) -> Iterator[str]:
    """What is not reached, with the reasons."""
    yield "## Not reached, and why"
    for one in files:
        if not one.missing:
            continue
        yield f"\n### {one.name.removeprefix('cloudos/kernel/')}\n"
        yield "| lines | function | reason |"
        yield "| --- | --- | --- |"
        functions = read((root / one.name).read_text()).functions
        known = dict.fromkeys(one.without_code, WITHOUT_CODE) | explained(root, one.name, reasons)
        keys = [(functions.get(line, "(module)"), known.get(line, UNEXPLAINED), line) for line in one.missing]
        for (function, reason), group in groupby(keys, key=lambda key: key[:2]):
            yield f"| {ranges([line for _, _, line in group])} | `{function}` | {reason} |"


def explained(root: Path, file: str, reasons: list[Reason]) -> dict[int, str]:
    """The reason for each line of a file that has one."""
    found: dict[int, str] = {}
    for reason in reasons:
        if reason.file == file:
            found |= dict.fromkeys(lines_of(root, reason), reason.reason)
    return found


def unexplained(root: Path, files: Iterable[File], reasons: list[Reason]) -> dict[str, list[int]]:
    """Lines that no test reaches and that have no reason, by file."""
    found: dict[str, list[int]] = defaultdict(list)
    for one in files:
        known = explained(root, one.name, reasons)
        found[one.name] += [line for line in one.missing if line not in known and line not in one.without_code]
    return {name: lines for name, lines in found.items() if lines}


def ranges(lines: list[int]) -> str:
    """Numbers, with runs of neighbours as "first-last"."""
    parts: list[list[int]] = []
    for line in lines:
        if parts and line <= parts[-1][1] + 1:
            parts[-1][1] = line
        else:
            parts.append([line, line])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)
