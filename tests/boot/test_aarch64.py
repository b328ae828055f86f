"""The second architecture: programs run on QEMU's `virt` as they do on x86 machines, and their bugs end the same way.

What is independent of the architecture is tested at length on x86_64. Here are one test of each kind, and what the
hardware layer of AArch64 does by itself. With CLOUDOS_LONG_TESTS=1 all kinds of bugs are tried.
"""

from __future__ import annotations

import hashlib
import os
import random
import struct
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from cloudos.host import accelerator, bundle, counted, image, machine, qemu
from cloudos.host.elf import stripped
from cloudos.host.session import Limits, Session
from tests.boot import test_faults
from tests.boot.harness import ROOT, Result, cloudos, run, write
from tests.boot.test_examples import EXAMPLES, most_frequent, prose
from tests.boot.test_faults import CASES, LOST, MAIN, START, Case

ARCH = ("--arch", "aarch64", "--timeout", "60")
LONG = bool(os.environ.get("CLOUDOS_LONG_TESTS"))


def on(program: Path, *arguments: str, given: bytes = b"", options: Sequence[str | Path] = ()) -> Result:
    """Run a program on AArch64."""
    return run(program, *arguments, given=given, options=[*ARCH, *options])


@pytest.mark.parametrize("name", ["virt", "virt,gic-version=2"])
def test_programs_run_with_both_interrupt_controllers(tmp_path: Path, name: str) -> None:
    """Streams, arguments, sleep (the timer's interrupt), input that is waited for (the channel's), and the status."""
    program = write(
        tmp_path,
        """
        from cloudos.lang import U8, U64
        from cloudos.sdk import List, Text, print, print_error, stdin
        from cloudos.sdk import system


        def main(args: List[Text]) -> U8:
            before = system.clock_read()
            system.thread_sleep(U64(20_000_000))
            assert system.clock_read() - before >= 20_000_000, "slept too little"
            line = stdin.read_line()
            if line is not None:
                print(f"{args[1]} {line}")
            print_error("to the other stream")
            return U8(41)
        """,
    )
    result = on(program, "argument", given=b"input\n", options=["--machine", name]).check(41)
    assert result.output.split() == [b"argument", b"input"]
    assert "to the other stream" in result.errors


def test_a_machine_of_another_architecture_is_refused() -> None:
    refused = on(ROOT / "examples" / "hello.py", options=["--machine", "q35"]).check(125)
    assert "of aarch64 there are virt and virt,gic-version=2" in refused.errors


@pytest.mark.parametrize(
    ("kind", "cpu"),
    [("virt,virtualization=on", "cortex-a72"), ("virt,virtualization=on,gic-version=3", "max"), ("virt", "cortex-a53")],
)
def test_it_boots_from_el2_and_on_older_processors(kind: str, cpu: str) -> None:
    """Neither PAN nor BTI nor large ASIDs on the older ones; PSCI by SMC from EL2."""
    built = image.build(ROOT / "examples" / "hello.py", "aarch64")
    content = bundle.encode(bundle.contents(stripped(built.program.read_bytes()), [b"hello"], {}, {}))
    chosen = accelerator.Accelerator("tcg", cpu, "")
    output, nothing = machine.memory_file("output", b""), os.open(os.devnull, os.O_RDWR)
    options = machine.Options(kind, 64 << 20)
    with machine.start(qemu.require("aarch64").path, options, chosen, built.kernel, content) as started:
        session = Session(started, Limits(20), (nothing, output, nothing))
        session.run()
    printed = os.pread(output, 100, 0)
    os.close(output)
    os.close(nothing)
    assert session.log.off and session.log.status == 0, session.log.lines
    assert printed == b"Hello, world!\n"


TEMPLATE = test_faults.TEMPLATE.replace("x86_64=", "aarch64=")


def instruction(text: str, address: str = "") -> str:
    """A program part that executes instructions, with an address as operand where one is given."""
    inputs = {"target": "r"} if address else {}
    parameters = "target: U64" if address else ""
    return TEMPLATE.format(text=text, inputs=inputs, parameters=parameters, arguments=address)


EXECUTE = "new_slice(U8, 64).pointer.address.value + n"
OWN = [
    Case("write-code", instruction("adr x9, .; str xzr, [x9]"), 139, ("write-to-read-only",)),
    Case("execute-data", instruction("blr %[target]", EXECUTE), 139, ("execute-of-no-execute",)),
    Case("wait", instruction("wfi"), 132, ("illegal or privileged instruction", "privileged-instruction")),
    Case("system-register", instruction("mrs x9, sctlr_el1"), 132, ("privileged-instruction",)),
    Case("interrupts-off", instruction("msr daifset, #2"), 132, ("privileged-instruction",)),
    Case("cache", instruction("dc ivac, x9"), 132, ("privileged-instruction",)),
    Case("hypervisor", instruction("hvc #0"), 132, ("privileged-instruction",)),
    Case("firmware", instruction("smc #0"), 132, ("privileged-instruction",)),
    Case("exception-return", instruction("eret"), 132, ("privileged-instruction",)),
    Case("branch-target", instruction("adr x9, 1f; br x9; 1: add x9, x9, x9"), 132, ("illegal-instruction",)),
    Case("illegal", instruction("udf #0"), 132, ("illegal-instruction",)),
    Case("breakpoint", instruction("brk #7"), 133, ("breakpoint",)),
    Case("jump-odd", instruction("adr x9, .; add x9, x9, #1; br x9"), 135, ("alignment",)),
    Case("jump-away", instruction("br %[target]", "n + 0x10"), 139, ("bad memory access",)),
    Case("jump-to-the-kernel", instruction("br %[target]", "n + 0xFFFFFFFF80080000"), 139, ("kernel-address",)),
    Case("not-canonical", instruction("ldr x9, [%[target]]", "n + 0x8000000000000000"), 139, ("kernel-address",)),
    Case("kernel-tables", instruction("ldr x9, [%[target]]", "n + 0xFFFF800040080000"), 139, ("kernel-address",)),
]
COMMON = [case for case in CASES if "instruction(" not in case.body and case.name != "not-canonical"]
OFTEN = (
    "divide",
    "null",
    "bad-pointer",
    "write-constant",
    "recursion",
    "execute-data",
    "system-register",
    "branch-target",
    "breakpoint",
)
UNKNOWN = (*LOST, "jump-to-the-kernel", "execute-data")
"""Where a wild jump leaves nothing to tell where it came from."""


@pytest.mark.parametrize("case", [*COMMON, *OWN], ids=[case.name for case in [*COMMON, *OWN]])
def test_a_bug_ends_in_a_traceback(tmp_path: Path, case: Case) -> None:
    if case.name not in OFTEN and not LONG:
        pytest.skip("with --long")
    program = write(tmp_path, START + case.body + MAIN)
    result = on(program, options=["--memory", "64M"]).check(case.status)
    assert result.output == b"before\n" or (case.status != 134 and result.output == b"")
    assert [word for word in case.words if word not in result.errors] == [], result.errors
    lines = result.errors.splitlines()
    assert "Traceback (most recent call last):" in lines
    if case.name not in UNKNOWN:
        assert "    bug(zero(args))" in lines, result.errors
    assert "kernel panic" not in result.errors


def test_the_kernel_keeps_its_size() -> None:
    assert b"of 51,200 bytes\n" in cloudos("size", "--arch", "aarch64").check(0).output


COMPONENT = """\
name = "echo"
description = "uses both drivers"
program = "main.py"

[needs.line]
contract = "cloudos.contracts.devices:Serial"

[needs.clock]
contract = "cloudos.contracts.devices:Clock"

[restart]
policy = "machine"
"""
IMAGE = """\
name = "drivers"
description = "the drivers of AArch64 and who uses them"
memory = "32M"

[[components]]
path = "cloudos/drivers/virtio_console"

[[components]]
path = "cloudos/drivers/pl031"

[[components]]
path = "./echo"
"""


def test_the_drivers_serve_a_console_and_the_time(tmp_path: Path) -> None:
    (tmp_path / "echo").mkdir()
    (tmp_path / "echo" / "component.toml").write_text(COMPONENT)
    (tmp_path / "echo" / "main.py").write_text((ROOT / "tests/boot/programs/line_and_clock.py").read_text())
    (tmp_path / "drivers.toml").write_text(IMAGE)
    with counted.system_console(str(tmp_path / "drivers.toml"), architecture="aarch64") as script:
        script.expect(rb"ready\n")
        script.type(b"hello, driver")
        script.expect(rb"HELLO, DRIVER")
        script.type(b"x" * 3_000 + b"\n")
        script.expect(rb"X{3000} %d\n" % datetime.now(UTC).year)
        assert script.finish() == 9


@pytest.mark.skipif(not LONG, reason="with --long: all programs are compiled for it")
def test_the_system_image_has_a_shell_and_the_time() -> None:
    """Services, the driver of the console on virtio, the clock."""
    script = b"echo sum $((6 * 7)); seq 3 | wc -l; date -u +%Y; exit 5\n"
    result = cloudos("shell", "--arch", "aarch64", "--timeout", "60", given=script).check(5)
    lines = result.output.replace(b"\r", b"").split(b"\n")
    assert b"sum 42" in lines and b"3" in lines
    assert str(datetime.now(UTC).year).encode() in lines


def test_what_build_writes_boots_without_the_tool(tmp_path: Path) -> None:
    cloudos("build", "--arch", "aarch64", ROOT / "examples" / "hello.py", "-o", tmp_path / "files").check()
    text = (tmp_path / "files" / "README").read_text()
    command = text[text.index("qemu-system-aarch64") : text.index("\n\nprogram.out holds")]
    done = subprocess.run(
        command,
        shell=True,
        cwd=tmp_path / "files",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.rstrip().endswith(b"@off")
    assert b"Hello, world!\n" in (tmp_path / "files" / "program.out").read_bytes()


MANY = """
from cloudos.abi import initial
from cloudos.lang import U64, code_address
from cloudos.sdk import print, system
from cloudos.sdk.processes import Child


def child(argument: U64) -> None:
    '''Write to memory of its own, and look at it.'''
    address = system.memory_map(U64(4096))
    system.thread_yield()
    system.memory_unmap(address, U64(4096))


def main() -> None:
    quota = U64(initial.QUOTA)
    done = U64(0)
    for index in U64.range(600):
        one = Child()
        one.make(quota)
        one.start(code_address(child), index)
        while system.process_inspect(one.process) == 0:
            system.thread_sleep(U64(1000))
        assert system.process_inspect(one.process) == 256, "ended badly"
        system.handle_close(one.thread)
        system.handle_close(one.process)
        done = done + 1
    print(f"{done} processes")
"""


def test_more_processes_than_there_are_tags_for_address_spaces(tmp_path: Path) -> None:
    """ASIDs have 8 bits: with the 255th space a new generation begins."""
    result = on(write(tmp_path, MANY), options=["--bare"]).check()
    assert result.output == b"600 processes\n"


def test_threads_that_calculate_with_floats_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Vector registers change hands on first use, and time slices end in the middle of the calculation."""
    program = write(
        tmp_path,
        """
        from cloudos.abi import initial
        from cloudos.lang import F64, U64, Atomic, Order, code_address, place
        from cloudos.sdk import print, system
        from cloudos.sdk.threads import start

        DONE = place(Atomic(U64(0)))


        def sum_of(start: F64) -> F64:
            total = start
            for index in U64.range(300_000):
                total = total * F64(0.5) + F64(1.5)
            return total


        def work(argument: U64) -> None:
            assert sum_of(F64(7.0) if argument == 1 else F64(900.25)) == 3.0, "another result"
            DONE.fetch_add(U64(1), Order.SEQ_CST)


        def main() -> None:
            for number in U64.range(4):
                start(code_address(work), number)
            while DONE.load(Order.SEQ_CST) < 4:
                system.thread_sleep(U64(1_000_000))
            print("all the same")
        """,
    )
    assert on(program).check().output == b"all the same\n"


def test_the_examples_say_what_they_say_elsewhere(tmp_path: Path) -> None:
    """Large input in pieces, files of the host, arithmetic of all widths, errors."""
    text = prose(300_000)
    assert on(EXAMPLES / "wordcount.py", given=text).check().output == most_frequent(text)
    content = random.Random(1).randbytes(1_000_003)
    (tmp_path / "data.bin").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest().encode()
    result = on(EXAMPLES / "sha256sum.py", "/data.bin", options=["--file", f"{tmp_path}/data.bin:/data.bin"])
    assert result.check().output == digest + b"  /data.bin\n"
    calculated = on(EXAMPLES / "calc.py", given=b"1 + 2 * 3\n(4 - 6) * 10\n1 / 0\n")
    assert calculated.output.splitlines()[:2] == [b"7", b"-20"]
    assert calculated.errors and b"Traceback" not in calculated.errors.encode()


def leaves(memory: bytes, table: int, level: int, address: int) -> Iterator[tuple[int, int, int]]:
    """Address, bytes and entry of every page or block below a table, from the machine's memory."""
    size = 4096 << 9 * level
    for index, (entry,) in enumerate(struct.iter_unpack("<Q", memory[table - RAM :][:4096])):
        place = address + index * size
        if entry & 3 == 3 and level > 0:
            yield from leaves(memory, entry & 0xFFFF_FFFF_F000, level - 1, place)
        elif entry & 1:
            yield place, size, entry


RAM = 0x4000_0000


def test_no_kernel_page_is_writable_and_executable_or_open_to_programs(tmp_path: Path) -> None:
    """The page tables as they are in memory at the end: text, constants and data each as they should be."""
    built = image.build(ROOT / "examples" / "hello.py", "aarch64")
    counted.run(built, memory=64 << 20, memory_image=tmp_path / "memory")
    memory = (tmp_path / "memory").read_bytes()
    with built.kernel.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        names = ("kernel_space", "kernel_text_start", "kernel_rodata_start", "kernel_data_start")
        where = [(table.get_symbol_by_name(name) or [])[0]["st_value"] for name in (*names, "kernel_end")]
    kernel, text, constants, data, end = where
    # Behind the root of the empty user half.
    (root,) = struct.unpack_from("<Q", memory, (kernel & 0x7FFF_FFFF) + 8)
    found = list(leaves(memory, root, 3, 0xFFFF << 48))
    assert sum(size for place, size, _ in found if place >> 40 == 0xFFFF80) >= 63 << 20
    for place, size, entry in found:
        executable, writable = not entry >> 53 & 1, not entry >> 7 & 1
        assert entry >> 54 & 1 and not entry >> 6 & 1 and not entry >> 11 & 1, "programs have no part in it"
        assert executable == (text <= place < constants)
        assert writable == (place < text or place >= data)
        assert place < text or place + size <= end
        # Devices are uncached, all else is not.
        assert (entry >> 2 & 7 == 0) == (0xFFFFFF0000000000 <= place < text)
