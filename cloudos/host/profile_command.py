"""`cloudos profile`: where a run's instructions go, by function and by line of Python."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudos.host import listing
from cloudos.host.bootstrap import say
from cloudos.host.errors import ToolError
from cloudos.host.observer import flame, runs
from cloudos.host.observer.processes import Process, identify
from cloudos.host.observer.profiles import KERNEL, Profile, Profiler
from cloudos.host.observer.watching import HIGH_HALF

ALL = "all"
MOST_IN_JSON = 2000


@dataclass(frozen=True)
class FunctionRow:
    """A function: instructions of its own, with what it calls, and the former's share of all that was selected."""

    self: int
    share: str
    total: int
    function: str
    file: str


@dataclass(frozen=True)
class LineRow:
    """A line: its own instructions, and their share."""

    self: int
    share: str
    line: str
    function: str


def measure(request: runs.Request, of: str) -> Profile:
    """Run, and profile what `of` names: "all", "kernel", or processes by their name. Raises ToolError."""
    watched = runs.run(request)
    lost = {name: count for name, count in watched.record.lost.items() if count}
    if lost:
        say(f"not everything found room, so that the numbers are too low: {lost}")
    processes = identify(watched.record, watched.candidates)
    profiler = Profiler(watched.record, processes, watched.kernel, watched.folders)
    return profiler.select(selection(of, processes))


def selection(of: str, processes: dict[int, Process]) -> Callable[[int, int], bool]:
    """Which instructions are meant, by number of the process and address. Raises ToolError for an unknown name."""
    if of == ALL:
        return lambda owner, address: True
    if of == KERNEL:
        return lambda owner, address: address >= HIGH_HALF
    numbers = {number for number, process in processes.items() if process.name == of}
    if not numbers:
        names = sorted({process.name for process in processes.values()})
        raise ToolError(f"no process '{of}' ran", f"there were: {', '.join([*names, KERNEL, ALL])}")
    return lambda owner, address: owner in numbers


def rows(profile: Profile, most: int) -> tuple[list[FunctionRow], list[LineRow]]:
    """The functions and the lines with most instructions, as tables have them."""
    functions = [
        FunctionRow(
            cost.own, share(cost.own, profile), cost.total, cost.frame.function, cost.frame.file or cost.frame.binary
        )
        for cost in profile.functions()[:most]
    ]
    lines = [
        LineRow(cost.own, share(cost.own, profile), f"{cost.frame.file}:{cost.line}", cost.frame.function)
        for cost in profile.lines
        if cost.line
    ]
    return functions, lines[:most]


def share(part: int, profile: Profile) -> str:
    """A part of all in percent."""
    return f"{100 * part / max(1, profile.total):.1f} %"


def as_json(profile: Profile, title: str) -> str:
    """The profile for other programs."""
    functions: list[dict[str, Any]] = [
        {"binary": c.frame.binary, "file": c.frame.file, "function": c.frame.function, "self": c.own, "total": c.total}
        for c in profile.functions()[:MOST_IN_JSON]
    ]
    lines = [
        {"binary": c.frame.binary, "file": c.frame.file, "line": c.line, "function": c.frame.function, "self": c.own}
        for c in profile.lines[:MOST_IN_JSON]
    ]
    found = {
        "of": title, "instructions": profile.total, "processes": profile.processes, "functions": functions,
        "lines": lines,
    }  # fmt: skip
    return json.dumps(found, indent=2) + "\n"


def show(profile: Profile, title: str, most: int) -> None:
    """Print the tables."""
    print(f"{title}: {profile.total:,} instructions")
    for table in rows(profile, most):
        if table:
            listing.show(table, "table")


def write(path: Path, text: str) -> None:
    """Write a file of the user's. Raises ToolError."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ToolError(f"cannot write {path}: {error.strerror}", "choose another file") from error


def profile(request: runs.Request, of: str, title: str, most: int, svg: Path | None, json_file: str | None) -> None:
    """Run, and show and write what was asked for; `json_file` "-": the JSON alone, on standard output.

    Raises ToolError, CompileError.
    """
    found = measure(request, of)
    if svg is not None:
        write(svg, flame.draw(found, title))
    if json_file == "-":
        print(as_json(found, title), end="")
        return
    if json_file is not None:
        write(Path(json_file), as_json(found, title))
    show(found, title, most)
