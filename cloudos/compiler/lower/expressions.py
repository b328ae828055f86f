"""Lowering expressions: each gives the name of a variable or a constant that holds its value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloudos.compiler import tree
from cloudos.compiler.instructions import Do
from cloudos.compiler.lower.builder import ERROR, Builder, result_type
from cloudos.compiler.lower.intrinsics import lower_intrinsic
from cloudos.compiler.typesystem import (
    BOOL,
    NONE,
    ArrayType,
    EnumType,
    FloatType,
    IntType,
    ManagedType,
    OptionalType,
    SliceType,
    Type,
    is_counted,
)

ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "//": "floordiv", "%": "mod", "<<": "shl", ">>": "shr"}


def value(builder: Builder, node: tree.Expr) -> str:
    """Lower an expression; the operand that stands for its value."""
    return HANDLERS[type(node)](builder, node)


def c_integer(number: int, kind: IntType) -> str:
    """An integer constant in C."""
    if kind.signed and number == kind.cls.MIN:
        return f"(({kind.c_name})(-{kind.cls.MAX}l - 1))"
    return f"(({kind.c_name}){number}{'l' if kind.signed else 'ul'})"


def constant(builder: Builder, node: tree.Const) -> str:
    """A constant as a C operand."""
    kind = node.type
    if node.value is None:
        return "0" if kind == NONE else f"ZERO_{builder.type_name(kind)}"
    if isinstance(kind, IntType):
        return c_integer(int(node.value), kind)
    if isinstance(kind, EnumType):
        return c_integer(int(node.value), kind.width)
    if isinstance(kind, FloatType):
        return _c_float(float(node.value), "f32" if kind.cls.__name__ == "F32" else "f64")
    if kind == BOOL:
        return "1" if node.value else "0"
    return f"((u64){int(node.value)}ul)"


def _c_float(number: float, c_type: str) -> str:
    if number != number:
        return f'(({c_type})__builtin_nan(""))'
    if number in (float("inf"), float("-inf")):
        return f"(({c_type}){'-' if number < 0 else ''}__builtin_inf())"
    return f"(({c_type}){number.hex()})"


def local_name(builder: Builder, name: str) -> str:
    """The C variable of a local name."""
    return f"v_{name}"


def _local(builder: Builder, node: tree.Local) -> str:
    return local_name(builder, node.name)


def _static(builder: Builder, node: tree.Static) -> str:
    form = f"({builder.type_name(node.type)}_v)STATIC({{0}}, {node.offset})"
    return builder.compute(node.type, node.line, form, builder.program.static_symbol(node.region))


def _located(builder: Builder, node: tree.Located) -> str:
    name = builder.type_name(node.type)
    return builder.compute(node.type, node.line, f"({name}_v){node.target.symbol}()")


def in_segment(builder: Builder, node: tree.Expr) -> str | None:
    """The C expression of a located struct, or of a part of one, that a segment register leads to."""
    if isinstance(node, tree.LoadField) and node.type.is_place:
        base = in_segment(builder, node.base)
        return base and f"{base}.{field_name(node.name)}"
    if isinstance(node, tree.Located):
        template = getattr(node.target.live, "__machine__", {}).get(builder.program.target.arch)
        if template is not None and template.segment is not None:
            return f"(*({builder.type_name(node.type)}_s __seg_{template.segment} *)0)"
    return None


def _static_slice(builder: Builder, node: tree.StaticSlice) -> str:
    base = value(builder, node.base)
    return builder.compute(node.type, node.line, "(slice_t){{(void *){0}, {1}}}", base, f"{node.length}ul")


def _bytes(builder: Builder, node: tree.BytesData) -> str:
    text = c_string(node.value)
    return builder.compute(node.type, node.line, f"(slice_t){{{{(void *){text}, {len(node.value)}ul}}}}")


def c_string(data: bytes) -> str:
    """Bytes as a C string literal, safe inside a form (no braces)."""
    parts = []
    for byte in data:
        plain = 32 <= byte < 127 and chr(byte) not in '"\\?{}%@'
        parts.append(chr(byte) if plain else f"\\{byte:03o}")
    return '"' + "".join(parts) + '"'


def _text(builder: Builder, node: tree.TextLiteral) -> str:
    data = node.value.encode()
    return builder.compute(node.type, node.line, f"TEXT_LITERAL({c_string(data)}, {len(data)}ul)")


def _format(builder: Builder, node: tree.TextFormat) -> str:
    atoms = [value(builder, capture) for capture in node.captures]
    name = builder.fresh("e")
    builder.code.raw[name] = f"struct env_{node.writer.symbol}"
    for position, atom in enumerate(atoms):
        builder.do(node.line, f"{name}.c{position} = {{0}}", atom)
    return builder.compute(node.type, node.line, f"(text_t){{{{{node.writer.symbol}__thunk, &{name}}}}}")


def _unary(builder: Builder, node: tree.Unary) -> str:
    operand = value(builder, node.operand)
    if node.op == "not":
        return builder.compute(BOOL, node.line, "!{0}", operand)
    kind = node.type
    if node.op == "-" and isinstance(kind, IntType):
        return builder.compute(kind, node.line, f"neg_{kind.c_name}({{0}}, @)", operand)
    if node.op == "-":
        return builder.compute(kind, node.line, "-{0}", operand)
    if isinstance(kind, EnumType):
        mask = c_integer(enum_mask(kind), kind.width)
        return builder.compute(kind, node.line, f"({kind.width.c_name})(~{{0}} & {mask})", operand)
    assert isinstance(kind, IntType)
    return builder.compute(kind, node.line, f"({kind.c_name})~{{0}}", operand)


def enum_mask(kind: EnumType) -> int:
    """All bits that members of a flag enum have."""
    mask = 0
    for entry in kind.cls.__members__.values():
        mask |= int(entry)
    return mask


def _binary(builder: Builder, node: tree.Binary) -> str:
    left, right = value(builder, node.left), value(builder, node.right)
    kind = node.type
    if isinstance(kind, IntType) and node.op in ARITHMETIC:
        return builder.compute(kind, node.line, f"{ARITHMETIC[node.op]}_{kind.c_name}({{0}}, {{1}}, @)", left, right)
    if isinstance(kind, IntType):
        return builder.compute(kind, node.line, f"({kind.c_name})({{0}} {node.op} {{1}})", left, right)
    return builder.compute(kind, node.line, f"{{0}} {node.op} {{1}}", left, right)


def _compare(builder: Builder, node: tree.Compare) -> str:
    left, right = value(builder, node.left), value(builder, node.right)
    if node.left.type.is_place or isinstance(node.left.type, ManagedType | OptionalType):
        return builder.compute(BOOL, node.line, f"(void *){{0}} {node.op} (void *){{1}}", left, right)
    return builder.compute(BOOL, node.line, f"{{0}} {node.op} {{1}}", left, right)


def _logic(builder: Builder, node: tree.Logic) -> str:
    result = builder.variable(BOOL)
    end = builder.fresh("decided")
    left = value(builder, node.left)
    builder.set(node.line, result, BOOL, left)
    if node.op == "and":
        left = builder.compute(BOOL, node.line, "!{0}", result)
    builder.branch(node.line, left if node.op == "and" else result, end)
    builder.set(node.line, result, BOOL, value(builder, node.right))
    builder.label(end)
    return result


def _choose(builder: Builder, node: tree.Choose) -> str:
    result = builder.variable(node.type)
    yes, end = builder.fresh("yes"), builder.fresh("chosen")
    builder.branch(node.line, value(builder, node.condition), yes)
    builder.set(node.line, result, node.type, value(builder, node.no))
    builder.jump(node.line, end)
    builder.label(yes)
    builder.set(node.line, result, node.type, value(builder, node.yes))
    builder.label(end)
    return result


def _is_none(builder: Builder, node: tree.IsNone) -> str:
    operand = value(builder, node.operand)
    kind = node.operand.type
    assert isinstance(kind, OptionalType)
    present = f"PRESENT_{builder.type_name(kind)}({{0}})"
    return builder.compute(BOOL, node.line, present if node.negated else f"!{present}", operand)


def _bind(builder: Builder, node: tree.Bind) -> str:
    name = local_name(builder, node.name)
    builder.set(node.line, name, node.type, value(builder, node.value))
    return name


def place_operand(builder: Builder, node: tree.Expr) -> str:
    """The object that a field or element is taken from: managed ones need no count for so short a use."""
    if isinstance(node, tree.LoadField) and isinstance(node.type, ManagedType):
        base = place_operand(builder, node.base)
        return builder.compute(node.type, node.line, f"{{0}}->{field_name(node.name)}", base)
    return value(builder, node)


def field_name(name: str) -> str:
    """The C name of a field."""
    return f"f_{name}"


def _load_field(builder: Builder, node: tree.LoadField) -> str:
    segment = None if node.type.is_place else in_segment(builder, node.base)
    if segment is not None:
        return builder.borrowed(node.type, node.line, f"{segment}.{field_name(node.name)}")
    base = place_operand(builder, node.base)
    if node.type.is_place:
        return builder.compute(node.type, node.line, f"&{{0}}->{field_name(node.name)}", base)
    return builder.borrowed(node.type, node.line, f"{{0}}->{field_name(node.name)}", base)


def element_form(builder: Builder, kind: Type) -> str:
    """The C expression of an element: base {0}, index {1}."""
    if isinstance(kind, ArrayType):
        return f"{{0}}->items[index_check({{1}}, {kind.count}ul, @)]"
    assert isinstance(kind, SliceType)
    return f"(({builder.type_name(kind.element)}_s *){{0}}.pointer)[index_check({{1}}, {{0}}.length, @)]"


def _load_index(builder: Builder, node: tree.LoadIndex) -> str:
    base, index = value(builder, node.base), value(builder, node.index)
    form = element_form(builder, node.base.type)
    if node.type.is_place:
        return builder.compute(node.type, node.line, f"&{form}", base, index)
    if isinstance(node.type, ManagedType):
        # Slots of new_slice start empty.
        form = f"({builder.type_name(node.type)}_v)nonnull({form}, @)"
    return builder.borrowed(node.type, node.line, form, base, index)


def _deref(builder: Builder, node: tree.Deref) -> str:
    pointer = value(builder, node.pointer)
    name = builder.type_name(node.type)
    if node.type.is_place:
        return builder.compute(node.type, node.line, f"({name}_v)nonnull_object({{0}}, sizeof({name}_s), @)", pointer)
    return builder.borrowed(node.type, node.line, f"*({name}_s *)nonnull_object({{0}}, sizeof({name}_s), @)", pointer)


def call_with_errors(builder: Builder, instance: Any, line: int, form: str, *operands: str) -> str:
    """Run a call whose result may come with an error; the value, owned."""
    kind = result_type(instance)
    if instance.abi_raises:
        if kind is None:
            builder.add(Do(line, ERROR, form, operands))
            builder.check_error(line)
            return "0"
        name = builder.fresh("r")
        builder.code.raw[name] = f"{builder.type_name(kind)}_r"
        builder.add(Do(line, f"{name}", form, operands))
        builder.add(Do(line, ERROR, f"{name}.error"))
        builder.check_error(line)
        return builder.owned(kind, line, f"{name}.value")
    if kind is None:
        builder.do(line, form, *operands)
        return "0"
    return builder.owned(kind, line, form, *operands)


def _call(builder: Builder, node: tree.Call) -> str:
    instance = node.target
    atoms = [value(builder, argument) for argument in node.arguments]
    if not instance.fresh_result:
        return call_with_errors(builder, instance, node.line, call_form(instance.symbol, len(atoms)), *atoms)
    # Into storage of its own first: an argument may be the object that the result replaces.
    made, kept = builder.place(node.type), builder.place(node.type)
    call_with_errors(builder, instance, node.line, call_form(instance.symbol, len(atoms) + 1), f"&{made}", *atoms)
    builder.do(node.line, f"{kept} = {made}")
    return f"(&{kept})"


def call_form(symbol: str, count: int) -> str:
    """`symbol({0}, {1})`."""
    return f"{symbol}({', '.join(f'{{{position}}}' for position in range(count))})"


def _call_virtual(builder: Builder, node: tree.CallVirtual) -> str:
    receiver = value(builder, node.receiver)
    atoms = [value(builder, argument) for argument in node.arguments]
    table = f"((const struct table_{builder.type_name(node.protocol)} *){{0}}.table)->m_{node.method}"
    rest = "".join(f", {{{position + 1}}}" for position in range(len(atoms)))
    signature = builder.program.virtual_signature(node.protocol, node.method)
    return call_with_errors(builder, signature, node.line, f"{table}({{0}}.object{rest})", receiver, *atoms)


def _construct(builder: Builder, node: tree.Construct) -> str:
    atoms = [(name, initial, value(builder, initial)) for name, initial in node.initial]
    if isinstance(node.type, ManagedType):
        return _construct_managed(builder, node, atoms)
    made = builder.place(node.type)
    target = made
    if any(initial.type.is_place for _, initial, _ in atoms):
        target = builder.place(node.type)
    if any(isinstance(initial, tree.Const) and initial.value is None for _, initial, _ in atoms):
        builder.do(node.line, f"memset(&{target}, 0, sizeof {target})")
    for name, initial, atom in atoms:
        if isinstance(initial, tree.Const) and initial.value is None:
            continue
        form = "*{0}" if initial.type.is_place else "{0}"
        builder.do(node.line, f"{target}.{field_name(name)} = {form}", atom)
    if target != made:
        builder.do(node.line, f"{made} = {target}")
    return f"(&{made})"


def _construct_managed(builder: Builder, node: tree.Construct, atoms: list[tuple[str, tree.Expr, str]]) -> str:
    arguments = [value(builder, argument) for argument in node.init_arguments]
    name = builder.type_name(node.type)
    made = builder.owned(node.type, node.line, f"new_{name}(@)")
    for entry, initial, atom in atoms:
        if isinstance(initial, tree.Const) and initial.value is None:
            continue
        store(builder, node.line, f"{made}->{field_name(entry)}", initial.type, atom)
    if node.init is not None:
        form = call_form(node.init.symbol, len(arguments) + 1)
        call_with_errors(builder, node.init, node.line, form, made, *arguments)
    return made


def store(builder: Builder, line: int, target: str, kind: Type, atom: str) -> None:
    """Store a value into memory: counted references change their counts, places are copied."""
    target = target.replace("{", "{{").replace("}", "}}")
    if is_counted(kind):
        builder.do(line, f"keep_{builder.type_name(kind)}(&{target}, {{0}})", atom)
    else:
        builder.do(line, f"{target} = {'*' if kind.is_place else ''}{{0}}", atom)


def _tuple(builder: Builder, node: tree.MakeTuple) -> str:
    atoms = [value(builder, item) for item in node.items]
    fields = ", ".join(f"{{{position}}}" for position in range(len(atoms)))
    return builder.borrowed(node.type, node.line, f"({builder.type_name(node.type)}_v){{{{{fields}}}}}", *atoms)


def _tuple_item(builder: Builder, node: tree.TupleItem) -> str:
    return builder.borrowed(node.type, node.line, f"{{0}}.i{node.index}", value(builder, node.base))


def _wrap(builder: Builder, node: tree.Wrap) -> str:
    operand = value(builder, node.operand)
    assert isinstance(node.type, OptionalType)
    if node.type.nullable:
        return operand
    return builder.compute(node.type, node.line, f"({builder.type_name(node.type)}_v){{{{1, {{0}}}}}}", operand)


def _unwrap(builder: Builder, node: tree.Unwrap) -> str:
    operand = value(builder, node.operand)
    kind = node.operand.type
    assert isinstance(kind, OptionalType)
    return operand if kind.nullable else builder.compute(node.type, node.line, "{0}.value", operand)


def _convert(builder: Builder, node: tree.Convert) -> str:
    operand = value(builder, node.operand)
    source, target = node.operand.type, node.type
    assert isinstance(source, IntType) and isinstance(target, IntType)
    return builder.compute(target, node.line, f"conv_{source.c_name}_{target.c_name}({{0}}, @)", operand)


def _reinterpret(builder: Builder, node: tree.Reinterpret) -> str:
    operand = value(builder, node.operand)
    return builder.compute(node.type, node.line, f"({builder.type_name(node.type)}_v){{0}}", operand)


def _to_protocol(builder: Builder, node: tree.ToProtocol) -> str:
    operand = value(builder, node.operand)
    table = builder.program.table_symbol(node.type, node.operand.type)
    form = f"(proto_t){{{{(void *){{0}}, (const struct table *)&{table}}}}}"
    return builder.borrowed(node.type, node.line, form, operand)


HANDLERS: dict[type, Callable[[Builder, Any], str]] = {
    tree.Const: constant,
    tree.Local: _local,
    tree.Static: _static,
    tree.Located: _located,
    tree.StaticSlice: _static_slice,
    tree.BytesData: _bytes,
    tree.TextLiteral: _text,
    tree.TextFormat: _format,
    tree.Unary: _unary,
    tree.Binary: _binary,
    tree.Compare: _compare,
    tree.Logic: _logic,
    tree.Choose: _choose,
    tree.IsNone: _is_none,
    tree.Bind: _bind,
    tree.LoadField: _load_field,
    tree.LoadIndex: _load_index,
    tree.Deref: _deref,
    tree.Call: _call,
    tree.CallVirtual: _call_virtual,
    tree.Intrinsic: lower_intrinsic,
    tree.Construct: _construct,
    tree.MakeTuple: _tuple,
    tree.TupleItem: _tuple_item,
    tree.Wrap: _wrap,
    tree.Unwrap: _unwrap,
    tree.Convert: _convert,
    tree.Reinterpret: _reinterpret,
    tree.ToProtocol: _to_protocol,
}
