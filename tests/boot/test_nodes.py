"""Machines of several nodes: memory is had from the node that is asked for, or is near, and from the next when it is
used up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.boot.harness import cloudos, run

PROGRAM = Path(__file__).parent / "programs" / "nodes.py"


def lines(arch: str, machine: str, nodes: int, *more: str, memory: str = "256M") -> list[list[str]]:
    options = ["--bare", "--arch", arch, "--nodes", str(nodes), "--memory", memory, "--timeout", "60"]
    options += ["--machine", machine] if machine else []
    result = run(PROGRAM, *more, options=[*options, "--cpus", "2"] if more else options).check()
    return [line.split() for line in result.output.decode().splitlines()]


@pytest.mark.parametrize(("arch", "machine", "start"), [("x86_64", "q35", 0), ("aarch64", "", 1024)])
def test_memory_is_of_the_node_that_is_asked_for(arch: str, machine: str, start: int) -> None:
    *found, near, elsewhere = lines(arch, machine, 4)
    assert [int(node) for _, node, _ in found] == [0, 1, 2, 3]
    assert [(int(place) - start) // 64 for *_, place in found] == [0, 1, 2, 3]
    assert (int(near[1]) - start) // 64 == 0
    # The last node is used up; the one before it is the nearest.
    assert (int(elsewhere[1]) - start) // 64 == 2


@pytest.mark.parametrize(("arch", "machine"), [("x86_64", "q35"), ("x86_64", "microvm"), ("aarch64", "")])
def test_a_machine_has_one_node_unless_it_says_more(arch: str, machine: str) -> None:
    assert [line[0] for line in lines(arch, machine, 1)] == ["node", "near", "elsewhere"]


def test_memory_is_near_the_processor_that_asks() -> None:
    ((_, here, _, there),) = lines("x86_64", "q35", 2, "both")
    assert int(here) < 128 <= int(there)


def test_a_microvm_has_no_nodes() -> None:
    result = cloudos("run", "--arch", "x86_64", "--nodes", "2", PROGRAM).check(125)
    assert "--machine q35" in result.errors
