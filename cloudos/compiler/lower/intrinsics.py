"""Lowering the primitives of the language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloudos import lang
from cloudos.compiler import tree
from cloudos.compiler.lower.builder import ERROR, Builder
from cloudos.compiler.typesystem import (
    ArrayType,
    AtomicType,
    EnumType,
    FloatType,
    IntType,
    LiveType,
    PtrType,
    SliceType,
    Type,
    is_counted,
)
from cloudos.lang import PanicKind

ORDERS = {
    int(lang.Order.RELAXED): "__ATOMIC_RELAXED",
    int(lang.Order.ACQUIRE): "__ATOMIC_ACQUIRE",
    int(lang.Order.RELEASE): "__ATOMIC_RELEASE",
    int(lang.Order.ACQ_REL): "__ATOMIC_ACQ_REL",
    int(lang.Order.SEQ_CST): "__ATOMIC_SEQ_CST",
}
UNCHECKED = {
    "wrapping_add", "wrapping_sub", "wrapping_mul", "wrapping_neg",
    "saturating_add", "saturating_sub", "saturating_mul", "min", "max",
}  # fmt: skip
RENAMED = {
    "rotate_left": "rotl", "rotate_right": "rotr", "leading_zeros": "clz", "trailing_zeros": "ctz",
    "count_ones": "popcount", "swap_bytes": "bswap",
}  # fmt: skip


def lower_intrinsic(builder: Builder, node: tree.Intrinsic) -> str:
    """Lower one primitive; the operand that stands for its value."""
    from cloudos.compiler.lower.expressions import value

    special = SPECIAL.get(node.name)
    if special is not None:
        return special(builder, node)
    atoms = [value(builder, argument) for argument in node.arguments]
    form = _simple_form(builder, node, node.arguments[0].type if node.arguments else node.type)
    return builder.compute(node.type, node.line, form, *atoms)


def number_name(kind: Type) -> str:
    """The suffix of the prelude's functions for a number type."""
    if isinstance(kind, FloatType):
        return "f32" if kind.cls is lang.F32 else "f64"
    assert isinstance(kind, IntType)
    return kind.c_name


def _simple_form(builder: Builder, node: tree.Intrinsic, kind: Type) -> str:
    name, count = node.name, len(node.arguments)
    operands = ", ".join(f"{{{position}}}" for position in range(count))
    if name in UNCHECKED:
        return f"{name}_{number_name(kind)}({operands})"
    if name in RENAMED:
        return f"{RENAMED[name]}_{number_name(kind)}({operands})"
    if name in ("wrapping_shl", "bit"):
        return f"{name}_{number_name(kind)}({operands}, @)"
    if name in ("sqrt", "floor", "is_nan", "bits"):
        return f"{name}_{number_name(kind)}({operands})"
    if name == "from_bits":
        return f"from_bits_{number_name(node.type)}({operands})"
    if name == "truncate_to":
        return f"truncate_{number_name(kind)}_{number_name(node.type)}({operands}, @)"
    return _memory_form(builder, node, kind)


def _memory_form(builder: Builder, node: tree.Intrinsic, kind: Type) -> str:
    name = node.name
    if name == "slice_length":
        return "{0}.length"
    if name == "slice_pointer":
        return f"({builder.type_name(node.type)}_v){{0}}.pointer"
    if name == "slice_of":
        return "(slice_t){{(void *){0}, {1}}}"
    if name == "array_slice":
        assert isinstance(kind, ArrayType)
        return f"(slice_t){{{{{{0}}->items, {kind.count}ul}}}}"
    if name == "slice_cut":
        return f"slice_cut({{0}}, {{1}}, {{2}}, sizeof({_element(builder, kind)}), @)"
    if name == "slice_equal":
        return f"slice_equal({{0}}, {{1}}, sizeof({_element(builder, kind)}))"
    if name == "pointer_offset":
        assert isinstance(kind, PtrType)
        return f"({builder.type_name(kind)}_v)((u8 *){{0}} + {{1}} * sizeof({builder.type_name(kind.element)}_s))"
    if name in ("align_down", "align_up", "is_aligned"):
        return {
            "align_down": "sub_u64({0}, mod_u64({0}, {1}, @), @)",
            "align_up": "add_u64({0}, mod_u64(wrapping_neg_u64(mod_u64({0}, {1}, @)) + {1}, {1}, @), @)",
            "is_aligned": "mod_u64({0}, {1}, @) == 0",
        }[name]
    if name == "hash":
        return "hash_u64((u64)(i64){0})" if isinstance(kind, IntType) and kind.signed else "hash_u64((u64){0})"
    if name == "magnitude":
        assert isinstance(kind, IntType)
        return "({0} < 0 ? 0ul - (u64)(i64){0} : (u64){0})" if kind.signed else "(u64){0}"
    raise AssertionError(f"no lowering for the primitive {name}")


def _element(builder: Builder, kind: Type) -> str:
    assert isinstance(kind, SliceType)
    return f"{builder.type_name(kind.element)}_s"


def _after(builder: Builder, node: tree.Intrinsic) -> str:
    from cloudos.compiler.lower.expressions import value

    result = "0"
    for argument in node.arguments:
        result = value(builder, argument)
    return result


def _panic(builder: Builder, node: tree.Intrinsic) -> str:
    from cloudos.compiler.lower.expressions import value

    message = node.arguments[0]
    literal = message.value if isinstance(message, tree.TextLiteral) else None
    panic(builder, node.line, int(PanicKind.EXPLICIT), value(builder, message), literal)
    return "0"


def panic(builder: Builder, line: int, kind: int, message: str | None, literal: str | None = None) -> None:
    """End with a panic; `literal` is the message where it is known: a trap's stands in a section for the tools."""
    if message is None:
        builder.do(line, f"PANIC_AT({kind}u << 28 | @)")
    elif literal is None:
        builder.do(line, f"cloudos_panic_text({kind}u << 28 | @, {{0}})", message)
    else:
        listed = "".join(f"{byte}," for byte in literal.encode())
        builder.do(line, f'PANIC_TEXT({kind}u << 28 | @, {{0}}, "{listed}")', message)


def _panic_kind(builder: Builder, node: tree.Intrinsic) -> str:
    kind = node.arguments[0]
    assert isinstance(kind, tree.Const) and isinstance(kind.value, int)
    panic(builder, node.line, kind.value, None)
    return "0"


def _zeroed_place(builder: Builder, node: tree.Intrinsic) -> str:
    made = builder.place(node.type)
    builder.do(node.line, f"memset(&{made}, 0, sizeof {made})")
    return f"(&{made})"


def _copy(builder: Builder, node: tree.Intrinsic) -> str:
    from cloudos.compiler.lower.expressions import value

    source = value(builder, node.arguments[0])
    made = builder.place(node.type)
    builder.do(node.line, f"{made} = *{{0}}", source)
    return f"(&{made})"


def _new_slice(builder: Builder, node: tree.Intrinsic) -> str:
    from cloudos.compiler.lower.expressions import value

    count = value(builder, node.arguments[0])
    return builder.compute(node.type, node.line, f"new_slice({{0}}, sizeof({_element(builder, node.type)}), @)", count)


def _slice_effect(form: str) -> Callable[[Builder, tree.Intrinsic], str]:
    def handle(builder: Builder, node: tree.Intrinsic) -> str:
        from cloudos.compiler.lower.expressions import value

        atoms = [value(builder, argument) for argument in node.arguments]
        kind = node.arguments[0].type
        assert isinstance(kind, SliceType)
        element = builder.type_name(kind.element)
        if node.name == "forget" and not is_counted(kind.element):
            return "0"
        if node.name == "slice_copy" and is_counted(kind.element):
            builder.do(node.line, f"copy_counted_{element}({{0}}, {{1}}, @)", *atoms)
            return "0"
        if node.name == "slice_fill":
            builder.do(node.line, _fill_form(kind.element, element), *atoms)
            return "0"
        builder.do(node.line, form.replace("ELEMENT", element), *atoms)
        return "0"

    return handle


def _fill_form(kind: Type, element: str) -> str:
    loop = "for (u64 n = 0; n < {0}.length; n++)"
    item = f"(({element}_s *){{0}}.pointer)[n]"
    if isinstance(kind, IntType) and kind.bits == 8:
        return "memset({0}.pointer, {1}, {0}.length)"
    if is_counted(kind):
        return f"{loop} keep_{element}(&{item}, {{1}})"
    return f"{loop} {item} = {'*' if kind.is_place else ''}{{1}}"


def _write_text(builder: Builder, node: tree.Intrinsic) -> str:
    from cloudos.compiler.lower.expressions import value

    sink, text = (value(builder, argument) for argument in node.arguments)
    from cloudos.compiler.instructions import Do

    builder.add(Do(node.line, ERROR, "{1}.write({1}.environment, {0})", (sink, text)))
    builder.check_error(node.line)
    return "0"


def _linker_symbol(builder: Builder, node: tree.Intrinsic) -> str:
    symbol = node.arguments[0].type
    assert isinstance(symbol, LiveType)
    builder.program.linker_symbols[symbol.value.name] = None
    return builder.compute(node.type, node.line, f"(u64)&{symbol.value.name}[0]")


def _code_address(builder: Builder, node: tree.Intrinsic) -> str:
    instance = node.arguments[0].type
    assert isinstance(instance, LiveType)
    return builder.compute(node.type, node.line, f"(u64)&{instance.value.symbol}")


def _to_enum(builder: Builder, node: tree.Intrinsic) -> str:
    from cloudos.compiler.lower.expressions import c_integer, enum_mask, value

    operand = value(builder, node.arguments[0])
    kind = node.type
    assert isinstance(kind, EnumType)
    members = sorted({int(entry) for entry in kind.cls.__members__.values()})
    low, high = c_integer(members[0], kind.width), c_integer(members[-1], kind.width)
    if kind.flags:
        valid = f"({{0}} & ~{c_integer(enum_mask(kind), kind.width)}) == 0"
    elif members == list(range(members[0], members[-1] + 1)):
        valid = f"({{0}} >= {low} && {{0}} <= {high})"
    else:
        valid = " || ".join(f"{{0}} == {c_integer(member, kind.width)}" for member in members)
    builder.do(node.line, f"if (UNLIKELY(!({valid}))) PANIC(BAD_ENUM, @)", operand)
    return operand


def _atomic(form: str) -> Callable[[Builder, tree.Intrinsic], str]:
    def handle(builder: Builder, node: tree.Intrinsic) -> str:
        from cloudos.compiler.lower.expressions import in_segment, value

        order = node.arguments[-1]
        assert isinstance(order, tree.Const) and isinstance(order.value, int)
        segment = in_segment(builder, node.arguments[0])
        place = value(builder, node.arguments[0]) if segment is None else f"&{segment}"
        atoms = [place, *(value(builder, argument) for argument in node.arguments[1:-1])]
        kind = node.arguments[0].type
        assert isinstance(kind, AtomicType)
        text = form.replace("ORDER", ORDERS[order.value])
        if node.name == "atomic_store":
            builder.do(node.line, text, *atoms)
            return "0"
        if node.name == "atomic_compare_exchange":
            failure = ORDERS[order.value].replace("ACQ_REL", "ACQUIRE").replace("RELEASE", "RELAXED")
            expected = builder.compute(kind.element, node.line, "{0}", atoms[1])
            text = f"__atomic_compare_exchange_n({{0}}, &{expected}, {{1}}, 0, {ORDERS[order.value]}, {failure})"
            return builder.compute(node.type, node.line, text, atoms[0], atoms[2])
        return builder.compute(node.type, node.line, text, *atoms)

    return handle


def _fence(builder: Builder, node: tree.Intrinsic) -> str:
    order = node.arguments[0]
    assert isinstance(order, tree.Const) and isinstance(order.value, int)
    builder.do(node.line, f"__atomic_thread_fence({ORDERS[order.value]})")
    return "0"


def _error_name(builder: Builder, node: tree.Intrinsic) -> str:
    form = "(text_t){{write_error_name, (void *)(u64){0}}}"
    return builder.compute(node.type, node.line, form, builder.caught[-1])


def _error_code(builder: Builder, node: tree.Intrinsic) -> str:
    return builder.compute(node.type, node.line, "{0}", builder.caught[-1])


def _error_place(builder: Builder, node: tree.Intrinsic) -> str:
    return builder.compute(node.type, node.line, "(text_t){{write_error_place, (void *)(u64)LAST_RAISED}}")


SPECIAL: dict[str, Callable[[Builder, Any], str]] = {
    "after": _after,
    "panic": _panic,
    "panic_kind": _panic_kind,
    "zeroed_place": _zeroed_place,
    "copy": _copy,
    "new_slice": _new_slice,
    "free_slice": _slice_effect("free_slice({0}, sizeof(ELEMENT_s))"),
    "forget": _slice_effect("forget_ELEMENT({0})"),
    "slice_copy": _slice_effect("slice_copy({0}, {1}, sizeof(ELEMENT_s), @)"),
    "slice_fill": _slice_effect(""),
    "write_text": _write_text,
    "linker_symbol": _linker_symbol,
    "code_address": _code_address,
    "error_code": _error_code,
    "error_name": _error_name,
    "error_place": _error_place,
    "to_enum": _to_enum,
    "fence": _fence,
    "atomic_load": _atomic("__atomic_load_n({0}, ORDER)"),
    "atomic_store": _atomic("__atomic_store_n({0}, {1}, ORDER)"),
    "atomic_exchange": _atomic("__atomic_exchange_n({0}, {1}, ORDER)"),
    "atomic_compare_exchange": _atomic(""),
    "atomic_fetch_add": _atomic("__atomic_fetch_add({0}, {1}, ORDER)"),
    "atomic_fetch_sub": _atomic("__atomic_fetch_sub({0}, {1}, ORDER)"),
    "atomic_fetch_or": _atomic("__atomic_fetch_or({0}, {1}, ORDER)"),
    "atomic_fetch_and": _atomic("__atomic_fetch_and({0}, {1}, ORDER)"),
}
