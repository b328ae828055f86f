"""C text of static data: objects that exist since import become initialised variables."""

from __future__ import annotations

from typing import Any

from cloudos.compiler.check.annotations import type_of_annotation
from cloudos.compiler.emit.declarations import Declarations, field_types
from cloudos.compiler.program import Program
from cloudos.compiler.typesystem import (
    ArrayType,
    AtomicType,
    FloatType,
    ProtocolType,
    PtrType,
    SliceType,
    StructType,
    Type,
)
from cloudos.lang import Panic
from cloudos.lang.layout import layout_of

READ_ONLY_SECTION = ".rodata.data"
"""Holds `data(b"...")`. Its variables are not `const` in C, where a store to a constant may be left out: written to,
they must fault. The linker scripts give the section to the segment that nobody can write to."""


class StaticData:
    """Writes the variables for all regions that the program refers to, and for those that these refer to."""

    def __init__(self, program: Program, declarations: Declarations) -> None:
        self.program = program
        self.declarations = declarations
        self.externs: list[str] = []
        self.definitions: list[str] = []
        self.written: set[int] = set()

    def write_all(self) -> None:
        """Write until no new region comes up."""
        while set(self.program.statics) - self.written:
            for key in list(self.program.statics):
                if key not in self.written:
                    self.written.add(key)
                    self._write(*self.program.statics[key])

    def _write(self, symbol: str, region: Any) -> None:
        owner = region.owner
        placement = getattr(region, "placement", None)
        place = placement.section if placement is not None and placement.section else ""
        if region.readonly:
            place = READ_ONLY_SECTION
        section = f', section("{place}")' if place else ""
        seen = ""
        if self.program.target.kind == "host" and placement is not None and placement.symbol:
            seen = '__attribute__((visibility("default"))) '
        marks = f"__attribute__((aligned({max(region.align, 1)}), used{section}))"
        if owner is None:
            self.externs.append(f"extern u8 {symbol}[{region.size}];")
            data = ", ".join(str(byte) for byte in region.data)
            self.definitions.append(f"{marks} u8 {symbol}[{region.size}] = {{{data}}};")
            return
        kind = type_of_annotation(type(owner), {})
        name = self.declarations.name(kind)
        self.externs.append(f"extern {seen}{name}_s {symbol};")
        value = self.initialiser(kind, region, 0, owner)
        self.definitions.append(f"{marks} {seen}{name}_s {symbol} = {value};")

    def initialiser(self, kind: Type, region: Any, offset: int, live: Any) -> str:
        """The C initialiser of the value of `kind` at `offset` of `region`; `live` is that value under CPython."""
        size = layout_of(_live(kind)).size
        if not any(region.data[offset : offset + size]):
            return "{0}"
        if isinstance(kind, StructType):
            return self._struct(kind, region, offset, live)
        if isinstance(kind, ArrayType):
            return self._array(kind, region, offset)
        if isinstance(kind, PtrType):
            return self.pointer(kind, live)
        if isinstance(kind, SliceType):
            return f"{{(void *){self.pointer(PtrType(kind.element), live.pointer)}, {int(live.length)}ul}}"
        if isinstance(kind, ProtocolType):
            concrete = type_of_annotation(type(live), {})
            table = self.program.table_symbol(kind, concrete)
            base = self.program.static_symbol(live._region)
            return f"{{STATIC({base}, {live._offset}), (const struct table *)&{table}}}"
        if isinstance(kind, FloatType):
            return float(live).hex()
        if isinstance(kind, AtomicType):
            kind = kind.element
        raw = int.from_bytes(region.data[offset : offset + size], "little")
        return f"({self.declarations.name(kind)}_s){raw}ul"

    def pointer(self, kind: PtrType, live: Any) -> str:
        """The C constant of a pointer that was made at import."""
        name = self.declarations.name(kind)
        if live.region is None:
            return f"(({name}_v)0)"
        return f"({name}_v)STATIC({self.program.static_symbol(live.region)}, {int(live.region_offset)})"

    def _struct(self, kind: StructType, region: Any, offset: int, live: Any) -> str:
        offsets = {entry.name: entry.offset for entry in kind.cls.__struct__.fields}
        parts = []
        for name, inner in field_types(kind):
            try:
                value = getattr(live, name)
            except Panic:  # never set: zero, as the loader leaves it
                continue
            parts.append(f".f_{name} = {self.initialiser(inner, region, offset + offsets[name], value)}")
        return "{" + ", ".join(parts) + "}"

    def _array(self, kind: ArrayType, region: Any, offset: int) -> str:
        layout = layout_of(_live(kind.element))
        parts = []
        for number in range(kind.count):
            start = offset + number * layout.size
            if any(region.data[start : start + layout.size]):
                value = layout.load(region, start)
                parts.append(f"[{number}] = {self.initialiser(kind.element, region, start, value)}")
        return "{{" + ", ".join(parts) + "}}"


def _live(kind: Type) -> Any:
    from cloudos.compiler.check.annotations import live_of_type

    return live_of_type(kind)


def register_protocol_fields(program: Program, add: Any) -> None:
    """Objects that prebuilt data holds under a protocol implement it: make their methods part of the program."""
    seen: set[int] = set()

    def visit(live: Any) -> None:
        region = live._region
        if id(region) in seen or region.owner is None:
            return
        seen.add(id(region))
        kind = type_of_annotation(type(region.owner), {})
        _visit_value(kind, region.owner)

    def _visit_value(kind: Type, live: Any) -> None:
        if isinstance(kind, StructType):
            for name, inner in field_types(kind):
                if isinstance(inner, StructType | ProtocolType | PtrType | ArrayType):
                    _visit_value(inner, getattr(live, name))
        elif isinstance(kind, ArrayType) and isinstance(kind.element, StructType | ProtocolType | PtrType):
            for entry in live:
                _visit_value(kind.element, entry)
        elif isinstance(kind, ProtocolType) and getattr(live, "_region", None) is not None:
            add(kind, type_of_annotation(type(live), {}))
            visit(live)
        elif isinstance(kind, PtrType) and live.region is not None and live.region.owner is not None:
            visit(live.region.owner)

    for _, region in list(program.statics.values()):
        if region.owner is not None:
            visit(region.owner)
