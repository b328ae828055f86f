"""`cloudos bench` measures what it says, and measures the same every time."""

from __future__ import annotations

import json
from pathlib import Path

from cloudos.host import counted, image
from cloudos.host.bench import numbers
from tests.boot.harness import ROOT, cloudos, write

INSTRUCTIONS = {
    "null_system_call",
    "message_one_way",
    "message_send",
    "round_trip",
    "contract_call",
    "thread_switch_same_space",
    "thread_switch_other_space",
    "page_fault_anonymous",
    "interrupt_to_handler",
    "device_interrupt_to_driver",
    "revoke_10000_longest_step",
    "longest_interrupts_off",
    "boot_to_user",
}


def test_two_runs_give_the_same_numbers(tmp_path: Path) -> None:
    first = cloudos("bench", "--json", tmp_path / "first.json").check()
    second = json.loads(cloudos("bench", "--json", "-").check().output)
    assert json.loads((tmp_path / "first.json").read_text()) == second
    assert {"arch", "processors", "memory_mb", "bytes", "instructions"} <= set(second)
    assert set(second["instructions"]) == INSTRUCTIONS
    assert all(value > 0 for value in second["instructions"].values())
    for key in INSTRUCTIONS:
        assert key in first.output.decode()
    # What a typed interface costs: the client's stub, checks of the message, dispatch, errors.
    assert second["instructions"]["contract_call"] <= second["instructions"]["round_trip"] + 200


MOST = {
    "null_system_call": 60,
    "message_one_way": 220,
    "round_trip": 440,
    "thread_switch_same_space": 150,
    "thread_switch_other_space": 200,
    "page_fault_anonymous": 600 + 320,
    "interrupt_to_handler": 450,
    "revoke_10000_longest_step": 10_000,
    "longest_interrupts_off": 10_000,
    "boot_to_user": 3_000_000,
}
"""What the kernel may cost on AArch64; zeroing a page is 64 blocks of 5 instructions."""


def test_aarch64_costs_no_more() -> None:
    found = json.loads(cloudos("bench", "--arch", "aarch64", "--json", "-").check().output)
    assert found["arch"] == "aarch64" and found["bytes"]["kernel"] <= 51_200
    counts = found["instructions"]
    # There is no interval timer whose interrupt could be measured.
    assert set(counts) == INSTRUCTIONS - {"device_interrupt_to_driver"}
    assert {key: counts[key] for key, most in MOST.items() if counts[key] > most} == {}
    assert counts["contract_call"] <= counts["round_trip"] + 200
    assert found["memory_overhead_percent"] < 2


def test_the_numbers_are_documented() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text()
    assert [key for key in sorted(INSTRUCTIONS) if f"`{key}`" not in text] == []


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
