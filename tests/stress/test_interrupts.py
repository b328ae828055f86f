"""The longest stretch with interrupts off, over the conformance suite and all programs here: measured, not sampled."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.host import counted, image
from tests.conformance import runner
from tests.conformance.table import module_names, rows_of
from tests.stress import harness, measured
from tests.stress.measured import Longest
from tests.stress.memory_image import MemoryImage

PROGRAMS = {
    "messages.py": 3_000,
    "derivations.py": 3_000,
    "churn.py": 12,
    "memory_load.py": 5_000,
    "random_calls.py": 20_000,
    "extremes.py": 100,
}


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return measured.build(tmp_path_factory.mktemp("measured") / "kernel.elf")


def of_conformance(kernel: Path, folder: Path, longest: Longest) -> None:
    """Run all rows. The measuring itself takes time: a row that depends on that may fail here."""
    memory = folder / "memory"

    def boot(built: image.Image, arguments: list[str], seconds: float) -> counted.Outcome:
        memory.unlink(missing_ok=True)
        other = image.Image(kernel, built.program)
        outcome = counted.run(other, *arguments, seconds=seconds, memory_image=memory)
        longest.add(MemoryImage(memory, kernel), built.program)
        return outcome

    for module in module_names():
        verdicts = runner.run(module, rows_of(module), folder, boot=boot)
        assert sum(bool(verdict.failure) for verdict in verdicts) <= 1, module


def of_programs(kernel: Path, folder: Path, longest: Longest) -> None:
    """Run what is here."""
    memory = folder / "memory"
    for program, count in PROGRAMS.items():
        memory.unlink(missing_ok=True)
        run = harness.run(program, harness.size(count, 3 * count), 1, kernel=kernel, keep=memory)
        assert run.lines
        longest.add(MemoryImage(memory, kernel), image.build(harness.PROGRAMS / program, "x86_64").program)


def collect(kernel: Path, folder: Path) -> Longest:
    """All runs."""
    found = Longest()
    of_programs(kernel, folder, found)
    of_conformance(kernel, folder, found)
    print(found.report())
    return found


@pytest.fixture(scope="module")
def longest(kernel: Path, tmp_path_factory: pytest.TempPathFactory) -> Longest:
    return collect(kernel, tmp_path_factory.mktemp("interrupts"))


def test_everything_was_measured(longest: Longest) -> None:
    missing = {call.name for call in SYSTEM_CALLS} - set(longest.found)
    assert not missing, f"never called: {missing}"
    assert longest.found["system_null"][0].longest < 60
    assert longest.found["message_call"][0].count > 1_000


def test_interrupts_are_never_off_for_long(kernel: Path, longest: Longest, tmp_path: Path) -> None:
    above = set(longest.above())
    if above:
        # The log's serial port waits for the host, which may be busy: what the kernel itself does is the same again.
        above &= set(collect(kernel, tmp_path).above())
    assert not above, f"{above}\n{longest.report()}"
