"""From addresses of compiled code back to lines of Python, through DWARF (version 5, section 6.2) and panic sites.

Reading debug information is slow, so it happens only when there is a fault to explain, and only for the
compilation units that the addresses lie in.
"""

from __future__ import annotations

import ast
import functools
import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elftools.dwarf.compileunit import CompileUnit
    from elftools.dwarf.die import DIE
    from elftools.dwarf.dwarfinfo import DWARFInfo

FILE_NAMES = "cloudos_files"
"""Section with the file names that panic sites count in: NUL-terminated strings. A linker script may merge it into
another one; then the symbols that lld defines for its ends remain."""

SITES = "cloudos_sites"
"""Section with the sites of checks that trap: the address that the trap is taken at (8 bytes), that of the code that
failed, which may be another (8 bytes), site (4 bytes), message (ends with NUL)."""

SHF_EXECINSTR = 4
"""Section flag: machine code (ELF gABI)."""

SCOPES = ("DW_TAG_subprogram", "DW_TAG_inlined_subroutine", "DW_TAG_lexical_block", "DW_TAG_namespace")


@dataclass(frozen=True)
class Place:
    """A line of source: the file as the compiler named it, the line, and the function as the debugger names it."""

    file: str
    line: int
    function: str = ""


@dataclass(frozen=True)
class Site:
    """A panic site word: kind (bits 28-31), index of the file (bits 16-27), line (bits 0-15)."""

    kind: int
    file: int
    line: int

    @classmethod
    def decode(cls, word: int) -> Site:
        return cls(word >> 28 & 0xF, word >> 16 & 0xFFF, word & 0xFFFF)


@dataclass(frozen=True)
class Row:
    """A row of the line table; `end` marks the first address after a sequence."""

    address: int
    file: str
    line: int
    end: bool


class Symbols:
    """The debug information of one ELF file. Raises OSError or ValueError when it cannot be read."""

    def __init__(self, path: Path) -> None:
        from elftools.common.exceptions import ELFError
        from elftools.elf.elffile import ELFFile

        try:
            self.elf: Any = ELFFile(path.open("rb"))
        except ELFError as error:
            raise ValueError(f"{path}: {error}") from error

    @functools.cached_property
    def dwarf(self) -> DWARFInfo | None:
        """The debug information; None when there is none."""
        return self.elf.get_dwarf_info() if self.elf.has_dwarf_info() else None

    @functools.cached_property
    def units(self) -> list[Unit]:
        """All compilation units."""
        return [Unit(self.dwarf, unit) for unit in self.dwarf.iter_CUs()] if self.dwarf else []

    def places(self, address: int) -> list[Place]:
        """The lines that the instruction at `address` comes from: innermost inlined function first; maybe none."""
        if not self.is_code(address):
            return []  # debug information of discarded functions claims addresses near 0
        for unit in self.units:
            if unit.covers(address):
                return unit.places(address)
        return []

    def is_code(self, address: int) -> bool:
        """Whether an address lies in an executable section."""
        return any(low <= address < high for low, high in self.code)

    @functools.cached_property
    def code(self) -> list[tuple[int, int]]:
        """The address ranges of executable sections."""
        sections = [section for section in self.elf.iter_sections() if section["sh_flags"] & SHF_EXECINSTR]
        return [(section["sh_addr"], section["sh_addr"] + section["sh_size"]) for section in sections]

    @functools.cached_property
    def files(self) -> list[str]:
        """The file names that panic sites count in."""
        section = self.elf.get_section_by_name(FILE_NAMES)
        data = section.data() if section else self.between(f"__start_{FILE_NAMES}", f"__stop_{FILE_NAMES}")
        return [name.decode(errors="replace") for name in data.removesuffix(b"\0").split(b"\0")] if data else []

    def between(self, first: str, last: str) -> bytes:
        """The bytes of the file between two symbols; none when either is missing."""
        table = self.elf.get_section_by_name(".symtab")
        found = [table.get_symbol_by_name(name) for name in (first, last)] if table else []
        if not found or not all(found):
            return b""
        start, stop = (symbols[0]["st_value"] for symbols in found)
        for section in self.elf.iter_sections():
            if section["sh_addr"] <= start < section["sh_addr"] + section["sh_size"]:
                return bytes(section.data()[start - section["sh_addr"] : stop - section["sh_addr"]])
        return b""

    def site(self, word: int) -> Place | None:
        """The line of a panic site; None when the file index is unknown."""
        site = Site.decode(word)
        return Place(self.files[site.file], site.line) if site.file < len(self.files) else None

    @functools.cached_property
    def sites(self) -> dict[int, tuple[int, int, str]]:
        """By the address of each trap: that of the code that failed, the panic site, and the message."""
        section = self.elf.get_section_by_name(SITES)
        data = section.data() if section else b""
        found, position = {}, 0
        while position < len(data):
            address, code, site = struct.unpack_from("<QQI", data, position)
            end = data.index(b"\0", position + 20)
            found[address] = code, site, data[position + 20 : end].decode(errors="replace")
            position = end + 1
        return found


class Unit:
    """One compilation unit."""

    def __init__(self, dwarf: DWARFInfo, unit: CompileUnit) -> None:
        self.dwarf = dwarf
        self.unit = unit

    @functools.cached_property
    def ranges(self) -> list[tuple[int, int]]:
        """The address ranges of this unit's code."""
        return list(self.ranges_of(self.unit.get_top_DIE()))

    def ranges_of(self, die: DIE) -> Iterator[tuple[int, int]]:
        """The address ranges [low, high) of a DIE (DWARF 5, section 2.17)."""
        attributes = die.attributes
        if "DW_AT_ranges" in attributes:
            yield from self.range_list(attributes["DW_AT_ranges"])
        elif "DW_AT_low_pc" in attributes and "DW_AT_high_pc" in attributes:
            low, high = attributes["DW_AT_low_pc"].value, attributes["DW_AT_high_pc"]
            yield low, high.value if high.form == "DW_FORM_addr" else low + high.value

    def range_list(self, attribute: Any) -> Iterator[tuple[int, int]]:
        """The ranges in a range list, whose base is the unit's low_pc until the list says otherwise."""
        lists: Any = self.dwarf.range_lists()
        top = self.unit.get_top_DIE().attributes
        base = top["DW_AT_low_pc"].value if "DW_AT_low_pc" in top else 0
        for entry in lists.get_range_list_at_offset(attribute.value, self.unit):
            if hasattr(entry, "base_address"):
                base = entry.base_address
            elif getattr(entry, "is_absolute", False):
                yield entry.begin_offset, entry.end_offset
            else:
                yield base + entry.begin_offset, base + entry.end_offset

    def covers(self, address: int) -> bool:
        """Whether the code at `address` is of this unit."""
        return any(low <= address < high for low, high in self.ranges)

    @functools.cached_property
    def file_names(self) -> list[str]:
        """File names by their number in this unit's line table; number 0 of DWARF 4 means nothing."""
        header = self.program.header
        directories = [as_text(name) for name in header["include_directory"]]
        names = []
        for entry in header["file_entry"]:
            name = as_text(entry.name)
            index = entry.dir_index
            if header["version"] < 5:
                index -= 1
            # Directory 0 of DWARF 5 is the compilation directory, which names of ours are relative to.
            outside = index > 0 if header["version"] >= 5 else index >= 0
            if outside and index < len(directories) and not name.startswith("/"):
                name = f"{directories[index]}/{name}"
            names.append(name.removeprefix("./"))
        return names if header["version"] >= 5 else ["", *names]

    @functools.cached_property
    def program(self) -> Any:
        """The line number program."""
        return self.dwarf.line_program_for_CU(self.unit)

    @functools.cached_property
    def rows(self) -> list[Row]:
        """The line table by address."""
        rows = []
        for entry in self.program.get_entries():
            state = entry.state
            if state is not None:
                rows.append(Row(state.address, self.file_name(state.file), state.line, state.end_sequence))
        # An end row sorts before a row that begins at the same address.
        return sorted(rows, key=lambda row: (row.address, not row.end))

    def file_name(self, number: int) -> str:
        """The name of a file of the line table."""
        return self.file_names[number] if number < len(self.file_names) else ""

    def places(self, address: int) -> list[Place]:
        """The lines at `address`, innermost first."""
        index = bisect_right(self.rows, address, key=lambda row: row.address) - 1
        if index < 0 or self.rows[index].end:
            return []
        file, line = self.rows[index].file, self.rows[index].line
        places = []
        for die in reversed(self.functions(self.unit.get_top_DIE(), address)):
            places.append(Place(file, line, function_name(die)))
            if die.tag == "DW_TAG_inlined_subroutine":
                call = die.attributes
                file = self.file_name(call["DW_AT_call_file"].value) if "DW_AT_call_file" in call else file
                line = call["DW_AT_call_line"].value if "DW_AT_call_line" in call else 0
        return places or [Place(file, line)]

    def functions(self, die: DIE, address: int) -> list[DIE]:
        """The functions around `address` under `die`, outermost first: one real one, then those inlined into it."""
        for child in die.iter_children():
            if child.tag not in SCOPES:
                continue
            ranges = list(self.ranges_of(child))
            if any(low <= address < high for low, high in ranges) or (not ranges and child.tag == "DW_TAG_namespace"):
                inner = self.functions(child, address)
                is_function = child.tag in ("DW_TAG_subprogram", "DW_TAG_inlined_subroutine")
                if is_function or inner:
                    return [child, *inner] if is_function else inner
        return []


def as_text(value: bytes | str) -> str:
    """Names are bytes or text, by version of the library."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def function_name(die: DIE) -> str:
    """The name of a function's DIE, looked up through the entries it refers to."""
    for _ in range(4):
        if "DW_AT_name" in die.attributes:
            return as_text(die.attributes["DW_AT_name"].value)
        for reference in ("DW_AT_abstract_origin", "DW_AT_specification"):
            if reference in die.attributes:
                die = die.get_DIE_from_attribute(reference)
                break
        else:
            break
    return ""


@functools.cache
def enclosing_function(path: str, line: int) -> str:
    """The qualified name of the Python function around a line, such as "Table.insert"; "" when there is none."""
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ""
    names: list[str] = []
    body: list[ast.stmt] = tree.body
    while True:
        around = [
            node
            for node in body
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.lineno <= line <= (node.end_lineno or 0)
        ]
        if not around:
            return ".".join(names)
        names.append(around[0].name)
        body = around[0].body
