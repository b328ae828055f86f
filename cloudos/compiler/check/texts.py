"""Checking f-strings.

An f-string becomes a function that writes its parts to a sink, and the values that the function needs, taken when the
f-string is evaluated. Nothing is formatted, and no memory is needed, until somebody writes the text.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from cloudos import lang
from cloudos.compiler import tree
from cloudos.compiler.check.annotations import U8, U64, type_of_annotation
from cloudos.compiler.check.calls import finish_call, virtual_call
from cloudos.compiler.check.checker import Checker, make_instance, member
from cloudos.compiler.check.expressions import check_value, require_present
from cloudos.compiler.check.primitives import SINK, use_sink
from cloudos.compiler.program import FunctionInstance, Parameter, plain_function
from cloudos.compiler.typesystem import (
    BOOL,
    CONST_INT,
    NONE,
    TEXT,
    AddressType,
    EnumType,
    FloatType,
    IntType,
    ManagedType,
    SliceType,
    StructType,
    Type,
)
from cloudos.lang import formatting

SPECIFICATION = re.compile(
    r"(?:(?P<fill>.)?(?P<align>[<>^=]))?(?P<prefix>#)?(?P<zero>0)?(?P<width>\d+)?(?P<group>[,_])?"
    r"(?:\.(?P<precision>\d+))?(?P<kind>[dxXbocfs])?$",
    re.DOTALL,
)


def check_format(checker: Checker, node: ast.JoinedStr) -> tree.Expr:
    """An f-string as captures and a writer."""
    line = checker.line(node)
    writer = checker.program.add_synthetic(checker.instance, [Parameter("sink", SINK)], NONE)
    captures: list[tree.Expr] = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            _write(checker, writer, tree.TextLiteral(TEXT, str(part.value), line=line), node)
            continue
        assert isinstance(part, ast.FormattedValue)
        if part.conversion != -1:
            hint = "leave the conversion out, and write the name out where {x=} shows it"
            checker.refuse(part, "!r, !s, !a and = are not supported in f-strings", hint)
        value = require_present(checker, check_value(checker, part.value, None), part.value)
        specification = _specification(checker, part)
        if isinstance(value, tree.TextLiteral | tree.Const):
            held: tree.Expr = value
        else:
            name = f"capture{len(captures)}"
            writer.parameters.append(Parameter(name, value.type))
            writer.locals[name] = value.type
            captures.append(value)
            held = tree.Local(value.type, name, line=line)
        _write_value(checker, writer, held, specification, part)
    writer.locals["sink"] = SINK
    return tree.TextFormat(TEXT, captures, writer, line=line)


def _specification(checker: Checker, part: ast.FormattedValue) -> dict[str, Any]:
    text = ""
    if part.format_spec is not None:
        assert isinstance(part.format_spec, ast.JoinedStr)
        for entry in part.format_spec.values:
            if not isinstance(entry, ast.Constant):
                checker.refuse(part, "a format computed at run time is not supported", "write the width as a number")
            text += str(entry.value)
    found = SPECIFICATION.match(text)
    if found is None:
        checker.refuse(part, f"the format '{text}' is not supported", "[[fill]align][#][0][width][,|_][d|x|X|b|o|c]")
    return found.groupdict()


def _sink(line: int) -> tree.Expr:
    return tree.Local(SINK, "sink", line=line)


def _write(checker: Checker, writer: FunctionInstance, literal: tree.TextLiteral, node: ast.AST) -> None:
    data = tree.BytesData(SliceType(U8), literal.value.encode(), line=literal.line)
    call = virtual_call(checker, _sink(literal.line), "write", [data], node)
    writer.body.append(tree.Evaluate(literal.line, call))


def _number(value: int, kind: Type, line: int) -> tree.Expr:
    return tree.Const(kind, value, line=line)


def _write_value(
    checker: Checker, writer: FunctionInstance, value: tree.Expr, spec: dict[str, Any], node: ast.FormattedValue
) -> None:
    line = checker.line(node)
    if isinstance(value, tree.Const) and value.type == CONST_INT:
        assert isinstance(value.value, int)
        text = format(value.value, _plain(node))
        return _write(checker, writer, tree.TextLiteral(TEXT, text, line=line), node)
    if isinstance(value.type, EnumType):
        value = tree.Reinterpret(value.type.width, value, line=line)
    if isinstance(value.type, AddressType):
        value = tree.Reinterpret(U64, value, line=line)
        return _write_integer(checker, writer, value, _plain(node) or "#x", node)
    if isinstance(value.type, IntType):
        return _write_integer(checker, writer, value, _plain(node), node)
    if isinstance(value.type, FloatType):
        return _write_float(checker, writer, value, spec, node)
    if value.type == BOOL and not any(spec.values()):
        true, false = (tree.TextLiteral(TEXT, word, line=line) for word in ("True", "False"))
        value = tree.Choose(TEXT, value, true, false, line=line)
    if value.type == TEXT and not any(spec.values()):
        call: tree.Expr = tree.Intrinsic(NONE, "write_text", [_sink(line), value], line=line)
        use_sink(checker, node)
        writer.body.append(tree.Evaluate(line, call))
        return None
    if isinstance(value.type, StructType | ManagedType):
        return _write_object(checker, writer, value, spec, node)
    if any(spec.values()):
        checker.refuse(node, f"{value.type} takes no format here", "leave the format out")
    checker.refuse(
        node.value, f"{value.type} cannot stand in an f-string", "convert it, or give its class format_to(sink)"
    )


def _plain(node: ast.FormattedValue) -> str:
    if node.format_spec is None:
        return ""
    assert isinstance(node.format_spec, ast.JoinedStr)
    return "".join(str(entry.value) for entry in node.format_spec.values if isinstance(entry, ast.Constant))


def _write_integer(checker: Checker, writer: FunctionInstance, value: tree.Expr, text: str, node: ast.AST) -> None:
    assert isinstance(value.type, IntType)
    line = value.line
    try:
        spec = lang.parse_integer_spec(text)
    except ValueError as error:
        checker.refuse(node, str(error), "use [[fill]align][#][0][width][,|_][d|x|X|b|o|c]")
    magnitude: tree.Expr = tree.Intrinsic(U64, "magnitude", [value], line=line)
    marks = [_number(spec.fill, U8, line), _number(spec.align, U8, line)]
    width = _number(spec.width, U64, line)
    if spec.base == 0:
        instance = make_instance(checker.program, formatting.format_character, None, {})
        call = finish_call(checker, instance, [_sink(line), magnitude, *marks, width], node)
        writer.body.append(tree.Evaluate(line, call))
        return
    negative: tree.Expr = tree.Const(BOOL, False, line=line)
    if value.type.signed:
        negative = tree.Compare(BOOL, "<", value, _number(0, value.type, line), line=line)
    instance = make_instance(checker.program, formatting.format_integer, None, {})
    arguments = [
        _sink(line),
        magnitude,
        negative,
        _number(spec.base, U64, line),
        tree.Const(BOOL, spec.uppercase, line=line),
        *marks,
        tree.Const(BOOL, spec.sign_aware_zero, line=line),
        tree.Const(BOOL, spec.prefix, line=line),
        width,
        _number(spec.group, U8, line),
    ]
    writer.body.append(tree.Evaluate(line, finish_call(checker, instance, arguments, node)))


def _write_float(
    checker: Checker, writer: FunctionInstance, value: tree.Expr, spec: dict[str, Any], node: ast.AST
) -> None:
    formatter = getattr(formatting, "format_float", None)
    if formatter is None or spec["precision"] is None or (spec["kind"] or "f") != "f":
        checker.refuse(node, "a float needs a number of digits here", "write {value:.3f}")
    if spec["prefix"] or spec["group"]:
        checker.refuse(node, "'#', ',' and '_' do not work for floats", "write {value:12.3f}")
    line = value.line
    f64 = type_of_annotation(lang.F64, {})
    if value.type != f64:
        value = tree.Reinterpret(f64, value, line=line)
    fill = spec["fill"] or ("0" if spec["zero"] else " ")
    align = "=" if spec["zero"] and spec["align"] is None else (spec["align"] or ">")
    arguments = [
        tree.Local(SINK, "sink", line=line),
        value,
        _number(int(spec["precision"]), U64, line),
        _number(ord(fill), U8, line),
        _number(ord(align), U8, line),
        _number(int(spec["width"] or 0), U64, line),
    ]
    instance = make_instance(checker.program, formatter, None, {})
    writer.body.append(tree.Evaluate(line, finish_call(checker, instance, arguments, node)))


def _write_object(
    checker: Checker, writer: FunctionInstance, value: tree.Expr, spec: dict[str, Any], node: ast.FormattedValue
) -> None:
    assert isinstance(value.type, StructType | ManagedType)
    function = plain_function(member(value.type.cls, "format_to"))
    if function is None:
        checker.refuse(node.value, f"{value.type} cannot stand in an f-string", "give its class format_to(self, sink)")
    line = value.line
    sink: tree.Expr = _sink(line)
    instance = make_instance(checker.program, function, value.type, {})
    if spec["width"]:
        _write_padded(checker, writer, value, spec, node)
        return
    call = finish_call(checker, instance, [value, sink], node)
    writer.body.append(tree.Evaluate(line, call))


def _write_padded(
    checker: Checker, writer: FunctionInstance, value: tree.Expr, spec: dict[str, Any], node: ast.FormattedValue
) -> None:
    """Objects that offer `format_data() -> Slice[U8]` can be padded; the width counts bytes."""
    assert isinstance(value.type, StructType | ManagedType)
    function = plain_function(member(value.type.cls, "format_data"))
    if function is None:
        checker.refuse(node.value, f"{value.type} cannot be padded in an f-string", "leave the width out")
    line = value.line
    data = finish_call(checker, make_instance(checker.program, function, value.type, {}), [value], node)
    arguments = [
        _sink(line),
        data,
        _number(ord(spec["fill"] or " "), U8, line),
        _number(ord(spec["align"] or "<"), U8, line),
        _number(int(spec["width"]), U64, line),
    ]
    instance = make_instance(checker.program, formatting.format_padded, None, {})
    writer.body.append(tree.Evaluate(line, finish_call(checker, instance, arguments, node)))
