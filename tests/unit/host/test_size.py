"""Bytes are counted once each, under the module they come from."""

from __future__ import annotations

from collections import defaultdict
from typing import cast

from cloudos.host.size import (
    KINDS,
    LIMIT,
    REST,
    SUPPORT,
    Counts,
    Row,
    Span,
    count_code,
    module_of,
    symbol_spans,
    tabulate,
    verdict,
)
from cloudos.host.symbols import Row as LineRow
from cloudos.host.symbols import Symbols

MODULES = ["kernel__hal__x86_64__cpu", "kernel__hal__x86_64", "kernel__kernel", "kernel"]


def test_symbols_name_their_modules() -> None:
    assert module_of("kernel__hal__x86_64__cpu__halt", MODULES) == "kernel.hal.x86_64.cpu"
    assert module_of("T_kernel__kernel__Table", MODULES) == "kernel.kernel"
    assert module_of("kernel__kernel__main.cold", MODULES) == "kernel.kernel"
    assert module_of("memcpy", MODULES) == SUPPORT
    assert module_of("mykernel__x", MODULES) == SUPPORT


def test_rows_sum_up_to_the_sections() -> None:
    counts = {
        "kernel.kernel": {"text": 100, "rodata": 0, "data": 10},
        "kernel.hal.x86_64.cpu": {"text": 300, "rodata": 0, "data": 0},
        "empty": {"text": 0, "rodata": 0, "data": 0},
        SUPPORT: {"text": 4, "rodata": 0, "data": 0},
    }
    rows = tabulate({"text": 500, "rodata": 7, "data": 10}, counts)
    assert rows == [
        Row("kernel.hal.x86_64.cpu", 300, 0, 0, 300),
        Row("kernel.kernel", 100, 0, 10, 110),
        Row(REST, 96, 7, 0, 103),
        Row(SUPPORT, 4, 0, 0, 4),
        Row("total", 500, 7, 10, 517),
    ]


class Unit:
    """A compilation unit with code from two files."""

    rows = (
        LineRow(100, "cloudos/kernel/kernel.py", 1, False),
        LineRow(130, "cloudos/lang/__init__.py", 9, False),
        LineRow(140, "prelude.c", 9, False),
    )

    def covers(self, address: int) -> bool:
        return 100 <= address < 200


class Program:
    """Debug information with that unit."""

    units = (Unit(),)


def test_inlined_code_counts_where_it_was_written() -> None:
    counts: Counts = defaultdict(lambda: dict.fromkeys(KINDS, 0))
    count_code(counts, Span("text", 100, 150, "kernel_main"), cast(Symbols, Program()))
    count_code(counts, Span("text", 300, 305, "memcpy"), cast(Symbols, Program()))
    assert {name: sums["text"] for name, sums in counts.items() if sums["text"]} == {
        "kernel.kernel": 30,
        "lang": 10,
        SUPPORT: 10 + 5,
    }


class Section(dict[str, object]):
    """A section or symbol as pyelftools gives it."""

    name = ""


def symbol(name: str, value: int, size: int, section: int | str = 1) -> Section:
    found = Section(st_value=value, st_size=size, st_shndx=section)
    found.name = name
    return found


class Elf:
    """An ELF file with the symbols given."""

    def __init__(self, *symbols: Section) -> None:
        self.symbols = symbols

    def get_section_by_name(self, name: str) -> Elf:
        return self

    def iter_symbols(self) -> tuple[Section, ...]:
        return self.symbols


def test_two_symbols_for_the_same_bytes_count_once() -> None:
    text = {1: Section(sh_flags=6, sh_type="SHT_PROGBITS")}
    elf = Elf(symbol("whole", 10, 30), symbol("alias", 10, 30), symbol("inner", 20, 5), symbol("over", 35, 10))
    spans = list(symbol_spans(elf, text))
    assert spans == [Span("text", 10, 40, "whole"), Span("text", 40, 45, "over")]
    assert list(symbol_spans(Elf(symbol("absolute", 1, 1, "SHN_ABS"), symbol("bss", 1, 1, 9)), text)) == []


def test_the_limit() -> None:
    assert verdict([Row("total", LIMIT, 0, 0, LIMIT)]) == (51_200, True)
    assert verdict([Row("total", 0, 0, 0, LIMIT + 1)]) == (51_201, False)
