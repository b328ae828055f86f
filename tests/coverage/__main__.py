"""Runs the tests that reach the kernel, under CPython with coverage.py and in QEMU with the plugin, and merges both."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cloudos.host import state
from cloudos.host.observer.kernel_lines import lines_in, lines_with_code
from tests.coverage import page, reasons
from tests.coverage.merge import merge

ROOT = state.ROOT
PAGE = ROOT / "docs" / "kernel-coverage.md"
SIMULATED = ("tests/sim", "tests/unit/kernel", "tests/conformance/test_simulated.py", "tests/fuzz/test_inputs.py")
MACHINE = (
    "tests/conformance/test_rows.py", "tests/boot/test_kernel.py", "tests/boot/test_kernel_panic.py",
    "tests/boot/test_faults.py", "tests/boot/test_devices.py", "tests/boot/test_microkernel.py",
    "tests/boot/test_aarch64.py", "tests/boot/test_policy.py", "tests/boot/test_system_image.py",
    "tests/boot/test_console.py", "tests/boot/test_run.py", "tests/boot/test_nodes.py",
    "tests/boot/test_wide_addresses.py", "tests/boot/test_processors.py",
)  # fmt: skip
QUICK_SIMULATED = ("tests/unit/kernel", "tests/conformance/test_simulated.py")
QUICK_MACHINE = ("tests/conformance/test_rows.py", "tests/boot/test_kernel.py")


def pytest(arguments: Sequence[str], environment: dict[str, str], measured: bool) -> bool:
    """Run tests from the root of the checkout; whether all passed."""
    options = ["run", "--parallel-mode", "--branch", "--source=cloudos/kernel", "-m", "pytest"]
    line = [sys.executable, "-m", *(["coverage", *options] if measured else ["pytest"]), "-q", "-p", "no:xdist"]
    line += ["-p", "no:cacheprovider", *arguments]
    done = subprocess.run(line, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, check=False)
    return done.returncode == 0


def files(places: Sequence[str]) -> list[str]:
    """The files of tests in places, each of which is run by a process of its own: what one leaves is kept whatever
    becomes of the others."""
    found: list[str] = []
    for place in places:
        path = ROOT / place
        found += [place] if path.is_file() else sorted(str(one.relative_to(ROOT)) for one in path.glob("test_*.py"))
    return found


def imports(environment: dict[str, str]) -> None:
    """Import the kernel of each architecture under coverage.py: that is what building it does, and runs what stands at
    the top level of modules."""
    script = Path(environment["COVERAGE_FILE"]).parent / "imports.py"
    script.write_text("import cloudos.kernel.image\n")
    line = [sys.executable, "-m", "coverage", "run", "--parallel-mode", "--branch", "--source=cloudos/kernel"]
    for architecture in ("x86_64", "aarch64"):
        given = {**os.environ, **environment, "CLOUDOS_ARCHITECTURE": architecture, "PYTHONPATH": str(ROOT)}
        subprocess.run([*line, str(script)], cwd=ROOT, env=given, check=True)


def measure(folder: Path, quick: bool) -> bool:
    """Run everything, into a folder that is made anew; whether all tests passed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    environment = {"COVERAGE_FILE": str(folder / "data")}
    passed = all([pytest([one], environment, True) for one in files(QUICK_SIMULATED if quick else SIMULATED)])
    imports(environment)
    watched = {state.KERNEL_LINES: str(folder / "machine")} | ({} if quick else {"CLOUDOS_LONG_TESTS": "1"})
    rows, *others = QUICK_MACHINE if quick else MACHINE
    passed = pytest([rows], watched, False) and passed
    watched.pop("CLOUDOS_LONG_TESTS", None)
    return all([pytest([one], watched, False) for one in others]) and passed


def report(folder: Path, what: str) -> dict[str, list[int]]:
    """Write the page from what runs left; the lines that nothing reaches and nobody explained."""
    environment = {**os.environ, "COVERAGE_FILE": str(folder / "data")}
    parts = list(folder.glob("data.*"))
    if parts:
        subprocess.run([sys.executable, "-m", "coverage", "combine", "-q"], cwd=ROOT, env=environment, check=True)
    output = folder / "report.json"
    subprocess.run(
        [sys.executable, "-m", "coverage", "json", "-q", "-o", str(output)], cwd=ROOT, env=environment, check=True
    )
    machine = folder / "machine"
    found = merge(ROOT, json.loads(output.read_text()), lines_in(machine), lines_with_code(machine))
    known = reasons.load()
    PAGE.write_text(page.render(ROOT, found, known, what), encoding="utf-8")
    print(PAGE.read_text().split("**")[1])
    return page.unexplained(ROOT, found, known)


def main() -> int:
    """The command; status 1 when a line has neither test nor reason.

    Tests may fail here that hold otherwise: the kernel is slower than it should be, and everything is watched.
    """
    parser = argparse.ArgumentParser(prog="cloudos coverage", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer tests, in ten minutes; the page is not complete")
    parser.add_argument("--report", action="store_true", help="run nothing, use what the last run left")
    given = parser.parse_args()
    folder = state.directory() / "coverage"
    if not given.report and not measure(folder, given.quick):
        print("some tests failed, as those do that limit the kernel's instructions: it is not optimised here")
    left = report(folder, "--quick" if given.quick else "all of the tests that reach it")
    for name, lines in left.items():
        print(f"{name}: neither test nor reason: {page.ranges(lines)}")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
