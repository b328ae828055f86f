"""Fourth pass: from instructions to C, translation units of some Python modules each, and one for static data.

Every unit starts with the prelude (checked arithmetic) and the program's declarations; every statement carries the
line of the .py file that it came from. The text is a build product: never edited, never committed.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from cloudos import lang
from cloudos.compiler.build import Unit
from cloudos.compiler.check.checker import make_instance, protocol_methods
from cloudos.compiler.emit import errors
from cloudos.compiler.emit.data import StaticData
from cloudos.compiler.emit.declarations import Declarations, field_types
from cloudos.compiler.emit.functions import (
    HOOKS,
    c_return,
    c_text,
    function_text,
    machine_text,
    parameter_list,
    prototype,
    table_data,
    table_type,
    text_thunk,
)
from cloudos.compiler.instructions import FunctionCode
from cloudos.compiler.prelude import PRELUDE
from cloudos.compiler.program import FunctionInstance, Program
from cloudos.compiler.typesystem import ManagedType, ProtocolType, is_counted

RUNTIME = """
#pragma GCC visibility push(hidden)
struct table { void (*retain)(void *); void (*release)(void *); };
typedef struct { void *object; const struct table *table; } proto_t;
typedef struct { u32 (*write)(const void *environment, proto_t sink); const void *environment; } text_t;
struct header { u32 count; u32 unused; };
#define STATIC(symbol, offset) ((void *)((u8 *)&symbol + (offset)))
#define TEXT_LITERAL(string, size) \\
    ({ static const slice_t literal = {(void *)string, size}; (text_t){write_literal, &literal}; })
#define RAISED(site) (LAST_RAISED = (site))
extern u32 LAST_RAISED;
u32 write_error_name(const void *code, proto_t sink);
u32 write_error_place(const void *site, proto_t sink);
u32 write_literal(const void *environment, proto_t sink);
/* The heap that the program brings: under these names it has the types that its own source gives it. */
void *heap_allocate(u64 size) __asm__("cloudos_allocate");
void heap_release(void *pointer, u64 size) __asm__("cloudos_release");
__attribute__((cold, noreturn)) void cloudos_panic_text(u32 site, text_t message);
OPERATION u64 hash_u64(u64 value) {
    value = (value ^ value >> 32) * 0x9e3779b97f4a7c15ul;
    return value ^ value >> 29;
}
OPERATION slice_t new_slice(u64 count, u64 size, u32 site) {
    u64 bytes;
    if (UNLIKELY(__builtin_mul_overflow(count, size, &bytes))) PANIC(OUT_OF_MEMORY, site);
    if (!bytes) return (slice_t){0, count};
    void *made = heap_allocate(bytes);
    if (UNLIKELY(!made)) PANIC(OUT_OF_MEMORY, site);
    return (slice_t){made, count};
}
OPERATION void free_slice(slice_t s, u64 size) { if (s.pointer && s.length) heap_release(s.pointer, s.length * size); }
"""

LEAST_UNIT = 400_000
"""Characters of functions in a unit, if there are so many: with few, clang is busy with what every unit starts with.
Not in kernels, whose size is told by module."""


class Emitter:
    """Writes the units of one program."""

    def __init__(self, program: Program, codes: list[FunctionCode], extra: str) -> None:
        self.program = program
        self.extra = extra
        self.codes = codes
        self.declarations = Declarations(program)
        self.data = StaticData(program, self.declarations)

    def units(self) -> list[Unit]:
        """All translation units."""
        functions = [entry for entry in self.program.instances.values() if entry.kind != "protocol"]
        self._name_types(functions)
        bodies: dict[str, list[str]] = defaultdict(list)
        for code in self.codes:
            bodies[code.instance.module].append(function_text(self.program, code))
        self.data.write_all()
        tables = self._tables()
        self.declarations.close()
        data = self._data_unit(tables)
        head = self._head(functions)
        units = [Unit(name, "\n".join([head, *texts, ""])) for name, texts in self._grouped(bodies)]
        return [*units, Unit("static_data", head + data)]

    def _grouped(self, bodies: dict[str, list[str]]) -> Iterator[tuple[str, list[str]]]:
        """The texts of each unit, and its name: that of its first module."""
        least = 0 if self.program.target.kind == "kernel" else LEAST_UNIT
        name, texts, length = "", [], 0
        for module, more in sorted(bodies.items()):
            name = name or module
            texts += more
            length += sum(len(text) for text in more)
            if length >= least:
                yield name, texts
                name, texts, length = "", [], 0
        if texts:
            yield name, texts

    def _name_types(self, functions: list[FunctionInstance]) -> None:
        """Give every type in a signature its name, so that it is declared."""
        for instance in functions:
            c_return(self.program, instance)
            parameter_list(self.program, instance)

    def _tables(self) -> list[str]:
        texts = []
        for protocol, kind in list(self.program.tables):
            assert isinstance(protocol, ProtocolType)
            texts.append(table_data(self.program, protocol, kind, self._called_methods(protocol)))
        return texts

    def _called_methods(self, protocol: ProtocolType) -> list[str]:
        """The methods that a table needs: those that somebody calls."""
        known = self.program.instances
        return [name for name in protocol_methods(protocol.cls) if ("protocol", protocol, name) in known]

    def _head(self, functions: list[FunctionInstance]) -> str:
        """What every unit starts with."""
        used = [protocol for protocol, _ in [*self.program.virtual_calls, *self.program.tables]]
        protocols = {entry for entry in used if isinstance(entry, ProtocolType)}
        structs = [text_thunk(self.program, entry)[0] for entry in functions if entry.kind == "synthetic"]
        thunks = [f"u32 {e.symbol}__thunk(const void *data, proto_t sink);" for e in functions if e.kind == "synthetic"]
        tables = [
            table_type(self.program, protocol, self._called_methods(protocol))
            for protocol in sorted(protocols, key=self.program.type_name)
        ]
        prototypes = [
            prototype(self.program, entry) + ";"
            for entry in functions
            if entry.kind in ("python", "synthetic", "external") and entry.symbol not in HOOKS
        ]
        machines = [machine_text(self.program, entry) for entry in functions if entry.kind == "machine"]
        symbols = [f"extern u8 {name}[];" for name in self.program.linker_symbols]
        names = [
            f"extern const struct table_{self.program.type_name(p)} {symbol};"
            for (p, _), symbol in self.program.tables.items()
        ]
        parts = [self.declarations.all(), *structs, *thunks, *tables, *names, *prototypes, *machines, *symbols]
        return "\n".join([PRELUDE, RUNTIME, *parts, *self.data.externs, ""])

    def _data_unit(self, tables: list[str]) -> str:
        parts = [*self.data.definitions, *tables]
        for code in self.codes:
            if code.instance.kind == "synthetic":
                parts.append(text_thunk(self.program, code.instance)[1])
        parts.extend(self._drop(kind) for kind in self.program.type_names if isinstance(kind, ManagedType))
        parts.append(self._literal_writer())
        if self.program.target.kind != "kernel":
            parts.append(errors.writers(self.program, self._write_call()))
        if self.program.target.kind == "host":
            parts.append("void cloudos_panic_text(u32 site, text_t message) { cloudos_panic(site); }")
        for assembly in self.program.assemblies.values():
            parts.append(self._assembly(assembly))
        parts.append(self.extra)
        parts.append(self._files())
        return "\n".join(parts) + "\n"

    def _literal_writer(self) -> str:
        sink = ProtocolType(lang.Sink)
        head = "u32 write_literal(const void *environment, proto_t sink)"
        if (sink, "write") not in self.program.virtual_calls:
            return f"{head} {{ return 0; }}"
        return f"{head} {{ {self._write_call().replace('DATA', '*(const slice_t *)environment')} }}"

    def _write_call(self) -> str:
        """C statements that write the slice DATA to `sink` and return the error number."""
        sink = ProtocolType(lang.Sink)
        if (sink, "write") not in self.program.virtual_calls:
            return "return 0;"
        call = f"((const struct table_{self.program.type_name(sink)} *)sink.table)->m_write(sink.object, DATA)"
        raising = self.program.virtual_signature(sink, "write").abi_raises
        return f"return {call};" if raising else f"{call}; return 0;"

    def _drop(self, kind: ManagedType) -> str:
        name = self.program.type_name(kind)
        lines = [f"void drop_{name}({name}_v value) {{"]
        drop = self.program.drops.get(kind)
        if drop is not None:
            # The method may take and release references to the object: the count keeps it from being dropped twice.
            lines.append(f"    value->header.count = 1; {drop.symbol}(value);")
        for entry, inner in field_types(kind):
            if is_counted(inner):
                lines.append(f"    release_{self.program.type_name(inner)}(value->f_{entry});")
        lines.append("    heap_release(value, sizeof *value);\n}")
        return "\n".join(lines)

    def _assembly(self, assembly: Any) -> str:
        text = getattr(assembly, self.program.target.arch)
        if text is None:
            raise NotImplementedError(f"assembly '{assembly.name}' has no text for {self.program.target.arch}")
        names = {name: self._assembly_symbol(value) for name, value in assembly.symbols.items()}
        return f"__asm__({c_text(text.format(**names))});"

    def _assembly_symbol(self, value: Any) -> str:
        if isinstance(value, lang.LinkerSymbol):
            return value.name
        if inspect.isfunction(value):
            return make_instance(self.program, value, None, {}).symbol
        return self.program.static_symbol(value._region)

    def _files(self) -> str:
        """The names of the source files, for those who read panic sites; not loaded into memory."""
        rows = "".join(f'.asciz \\"{name}\\"\\n' for name in self.program.files)
        return f'__asm__(".pushsection cloudos_files,\\"\\",@progbits\\n{rows}.popsection\\n");'


def emit_program(program: Program, codes: list[FunctionCode], extra: str = "") -> list[Unit]:
    """The C translation units of a program; `extra` is C text for the last one."""
    return Emitter(program, codes, extra).units()
