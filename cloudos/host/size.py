"""`cloudos size`: the kernel's bytes by module, from the symbols of its ELF file, and the limit they must keep."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudos.host import state

LIMIT = 51_200
"""Bytes of .text, .rodata and .data together that the kernel may have on each architecture."""

KINDS = ("text", "rodata", "data")
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR = 1, 2, 4
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
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    with kernel.open("rb") as file:
        try:
            elf = ELFFile(file)
            sections = {index: section for index, section in enumerate(elf.iter_sections()) if kind_of(section)}
            spans = list(symbol_spans(elf, sections))
        except ELFError as error:
            raise ValueError(f"{kernel}: {error}") from error
        sizes = {kind: sum(s["sh_size"] for s in sections.values() if kind_of(s) == kind) for kind in KINDS}
    return tabulate(sizes, spans, module_names())


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


def tabulate(sizes: dict[str, int], spans: Iterable[Span], modules: list[str]) -> list[Row]:
    """Sum spans by module; what no symbol claims is the last row but one."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(KINDS, 0))
    rest = dict(sizes)
    for span in spans:
        counts[module_of(span.name, modules)][span.kind] += span.end - span.start
        rest[span.kind] -= span.end - span.start
    counts[REST] = rest
    rows = [Row(name, *(sums[kind] for kind in KINDS), total=sum(sums.values())) for name, sums in counts.items()]
    rows.sort(key=lambda row: (row.module.startswith("("), -row.total, row.module))
    return [*rows, Row("total", *(sizes[kind] for kind in KINDS), total=sum(sizes.values()))]


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
