"""Many addresses of one ELF file to lines of Python, with the functions that were inlined around each.

`cloudos.host.symbols` answers for the few addresses of a traceback, and reads no more than it must. Here everything is
read once.
"""

from __future__ import annotations

import ast
import functools
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloudos.host import state
from cloudos.host.symbols import Row, Symbols, Unit, function_name

FUNCTIONS = ("DW_TAG_subprogram", "DW_TAG_inlined_subroutine")
BLOCKS = ("DW_TAG_lexical_block", "DW_TAG_namespace")
STATEMENT_LIST = "DW_AT_stmt_list"
GENERATED = "<"
"""Names of files begin so that are none: functions that were made while a module was imported."""


@dataclass(frozen=True)
class Line:
    """A line of a function of Python, as people know them. For machine code without lines the symbol, and line 0."""

    file: str
    line: int
    function: str


@dataclass
class Scope:
    """A function in machine code: its address ranges, where it was inlined (0: nowhere), what was inlined into it."""

    ranges: list[tuple[int, int]]
    name: str
    file: str
    line: int
    inner: list[Scope] = field(default_factory=list)

    def covers(self, address: int) -> bool:
        """Whether the instruction at an address is of this function."""
        return any(low <= address < high for low, high in self.ranges)


class Lines:
    """The lines of an ELF file. Source files are looked for in `folders`. Raises OSError or ValueError."""

    def __init__(self, path: Path, folders: tuple[Path, ...] = ()) -> None:
        self.symbols = Symbols(path)
        self.folders = (state.ROOT, *folders)
        self.rows: list[Row] = []
        self.functions: list[tuple[int, int, Scope]] = []
        known: dict[int, Unit] = {}
        for unit in self.symbols.units:
            top = unit.unit.get_top_DIE()
            if STATEMENT_LIST not in top.attributes:
                continue
            at = top.attributes[STATEMENT_LIST].value
            if at not in known:
                # Units that were linked as one share their table.
                known[at] = unit
                self.rows += unit.rows
            for scope in scopes(unit, known[at], top):
                self.functions += [(low, high, scope) for low, high in scope.ranges if self.symbols.is_code(low)]
        self.rows.sort(key=lambda row: (row.address, not row.end))
        self.addresses = [row.address for row in self.rows]
        self.functions.sort(key=lambda entry: entry[:2])
        self.starts = [low for low, _, _ in self.functions]

    @functools.cached_property
    def labels(self) -> tuple[list[int], list[str]]:
        """Addresses and names of the symbols of code, by address."""
        table = self.symbols.elf.get_section_by_name(".symtab")
        pairs = {
            symbol["st_value"]: symbol.name
            for symbol in (table.iter_symbols() if table else ())
            if symbol.name and not symbol.name.startswith((".", "$")) and self.symbols.is_code(symbol["st_value"])
        }
        return sorted(pairs), [pairs[address] for address in sorted(pairs)]

    def row(self, address: int) -> Row | None:
        """The row of the line table that an instruction belongs to."""
        index = bisect_right(self.addresses, address) - 1
        return None if index < 0 or self.rows[index].end else self.rows[index]

    def at(self, address: int) -> tuple[Line, ...]:
        """The lines of an instruction, innermost first: its own, then those of the calls that were inlined."""
        found = self._at.get(address)
        if found is None:
            found = self._at[address] = tuple(self._find(address))
        return found

    @functools.cached_property
    def _at(self) -> dict[int, tuple[Line, ...]]:
        return {}

    def _find(self, address: int) -> Iterator[Line]:
        row = self.row(address)
        if row is None or not row.line:
            yield self.label(address)
            return
        file, line = row.file, row.line
        for scope in reversed(self.chain(address)):
            yield self.line(file, line, scope.name)
            file, line = scope.file, scope.line
            if not line:
                return
        if line:
            yield self.line(file, line, "")

    def chain(self, address: int) -> list[Scope]:
        """The functions around an instruction, outermost first."""
        index = bisect_right(self.starts, address) - 1
        if index < 0 or address >= self.functions[index][1]:
            return []
        found = [self.functions[index][2]]
        while True:
            inner = next((scope for scope in found[-1].inner if scope.covers(address)), None)
            if inner is None:
                return found
            found.append(inner)

    def label(self, address: int) -> Line:
        """The symbol before an instruction."""
        addresses, names = self.labels
        index = bisect_right(addresses, address) - 1
        return Line("", 0, names[index] if index >= 0 else f"{address:#x}")

    def line(self, file: str, line: int, name: str) -> Line:
        """A line with the name of the Python function around it; generated code has the name in the machine code."""
        function = ""
        if not file.startswith(GENERATED):
            function = enclosing(str(self.source(file)), line)
        return Line(file, line, function or name.rpartition("__")[2] or "(module)")

    @functools.cache  # noqa: B019 - as long as the file's lines are needed
    def source(self, file: str) -> Path:
        """The source file of a name in debug information; a path that is not there when none is found."""
        return next((folder / file for folder in self.folders if (folder / file).is_file()), Path(file))


def enclosing(path: str, line: int) -> str:
    """The qualified name of the Python function around a line; "" when there is none."""
    best = ""
    for first, last, name in functions_of(path):
        if first > line:
            break
        if line <= last:
            best = name
    return best


@functools.cache
def functions_of(path: str) -> list[tuple[int, int, str]]:
    """First line, last line and qualified name of all functions and classes of a file, outer ones first."""
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    found: list[tuple[int, int, str]] = []

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                name = f"{prefix}{node.name}"
                found.append((node.lineno, node.end_lineno or node.lineno, name))
                visit(node.body, f"{name}.")

    visit(tree.body, "")
    return sorted(found, key=lambda entry: entry[0])


def scopes(unit: Unit, files: Unit, die: Any) -> Iterator[Scope]:
    """The functions right below an entry; `files` knows the names of files. Blocks are looked through."""
    for child in die.iter_children():
        if child.tag in BLOCKS:
            yield from scopes(unit, files, child)
        elif child.tag in FUNCTIONS:
            ranges = list(unit.ranges_of(child))
            if not ranges:
                continue
            given = child.attributes
            file = files.file_name(given["DW_AT_call_file"].value) if "DW_AT_call_file" in given else ""
            line = given["DW_AT_call_line"].value if "DW_AT_call_line" in given else 0
            inner = list(scopes(unit, files, child)) if child.has_children else []
            yield Scope(ranges, function_name(child), file, line, inner)
