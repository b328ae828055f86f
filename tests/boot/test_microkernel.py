"""The microkernel's promises on the machine: threads, processes, messages, faults, time, quotas.

The programs print a line for each promise. They run under `-icount`, so that time is the same in every run.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.boot.harness import PATIENCE, ROOT

PROGRAMS = Path(__file__).parent / "programs"
RUN = """
import sys
from cloudos.host import cli, machine
plain = machine.command
machine.command = lambda *given: [*plain(*given), "-icount", "shift=0,sleep=off"]
sys.argv = ["cloudos", "run", "--timeout", "60", "--memory", "64M", sys.argv[1]]
sys.exit(cli.main())
"""


def output_of(program: str) -> list[str]:
    """The lines that a program prints when it ends in order."""
    line = [sys.executable, "-c", RUN, str(PROGRAMS / program)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout.splitlines()


def test_two_threads_call_each_other() -> None:
    assert output_of("two_threads.py") == ["done"]


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return output_of("microkernel.py")


def test_every_promise_is_kept(lines: list[str]) -> None:
    assert [line for line in lines if not line.startswith("ok ")] == ["end"]


def test_all_promises_were_tried(lines: list[str]) -> None:
    source = (PROGRAMS / "microkernel.py").read_text()
    names = {part.split('"')[0] for part in source.split('check("')[1:]}
    tried = {line.removeprefix("ok ") for line in lines}
    assert names - tried == set()


def test_registers_are_not_shared() -> None:
    assert output_of("secrets.py")[-1] == "end"


def test_page_faults_are_cheap_and_memory_comes_back_in_parts() -> None:
    """A new page costs at most 600 instructions besides the 512 that zero it; 2 MB at most a third more than zeroing."""
    printed = dict(line.split(" ") for line in output_of("page_faults.py")[:-1])
    assert 512 < int(printed["fault"]) <= 512 + 600
    assert (2 << 20) // 8 < int(printed["large"]) < (2 << 20) // 8 * 4 // 3
    assert printed["left"] == str(512 + 5 + 1024 - 5)
