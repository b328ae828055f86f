"""C declarations of types.

For a type named N: `N_v` is how its values travel, `N_s` how it lies in memory, `ZERO_N` its all-zero value,
`PRESENT_N(x)` whether an optional one is not None, `N_r` a value with an error number beside it. Counted types have
`retain_N`, `release_N`, `keep_N` (store a borrowed value) and `take_N` (store one already counted).
"""

from __future__ import annotations

from cloudos import lang
from cloudos.compiler.check.annotations import type_of_annotation
from cloudos.compiler.check.checker import class_bindings
from cloudos.compiler.check.expressions import struct_fields
from cloudos.compiler.program import Program
from cloudos.compiler.typesystem import (
    AddressType,
    ArrayType,
    AtomicType,
    BoolType,
    EnumType,
    FloatType,
    IntType,
    ManagedType,
    OptionalType,
    ProtocolType,
    PtrType,
    SliceType,
    StructType,
    TextType,
    TupleType,
    Type,
    UserPtrType,
    is_counted,
)


def scalar_name(kind: Type) -> str | None:
    """The C type of a value that needs no declaration of its own."""
    if isinstance(kind, IntType):
        return kind.c_name
    if isinstance(kind, BoolType):
        return "_Bool"
    if isinstance(kind, FloatType):
        return "f32" if kind.cls is lang.F32 else "f64"
    if isinstance(kind, AddressType | UserPtrType):
        return "u64"
    if isinstance(kind, EnumType):
        return kind.width.c_name
    if isinstance(kind, SliceType):
        return "slice_t"
    if isinstance(kind, TextType):
        return "text_t"
    return "proto_t" if isinstance(kind, ProtocolType) else None


def field_types(kind: StructType | ManagedType) -> list[tuple[str, Type]]:
    """The fields of a class with their types."""
    return [(entry.name, type_of_annotation(entry.type, class_bindings(kind), kind)) for entry in struct_fields(kind)]


class Declarations:
    """Collects the declarations of all types that a program uses, in an order that C accepts."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.names: list[str] = []
        self.bodies: list[str] = []
        self.helpers: list[str] = []
        self.declared: set[Type] = set()
        self.defined: set[Type] = set()

    def close(self) -> None:
        """Declare and define every type that has a name so far, and those that they lead to."""
        while set(self.program.type_names) - (self.declared & self.defined):
            for kind in list(self.program.type_names):
                self.declare(kind)
                self.define(kind)

    def all(self) -> str:
        """The text for every type that has a name so far, and for those that they lead to."""
        self.close()
        counted = [kind for kind in self.program.type_names if is_counted(kind)]
        prototypes = [self._counting_prototypes(kind) for kind in counted]
        for kind in counted:
            self._counting(kind)
        results = [self._result(kind) for kind in self.program.type_names]
        return "\n".join([*self.names, *self.bodies, *results, *prototypes, *self.helpers]) + "\n"

    def name(self, kind: Type) -> str:
        """The name of a type, declared."""
        self.declare(kind)
        return self.program.type_name(kind)

    def declare(self, kind: Type) -> None:
        """Make the names of a type known."""
        if kind in self.declared:
            return
        self.declared.add(kind)
        name = self.program.type_name(kind)
        scalar = scalar_name(kind)
        if scalar is not None:
            zero = f"(({scalar}){{0}})" if scalar in ("slice_t", "text_t", "proto_t") else f"(({scalar})0)"
            self.names.append(f"typedef {scalar} {name}_v, {name}_s;\n#define ZERO_{name} {zero}")
        elif isinstance(kind, PtrType):
            inner = self.name(kind.element)
            self.names.append(f"typedef {inner}_s *{name}_v, *{name}_s;\n#define ZERO_{name} (({name}_v)0)")
        elif isinstance(kind, AtomicType):
            inner = kind.element.c_name
            self.names.append(f"typedef {inner} {name}_s; typedef {name}_s *{name}_v;\n#define ZERO_{name} 0")
        elif isinstance(kind, StructType | ArrayType):
            self.names.append(
                f"typedef struct S_{name} {name}_s; typedef {name}_s *{name}_v;\n#define ZERO_{name} (({name}_v)0)"
            )
        elif isinstance(kind, ManagedType):
            self.names.append(
                f"typedef struct S_{name} *{name}_v; typedef {name}_v {name}_s;\n#define ZERO_{name} (({name}_v)0)"
            )
        elif isinstance(kind, OptionalType):
            self._declare_optional(kind, name)
        elif isinstance(kind, TupleType):
            self.names.append(f"typedef struct S_{name} {name}_s, {name}_v;\n#define ZERO_{name} (({name}_v){{0}})")

    def _declare_optional(self, kind: OptionalType, name: str) -> None:
        inner = self.name(kind.inner)
        if not kind.nullable:
            self.names.append(
                f"typedef struct S_{name} {name}_s, {name}_v;\n#define ZERO_{name} (({name}_v){{0}})\n"
                f"#define PRESENT_{name}(x) ((x).present)"
            )
            return
        present = "((x).object != 0)" if isinstance(kind.inner, ProtocolType) else "((x) != 0)"
        self.names.append(
            f"typedef {inner}_v {name}_v, {name}_s;\n#define ZERO_{name} ZERO_{inner}\n"
            f"#define PRESENT_{name}(x) {present}"
        )

    def define(self, kind: Type) -> None:
        """Make the contents of a type known, after those of what it embeds."""
        if kind in self.defined:
            return
        self.defined.add(kind)
        name = self.name(kind)
        if isinstance(kind, StructType | ManagedType):
            self._define_class(kind, name)
        elif isinstance(kind, ArrayType):
            self.embed(kind.element)
            self.bodies.append(f"struct S_{name} {{ {self.name(kind.element)}_s items[{max(kind.count, 1)}]; }};")
        elif isinstance(kind, TupleType):
            for item in kind.items:
                self.embed_value(item)
            fields = " ".join(f"{self.name(item)}_v i{number};" for number, item in enumerate(kind.items))
            self.bodies.append(f"struct S_{name} {{ {fields} }};")
        elif isinstance(kind, OptionalType) and not kind.nullable:
            self.embed_value(kind.inner)
            self.bodies.append(f"struct S_{name} {{ _Bool present; {self.name(kind.inner)}_v value; }};")

    def embed(self, kind: Type) -> None:
        """Define a type that lies inside another."""
        self.declare(kind)
        if isinstance(kind, StructType | ArrayType | TupleType | OptionalType):
            self.define(kind)

    def embed_value(self, kind: Type) -> None:
        """Define a type whose value lies inside another: places are only pointed at."""
        self.declare(kind)
        if isinstance(kind, TupleType | OptionalType):
            self.define(kind)

    def _define_class(self, kind: StructType | ManagedType, name: str) -> None:
        fields = field_types(kind)
        for _, inner in fields:
            self.embed(inner)
        lines = [f"    {self.name(inner)}_s f_{entry};" for entry, inner in fields]
        if isinstance(kind, ManagedType):
            head = "    struct header header;"
            self.bodies.append("\n".join([f"struct S_{name} {{", head, *lines, "};"]))
            return
        info = kind.cls.__struct__
        self.bodies.append("\n".join([f"struct S_{name} {{", *lines, f"}} __attribute__((aligned({info.align})));"]))
        checks = [f'_Static_assert(sizeof(struct S_{name}) == {info.size}, "size of {name}");'] if info.size else []
        for entry in info.fields:
            place = f"__builtin_offsetof(struct S_{name}, f_{entry.name})"
            checks.append(f'_Static_assert({place} == {entry.offset}, "offset of {name}.{entry.name}");')
        self.bodies.extend(checks)

    def _result(self, kind: Type) -> str:
        name = self.program.type_name(kind)
        return f"typedef struct {{ u32 error; {name}_v value; }} {name}_r;"

    # Reference counts

    def _counting_prototypes(self, kind: Type) -> str:
        name = self.name(kind)
        lines = [
            f"OPERATION void retain_{name}({name}_v value);",
            f"OPERATION void release_{name}({name}_v value);",
        ]
        if isinstance(kind, ManagedType):
            lines.append(f"void drop_{name}({name}_v value);")
        return "\n".join(lines)

    def _counting(self, kind: Type) -> None:
        name = self.name(kind)
        retain, release = self._counting_bodies(kind, name)
        self.helpers.append(
            f"OPERATION void retain_{name}({name}_v value) {{ {retain} }}\n"
            f"OPERATION void release_{name}({name}_v value) {{ {release} }}\n"
            f"OPERATION void take_{name}({name}_s *slot, {name}_v value) "
            f"{{ {name}_v old = *slot; *slot = value; release_{name}(old); }}\n"
            f"OPERATION void keep_{name}({name}_s *slot, {name}_v value) "
            f"{{ retain_{name}(value); take_{name}(slot, value); }}\n"
            f"OPERATION void forget_{name}(slice_t s) "
            f"{{ for (u64 n = 0; n < s.length; n++) take_{name}(&(({name}_s *)s.pointer)[n], ZERO_{name}); }}\n"
            f"OPERATION void copy_counted_{name}(slice_t to, slice_t from, u32 site) {{\n"
            f"    if (UNLIKELY(to.length != from.length)) PANIC(INDEX, site);\n"
            f"    {name}_s *t = to.pointer, *f = from.pointer;\n"
            f"    if (t <= f) for (u64 n = 0; n < to.length; n++) keep_{name}(&t[n], f[n]);\n"
            f"    else for (u64 n = to.length; n-- > 0;) keep_{name}(&t[n], f[n]);\n}}"
        )
        if isinstance(kind, ManagedType):
            self.helpers.append(
                f"OPERATION {name}_v new_{name}(u32 site) {{\n"
                f"    {name}_v made = heap_allocate(sizeof *made);\n"
                f"    if (UNLIKELY(!made)) PANIC(OUT_OF_MEMORY, site);\n"
                f"    made->header.count = 1;\n    return made;\n}}"
            )

    def _counting_bodies(self, kind: Type, name: str) -> tuple[str, str]:
        if isinstance(kind, ManagedType):
            return (
                "if (value) value->header.count++;",
                f"if (value && --value->header.count == 0) drop_{name}(value);",
            )
        if isinstance(kind, ProtocolType):
            if self.program.target.kind == "kernel":
                # No object of a kernel is counted.
                return "", ""
            return (
                "if (value.object && value.table->retain) value.table->retain(value.object);",
                "if (value.object && value.table->release) value.table->release(value.object);",
            )
        if isinstance(kind, OptionalType):
            inner = self.name(kind.inner)
            if kind.nullable:
                return f"retain_{inner}(value);", f"release_{inner}(value);"
            counts = (f"{word}_{inner}(value.value);" for word in ("retain", "release"))
            retain, release = (f"if (value.present) {count}" for count in counts)
            return retain, release
        assert isinstance(kind, TupleType)
        parts = [(number, self.name(item)) for number, item in enumerate(kind.items) if is_counted(item)]
        return (
            " ".join(f"retain_{inner}(value.i{number});" for number, inner in parts),
            " ".join(f"release_{inner}(value.i{number});" for number, inner in parts),
        )
