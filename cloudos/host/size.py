"""`cloudos size`: the kernel's bytes by module, from its symbols and line tables, and the limit they must keep."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from cloudos.host import state
from cloudos.host.symbols import Symbols

LIMIT = 51_200
"""Bytes of .text, .rodata and .data together that the kernel may have on each architecture."""

KINDS = ("text", "rodata", "data")
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR = 1, 2, 4

Counts = dict[str, dict[str, int]]
"""Bytes by module, then by kind."""

SUPPORT = "(compiler support)"
REST = "(constants, padding)"


@dataclass(frozen=True)
class Row:
    """Bytes of one module."""

    module: str
    text: int
    rodata: int
    data: int
    total: int


@dataclass(frozen=True)
class Span:
    """The bytes [start, end) at an address, of a section's kind, that belong to a symbol."""

    kind: str
    start: int
    end: int
    name: str


def measure(kernel: Path) -> list[Row]:
    """Rows by module, largest first, then one row with the totals. Raises OSError or ValueError."""
    symbols = Symbols(kernel)
    sections = {index: section for index, section in enumerate(symbols.elf.iter_sections()) if kind_of(section)}
    sizes = {kind: sum(s["sh_size"] for s in sections.values() if kind_of(s) == kind) for kind in KINDS}
    modules = module_names()
    counts: Counts = defaultdict(lambda: dict.fromkeys(KINDS, 0))
    for span in symbol_spans(symbols.elf, sections):
        if span.kind == "text":
            count_code(counts, span, symbols)
        else:
            counts[module_of(span.name, modules)][span.kind] += span.end - span.start
    return tabulate(sizes, counts)


def count_code(counts: Counts, span: Span, symbols: Symbols) -> None:
    """Count a function's code by the files that its lines come from: what was inlined counts where it was written."""
    unit = next((unit for unit in symbols.units if unit.covers(span.start)), None)
    rows = [row for row in unit.rows if span.start <= row.address < span.end] if unit else []
    edges = [span.start, *(row.address for row in rows), span.end]
    files = [SUPPORT, *(module_of_file(row.file) for row in rows)]
    for file, (start, end) in zip(files, pairwise(edges), strict=True):
        counts[file]["text"] += end - start


def module_of_file(name: str) -> str:
    """The dotted module of a source file named in debug information."""
    if not name.startswith("cloudos/") or not name.endswith(".py"):
        return SUPPORT
    return name.removeprefix("cloudos/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def kind_of(section: Any) -> str:
    """Which of KINDS a section counts as; "" for those that take no room in the kernel's file, such as .bss."""
    flags = section["sh_flags"]
    if not flags & SHF_ALLOC or section["sh_type"] == "SHT_NOBITS":
        return ""
    return "text" if flags & SHF_EXECINSTR else "data" if flags & SHF_WRITE else "rodata"


def symbol_spans(elf: Any, sections: dict[int, Any]) -> Iterator[Span]:
    """The bytes that symbols claim, each byte once: a second symbol for the same bytes gets nothing."""
    table = elf.get_section_by_name(".symtab")
    found = []
    for symbol in table.iter_symbols() if table else ():
        section = sections.get(symbol["st_shndx"]) if isinstance(symbol["st_shndx"], int) else None
        if section is not None and symbol["st_size"]:
            found.append(
                Span(kind_of(section), symbol["st_value"], symbol["st_value"] + symbol["st_size"], symbol.name)
            )
    reached = 0
    for span in sorted(found, key=lambda span: (span.start, -span.end)):
        start = max(span.start, reached)
        if start < span.end:
            yield Span(span.kind, start, span.end, span.name)
            reached = span.end


def tabulate(sizes: dict[str, int], counts: Counts) -> list[Row]:
    """The rows; what no symbol claims is the last row but one."""
    rest = {kind: size - sum(sums[kind] for sums in counts.values()) for kind, size in sizes.items()}
    rows = [row(name, sums) for name, sums in [*counts.items(), (REST, rest)]]
    rows = [one for one in rows if one.total]
    rows.sort(key=lambda one: (one.module.startswith("("), -one.total, one.module))
    return [*rows, row("total", sizes)]


def row(name: str, sums: dict[str, int]) -> Row:
    """One row from the bytes of each kind."""
    return Row(name, sums["text"], sums["rodata"], sums["data"], sum(sums.values()))


def module_names() -> list[str]:
    """The modules that can be in a kernel, as symbols spell them, longest first: "kernel__hal__x86_64__cpu"."""
    package = state.ROOT / "cloudos"
    names = []
    for part in ("kernel", "abi", "lang"):
        for path in (package / part).rglob("*.py"):
            relative = path.relative_to(package).with_suffix("")
            names.append("__".join(relative.parts).removesuffix("____init__"))
    return sorted(names, key=len, reverse=True)


def module_of(symbol: str, modules: list[str]) -> str:
    """The dotted name of the module that a symbol comes from (symbols are MODULE__FUNCTION, dots as __)."""
    for name in modules:
        position = symbol.find(f"{name}__")
        if position >= 0 and (position == 0 or symbol[position - 1] in "_."):
            return name.replace("__", ".")
    return SUPPORT


def verdict(rows: list[Row]) -> tuple[int, bool]:
    """The kernel's size in bytes, and whether it keeps the limit."""
    total = rows[-1].total
    return total, total <= LIMIT
