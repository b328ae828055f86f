"""Bugs of the kernel: what the tool says about them, from a trapping instruction and a piece of the kernel's stack."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cloudos.host import report
from cloudos.host.records import Log
from cloudos.host.symbols import Symbols
from tests.boot.harness import PATIENCE
from tests.boot.kernel_machine import ROOT, architecture_of, boot, bundle_for
from tests.stress.harness import LONG

BUILDER = "tests/boot/programs/broken_kernel.py"
SOURCE = (ROOT / BUILDER).read_text().splitlines()

ACCESS = {
    "microvm": "trap 0xe, error 0x0, address 0x700000000",
    "virt": "trap 0x400, error 0x96000005, address 0x700000000",
}
"""What the processors say of an access to nowhere: a page fault; a data abort, translation fault at level 1."""


def explanation(folder: Path, bug: str, level: str, kind: str = "microvm") -> list[str]:
    """The lines that a user would read after this bug."""
    image = folder / "kernel.elf"
    command = [sys.executable, "-m", "tests.boot.programs.broken_kernel", str(image), bug, level, architecture_of(kind)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=PATIENCE)
    run = boot(bundle_for("cost", kind=kind), image=image, kind=kind)
    assert run.log.splitlines()[-1] == "@off"
    log = Log()
    log.feed(run.log.encode())
    assert log.kernel_panic is not None, run.log
    return report.kernel_panic(log.kernel_panic, Symbols(image), [ROOT]).splitlines()


def line_of(text: str) -> tuple[int, str]:
    """The number of a line of the builder, and the line."""
    return SOURCE.index(f"    {text}") + 1, text


INDEX = ("index", "return U64(TABLE.entries[number])", "index out of range")
MESSAGE = ("message", '    panic("more than three")', "more than three")
WRONG_ACCESS = ("access", "return Ptr.at(U64, VirtAddr(number << 32)).value", "")
BUGS = (INDEX, MESSAGE, WRONG_ACCESS)
KINDS = (("microvm", "s"), ("virt", "s"), ("microvm", "0"))
CASES = [(*bug, *kind) for kind in KINDS for bug in BUGS]
# Each builds a kernel of its own, which takes ten seconds.
USUAL = CASES if LONG else [*CASES[:3], (*MESSAGE, *KINDS[1]), (*INDEX, *KINDS[2])]


@pytest.mark.parametrize(("bug", "source", "message", "kind", "level"), USUAL)
def test_a_bug_is_explained_with_its_line_and_the_calls(
    tmp_path: Path, bug: str, source: str, message: str, kind: str, level: str
) -> None:
    text = explanation(tmp_path, bug, level, kind)
    number, _ = line_of(source)
    caller, _ = line_of("return BUG(U64(7)) + 1")
    places = [line for line in text if line.startswith("  File ")]
    assert f'{BUILDER}", line {number}, in {bug}' in places[-1], "\n".join(text)
    assert f'{BUILDER}", line {caller}, in clock_read' in places[-2]
    assert "dispatch" in places[0]
    assert text[-1] == f"kernel panic: {message or ACCESS[kind]}"


@pytest.mark.parametrize(
    ("kind", "trap"), [("microvm", "trap 0x8, error 0x0"), ("virt", "trap 0x400, error 0x96000047")]
)
def test_a_stack_that_overflows_is_explained(tmp_path: Path, kind: str, trap: str) -> None:
    text = explanation(tmp_path, "recursion", "s", kind)
    assert text.count("    return recursion(number + 1) + recursion(number)") >= 3
    assert text[-1].startswith(f"kernel panic: {trap}, address 0xffffffff")


def test_a_branch_to_any_instruction_is_explained(tmp_path: Path) -> None:
    """A branch target exception of AArch64, of a branch by a register (DDI 0487, ESR_EL1: class 0x0d, BTYPE 3)."""
    text = explanation(tmp_path, "branch", "s", "virt")
    assert any("in branch" in line for line in text), "\n".join(text)
    assert text[-1].startswith("kernel panic: trap 0x400, error 0x36000003")
