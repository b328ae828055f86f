"""Why lines of the kernel are reached by no test: `reasons.toml`, by file and text of the line."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from tests.coverage.statements import read

PATH = Path(__file__).parent / "reasons.toml"


@dataclass(frozen=True)
class Reason:
    """A line is named by its file, the function around it and its text; `text` "*" is all lines of the function.

    Of lines at the top level the function is "(module)".
    """

    file: str
    function: str
    text: str
    reason: str


def load(path: Path = PATH) -> list[Reason]:
    """All reasons. Raises ValueError for a table that is none."""
    found = []
    for entry in tomllib.loads(path.read_text()).get("line", []):
        if set(entry) != {"file", "function", "text", "reason"} or not all(entry.values()):
            raise ValueError(f"{path.name}: each line has file, function, text and reason: {entry}")
        found.append(Reason(**entry))
    return found


def lines_of(root: Path, reason: Reason) -> set[int]:
    """The lines that a reason names, none when there is no such line any more."""
    path = root / reason.file
    if not path.is_file():
        return set()
    text = path.read_text()
    module, lines = read(text), text.splitlines()
    names = {line: module.functions.get(line, "(module)") for line in range(1, len(lines) + 1)}
    return {
        line
        for line, function in names.items()
        if (function == reason.function or function.startswith(f"{reason.function}."))
        and reason.text in ("*", lines[line - 1].strip())
    }


def stale(root: Path, reasons: list[Reason]) -> list[Reason]:
    """Reasons that name no line."""
    return [reason for reason in reasons if not lines_of(root, reason)]
