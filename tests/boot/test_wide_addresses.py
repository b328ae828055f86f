"""Addresses of 57 bits, where the processor has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudos.abi import layout
from tests.boot.harness import Result, run

PROGRAM = Path(__file__).parent / "programs" / "wide_addresses.py"


pytestmark = pytest.mark.one_architecture("processors of x86_64 that have them")


def wide(what: str, *options: str, processor: str = "qemu64,+la57") -> Result:
    return run(PROGRAM, what, options=["--bare", "--timeout", "60", "--processor", processor, *options])


@pytest.mark.parametrize(
    ("processor", "options"),
    [("qemu64,+la57", []), ("qemu64,+la57", ["--cpus", "2"]), ("max", ["--cpus", "2", "--machine", "q35"])],
    ids=str,
)
def test_memory_lies_anywhere_below_the_limit(processor: str, options: list[str]) -> None:
    assert wide("wide", *options, processor=processor).check().output == b"wide\n"


def test_the_ordinary_processor_has_48_bits() -> None:
    assert run(PROGRAM, "narrow", options=["--bare", "--timeout", "60"]).check().output == b"narrow\n"


def test_a_fault_there_names_its_address() -> None:
    assert f"{(1 << 47) + 0x5008:#x}" in wide("fault").check(128 + 11).errors


def test_a_system_call_in_the_last_bytes_returns_to_a_fault() -> None:
    """The address behind it is the program's no more, but the kernel may return there."""
    assert f"{layout.WIDE_USER_END:#x}" in wide("end").check(128 + 11).errors


def test_services_run_there(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("from cloudos.sdk import print\n\n\ndef main() -> None:\n    print('hello')\n")
    options = ["--timeout", "60", "--processor", "max", "--cpus", "2"]
    assert run(program, options=options).check().output == b"hello\n"
