"""`cloudos bench` measures what it says, the same every time, and nothing has become worse than the baseline."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cloudos.host import baseline, bench, counted, debian, image, linux, targets
from cloudos.host.bench import Report, numbers
from cloudos.host.errors import ToolError
from tests.boot.harness import ROOT, cloudos, write

pytestmark = pytest.mark.one_machine("each measurement names its machine")
LONG = bool(os.environ.get("CLOUDOS_LONG_TESTS"))
MINUTES = 600.0


def checked(arch: str, file: Path) -> dict[str, Any]:
    """What is measured now: within 3% of the baseline, with the same keys, and nothing more than it may be."""
    shown = cloudos("bench", "--check", "--arch", arch, "--json", file).check().output.decode()
    assert "none is worse" in shown
    found: dict[str, Any] = json.loads(file.read_text())
    assert set(found["instructions"]) == set(baseline.load(arch)["instructions"])
    assert targets.missed(Report(**found)) == {}
    # What a typed interface costs: the client's stub, checks of the message, dispatch, errors.
    assert found["instructions"]["contract_call"] <= found["instructions"]["round_trip"] + 200
    return found


def test_nothing_is_worse_than_the_baseline(tmp_path: Path) -> None:
    found = checked("x86_64", tmp_path / "report.json")
    assert found["arch"] == "x86_64" and {"processors", "memory_mb", "bytes"} <= set(found)
    assert all(value > 0 for value in found["instructions"].values())
    # Another run gives the same numbers, and not only about the same.
    again = numbers(bench.program("messages.py"), "x86_64") | numbers(bench.program("latency.py"), "x86_64")
    assert {key: found["instructions"][key] for key in again} == again


def test_nothing_is_worse_on_aarch64(tmp_path: Path) -> None:
    found = checked("aarch64", tmp_path / "report.json")
    others = set(baseline.load("x86_64")["instructions"])
    # There is no interval timer whose interrupt could be measured.
    assert others - set(found["instructions"]) == {"device_interrupt_to_driver"}


def test_several_processors_pay_for_locks_alone(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    cloudos("bench", "--cpus", "2", "--json", file).check()
    found, alone = json.loads(file.read_text()), baseline.load("x86_64")["instructions"]
    assert found["processors"] == 2 and {"round_trip", "page_fault_shared", "revoke_100"} <= set(found["instructions"])
    locks = {key: value - alone[key] for key, value in found["instructions"].items() if key in alone}
    assert 0 <= locks["null_system_call"] < 100 and 0 <= locks["round_trip"] < 200


def test_the_numbers_are_documented() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text()
    assert [key for key in baseline.values(baseline.load("x86_64")) if f"`{key}`" not in text] == []


def test_linux_boots_and_is_measured() -> None:
    """The first lines of the comparison; all of it is the next test, which takes minutes."""
    try:
        kernel = debian.kernel("x86_64")
    except ToolError as error:
        pytest.skip(f"Linux cannot be fetched: {error}")
    found = linux.numbers("x86_64", kernel, linux.SHORT)
    ours = baseline.load("x86_64")["instructions"]
    assert set(found) == {"boot_to_user", "memory_free", "null_system_call"}
    assert 5 * ours["null_system_call"] <= found["null_system_call"] < 2000
    assert found["boot_to_user"] >= 20 * ours["boot_to_user"]
    assert 0 < found["memory_free"] < linux.MEMORY_MB << 20


@pytest.mark.skipif(not LONG, reason="minutes; CLOUDOS_LONG_TESTS=1")
@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_against_linux(arch: str) -> None:
    done = cloudos("bench", "--against", "linux", "--arch", arch, "--json", "-", patience=MINUTES).check()
    found = json.loads(done.output)
    targeted = [row["target"] for row in found["rows"] if row["target"]]
    assert targeted == ["5: met", "25: met", "20: met"]
    assert len(found["rows"]) > 20 and all(row["linux"] > 0 and row["plain"] > 0 for row in found["rows"])


def test_one_instruction_is_one_nanosecond(tmp_path: Path) -> None:
    """A loop that is known to be longer by some instructions per round takes so many more."""
    program = write(
        tmp_path,
        """
        from bench.counter import cycles
        from cloudos.lang import U64
        from cloudos.sdk import print, system


        def main() -> None:
            begin = cycles()
            for _ in U64.range(1000):
                system.system_null()
            middle = cycles()
            for _ in U64.range(1000):
                system.system_null()
                system.system_null()
            print(f"single {middle - begin}")
            print(f"double {cycles() - middle}")
        """,
    )
    found = numbers(program, "x86_64")
    assert 1.8 < found["double"] / found["single"] < 2.0


def test_a_benchmark_that_fails_gives_no_numbers(tmp_path: Path) -> None:
    program = write(tmp_path, "def main() -> None:\n    assert False, 'meant to fail'\n")
    outcome = counted.run(image.build(program, "x86_64"))
    assert not outcome.in_order
