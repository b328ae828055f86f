"""A piece of a stack becomes calls: checked on code that clang really made without frame pointers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cloudos.compiler.prelude import PRELUDE
from cloudos.host import report
from cloudos.host.records import Log
from cloudos.host.symbols import Symbols
from cloudos.host.unwind import Stack, return_addresses

C = (
    PRELUDE
    + """
#line 1 "stack.py"
__attribute__((noinline)) u64 inner(u64 a) { return add_u64(a, 5, 3); }
__attribute__((noinline)) u64 middle(u64 a) { u64 room[9]; __asm__("" : : "r"(room) : "memory"); return inner(a) + 1; }
__attribute__((noinline)) u64 outer(u64 a) { u64 room[a]; *(volatile u64 *)room = 1; return middle(a) + room[0]; }
"""
)


@pytest.fixture(scope="module")
def symbols(tmp_path_factory: pytest.TempPathFactory) -> Symbols:
    directory = tmp_path_factory.mktemp("unwind")
    (directory / "prog.c").write_text(C)
    zig = [sys.executable, "-m", "ziglang"]
    flags = ["--target=x86_64-unknown-none-elf", "-O2", "-g", "-ffreestanding", "-fno-pic", "-fomit-frame-pointer"]
    flags += ["-DCLOUDOS_PANIC_TRAP=1", "-fno-asynchronous-unwind-tables", "-Wno-everything"]
    subprocess.run([*zig, "clang", *flags, "-c", "prog.c", "-o", "prog.o"], cwd=directory, check=True)
    subprocess.run([*zig, "ld.lld", "-e", "outer", "prog.o", "-o", "prog.elf"], cwd=directory, check=True)
    return Symbols(directory / "prog.elf")


def code(symbols: Symbols, name: str) -> tuple[int, bytes]:
    """Address and instructions of a function."""
    found = symbols.elf.get_section_by_name(".symtab").get_symbol_by_name(name)[0]
    text = symbols.elf.get_section_by_name(".text")
    start = found["st_value"]
    return start, text.data()[start - text["sh_addr"] :][: found["st_size"]]


def after_call(symbols: Symbols, name: str) -> int:
    """Where the first call in a function returns to."""
    start, machine_code = code(symbols, name)
    return start + int(machine_code.index(b"\xe8")) + 5


def stopped(symbols: Symbols) -> Stack:
    """As the failed check in `inner` leaves it: `middle` has 9 words of its own, and `outer` a frame pointer."""
    start, machine_code = code(symbols, "inner")
    sp, junk = 0x10000, 0x1234
    own = room(symbols)
    words = [after_call(symbols, "middle"), *[junk] * own, after_call(symbols, "outer"), junk, junk, junk]
    frame = sp + 8 * len(words)
    return Stack(start + int(machine_code.index(b"\x0f\x0b")), sp, frame, [*words, 0x77, 0xBEEF, junk])


def room(symbols: Symbols) -> int:
    """How many words `middle` takes from the stack: its `sub $n, %rsp`."""
    _, machine_code = code(symbols, "middle")
    return int(machine_code[machine_code.index(b"\x48\x83\xec") + 3]) // 8


def test_calls_are_found_through_frames_of_both_kinds(symbols: Symbols) -> None:
    found = return_addresses(symbols.elf, stopped(symbols))
    assert found == [after_call(symbols, "middle"), after_call(symbols, "outer"), 0xBEEF]


def test_a_stack_that_was_not_written_down_ends_the_search(symbols: Symbols) -> None:
    stack = stopped(symbols)
    assert return_addresses(symbols.elf, Stack(stack.ip, stack.sp, stack.fp, stack.words[:3])) == [stack.words[0]]
    assert return_addresses(symbols.elf, Stack(0x99, stack.sp, stack.fp, stack.words)) == []


def test_a_trapping_instruction_is_explained_by_its_address(symbols: Symbols) -> None:
    stack = stopped(symbols)
    log = Log()
    log.feed(f"@kernel-panic trap=0x6 error=0x0 ip={stack.ip:#x} sp={stack.sp:#x} fp={stack.fp:#x}\n".encode())
    for word in stack.words:
        log.feed(f"@frame ip={word:#x}\n".encode())
    assert log.kernel_panic is not None
    assert symbols.sites[stack.ip] == (stack.ip, 0x2000_0003, "")
    lines = report.kernel_panic(log.kernel_panic, symbols, []).splitlines()
    assert [line.split(",")[1] for line in lines[2:-1]] == [" line 3", " line 2", " line 1"]
    assert lines[-1] == "kernel panic: integer overflow"


def test_a_message_comes_before_the_trap() -> None:
    log = Log()
    log.feed(b"@kernel-panic site=0x10000007 message=no frame\n@kernel-panic trap=0x6 ip=0x10 sp=0x20 fp=0x0\n")
    log.feed(b"@frame ip=0x30\n@kernel-panic trap=0x8 ip=0x11\n@frame ip=0x40\n")
    assert log.kernel_panic is not None and log.kernel_panic.frames == [0x30]
    assert log.kernel_panic.record.text == "no frame" and log.kernel_panic.record.number("ip") == 0x10
    assert report.kernel_panic(log.kernel_panic, None, []).splitlines()[-1] == "kernel panic: no frame"
