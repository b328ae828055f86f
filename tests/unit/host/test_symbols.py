"""Addresses become lines of Python: checked on code that clang really made, with `#line` as our compiler does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cloudos.host import report
from cloudos.host.records import Log
from cloudos.host.symbols import Place, Site, Symbols, enclosing_function

PYTHON = """\
class Table:
    def insert(self, key):
        return self.table[key]


def main():
    table = Table()
    helper(table)


def helper(table):
    table.insert(9)
"""

C = """\
__attribute__((section("cloudos_files"), used)) static const char names[] = "other.py\\0prog.py";
volatile int memory;
#line 2 "prog.py"
static inline __attribute__((always_inline)) int Table_insert(int key)
{
#line 3 "prog.py"
    return memory / key;
}
#line 11 "prog.py"
__attribute__((noinline)) int helper(int key)
{
#line 12 "prog.py"
    memory = Table_insert(key) + 1;
    return memory;
}
#line 6 "prog.py"
int main_(void)
{
#line 8 "prog.py"
    helper(9);
#line 9 "prog.py"
    memory = 0;
    return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with prog.py and prog.elf."""
    directory = tmp_path_factory.mktemp("symbols")
    (directory / "prog.py").write_text(PYTHON)
    (directory / "prog.c").write_text(C)
    zig = [sys.executable, "-m", "ziglang"]
    flags = ["--target=x86_64-unknown-none-elf", "-O2", "-g", "-ffreestanding", "-fno-pic", "-fno-omit-frame-pointer"]
    subprocess.run([*zig, "clang", *flags, "-c", "prog.c", "-o", "prog.o"], cwd=directory, check=True)
    link = ["ld.lld", "-e", "main_", "-z", "nostart-stop-gc", "prog.o", "-o", "prog.elf"]
    subprocess.run([*zig, *link], cwd=directory, check=True)
    return directory


def address_of(symbols: Symbols, name: str) -> tuple[int, int]:
    found = symbols.elf.get_section_by_name(".symtab").get_symbol_by_name(name)[0]
    return int(found["st_value"]), int(found["st_size"])


def test_every_address_of_a_function_has_its_places(program: Path) -> None:
    symbols = Symbols(program / "prog.elf")
    start, size = address_of(symbols, "helper")
    stacks = {
        tuple((place.file, place.line, place.function) for place in symbols.places(start + n)) for n in range(size)
    }
    inlined = (("prog.py", 3, "Table_insert"), ("prog.py", 12, "helper"))
    assert inlined in stacks
    assert all(stack[-1][2] == "helper" and stack[-1][0] == "prog.py" for stack in stacks)


def test_addresses_outside_the_code_have_no_place(program: Path) -> None:
    symbols = Symbols(program / "prog.elf")
    start, size = address_of(symbols, "main_")
    assert symbols.places(0) == symbols.places(start + size + 0x10000) == []


def test_panic_sites(program: Path) -> None:
    symbols = Symbols(program / "prog.elf")
    assert Site.decode(0x3001_0007) == Site(3, 1, 7)
    assert symbols.site(0x3001_0007) == Place("prog.py", 7)
    assert symbols.site(0x3002_0007) is None


def test_a_fault_reads_like_a_python_traceback(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(program)
    symbols = Symbols(program / "prog.elf")
    start, size = address_of(symbols, "helper")
    fault = next(start + n for n in range(size) if [place.line for place in symbols.places(start + n)] == [3, 12])
    call = return_address(program, symbols)
    log = Log()
    log.feed(f"@fault number=8 kind=divide-error ip={fault:#x} address=0x0 sp=0x0\n@frame ip={call:#x}\n".encode())
    assert report.ending(log, symbols, [program]) == (
        "Traceback (most recent call last):\n"
        '  File "prog.py", line 8, in main\n'
        "    helper(table)\n"
        '  File "prog.py", line 12, in helper\n'
        "    table.insert(9)\n"
        '  File "prog.py", line 3, in Table.insert\n'
        "    return self.table[key]\n"
        "fault: arithmetic fault (divide-error)"
    )


def return_address(program: Path, symbols: Symbols) -> int:
    """The address after the call in main_: the first one whose byte before belongs to a call instruction (e8)."""
    start, size = address_of(symbols, "main_")
    section = symbols.elf.get_section_by_name(".text")
    code = section.data()[start - section["sh_addr"] :][:size]
    return start + int(code.index(b"\xe8")) + 5


def test_a_panic_starts_at_its_site(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(program)
    symbols = Symbols(program / "prog.elf")
    call = return_address(program, symbols)
    log = Log()
    log.feed(f"@panic site=0x6001000c 9 of 4\n@frame ip={call:#x}\n@fault number=6 kind=panic\n".encode())
    text = report.ending(log, symbols, [program])
    assert text.splitlines()[1:] == [
        '  File "prog.py", line 8, in main',
        "    helper(table)",
        '  File "prog.py", line 12, in helper',
        "    table.insert(9)",
        "panic: index out of range: 9 of 4",
    ]


def test_repeated_lines_are_folded() -> None:
    text = report.traceback([Place("nowhere.py", 3)] * 60 + [Place("nowhere.py", 9)], [])
    assert text.splitlines() == [
        "Traceback (most recent call last):",
        '  File "nowhere.py", line 9',
        *['  File "nowhere.py", line 3'] * 3,
        "  [Previous line repeated 57 more times]",
    ]


def test_what_only_leads_to_main_is_left_out() -> None:
    places = [
        Place("a.py", 1),
        Place("cloudos/sdk/list.py", 2),
        Place("a.py", 3),
        Place("<generated x 1>", 2),
        Place("prelude.c", 2),
    ]
    around = [Place("cloudos/sdk/start.py", 30), Place("<machine code at 0x400000>", 0)]
    assert report.inner_part(places + around) == places[:3]
    assert report.inner_part(around) == around[:1]
    assert report.inner_part([Place("<generated x 1>", 2)]) == [Place("<generated x 1>", 2)]


def test_names_of_functions_come_from_the_source(tmp_path: Path) -> None:
    path = tmp_path / "prog.py"
    path.write_text(PYTHON)
    assert [enclosing_function(str(path), line) for line in (1, 3, 5, 8, 12)] == [
        "Table",
        "Table.insert",
        "",
        "main",
        "helper",
    ]
    assert enclosing_function(str(tmp_path / "missing.py"), 1) == ""


def test_what_is_not_an_elf_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"not an ELF file at all")
    with pytest.raises(ValueError, match="Magic"):
        Symbols(tmp_path / "x")
