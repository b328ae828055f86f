"""`cloudos bench --check`: what was measured beside what was measured before, and whether anything became worse.

The baseline of an architecture is a report of `cloudos bench`, kept in `bench/` and changed only by
`cloudos bench --update-baseline`. Smaller is better for every number of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudos.host import state
from cloudos.host.errors import ToolError

TOLERANCE_PERCENT = 3.0
FIRMWARE = ("boot_", "smallest_memory_kb")
"""How the keys of numbers begin that have QEMU's firmware in them: they are compared only where its version is that of
the baseline."""

BETTER, SAME, WORSE, MISSING, NEW, OTHER = "better", "same", "WORSE", "MISSING", "new", "other QEMU"
FAILURES = (WORSE, MISSING)


@dataclass(frozen=True)
class Difference:
    """One number: as it was, as it is, by how much it changed, and what that means."""

    measure: str
    baseline: str
    now: str
    change: str
    verdict: str


def path(arch: str) -> Path:
    """The file of an architecture's baseline."""
    return state.ROOT / "bench" / f"baseline-{arch}.json"


def load(arch: str) -> dict[str, Any]:
    """The baseline as it is stored. Raises ToolError when there is none that can be read."""
    file = path(arch)
    try:
        found = json.loads(file.read_text())
    except OSError as error:
        raise ToolError(f"{file}: {error.strerror}", "bin/cloudos bench --update-baseline makes it") from error
    except ValueError as error:
        raise ToolError(f"{file}: {error}", "bin/cloudos bench --update-baseline makes it anew") from error
    if not isinstance(found, dict):
        raise ToolError(f"{file} is no report", "bin/cloudos bench --update-baseline makes it anew")
    return found


def values(report: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a report by key; those of `bytes` have its name in front."""
    found: dict[str, float] = {f"bytes.{key}": value for key, value in report.get("bytes", {}).items()}
    found |= report.get("instructions", {})
    return found | {key: report[key] for key in ("smallest_memory_kb", "memory_overhead_percent") if key in report}


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """A row for each number of two reports, in the order of the second; those that are gone come last."""
    old, new = values(before), values(after)
    same_firmware = before.get("qemu") == after.get("qemu")
    rows = []
    for key, value in new.items():
        if key not in old:
            rows.append(Difference(key, "", f"{value:,}", "", NEW))
        elif key.startswith(FIRMWARE) and not same_firmware:
            rows.append(Difference(key, f"{old[key]:,}", f"{value:,}", "", OTHER))
        else:
            rows.append(difference(key, old[key], value))
    rows += [Difference(key, f"{value:,}", "", "", MISSING) for key, value in old.items() if key not in new]
    return rows


def difference(key: str, before: float, after: float) -> Difference:
    """What the change of one number means."""
    percent = 100 * (after - before) / before if before else (0.0 if after == before else float("inf"))
    verdict = WORSE if percent > TOLERANCE_PERCENT else BETTER if percent < -TOLERANCE_PERCENT else SAME
    return Difference(key, f"{before:,}", f"{after:,}", f"{percent:+.1f}%", verdict)


def failed(rows: list[Difference]) -> list[Difference]:
    """The rows that let the check fail."""
    return [row for row in rows if row.verdict in FAILURES]
