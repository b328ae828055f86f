"""The rows: every public function of `rows/*.py` without parameters is one, and its docstring is the promise.

A module's `REQUIRES` names, for some of its rows, the system calls without which they make no sense; a row whose calls
the kernel does not have is left out everywhere, also of the table in docs/conformance.md.
"""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType

from tests.conformance.support import available

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "conformance.md"
HEAD = """# What the kernel promises

One line per promised behaviour, each checked by the function of that name in
[tests/conformance/rows](../tests/conformance/rows): systems Python that makes the system calls as any program does.
`bin/cloudos test conformance` compiles the rows of a file into one program, boots the kernel with it under QEMU's
instruction counting, which makes every run the same, and reports each row that fails. All rows run on x86_64, and all
but those marked *x86_64* on AArch64, which has no I/O ports. Those marked *simulated* run on the simulated machine too,
under CPython: the others name memory by its address.

This page is generated: `python -m tests.conformance.table` writes it, and a test compares.
"""

SIMULATED = ("devices", "handles", "interrupts", "messages", "notifications", "replies")
"""The files of which rows run on the simulated machine."""

IN_MEMORY = frozenset(("Child", "PIT", "Registers", "BUFFER", "peek", "poke", "quota_used", "buffer_page"))
"""What a row cannot use there."""

MICROVM = frozenset(
    ("_ports", "_port", "PORTS", "PIT", "Ports", "VIRTIO", "LOW_MEMORY", "LOG_PORT", "LOG_LINE", "FREE_PORT")
)
"""What a row cannot use where there are no I/O ports, and where memory and devices lie elsewhere."""


@dataclass(frozen=True)
class Row:
    """One promise: the module and function that check it, and the sentence."""

    module: str
    name: str
    promise: str


def module_names() -> list[str]:
    """The files of rows, in order."""
    folder = Path(__file__).with_name("rows")
    return sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")


def load(name: str) -> ModuleType:
    return importlib.import_module(f"tests.conformance.rows.{name}")


def rows_of(name: str) -> list[Row]:
    """The rows of a file that the kernel can run, in the order of the file."""
    module = load(name)
    requires: dict[str, tuple[str, ...]] = getattr(module, "REQUIRES", {})
    rows = []
    for label, item in vars(module).items():
        if label.startswith("_") or not inspect.isfunction(item) or item.__module__ != module.__name__:
            continue
        if inspect.signature(item).parameters or not available(*requires.get(label, ())):
            continue
        promise = " ".join((item.__doc__ or "").split())
        rows.append(Row(name, label, promise))
    return rows


def uses(row: Row) -> set[str]:
    """The names that a row uses, and those that the functions of its file use that it uses."""
    module = load(row.module)
    seen: set[str] = set()
    names = [row.name]
    while names:
        name = names.pop()
        found = getattr(module, name, None)
        if name not in seen and isinstance(found, FunctionType) and found.__module__ == module.__name__:
            names += found.__code__.co_names
        seen.add(name)
    return seen


def is_simulated(row: Row) -> bool:
    """Whether a row runs on the simulated machine: it keeps to what travels in registers."""
    return row.module in SIMULATED and not uses(row) & IN_MEMORY


def is_anywhere(row: Row) -> bool:
    """Whether a row runs on every architecture."""
    return not uses(row) & MICROVM


def document() -> str:
    """The text of docs/conformance.md."""
    parts = [HEAD]
    count = both = simulated = 0
    for name in module_names():
        rows = rows_of(name)
        count += len(rows)
        title = (load(name).__doc__ or "").strip().splitlines()[0]
        parts.append(f"## {title}\n\n| row | promise | runs in |\n| --- | --- | --- |")
        for row in rows:
            both += is_anywhere(row)
            simulated += is_simulated(row)
            places = ("QEMU" if is_anywhere(row) else "x86_64") + (", simulated" if is_simulated(row) else "")
            parts.append(f"| `{row.name}` | {row.promise} | {places} |")
        parts.append("")
    parts.append(f"{count} rows, {both} of them on both architectures, {simulated} on the simulated machine.\n")
    return "\n".join(parts)


if __name__ == "__main__":
    DOCUMENT.write_text(document())
