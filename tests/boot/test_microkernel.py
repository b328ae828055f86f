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
sys.argv = ["cloudos", "run", "--bare", "--timeout", "60", "--memory", "64M", "--arch", *sys.argv[1:]]
sys.exit(cli.main())
"""


pytestmark = pytest.mark.one_processor("instructions are counted")
ARCHITECTURES = ["x86_64", "aarch64"]


def output_of(program: str, architecture: str) -> list[str]:
    """The lines that a program prints when it ends in order."""
    line = [sys.executable, "-c", RUN, architecture, str(PROGRAMS / program)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout.splitlines()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_two_threads_call_each_other(architecture: str) -> None:
    assert output_of("two_threads.py", architecture) == ["done"]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def lines(request: pytest.FixtureRequest) -> list[str]:
    return output_of("microkernel.py", request.param)


def test_every_promise_is_kept(lines: list[str]) -> None:
    assert [line for line in lines if not line.startswith("ok ")] == ["end"]


def test_all_promises_were_tried(lines: list[str]) -> None:
    source = (PROGRAMS / "microkernel.py").read_text()
    names = {part.split('"')[0] for part in source.split('check("')[1:]}
    tried = {line.removeprefix("ok ") for line in lines}
    assert names - tried == set()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_registers_are_not_shared(architecture: str) -> None:
    assert output_of("secrets.py", architecture)[-1] == "end"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_who_uses_no_vector_registers_pays_nothing_for_others(architecture: str) -> None:
    nobody, only_third, both = (int(word) for word in output_of("vector_cost.py", architecture)[-1].split())
    assert nobody == only_third
    # Two switches with all that saving and loading takes: a thread that does not use them may have no part of it.
    assert both >= nobody + {"x86_64": 30, "aarch64": 100}[architecture]
