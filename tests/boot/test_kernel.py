"""The kernel itself: its border, its price, its memory, the host's commands."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests.boot.kernel_machine import COUNTED, boot, bundle_for, kernel, until


def test_nothing_that_a_program_passes_harms_the_kernel() -> None:
    run = boot(bundle_for("garbage")).in_order()
    assert run.output.endswith(
        "exit with 256: error 2\nunknown call: error 6, value 0\nunknown calls that succeeded: 0\n"
    ), run.output[-500:]
    assert run.record("exit") == "status=7"


def test_a_null_system_call_costs_at_most_60_instructions() -> None:
    run = boot(bundle_for("cost"), *COUNTED).in_order()
    assert 20 < int(run.output) <= 60


def test_boot_does_not_depend_on_the_size_of_memory() -> None:
    """At most 3 million instructions, firmware included, and at 4 GB at most twice as many."""
    small = int(boot(bundle_for("started"), *COUNTED).in_order().output)
    large = int(boot(bundle_for("started"), *COUNTED, memory="4G").in_order().output)
    assert small <= 3_000_000 and large <= 2 * small


def test_two_megabytes_are_enough() -> None:
    assert boot(bundle_for("echo"), given=b"hello", memory="2M").in_order().output == "hello"


def test_a_machine_too_small_for_its_program_says_so() -> None:
    files = {b"large": bytes(900_000)}
    run = boot(bundle_for("echo", files=files), memory="2M").in_order()
    assert run.record("refused") == "reason=not enough memory" or run.record("fault"), run.log


def test_memory_comes_back() -> None:
    run = boot(bundle_for("memory")).in_order()
    counts = [int(line.removeprefix("blocks ")) for line in run.output.splitlines()]
    assert len(counts) == 3 and counts[0] == counts[1] == counts[2] and counts[0] > 200


@pytest.mark.parametrize(("kind", "size"), [("microvm", 3_000_001), ("q35", 20_001)])
def test_input_and_both_outputs_carry_every_byte(kind: str, size: int) -> None:
    given = os.urandom(size)
    run = boot(bundle_for("echo"), kind=kind, given=given).in_order()
    assert run.streams[1] == given
    assert 0 < len(run.streams[2]) < size and run.streams[2][:1] == given[:1]


def test_sleep_and_clock_agree_with_the_host() -> None:
    run = boot(bundle_for("sleep")).in_order()
    times = [int(line) for line in run.output.splitlines()]
    assert len(times) == 4 and all(50 <= time < 200 for time in times)
    assert run.seconds > 0.2


@pytest.mark.parametrize("kind", ["microvm", "q35"])
@pytest.mark.parametrize("mode", ["spin", "wait", "echo", "flood"])
@pytest.mark.parametrize(("command", "fault"), [(b"T", "number=9 kind=timed-out"), (b"I", "number=2 kind=interrupted")])
def test_the_host_can_end_a_program_whatever_it_does(kind: str, mode: str, command: bytes, fault: str) -> None:
    if kind == "q35" and (mode != "spin" or command != b"T"):
        pytest.skip("the paths differ between machines only in how the interrupt arrives")
    run = boot(bundle_for(mode), kind=kind, given=None, meanwhile=lambda log: later(log, command)).in_order()
    assert run.record("fault").startswith(f"{fault} ip=0x4")
    assert run.log.count("@frame ip=0x4") >= 2


def later(log: socket.socket, command: bytes) -> None:
    time.sleep(0.3)
    log.sendall(command)


def nmi_storm(monitor: Path) -> Callable[[socket.socket], None]:
    """Inject non-maskable interrupts as fast as QEMU takes them, for a second."""

    def work(_: socket.socket) -> None:
        until(monitor.exists)
        with socket.socket(socket.AF_UNIX) as channel:
            channel.connect(str(monitor))
            end = time.monotonic() + 1
            try:
                while time.monotonic() < end:
                    channel.sendall(b"nmi\n")
                    time.sleep(0.0002)
            except OSError:
                pass  # the machine is through

    return work


def test_non_maskable_interrupts_are_harmless_anywhere(tmp_path: Path) -> None:
    """The worst place is between SYSCALL and SWAPGS: millions of system calls give them a chance to hit it."""
    monitor = tmp_path / "monitor"
    options = ("-monitor", f"unix:{monitor},server=on,wait=off")
    run = boot(bundle_for("calls"), *options, meanwhile=nmi_storm(monitor)).in_order()
    assert run.output == "total 0\n"


@pytest.mark.parametrize("content", [b"nothing", bytes(8192), bundle_for.__doc__.encode() * 100])  # type: ignore[union-attr]
def test_what_is_no_bundle_is_refused(content: bytes) -> None:
    run = boot(content).in_order()
    assert run.record("refused") == "reason=the program cannot be loaded"


@pytest.mark.parametrize("cpu", ["qemu64", "max,smap=off,smep=off,umip=off,pdpe1gb=off", "max,hypervisor=off"])
def test_processors_with_fewer_features_do(cpu: str) -> None:
    assert boot(bundle_for("echo"), "-cpu", cpu, given=b"x").in_order().output == "x"


def test_the_kernel_is_small_and_never_writable_and_executable() -> None:
    with kernel().open("rb") as file:
        elf = ELFFile(file)
        sections = {section.name: section["sh_size"] for section in elf.iter_sections()}
        assert sections[".text"] + sections[".rodata"] + sections[".data"] < 51_200
        loads = [segment["p_flags"] for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD"]
        assert loads and all(flags & 3 != 3 for flags in loads)
