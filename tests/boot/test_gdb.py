"""`run --gdb`: the command that it prints works as it stands, and gdb stops on Python lines of kernel and program."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from cloudos.host.run import DEBUGGERS
from tests.boot.harness import LAUNCHER, ROOT, write

PROGRAM = """
from cloudos.lang import U64
from cloudos.sdk import List, Text, print


def divide(a: U64, b: U64) -> U64:
    quotient = a // b
    return quotient + 1


def main(args: List[Text]) -> None:
    print(f"{divide(U64(70), args.length)}")
"""


def line_of(path: Path, text: str) -> int:
    return next(n for n, line in enumerate(path.read_text().splitlines(), 1) if line.strip() == text)


@pytest.mark.parametrize(("architecture", "debugger"), list(DEBUGGERS.items()))
def test_a_debugger_stops_on_lines_of_kernel_and_program(tmp_path: Path, architecture: str, debugger: str) -> None:
    if shutil.which(debugger) is None:
        pytest.skip(f"{debugger} is not installed")
    program = write(tmp_path, PROGRAM, "stopped.py")
    kernel_line = line_of(ROOT / "cloudos/kernel/kernel.py", "scheduler.run_next(timer.now())")
    program_line = line_of(program, "return quotient + 1")
    errors = tmp_path / "errors"
    with errors.open("wb") as sink:
        machine = subprocess.Popen(
            [LAUNCHER, "run", "--arch", architecture, "--gdb", program],
            stdout=subprocess.PIPE,
            stderr=sink,
            cwd=tmp_path,
        )
    try:
        commands = [f"hbreak cloudos/kernel/kernel.py:{kernel_line}", f"hbreak stopped.py:{program_line}"]
        commands += ["continue", "backtrace 1", "continue", "backtrace 2", "info locals", "continue"]
        output = debug(told(errors, machine), commands, tmp_path)
        assert re.search(rf"run_first_program \(\).* at .*cloudos/kernel/kernel\.py:{kernel_line}\b", output), output
        assert re.search(rf"divide \(.*=70, .*=1\) at .*stopped\.py:{program_line}\b", output), output
        assert "return quotient + 1" in output, output
        assert re.search(r"quotient = 70\b", output), output
        printed, _ = machine.communicate(timeout=30)
        assert (machine.returncode, printed) == (0, b"71\n")
    finally:
        machine.kill()
        machine.wait()


def told(errors: Path, machine: subprocess.Popen[bytes]) -> str:
    """The gdb command that the tool printed."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and machine.poll() is None:
        text = errors.read_text()
        if "info locals" in text:
            lines = [line.removeprefix("cloudos:").strip() for line in text.splitlines()]
            start = next(
                n for n, line in enumerate(lines) if line.startswith(tuple(f"{name} " for name in DEBUGGERS.values()))
            )
            return f"{lines[start].removesuffix(chr(92))} {lines[start + 1]}"
        time.sleep(0.1)
    raise AssertionError(f"no gdb command was printed: {errors.read_text()}")


def debug(command: str, commands: list[str], cwd: Path) -> str:
    """What gdb says."""
    debugger, _, rest = command.partition(" ")
    line = f"{debugger} -nx -batch {rest}" + "".join(f" -ex '{text}'" for text in commands)
    done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=60, cwd=cwd, check=False)
    return done.stdout + done.stderr
