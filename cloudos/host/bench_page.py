"""`cloudos bench --plots`: everything measured on both architectures, as a page and two drawings in docs/.

The page is made anew each time and never edited.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cloudos import __version__
from cloudos.host import baseline, bench, comparison, plots, state, targets
from cloudos.host.bench import Report
from cloudos.host.bootstrap import say, write_atomically
from cloudos.host.comparison import Comparison

COMMAND = "bin/cloudos bench --plots"
ARCHITECTURES = ("x86_64", "aarch64")
PAGE = "benchmarks-results.md"
RATIOS = "benchmarks-linux.svg"
COSTS = "benchmarks-cloudos.svg"


def make() -> list[Path]:
    """Measure and write; the files that were written. Raises ToolError, and what compiling the programs raises."""
    plots.require()
    reports, compared = {}, {}
    for arch in ARCHITECTURES:
        say(f"measuring {arch}, then Linux")
        reports[arch] = bench.measure(arch)
        compared[arch] = comparison.measure(arch)
    return write(state.ROOT / "docs", reports, compared, origin())


def origin() -> str:
    """When this is, and of which version."""
    command = ["git", "-C", str(state.ROOT), "describe", "--always", "--dirty", "--abbrev=10"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    commit = done.stdout.strip() or "an unknown commit"
    return f"{time.strftime('%Y-%m-%d')}, CloudOS {__version__} ({commit})"


def write(folder: Path, reports: Mapping[str, Report], compared: Mapping[str, Comparison], made: str) -> list[Path]:
    """The page and its drawings from what was measured. Raises ToolError when they cannot be drawn."""
    page, ratios, costs = (folder / name for name in (PAGE, RATIOS, COSTS))
    draw_ratios(ratios, compared, made)
    draw_costs(costs, reports, made)
    write_atomically(page, ("\n".join(lines(reports, compared, made)) + "\n").encode())
    return [page, ratios, costs]


def draw_ratios(path: Path, compared: Mapping[str, Comparison], made: str) -> None:
    """How many times the instructions of CloudOS Linux needs."""
    names = unique(row.measure for one in compared.values() for row in one.rows)
    found = {arch: {row.measure: row.ratio for row in one.rows} for arch, one in compared.items()}
    values = {arch: [row.get(name) for name in names] for arch, row in found.items()}
    title = "Linux' instructions for one of CloudOS, same emulator and memory"
    plots.bars(path, title, "times (logarithmic)", names, values, made, line=1.0)


def draw_costs(path: Path, reports: Mapping[str, Report], made: str) -> None:
    """What each operation of CloudOS costs."""
    names = unique(key for report in reports.values() for key in report.instructions)
    values = {arch: [report.instructions.get(name) for name in names] for arch, report in reports.items()}
    plots.bars(path, "Operations of CloudOS", "instructions (logarithmic)", names, values, made)


def unique(names: Iterator[str]) -> list[str]:
    """Each name once, in the order of the first."""
    return list(dict.fromkeys(names))


def lines(reports: Mapping[str, Report], compared: Mapping[str, Comparison], made: str) -> Iterator[str]:
    """The page."""
    yield "# Benchmark results"
    yield ""
    yield f"Made by `{COMMAND}` on {made}. What each row contains is said in [benchmarks.md](benchmarks.md)."
    yield ""
    for arch, one in compared.items():
        yield f"- {arch}: QEMU {one.qemu_version}; {one.linux_version}; {one.memory_mb} MB for the comparison"
    yield from section("Beside Linux", RATIOS, "Linux' instructions for one of CloudOS, by operation")
    for arch, one in compared.items():
        yield from against(arch, one)
    yield from section("CloudOS", COSTS, "Instructions of each operation of CloudOS")
    yield from ours(reports)


def section(title: str, drawing: str, description: str) -> Iterator[str]:
    """A heading and its drawing."""
    yield from ("", f"## {title}", "", f"![{description}]({drawing})", "")


def against(arch: str, one: Comparison) -> Iterator[str]:
    """The table of one architecture. The last columns: the kernel without mitigations, and the ratio to reach."""
    yield f"### {arch}"
    yield ""
    header = ("operation, ours and Linux'", "CloudOS", "Linux", "ratio", "Linux, mitigations=off", "target")
    yield from table(
        header,
        [
            (
                row.measure,
                f"{row.cloudos:,}",
                f"{row.linux:,}",
                f"{row.ratio:,}",
                "" if row.plain is None else f"{row.plain:,}",
                row.target,
            )
            for row in one.rows
        ],
    )
    yield ""


def ours(reports: Mapping[str, Report]) -> Iterator[str]:
    """The table of all our own numbers, with what they may be."""
    found = {arch: baseline.values(report.as_object()) for arch, report in reports.items()}
    rows = []
    for key in unique(key for values in found.values() for key in values):
        cells = [f"`{key}`"]
        for arch, values in found.items():
            most = targets.limit(key, arch)
            cells.append(f"{values[key]:,}" if key in values else "")
            cells.append("" if most is None else f"{most:,}")
        rows.append(tuple(cells))
    header = ["key"]
    for arch in found:
        header += [arch, "at most"]
    yield from table(tuple(header), rows)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table in Markdown; all columns but the first are numbers."""
    yield f"| {' | '.join(header)} |"
    yield f"| --- |{' ---: |' * (len(header) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
