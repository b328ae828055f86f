"""Runs the rows of a file in QEMU: one program, which says when a row begins and when it ends.

A row that panics, faults or hangs takes the machine with it; that is this row's failure, and the machine is booted
again for the rows after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cloudos.host import counted, image, report
from cloudos.host.session import Ended
from cloudos.host.symbols import Symbols
from tests.conformance.table import ROOT, Row

SECONDS = 10.0
"""After which a machine counts as hung. All rows of a file take less than one."""

PROGRAM = '''"""Made by the conformance suite."""

from __future__ import annotations

from cloudos.abi import initial
from cloudos.lang import U64, Slice, U8, UserPtr, data
from cloudos.sdk import List, Text, system
from {package} import {module} as rows
from tests.conformance.support import BOARD, settle


def say(text: Slice[U8]) -> None:
    written = U64(0)
    while written < text.length:
        rest = text[written : text.length]
        pointer = UserPtr.at(U8, rest.pointer.address.value)
        written = written + system.console_write(U64(1), pointer, rest.length)


def main(args: List[Text]) -> None:
    """The number of arguments is the number of the first row to run."""
    BOARD.patience = U64({patience})
    if {pinned}:
        system.schedule_place(U64(initial.SCHEDULE), U64(0), U64(1))
'''
CALL = """    if args.length <= {number}:
        say(data(b"begin {name}\\n"))
        settle()
        BOARD.clear()
        rows.{name}()
        say(data(b"end {name}\\n"))
"""


@dataclass(frozen=True)
class Verdict:
    """Of one row: empty when it held, else what happened."""

    row: Row
    failure: str


def program(package: str, module: str, rows: list[Row], patience: int = 1, pinned: bool = False) -> str:
    """The text of the program that runs the rows; it skips as many as it has arguments."""
    calls = [CALL.format(number=number + 1, name=row.name) for number, row in enumerate(rows)]
    return PROGRAM.format(package=package, module=module, patience=patience, pinned=pinned) + "".join(calls)


Boot = Callable[[image.Image, list[str], float], counted.Outcome]


def boot(built: image.Image, arguments: list[str], seconds: float) -> counted.Outcome:
    """Run the program on the ordinary machine."""
    return counted.run(built, *arguments, seconds=seconds)


def boot_several(processors: int) -> Boot:
    """What runs the program on a machine with several processors, where instructions are not counted."""

    def start(built: image.Image, arguments: list[str], seconds: float) -> counted.Outcome:
        return counted.run(built, *arguments, seconds=3 * seconds, processors=processors)

    return start


def run(
    module: str,
    rows: list[Row],
    folder: Path,
    package: str = "tests.conformance.rows",
    boot: Boot = boot,
    architecture: str = "x86_64",
    patience: int = 1,
    pinned: bool = False,
) -> list[Verdict]:
    """Run all rows of a file, with as many boots as it takes; files are made in `folder`.

    `pinned`: all of it on the first processor.
    """
    source = folder / f"conformance_{module}.py"
    source.write_text(program(package, module, rows, patience, pinned))
    built = image.build(source, architecture)
    verdicts: list[Verdict] = []
    while len(verdicts) < len(rows):
        first = len(verdicts)
        outcome = boot(built, ["-"] * first, SECONDS)
        ended = [line.removeprefix("end ") for line in outcome.output.splitlines() if line.startswith("end ")]
        expected = [row.name for row in rows[first:]]
        assert ended == expected[: len(ended)], f"rows in another order: {ended}"
        verdicts += [Verdict(row, "") for row in rows[first : first + len(ended)]]
        if len(verdicts) < len(rows):
            verdicts.append(Verdict(rows[len(verdicts)], explain(outcome, built)))
        elif not outcome.in_order:
            verdicts[-1] = Verdict(rows[-1], f"after the last row: {explain(outcome, built)}")
    return verdicts


def explain(outcome: counted.Outcome, built: image.Image) -> str:
    """Why a run stopped in the middle of a row."""
    log = outcome.log
    roots = (Path.cwd(), ROOT)
    if log.kernel_panic is not None:
        return "kernel panic\n" + report.kernel_panic(log.kernel_panic, Symbols(built.kernel), roots)
    text = report.ending(log, Symbols(built.program), roots)
    if outcome.ended is Ended.TIME:
        return f"hangs\n{text}"
    if outcome.errors:
        text = f"{text}\n{outcome.errors}"
    return text.strip() or f"the machine stopped\n{outcome.messages}\n" + "\n".join(log.lines[-10:])
