"""`cloudos profile` counts exactly: a program of which is known what it does, the kernel, and a service."""

from __future__ import annotations

import json
import xml.etree.ElementTree
from functools import cache
from pathlib import Path

import pytest

from cloudos.host import image
from cloudos.host.errors import ToolError
from cloudos.host.observer import runs
from cloudos.host.observer.profiles import Profile
from cloudos.host.profile_command import measure
from tests.boot.harness import ROOT, cloudos

PROGRAM = ROOT / "tests" / "boot" / "programs" / "watched.py"
ARCHITECTURES = ("x86_64", "aarch64")


@cache
def profile(rounds: int, architecture: str, of: str = "program") -> Profile:
    request = runs.Request(
        architecture, PROGRAM, image.Inputs("watched", (str(rounds),)), alone=True, output=runs.ERRORS
    )
    return measure(request, of)


def own(found: Profile, function: str) -> int:
    return sum(cost.own for cost in found.functions() if cost.frame.function == function)


def lines(found: Profile, function: str) -> dict[int, int]:
    return {cost.line: cost.own for cost in found.lines if cost.frame.function == function}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_round_of_a_loop_is_counted(architecture: str) -> None:
    once, twice = profile(1000, architecture), profile(2000, architecture)
    text = PROGRAM.read_text().splitlines()
    first = next(number for number, line in enumerate(text, 1) if "that is counted" in line)
    for line in (first, first + 1):
        counted = lines(once, "spin")[line]
        assert counted >= 1000 and counted % 1000 == 0
        assert lines(twice, "spin")[line] == 2 * counted
    # Nothing else of the program depends on the number, but for printing it.
    assert own(once, "fibonacci") == own(twice, "fibonacci") > 177
    assert own(once, "cross") == own(twice, "cross") >= 100


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_kernel_counts_for_the_program_that_calls_it(architecture: str) -> None:
    found, kernel = profile(1000, architecture), profile(1000, architecture, "kernel")
    calls = {cost.frame.function: cost for cost in found.functions() if cost.frame.file.endswith("microkernel.py")}
    assert calls["user_page_fault"].total > calls["user_page_fault"].own > 0
    functions = {cost.frame.function: cost for cost in found.functions()}
    # 100 null system calls of 20 instructions at least, which are the callee's and not the loop's own.
    assert functions["cross"].total - functions["cross"].own > 2000
    assert functions["main"].total > functions["spin"].total + functions["fibonacci"].total
    assert functions["fibonacci"].total <= found.total
    assert {cost.frame.binary for cost in kernel.functions()} == {"kernel"}
    assert kernel.total == sum(cost.own for cost in kernel.functions())
    assert found.total == sum(cost.own for cost in found.functions())


def test_the_same_run_gives_the_same_counts_and_all_of_them() -> None:
    request = runs.Request("x86_64", PROGRAM, image.Inputs("watched", ("1000",)), alone=True, output=runs.ERRORS)
    watched = runs.run(request)
    counted = sum(count.executed * count.count for count in watched.record.counts)
    assert not any(watched.record.lost.values())
    # All but the block in which the machine was switched off.
    assert 0 <= watched.record.executed - counted < 10
    again = measure(request, "program")
    assert [(cost.frame, cost.own, cost.total) for cost in again.functions()] == [
        (cost.frame, cost.own, cost.total) for cost in profile(1000, "x86_64").functions()
    ]


def test_who_was_not_there_is_refused() -> None:
    with pytest.raises(ToolError, match="no process 'nobody' ran"):
        profile(0, "x86_64", "nobody")


def test_services_are_told_apart(tmp_path: Path) -> None:
    svg = tmp_path / "files.svg"
    result = cloudos("profile", "--service", "files", "--json", "-", "--svg", svg).check()
    found = json.loads(result.output)
    files = {entry["file"] for entry in found["functions"] if entry["binary"] == "files"}
    assert found["processes"] == {"files": found["instructions"]}
    assert "cloudos/services/files/image_files.py" in files
    assert not any(file.startswith("cloudos/services/") and "/files/" not in file for file in files)
    assert found["instructions"] == sum(entry["self"] for entry in found["functions"])
    root = xml.etree.ElementTree.parse(svg).getroot()
    titles = [one.text or "" for one in root.iter("{http://www.w3.org/2000/svg}title")]
    assert any(title.startswith("image_tree (files, cloudos/services/files/image_files.py): ") for title in titles)
