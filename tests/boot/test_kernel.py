"""The kernel itself: its border, its price, its memory, the host's commands."""

from __future__ import annotations

import os
import re
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from cloudos.host import bundle
from tests.boot.kernel_machine import COUNTED, boot, bundle_for, kernel, probe, until

BOTH = pytest.mark.parametrize("kind", ["microvm", "virt"])
"""Kinds of machines, one of each architecture."""


@BOTH
def test_nothing_that_a_program_passes_harms_the_kernel(kind: str) -> None:
    run = boot(bundle_for("garbage", kind=kind), kind=kind).in_order()
    assert run.output.endswith(
        "exit with 256: error 2\nunknown call: error 6, value 0\nunknown calls that succeeded: 0\n"
    ), run.output[-500:]
    assert run.record("exit") == "status=7"


@BOTH
def test_a_null_system_call_costs_at_most_60_instructions(kind: str) -> None:
    run = boot(bundle_for("cost", kind=kind), *COUNTED, kind=kind).in_order()
    assert 20 < int(run.output) <= 60


@BOTH
def test_boot_does_not_depend_on_the_size_of_memory(kind: str) -> None:
    """At most 3 million instructions, firmware included, and at 4 GB at most twice as many."""
    content = bundle_for("started", kind=kind)
    small = int(boot(content, *COUNTED, kind=kind).in_order().output)
    large = int(boot(content, *COUNTED, memory="4G", kind=kind).in_order().output)
    assert small <= 3_000_000 and large <= 2 * small


@pytest.mark.one_architecture("the least memory of an x86_64 machine; aarch64 needs more")
def test_two_megabytes_are_enough() -> None:
    assert boot(bundle_for("echo"), given=b"hello", memory="2M").in_order().output == "hello"


LOW_MEMORY = 0x9F000 - 0x10000
"""What the kernel uses of the memory below 640 KB."""


def with_data(program: bytes, more: int) -> bytes:
    """An ELF file whose data is so many bytes longer."""
    made = bytearray(program + bytes(-len(program) % 4096))
    table, size, count = (*struct.unpack_from("<Q", made, 32), *struct.unpack_from("<HH", made, 54))
    at = next(table + size * n for n in range(count) if struct.unpack_from("<II", made, table + size * n) == (1, 6))
    offset, address, _, length, _ = struct.unpack_from("<QQQQQ", made, at + 8)
    content = bytes(address % 4096) + program[offset : offset + length] + bytes(more)
    struct.pack_into("<QQQQQ", made, at + 8, len(made) + address % 4096, address, address, length + more, length + more)
    return bytes(made + content)


@pytest.mark.one_architecture("the least memory of an x86_64 machine; aarch64 needs more")
@pytest.mark.parametrize("pages", [1, 8, 20])
def test_a_machine_too_small_for_its_program_says_so(pages: int) -> None:
    """When the program's data has been copied, only so many pages are left."""
    with kernel().open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".symtab")
        assert isinstance(symbols, SymbolTableSection)
        end = (symbols.get_symbol_by_name("kernel_end") or [])[0]
    room = (2 << 20) - (end["st_value"] & 0x7FFF_FFFF) + LOW_MEMORY - pages * 4096
    # The data is in the bundle once, and is copied once.
    more = (room - len(bundle_for("echo"))) // 2 // 4096 * 4096
    run = boot(bundle.encode(bundle.contents(with_data(probe(), more), [b"probe", b"echo"], {}, {})), memory="2M")
    run.in_order()
    assert run.record("refused") == "reason=not enough memory"


@BOTH
def test_memory_comes_back(kind: str) -> None:
    run = boot(bundle_for("memory", kind=kind), kind=kind).in_order()
    counts = [int(line.removeprefix("blocks ")) for line in run.output.splitlines()]
    assert len(counts) == 3 and counts[0] == counts[1] == counts[2] and counts[0] > 200


@pytest.mark.parametrize(("kind", "size"), [("microvm", 3_000_001), ("q35", 20_001), ("virt", 3_000_001)])
def test_input_and_both_outputs_carry_every_byte(kind: str, size: int) -> None:
    given = os.urandom(size)
    run = boot(bundle_for("echo", kind=kind), kind=kind, given=given).in_order()
    assert run.streams[1] == given
    assert 0 < len(run.streams[2]) < size and run.streams[2][:1] == given[:1]


def test_sleep_and_clock_agree_with_the_host() -> None:
    run = boot(bundle_for("sleep")).in_order()
    times = [int(line) for line in run.output.splitlines()]
    assert len(times) == 4 and all(50 <= time < 200 for time in times)
    assert run.seconds > 0.2


TIMED_OUT = "number=9 kind=timed-out"
INTERRUPTED = "number=2 kind=interrupted"


@pytest.mark.parametrize(
    ("kind", "mode", "command", "fault"),
    [
        *(("microvm", mode, b"T", TIMED_OUT) for mode in ("spin", "wait", "echo", "flood")),
        *(("microvm", mode, b"I", INTERRUPTED) for mode in ("spin", "wait", "echo", "flood")),
        ("q35", "spin", b"T", TIMED_OUT),
        ("q35", "echo", b"I", INTERRUPTED),
        ("virt", "spin", b"T", TIMED_OUT),
        ("virt", "wait", b"I", INTERRUPTED),
        ("virt,gic-version=2", "flood", b"T", TIMED_OUT),
    ],
)
def test_the_host_can_end_a_program_whatever_it_does(kind: str, mode: str, command: bytes, fault: str) -> None:
    run = boot(bundle_for(mode, kind=kind), kind=kind, given=None, meanwhile=lambda log: later(log, command)).in_order()
    assert run.record("fault").startswith(f"{fault} ip=0x4")
    assert run.log.count("@frame ip=0x4") >= 2


def later(log: socket.socket, command: bytes) -> None:
    time.sleep(0.3)
    log.sendall(command)


def ask(monitor: Path, *commands: str) -> str:
    """What QEMU's monitor answers."""
    until(monitor.exists)
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(str(monitor))
        channel.sendall("".join(f"{command}\n" for command in (*commands, "info version")).encode())
        answer = b""
        while b"(qemu)" not in answer or not answer.rstrip().endswith(b"(qemu)") or b"info version" not in answer:
            answer += channel.recv(65536)
        return answer.decode(errors="replace")


@pytest.mark.one_architecture("page tables of x86_64; test_aarch64.py has its own")
def test_no_page_is_writable_and_executable(tmp_path: Path) -> None:
    """QEMU walks the page tables in use: flag X means no-execute, W writable, U user."""
    monitor, answers = tmp_path / "monitor", []

    def look(log: socket.socket) -> None:
        time.sleep(0.3)
        answers.append(ask(monitor, "info tlb", "info registers"))
        log.sendall(b"T")

    options = ("-monitor", f"unix:{monitor},server=on,wait=off")
    boot(bundle_for("spin"), *options, given=None, meanwhile=look).in_order()
    pages = re.findall(r"^([0-9a-f]{16}): [0-9a-f]{16} ([-A-Z]{9})", answers[0], re.MULTILINE)
    assert len(pages) > 20
    assert [page for page in pages if "W" in page[1] and "X" not in page[1]] == []
    executable = [int(address, 16) for address, flags in pages if "X" not in flags]
    assert all(address < 0x1000_0000 or address >= 0xFFFF_FFFF_8000_0000 for address in executable)
    assert [page for page in pages if ("U" in page[1]) != (int(page[0], 16) < 1 << 47)] == []
    control = int(re.findall(r"CR4=([0-9a-f]+)", answers[0])[0], 16)
    # UMIP, SMEP, SMAP.
    assert control & (1 << 11 | 1 << 20 | 1 << 21) == 1 << 11 | 1 << 20 | 1 << 21


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


@pytest.mark.one_architecture("interrupts of x86_64")
def test_non_maskable_interrupts_are_harmless_anywhere(tmp_path: Path) -> None:
    """The worst place is between SYSCALL and SWAPGS: millions of system calls give them a chance to hit it."""
    monitor = tmp_path / "monitor"
    options = ("-monitor", f"unix:{monitor},server=on,wait=off")
    run = boot(bundle_for("calls"), *options, meanwhile=nmi_storm(monitor)).in_order()
    assert run.output == "total 0\n"


@pytest.mark.parametrize("content", [b"nothing", bytes(8192), bundle_for.__doc__.encode() * 100])  # type: ignore[union-attr]
@BOTH
def test_what_is_no_bundle_is_refused(content: bytes, kind: str) -> None:
    run = boot(content, kind=kind).in_order()
    assert run.record("refused") == "reason=no sound program"


@pytest.mark.one_architecture("processors of x86_64; test_aarch64.py has others")
@pytest.mark.parametrize("cpu", ["qemu64", "max,smap=off,smep=off,umip=off,pdpe1gb=off", "max,hypervisor=off"])
def test_processors_with_fewer_features_do(cpu: str) -> None:
    assert boot(bundle_for("echo"), "-cpu", cpu, given=b"x").in_order().output == "x"


@BOTH
def test_the_kernel_is_small_and_never_writable_and_executable(kind: str) -> None:
    with kernel(kind).open("rb") as file:
        elf = ELFFile(file)
        sections = {section.name: section["sh_size"] for section in elf.iter_sections()}
        assert sections[".text"] + sections[".rodata"] + sections[".data"] < 51_200
        loads = [segment["p_flags"] for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD"]
        assert loads and all(flags & 3 != 3 for flags in loads)
