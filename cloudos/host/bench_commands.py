"""What `cloudos bench` does for each of its options, and how it shows the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudos.host import baseline, bench, comparison, listing
from cloudos.host.bench import Report
from cloudos.host.bootstrap import write_atomically


@dataclass(frozen=True)
class Output:
    """How to show results: `form` as in all listings; `file` for the JSON, "-" for standard output alone."""

    form: str
    file: str | None

    def show(self, text: str, rows: Sequence[Any]) -> None:
        """Show a result: `text` is its JSON."""
        if self.file is not None and self.file != "-":
            Path(self.file).write_text(text)
        if not self.for_people:
            print(text, end="")
        elif rows:
            listing.show(rows, "table")

    @property
    def for_people(self) -> bool:
        """Whether standard output may have more than JSON on it."""
        return self.file != "-" and self.form != "json"


def own(arch: str, processors: int, output: Output) -> int:
    """Measure our own system."""
    report = bench.measure(arch) if processors == 1 else bench.measure_several(arch, processors)
    output.show(report.as_json(), bench.rows(report))
    return 0


def against_linux(arch: str, output: Output) -> int:
    """Measure both systems; status 1 when a ratio is not what TARGETS demand."""
    found = comparison.measure(arch)
    if output.for_people:
        print(f"{found.linux_version}, QEMU {found.qemu_version}, {arch}, {found.memory_mb} MB; instructions")
    output.show(found.as_json(), found.rows)
    return 0 if found.met else 1


def check(arch: str, output: Output) -> int:
    """Compare with the baseline; status 1 when a number is worse or gone."""
    before = baseline.load(arch)
    report = bench.measure(arch)
    return shown(arch, before, report, output)


def shown(arch: str, before: dict[str, Any], report: Report, output: Output) -> int:
    """Show what differs from the baseline, in a table, and what that means."""
    rows = baseline.compare(before, report.as_object())
    failures = baseline.failed(rows)
    notable = [row for row in rows if row.verdict != baseline.SAME]
    output.show(report.as_json(), notable)
    if output.for_people:
        state = f"{len(failures)} worse or missing" if failures else "none is worse"
        print(f"{arch}: {len(rows)} numbers compared with {baseline.path(arch).name}, {state}")
    return 1 if failures else 0


def update(arch: str, output: Output) -> int:
    """Measure, and store that as the baseline."""
    report = bench.measure(arch)
    write_atomically(baseline.path(arch), report.as_json().encode())
    output.show(report.as_json(), bench.rows(report))
    return 0


def plots() -> int:
    """Measure everything on both architectures; table and drawings into docs/."""
    from cloudos.host import bench_page

    for path in bench_page.make():
        print(path)
    return 0
