"""Checking what the language itself provides: conversions, methods of numbers, pointers, slices, and intrinsics."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Sized
from typing import Any

from cloudos import lang
from cloudos.compiler import tree
from cloudos.compiler.check.annotations import (
    ADDRESSES,
    FLOATS,
    I64,
    INTEGERS,
    U8,
    U32,
    U64,
    UnknownAnnotation,
    origin_of,
    type_of_annotation,
)
from cloudos.compiler.check.checker import Checker
from cloudos.compiler.check.expressions import VIRT, check_condition, check_value, require_present, unify
from cloudos.compiler.typesystem import (
    BOOL,
    BYTES,
    CONST_INT,
    NEVER,
    NONE,
    TEXT,
    AddressType,
    ArrayType,
    AtomicType,
    EnumType,
    FloatType,
    IntType,
    LiveType,
    ManagedType,
    NullType,
    ProtocolType,
    PtrType,
    SliceType,
    Type,
    UserPtrType,
)
from cloudos.lang import PanicKind

SAME = ("wrapping_add", "wrapping_sub", "wrapping_mul", "saturating_add", "saturating_sub", "saturating_mul")
COUNTED = ("wrapping_shl", "rotate_left", "rotate_right")
BITS = ("leading_zeros", "trailing_zeros", "count_ones")
SINK = ProtocolType(lang.Sink)
ATOMIC = ("store", "exchange", "fetch_add", "fetch_sub", "fetch_or", "fetch_and")


def arguments(checker: Checker, node: ast.Call, *wanted: Type | None) -> list[tree.Expr]:
    """The positional arguments, coerced to `wanted` (None: any type)."""
    if node.keywords or len(node.args) != len(wanted):
        checker.refuse(
            node, f"this takes {len(wanted)} arguments by position, not {len(node.args) + len(node.keywords)}"
        )
    values = []
    for entry, kind in zip(node.args, wanted, strict=True):
        value = check_value(checker, entry, kind)
        values.append(
            checker.coerce(value, kind, entry) if kind is not None else require_present(checker, value, entry)
        )
    return values


def conversion(checker: Checker, cls: Any, node: ast.Call) -> tree.Expr | None:
    """`U8(x)`, `F64(x)`, `PhysAddr(x)`, `Color(x)`, `bool(x)`; None when cls is none of these."""
    line = checker.line(node)
    if cls in INTEGERS:
        return _to_integer(checker, INTEGERS[cls], arguments(checker, node, None)[0], node)
    if cls in FLOATS:
        return _to_float(checker, FLOATS[cls], arguments(checker, node, None)[0], node)
    if cls in ADDRESSES:
        return tree.Reinterpret(ADDRESSES[cls], arguments(checker, node, U64)[0], line=line)
    if cls is bool:
        checker.refuse(node, "bool(x) is not supported", "compare: x != 0")
    if isinstance(cls, type) and hasattr(cls, "__enum_width__"):
        kind = type_of_annotation(cls, {})
        assert isinstance(kind, EnumType)
        value = arguments(checker, node, None)[0]
        if value.type == CONST_INT or isinstance(value.type, IntType):
            wide = _to_integer(checker, kind.width, value, node)
            return tree.Intrinsic(kind, "to_enum", [wide], line=line)
        checker.refuse(node, f"{kind} is made from an integer, not from {value.type}")
    return None


def _to_integer(checker: Checker, kind: IntType, value: tree.Expr, node: ast.AST) -> tree.Expr:
    line = checker.line(node)
    if isinstance(value, tree.Const) and isinstance(value.value, int | bool) and not isinstance(value.type, LiveType):
        if isinstance(value.type, IntType) and not kind.cls.MIN <= value.value <= kind.cls.MAX:
            checker.refuse(node, f"{value.value} does not fit {kind}", f"{kind}.truncate(…) keeps the low bits")
        return checker.coerce(tree.Const(CONST_INT, int(value.value), line=line), kind, node)
    if value.type == kind:
        return value
    if isinstance(value.type, IntType):
        return tree.Convert(kind, value, line=line)
    if value.type == BOOL:
        return tree.Reinterpret(kind, value, line=line)
    if isinstance(value.type, EnumType):
        inner = tree.Reinterpret(value.type.width, value, line=line)
        return inner if value.type.width == kind else tree.Convert(kind, inner, line=line)
    hint = ""
    if isinstance(value.type, FloatType):
        hint = f"use x.truncate_to({kind})"
    if isinstance(value.type, AddressType):
        hint = "use address.value"
    checker.refuse(node, f"{value.type} does not convert to {kind}", hint)


def _to_float(checker: Checker, kind: FloatType, value: tree.Expr, node: ast.AST) -> tree.Expr:
    if checker.program.target.kind == "kernel":
        checker.refuse(node, "the kernel has no floating point", "use integers")
    if isinstance(value, tree.Const) and value.type != BOOL and isinstance(value.value, int | float):
        return tree.Const(kind, float(kind.cls(value.value)), line=checker.line(node))
    if isinstance(value.type, IntType | FloatType):
        return tree.Reinterpret(kind, value, line=checker.line(node))
    checker.refuse(node, f"{value.type} does not convert to {kind}")


def class_method(checker: Checker, owner: Any, name: str, node: ast.Call) -> tree.Expr | None:
    """Methods of classes of the language: `U8.truncate(x)`, `Ptr.to(x)`, `Slice.of(p, n)`, …"""
    line = checker.line(node)
    if owner in INTEGERS and name == "truncate":
        value = arguments(checker, node, None)[0]
        if not isinstance(value.type, IntType):
            checker.refuse(node, f"truncate takes an integer with a width, not {value.type}")
        return tree.Reinterpret(INTEGERS[owner], value, line=line)
    if owner in INTEGERS and name == "range":
        checker.refuse(node, f"{owner.__name__}.range stands only in a for loop")
    if owner in FLOATS and name == "from_bits":
        kind = FLOATS[owner]
        word = U64 if owner is lang.F64 else U32
        return tree.Intrinsic(kind, "from_bits", arguments(checker, node, word), line=line)
    if isinstance(owner, type) and origin_of(owner) is lang.Ptr and name in ("to", "at"):
        return _pointer(checker, name, node)
    if isinstance(owner, type) and origin_of(owner) is lang.Slice and name == "of":
        pointer, length = arguments(checker, node, None, U64)
        if not isinstance(pointer.type, PtrType):
            checker.refuse(node, f"Slice.of takes a pointer, not {pointer.type}")
        return tree.Intrinsic(SliceType(pointer.type.element), "slice_of", [pointer, length], line=line)
    if isinstance(owner, type) and origin_of(owner) is lang.UserPtr and name == "at":
        element = type_argument(checker, node, 0)
        address = checker.coerce(check_value(checker, node.args[1], U64), U64, node)
        return tree.Reinterpret(UserPtrType(element), address, line=line)
    return None


def _pointer(checker: Checker, name: str, node: ast.Call) -> tree.Expr:
    line = checker.line(node)
    if name == "at":
        if len(node.args) != 2:
            checker.refuse(node, "Ptr.at takes a type and an address")
        element = type_argument(checker, node, 0)
        address = checker.coerce(check_value(checker, node.args[1], VIRT), VIRT, node)
        return tree.Reinterpret(PtrType(element), address, line=line)
    value = arguments(checker, node, None)[0]
    if not value.type.is_place:
        checker.refuse(node, f"Ptr.to takes a struct or an array, not {value.type}")
    return tree.Reinterpret(PtrType(value.type), value, line=line)


def type_argument(checker: Checker, node: ast.Call, position: int) -> Type:
    """The type given as an argument."""
    if position >= len(node.args):
        checker.refuse(node, "a type is missing here")
    value = check_value(checker, node.args[position], None)
    if isinstance(value.type, LiveType):
        try:
            return type_of_annotation(value.type.value, checker.bindings, checker.instance.owner)
        except UnknownAnnotation as error:
            checker.refuse(node.args[position], str(error), error.hint)
    checker.refuse(node.args[position], "a type is expected here")


def method(checker: Checker, base: tree.Expr, name: str, node: ast.Call) -> tree.Expr | None:
    """A method of a value of the language's own types; None when there is none of that name."""
    kind = base.type
    table: list[tuple[type, Callable[..., tree.Expr | None]]] = [
        (IntType, _integer_method),
        (FloatType, _float_method),
        (AddressType, _address_method),
        (PtrType, _pointer_method),
        (SliceType, _slice_method),
        (ArrayType, _array_method),
        (AtomicType, _atomic_method),
    ]
    for cls, handler in table:
        if isinstance(kind, cls):
            return handler(checker, base, kind, name, node)
    return None


def method_hint(kind: Type, name: str) -> str:
    """What to use instead of a method that Python has."""
    if kind == TEXT:
        return "str is only formatted and passed on; use Text for text that is worked with"
    if kind == BYTES:
        return "make a slice of it: data(b…)"
    return ""


def _integer_method(checker: Checker, base: tree.Expr, kind: IntType, name: str, node: ast.Call) -> tree.Expr | None:
    line = checker.line(node)
    if name in SAME or name in COUNTED:
        return tree.Intrinsic(kind, name, [base, *arguments(checker, node, kind)], line=line)
    if name in BITS:
        return tree.Intrinsic(U32, name, [base, *arguments(checker, node)], line=line)
    if name in ("swap_bytes", "wrapping_neg"):
        return tree.Intrinsic(kind, name, [base, *arguments(checker, node)], line=line)
    if name == "hash":
        arguments(checker, node)
        return tree.Intrinsic(U64, "hash", [base], line=line)
    if name == "bit":
        return tree.Intrinsic(BOOL, "bit", [base, *arguments(checker, node, kind)], line=line)
    return None


def _float_method(checker: Checker, base: tree.Expr, kind: FloatType, name: str, node: ast.Call) -> tree.Expr | None:
    line = checker.line(node)
    if name in ("sqrt", "floor", "is_nan", "bits"):
        word = U64 if kind.cls is lang.F64 else U32
        result: Type = {"is_nan": BOOL, "bits": word}.get(name, kind)
        return tree.Intrinsic(result, name, [base, *arguments(checker, node)], line=line)
    if name == "truncate_to":
        target = type_argument(checker, node, 0)
        return tree.Intrinsic(target, "truncate_to", [base], line=line)
    return None


def _address_method(
    checker: Checker, base: tree.Expr, kind: AddressType, name: str, node: ast.Call
) -> tree.Expr | None:
    line = checker.line(node)

    def number(value: tree.Expr) -> tree.Expr:
        return tree.Reinterpret(U64, value, line=line)

    def back(value: tree.Expr) -> tree.Expr:
        return tree.Reinterpret(kind, value, line=line)

    if name == "offset":
        return back(tree.Binary(U64, "+", number(base), arguments(checker, node, U64)[0], line=line))
    if name == "distance":
        return tree.Binary(U64, "-", number(base), number(arguments(checker, node, kind)[0]), line=line)
    if name in ("align_down", "align_up", "is_aligned"):
        values = [number(base), arguments(checker, node, U64)[0]]
        made = tree.Intrinsic(BOOL if name == "is_aligned" else U64, name, values, line=line)
        return made if name == "is_aligned" else back(made)
    return None


def _pointer_method(checker: Checker, base: tree.Expr, kind: PtrType, name: str, node: ast.Call) -> tree.Expr | None:
    line = checker.line(node)
    if name == "is_null":
        arguments(checker, node)
        return tree.Compare(BOOL, "==", base, tree.Const(kind, None, line=line), line=line)
    if name == "cast":
        return tree.Reinterpret(PtrType(type_argument(checker, node, 0)), base, line=line)
    if name == "offset":
        count = arguments(checker, node, None)[0]
        if count.type == CONST_INT:
            count = checker.coerce(count, I64, node)
        if count.type not in (I64, U64):
            checker.refuse(node, f"an offset is U64 or I64, not {count.type}")
        return tree.Intrinsic(kind, "pointer_offset", [base, count], line=line)
    return None


def _slice_method(checker: Checker, base: tree.Expr, kind: SliceType, name: str, node: ast.Call) -> tree.Expr | None:
    line = checker.line(node)
    if name == "copy_from":
        return tree.Intrinsic(NONE, "slice_copy", [base, *arguments(checker, node, kind)], line=line)
    if name == "fill":
        return tree.Intrinsic(NONE, "slice_fill", [base, *arguments(checker, node, kind.element)], line=line)
    if name == "equals":
        return tree.Intrinsic(BOOL, "slice_equal", [base, *arguments(checker, node, kind)], line=line)
    return None


def _array_method(checker: Checker, base: tree.Expr, kind: ArrayType, name: str, node: ast.Call) -> tree.Expr | None:
    line = checker.line(node)
    whole = tree.Intrinsic(SliceType(kind.element), "array_slice", [base], line=line)
    if name == "slice":
        arguments(checker, node)
        return whole
    if name == "fill":
        return tree.Intrinsic(NONE, "slice_fill", [whole, *arguments(checker, node, kind.element)], line=line)
    if name == "copy":
        arguments(checker, node)
        return tree.Intrinsic(kind, "copy", [base], line=line)
    return None


def _order(checker: Checker, node: ast.Call, position: int) -> tree.Expr:
    if len(node.args) <= position and not node.keywords:
        return tree.Const(CONST_INT, int(lang.Order.SEQ_CST), line=checker.line(node))
    entry = node.args[position] if len(node.args) > position else node.keywords[0].value
    value = check_value(checker, entry, None)
    if not (isinstance(value, tree.Const) and isinstance(value.type, EnumType)):
        checker.refuse(entry, "a memory order is a constant such as Order.ACQUIRE")
    return tree.Const(CONST_INT, value.value, line=value.line)


def _atomic_method(checker: Checker, base: tree.Expr, kind: AtomicType, name: str, node: ast.Call) -> tree.Expr | None:
    line = checker.line(node)
    if name == "load":
        return tree.Intrinsic(kind.element, "atomic_load", [base, _order(checker, node, 0)], line=line)
    if name in ATOMIC and node.args:
        value = checker.coerce(check_value(checker, node.args[0], kind.element), kind.element, node.args[0])
        result = NONE if name == "store" else kind.element
        return tree.Intrinsic(result, f"atomic_{name}", [base, value, _order(checker, node, 1)], line=line)
    if name == "compare_exchange" and len(node.args) >= 2:
        values = [
            checker.coerce(check_value(checker, entry, kind.element), kind.element, entry) for entry in node.args[:2]
        ]
        return tree.Intrinsic(BOOL, "atomic_compare_exchange", [base, *values, _order(checker, node, 2)], line=line)
    return None


def builtin_call(checker: Checker, called: Any, node: ast.Call, expected: Type | None) -> tree.Expr:
    """min, max, isinstance; the other built-ins are refused with what takes their place."""
    line = checker.line(node)
    if called in (builtins.min, builtins.max) and len(node.args) == 2 and not node.keywords:
        left, right = (check_value(checker, entry, expected) for entry in node.args)
        left, right = unify(checker, left, right, node)
        if isinstance(left.type, IntType | FloatType):
            return tree.Intrinsic(left.type, called.__name__, [left, right], line=line)
        checker.refuse(node, f"{called.__name__} works on numbers with a width, not on {left.type}")
    if called is builtins.isinstance and len(node.args) == 2:
        value = check_value(checker, node.args[0], None)
        return tree.Const(BOOL, value.type == type_argument(checker, node, 1), line=line)
    if called is builtins.len and len(node.args) == 1:
        value = check_value(checker, node.args[0], None)
        if isinstance(value.type, LiveType) and isinstance(value.type.value, Sized):
            return tree.Const(CONST_INT, len(value.type.value), line=line)
    hints = {
        builtins.len: "use .length",
        builtins.range: "use U64.range(…)",
        builtins.print: "from cloudos.sdk import print",
        builtins.open: "from cloudos.sdk import open_file",
        builtins.abs: "compare with zero and negate",
        builtins.sum: "write a loop",
        builtins.sorted: "use List and its sort()",
        builtins.int: "use U64(…) or another integer type",
        builtins.str: "use Text(f'…'), or an f-string where it is written",
        builtins.list: "use List[…]()",
        builtins.dict: "use Map[…, …]()",
    }
    name = getattr(called, "__name__", str(called))
    if getattr(builtins, name, None) is not called:
        checker.refuse(
            node, f"'{name}' is not systems Python: it runs only at build time", "use what cloudos.sdk offers"
        )
    checker.refuse(node, f"the built-in {name}() is not supported in compiled code", hints.get(called, ""))


def intrinsic_call(checker: Checker, name: str, node: ast.Call, expected: Type | None) -> tree.Expr:
    """A primitive function of the language library."""
    handler = INTRINSICS.get(name)
    if handler is None:
        checker.refuse(node, f"'{name}' cannot be used in compiled code")
    return handler(checker, node, expected)


def _constant_of_type(function: Callable[..., int]) -> Callable[..., tree.Expr]:
    def handle(checker: Checker, node: ast.Call, expected: Type | None) -> tree.Expr:
        from cloudos.compiler.check.annotations import live_of_type

        live = live_of_type(type_argument(checker, node, 0))
        # A field's name is written as a string, which evaluate would take for an annotation.
        rest = [
            entry.value if isinstance(entry, ast.Constant) else checker.evaluate(entry, "this argument")
            for entry in node.args[1:]
        ]
        try:
            number = int(function(live, *rest))
        except (AttributeError, TypeError) as error:
            checker.refuse(node, f"{function.__name__} cannot be told: {error}")
        return tree.Const(CONST_INT, number, line=checker.line(node))

    return handle


def _panic(checker: Checker, node: ast.Call, expected: Type | None) -> tree.Expr:
    message = arguments(checker, node, TEXT)
    return tree.Intrinsic(NEVER, "panic", message, line=checker.line(node))


def _unreachable(checker: Checker, node: ast.Call, expected: Type | None) -> tree.Expr:
    kind = tree.Const(CONST_INT, int(PanicKind.UNREACHABLE), line=checker.line(node))
    return tree.Intrinsic(NEVER, "panic_kind", [kind], line=checker.line(node))


def _zeroed(checker: Checker, node: ast.Call, expected: Type | None) -> tree.Expr:
    if expected is not None and expected.is_place:
        return tree.Intrinsic(expected, "zeroed_place", [], line=checker.line(node))
    return tree.Const(NullType(zero=True), None, line=checker.line(node))


def _data(checker: Checker, node: ast.Call, expected: Type | None) -> tree.Expr:
    value = arguments(checker, node, BYTES)[0]
    assert isinstance(value, tree.BytesData)
    return tree.BytesData(SliceType(U8), value.value, line=checker.line(node))


def _new_slice(checker: Checker, node: ast.Call, expected: Type | None) -> tree.Expr:
    if checker.program.target.kind == "kernel":
        checker.refuse(node, "the kernel has no process heap")
    element = type_argument(checker, node, 0)
    if len(node.args) != 2:
        checker.refuse(node, "new_slice takes a type and a number of elements")
    count = checker.coerce(check_value(checker, node.args[1], U64), U64, node.args[1])
    return tree.Intrinsic(SliceType(element), "new_slice", [count], line=checker.line(node))


def _on_slice(name: str) -> Callable[..., tree.Expr]:
    def handle(checker: Checker, node: ast.Call, expected: Type | None) -> tree.Expr:
        value = arguments(checker, node, None)[0]
        if not isinstance(value.type, SliceType):
            checker.refuse(node, f"{name} takes a slice, not {value.type}")
        return tree.Intrinsic(NONE, name, [value], line=checker.line(node))

    return handle


def use_sink(checker: Checker, node: ast.AST) -> None:
    """Record that texts are written: literals call the sink without any call of it in the source."""
    from cloudos.compiler.check.calls import protocol_signature

    protocol_signature(checker, SINK, "write", node)
    checker.program.virtual_calls[SINK, "write"] = None


def _copy(checker: Checker, node: ast.Call, expected: Type | None) -> tree.Expr:
    value = arguments(checker, node, None)[0]
    if not value.type.is_place:
        checker.refuse(node, f"copy takes a struct or an array, not {value.type}")
    return tree.Intrinsic(value.type, "copy", [value], line=checker.line(node))


def _write_text(checker: Checker, node: ast.Call, expected: Type | None) -> tree.Expr:
    sink, text = arguments(checker, node, SINK, TEXT)
    use_sink(checker, node)
    return tree.Intrinsic(NONE, "write_text", [sink, text], line=checker.line(node))


def _fence(checker: Checker, node: ast.Call, expected: Type | None) -> tree.Expr:
    return tree.Intrinsic(NONE, "fence", [_order(checker, node, 0)], line=checker.line(node))


def _code_address(checker: Checker, node: ast.Call, expected: Type | None) -> tree.Expr:
    from cloudos.compiler.check.checker import make_instance

    value = check_value(checker, node.args[0], None)
    if not isinstance(value.type, LiveType) or not callable(value.type.value):
        checker.refuse(node, "code_address takes a function")
    instance = make_instance(checker.program, value.type.value, None, {})
    return tree.Intrinsic(VIRT, "code_address", [tree.Const(LiveType(instance), None)], line=checker.line(node))


def _null(checker: Checker, node: ast.Call, expected: Type | None) -> tree.Expr:
    return tree.Const(NullType(), None, line=checker.line(node))


def _about_error(name: str) -> Callable[..., tree.Expr]:
    def handle(checker: Checker, node: ast.Call, expected: Type | None) -> tree.Expr:
        if not checker.handling:
            checker.refuse(node, f"{name}() belongs into an except block")
        if checker.program.target.kind == "kernel":
            checker.refuse(node, "the kernel keeps no names of errors")
        arguments(checker, node)
        checker.program.virtual_calls[ProtocolType(lang.Sink), "write"] = None
        return tree.Intrinsic(TEXT, name, [], line=checker.line(node))

    return handle


def _error_code(checker: Checker, node: ast.Call, expected: Type | None) -> tree.Expr:
    if not checker.handling:
        checker.refuse(node, "error_code() belongs into an except block")
    arguments(checker, node)
    return tree.Intrinsic(U32, "error_code", [], line=checker.line(node))


INTRINSICS: dict[str, Callable[[Checker, ast.Call, Type | None], tree.Expr]] = {
    "size_of": _constant_of_type(lang.size_of),
    "align_of": _constant_of_type(lang.align_of),
    "offset_of": _constant_of_type(lang.offset_of),
    "length_of": _constant_of_type(lang.length_of),
    "panic": _panic,
    "unreachable": _unreachable,
    "zeroed": _zeroed,
    "null": _null,
    "data": _data,
    "new_slice": _new_slice,
    "free_slice": _on_slice("free_slice"),
    "forget": _on_slice("forget"),
    "write_text": _write_text,
    "fence": _fence,
    "code_address": _code_address,
    "copy": _copy,
    "error_code": _error_code,
    "error_name": _about_error("error_name"),
    "error_place": _about_error("error_place"),
}

__all__ = ["INTRINSICS", "ManagedType", "builtin_call", "check_condition", "conversion", "intrinsic_call", "method"]
