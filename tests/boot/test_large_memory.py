"""Machines with much memory: boot hardly takes longer, and managing the memory hardly takes any of it.

The emulator promises more than the host has; what nothing touches is never taken from it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from cloudos.host.bench import numbers
from tests.boot.harness import run, write

PROGRAM = """
from cloudos.lang import U64, Ptr, VirtAddr
from cloudos.sdk import print, quotas, system
from cloudos.abi.initial import QUOTA

BLOCK = 4 << 20


def main() -> None:
    print(f"boot {system.clock_read()}")
    used, limit = quotas.usage(U64(QUOTA))
    print(f"limit {limit}")
    address = system.memory_map(U64(BLOCK))
    for offset in U64.range(0, BLOCK, 4096):
        Ptr.at(U64, VirtAddr(address + offset)).value = offset
    after, limit = quotas.usage(U64(QUOTA))
    print(f"used {after - used}")
"""
ARCHITECTURES = ("x86_64", "aarch64")
GB = 1 << 30


@cache
def measured(arch: str, memory: int, directory: Path) -> dict[str, int]:
    """What the program finds on a machine of that size, in instructions and bytes."""
    return numbers(program(directory), arch, memory)


def program(directory: Path) -> Path:
    return write(directory, PROGRAM, "large.py")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("large")


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_64_gigabytes_take_at_most_twice_the_time_of_64_megabytes(arch: str, directory: Path) -> None:
    small = measured(arch, 64 << 20, directory)["boot"]
    assert small < measured(arch, 64 * GB, directory)["boot"] <= 2 * small


@pytest.mark.parametrize("memory", [64 << 20, GB, 4 * GB, 64 * GB, 1024 * GB])
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_managing_memory_takes_less_than_two_percent(arch: str, memory: int, directory: Path) -> None:
    found = measured(arch, memory, directory)
    assert 0.98 * memory < found["limit"] < memory
    # The pages themselves and the tables that map them.
    assert 4 << 20 < found["used"] < 4.1 * (1 << 20)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_user_can_have_such_a_machine(arch: str, directory: Path) -> None:
    result = run(program(directory), options=["--arch", arch, "--bare", "--memory", "256G"]).check()
    assert int(result.output.split()[3]) > 255 * GB


def test_more_than_the_emulator_can_have_is_refused(directory: Path) -> None:
    result = run(program(directory), options=["--bare", "--memory", "9000000G"])
    assert result.status != 0 and "memory" in result.errors
