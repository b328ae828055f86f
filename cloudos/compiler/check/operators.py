"""Checking operators, comparisons and calls of methods by name."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

from cloudos.compiler import tree
from cloudos.compiler.check.checker import Checker, make_instance, member, protocol_methods
from cloudos.compiler.check.escape import note_binding
from cloudos.compiler.check.expressions import check_condition, check_value, require_present, unify
from cloudos.compiler.check.narrowing import apply_facts
from cloudos.compiler.program import FunctionInstance, plain_function
from cloudos.compiler.typesystem import (
    BOOL,
    CONST_FLOAT,
    CONST_INT,
    NONE,
    AddressType,
    EnumType,
    FloatType,
    IntType,
    LiveType,
    ManagedType,
    NullType,
    OptionalType,
    ProtocolType,
    PtrType,
    StructType,
    Type,
)

OPERATORS: dict[type, tuple[str, str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("+", "__add__", operator.add),
    ast.Sub: ("-", "__sub__", operator.sub),
    ast.Mult: ("*", "__mul__", operator.mul),
    ast.FloorDiv: ("//", "__floordiv__", operator.floordiv),
    ast.Mod: ("%", "__mod__", operator.mod),
    ast.BitAnd: ("&", "__and__", operator.and_),
    ast.BitOr: ("|", "__or__", operator.or_),
    ast.BitXor: ("^", "__xor__", operator.xor),
    ast.LShift: ("<<", "__lshift__", operator.lshift),
    ast.RShift: (">>", "__rshift__", operator.rshift),
    ast.Div: ("/", "__truediv__", operator.truediv),
    ast.Pow: ("**", "__pow__", operator.pow),
    ast.MatMult: ("@", "__matmul__", operator.matmul),
}
COMPARISONS: dict[type, tuple[str, str, Callable[[Any, Any], bool]]] = {
    ast.Eq: ("==", "__eq__", operator.eq),
    ast.NotEq: ("!=", "__ne__", operator.ne),
    ast.Lt: ("<", "__lt__", operator.lt),
    ast.LtE: ("<=", "__le__", operator.le),
    ast.Gt: (">", "__gt__", operator.gt),
    ast.GtE: (">=", "__ge__", operator.ge),
}
FLOAT_OPERATORS = ("+", "-", "*", "/")


def is_constant(value: tree.Expr) -> bool:
    """Whether the value is a bare number known while compiling."""
    return isinstance(value, tree.Const) and value.type in (CONST_INT, CONST_FLOAT)


def check_binary(checker: Checker, node: ast.BinOp, expected: Type | None) -> tree.Expr:
    """`left op right`."""
    left = check_value(checker, node.left, expected)
    wanted = left.type if not is_constant(left) else expected
    return binary(checker, node.op, left, check_value(checker, node.right, wanted), node)


def binary(checker: Checker, op: ast.operator, left: tree.Expr, right: tree.Expr, node: Any) -> tree.Expr:
    """The typed operation; also used for augmented assignment."""
    symbol, dunder, fold = OPERATORS[type(op)]
    line = checker.line(node)
    if is_constant(left) and is_constant(right):
        return _fold(checker, fold, left, right, node)
    left, right = require_present(checker, left, node), require_present(checker, right, node)
    if isinstance(left.type, StructType | ManagedType) and member(left.type.cls, dunder) is not None:
        return method_call(checker, left, dunder, [right], node)
    left, right = _operands(checker, symbol, left, right, node)
    kind = left.type
    if kind == BOOL and symbol in ("&", "|", "^"):
        return tree.Binary(BOOL, symbol, left, right, line=line)
    if isinstance(kind, EnumType) and kind.flags and symbol in ("&", "|", "^"):
        return tree.Binary(kind, symbol, left, right, line=line)
    if isinstance(kind, FloatType) and symbol in FLOAT_OPERATORS:
        return tree.Binary(kind, symbol, left, right, line=line)
    if isinstance(kind, IntType) and symbol not in ("/", "**", "@"):
        return tree.Binary(kind, symbol, left, right, line=line)
    checker.refuse(node, f"'{symbol}' is not defined for {kind} and {right.type}", _operator_hint(symbol, kind))


def _operator_hint(symbol: str, kind: Type) -> str:
    if isinstance(kind, IntType) and symbol == "/":
        return "integers divide with //"
    if isinstance(kind, IntType) and symbol == "**":
        return "multiply in a loop, or shift"
    if isinstance(kind, AddressType):
        return "use .offset(n) and .distance(other), or .value"
    if isinstance(kind, PtrType):
        return "use .offset(n)"
    if str(kind) == "str":
        return "put both into one f-string, or use Text"
    return ""


def _operands(
    checker: Checker, symbol: str, left: tree.Expr, right: tree.Expr, node: ast.AST
) -> tuple[tree.Expr, tree.Expr]:
    if is_constant(left) and isinstance(right.type, IntType | FloatType):
        return checker.coerce(left, right.type, node), right
    if is_constant(right) and isinstance(left.type, IntType | FloatType):
        if symbol in ("<<", ">>") and isinstance(left.type, IntType):
            count = right.value if isinstance(right, tree.Const) else 0
            if not isinstance(count, int) or not 0 <= count < left.type.bits:
                checker.refuse(node, f"a shift of {left.type} by {count}", f"counts are 0 to {left.type.bits - 1}")
        return left, checker.coerce(right, left.type, node)
    if right.type == CONST_INT and isinstance(right, tree.Const) and isinstance(left.type, EnumType):
        # Flags are compared with 0.
        if left.type.flags and right.value == 0 and symbol in ("==", "!="):
            return left, tree.Const(left.type, 0, line=right.line)
    if left.type != right.type:
        hint = ""
        if isinstance(left.type, IntType) and isinstance(right.type, IntType):
            hint = f"convert one side explicitly: {left.type}(…)"
        checker.refuse(node, f"'{symbol}' of {left.type} and {right.type}", hint)
    return left, right


def _fold(checker: Checker, fold: Callable[[Any, Any], Any], left: tree.Expr, right: tree.Expr, node: Any) -> tree.Expr:
    assert isinstance(left, tree.Const) and isinstance(right, tree.Const)
    if fold in (operator.lshift, operator.pow) and isinstance(right.value, int) and right.value > 1000:
        checker.refuse(node, "this constant is too large for any type")
    try:
        value = fold(left.value, right.value)
    except (ZeroDivisionError, ValueError, OverflowError, TypeError) as error:
        checker.refuse(node, f"this constant cannot be computed: {error}")
    return tree.Const(CONST_INT if isinstance(value, int) else CONST_FLOAT, value, line=checker.line(node))


def check_unary(checker: Checker, node: ast.UnaryOp, expected: Type | None) -> tree.Expr:
    """`-x`, `~x`, `not x`."""
    line = checker.line(node)
    if isinstance(node.op, ast.Not):
        operand = check_condition(checker, node.operand)
        if isinstance(operand, tree.Const):
            return tree.Const(BOOL, not operand.value, line=line)
        return tree.Unary(BOOL, "not", operand, line=line)
    operand = require_present(checker, check_value(checker, node.operand, expected), node.operand)
    if isinstance(operand, tree.Const) and is_constant(operand):
        assert operand.value is not None
        fold = {ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Invert: operator.invert}[type(node.op)]
        return tree.Const(operand.type, fold(operand.value), line=line)  # type: ignore[operator]
    kind = operand.type
    if isinstance(node.op, ast.USub) and (isinstance(kind, FloatType) or (isinstance(kind, IntType) and kind.signed)):
        return tree.Unary(kind, "-", operand, line=line)
    if isinstance(node.op, ast.Invert) and (isinstance(kind, IntType) or (isinstance(kind, EnumType) and kind.flags)):
        return tree.Unary(kind, "~", operand, line=line)
    hint = "unsigned numbers have no negative: use wrapping_neg() or a signed type" if isinstance(kind, IntType) else ""
    checker.refuse(node, f"this operator is not defined for {kind}", hint)


def check_logic(checker: Checker, node: ast.BoolOp, expected: Type | None) -> tree.Expr:
    """`a and b`, `a or b`: bools only; the right side sees what the left side tells."""
    conjunction = isinstance(node.op, ast.And)
    start = checker.flow.copy()
    result: tree.Expr | None = None
    for value in node.values:
        checked = check_condition(checker, value)
        apply_facts(checker, value, conjunction)
        if result is None:
            result = checked
        elif isinstance(result, tree.Const):
            result = checked if bool(result.value) == conjunction else result
        else:
            result = tree.Logic(BOOL, "and" if conjunction else "or", result, checked, line=checker.line(node))
        if isinstance(result, tree.Const) and bool(result.value) != conjunction:
            break
    checker.flow.become(start)
    assert result is not None
    return result


def check_compare(checker: Checker, node: ast.Compare, expected: Type | None) -> tree.Expr:
    """Comparisons, chained ones with the middle evaluated once."""
    line = checker.line(node)
    left = check_value(checker, node.left, None)
    result: tree.Expr | None = None
    for position, (op, right_node) in enumerate(zip(node.ops, node.comparators, strict=True)):
        right = check_value(checker, right_node, left.type if not is_constant(left) else None)
        last = position == len(node.ops) - 1
        following = right
        if not last and not isinstance(right, tree.Const | tree.Local):
            right = checker.settle(right, right_node)
            name = checker.temporary(right.type, "middle")
            note_binding(checker, name, right, right_node)
            following = tree.Local(right.type, name, line=line)
            right = tree.Bind(right.type, name, right, line=line)
        step = _comparison(checker, op, left, right, node)
        result = step if result is None else tree.Logic(BOOL, "and", result, step, line=line)
        left = following
    assert result is not None
    return result


def _comparison(checker: Checker, op: ast.cmpop, left: tree.Expr, right: tree.Expr, node: ast.Compare) -> tree.Expr:
    line = checker.line(node)
    if isinstance(op, ast.Is | ast.IsNot):
        return _identity(checker, left, right, isinstance(op, ast.IsNot), node)
    if isinstance(op, ast.In | ast.NotIn):
        found = _contains(checker, left, right, node)
        return tree.Unary(BOOL, "not", found, line=line) if isinstance(op, ast.NotIn) else found
    symbol, dunder, fold = COMPARISONS[type(op)]
    if isinstance(left, tree.Const) and isinstance(right, tree.Const) and left.type == right.type:
        known = left.value is not None and right.value is not None
        if known:
            return tree.Const(BOOL, fold(left.value, right.value), line=line)
    left, right = require_present(checker, left, node), require_present(checker, right, node)
    if isinstance(left.type, StructType | ManagedType):
        return _user_comparison(checker, symbol, dunder, left, right, node)
    if isinstance(left.type, PtrType) and isinstance(right.type, PtrType | NullType) and symbol in ("==", "!="):
        return tree.Compare(BOOL, symbol, left, checker.coerce(right, left.type, node), line=line)
    left, right = _operands(checker, symbol, left, right, node)
    ordered = isinstance(left.type, IntType | FloatType | AddressType)
    if isinstance(left.type, EnumType) and not left.type.flags:
        ordered = True
    if ordered or (symbol in ("==", "!=") and (left.type == BOOL or isinstance(left.type, EnumType))):
        return tree.Compare(BOOL, symbol, left, right, line=line)
    hint = "use a.equals(b)" if str(left.type).startswith("Slice") else ""
    checker.refuse(node, f"'{symbol}' is not defined for {left.type}", hint)


def _user_comparison(
    checker: Checker, symbol: str, dunder: str, left: tree.Expr, right: tree.Expr, node: ast.Compare
) -> tree.Expr:
    """Comparison methods of a class; the missing ones follow from __eq__ and __lt__."""
    assert isinstance(left.type, StructType | ManagedType)
    line = checker.line(node)
    if _defines(left.type.cls, dunder):
        return method_call(checker, left, dunder, [right], node)
    if symbol == "!=" and _defines(left.type.cls, "__eq__"):
        return tree.Unary(BOOL, "not", method_call(checker, left, "__eq__", [right], node), line=line)
    hint = f"define {dunder} in the class" + (", or compare with 'is'" if symbol in ("==", "!=") else "")
    checker.refuse(node, f"'{symbol}' is not defined for {left.type}", hint)


def _defines(cls: Any, name: str) -> bool:
    """Whether the class itself compares; every class has comparisons from the language library that refuse."""
    function = plain_function(member(cls, name))
    return function is not None and not function.__module__.startswith("cloudos.lang.")


def _identity(checker: Checker, left: tree.Expr, right: tree.Expr, negated: bool, node: ast.Compare) -> tree.Expr:
    line = checker.line(node)
    if right.type == NONE:
        if left.type == NONE:
            return tree.Const(BOOL, not negated, line=line)
        if not isinstance(left.type, OptionalType):
            if isinstance(left, tree.Unwrap):
                return tree.Const(BOOL, negated, line=line)
            checker.refuse(node, f"this is never None: it is {left.type}")
        return tree.IsNone(BOOL, left, negated, line=line)
    if isinstance(left.type, LiveType) and isinstance(right.type, LiveType):
        return tree.Const(BOOL, (left.type.value is right.type.value) != negated, line=line)
    left, right = unify(checker, left, right, node)
    if left.type.is_place or isinstance(left.type, ManagedType) or _nullable(left.type):
        return tree.Compare(BOOL, "!=" if negated else "==", left, right, line=line)
    checker.refuse(node, f"'is' compares references, not {left.type}", "use ==")


def _nullable(kind: Type) -> bool:
    return isinstance(kind, OptionalType) and kind.nullable and not isinstance(kind.inner, ProtocolType)


def _contains(checker: Checker, left: tree.Expr, right: tree.Expr, node: ast.Compare) -> tree.Expr:
    right = require_present(checker, right, node)
    if isinstance(right.type, EnumType) and right.type.flags and left.type == right.type:
        line = checker.line(node)
        kept = left
        if not isinstance(left, tree.Const | tree.Local):
            name = checker.temporary(left.type, "sought")
            kept, left = tree.Local(left.type, name, line=line), tree.Bind(left.type, name, left, line=line)
        both = tree.Binary(right.type, "&", left, right, line=line)
        return tree.Compare(BOOL, "==", both, kept, line=line)
    if isinstance(right.type, StructType | ManagedType) and member(right.type.cls, "__contains__") is not None:
        # Python evaluates the left side first, so it is kept before the container is looked at.
        wanted = method_signature(checker, right.type, "__contains__", node).parameters[1].type
        left = checker.coerce(left, wanted, node.left)
        name = checker.temporary(wanted, "sought")
        bound = tree.Bind(wanted, name, left, line=left.line)
        call = method_call(checker, right, "__contains__", [tree.Local(wanted, name, line=left.line)], node)
        return tree.Intrinsic(call.type, "after", [bound, call], line=left.line)
    checker.refuse(node, f"'in' is not defined for {right.type}", "write a loop, or define __contains__")


def method_signature(checker: Checker, kind: Type, name: str, node: ast.AST) -> FunctionInstance:
    """The instance of a method of a struct or managed class."""
    assert isinstance(kind, StructType | ManagedType)
    function = plain_function(member(kind.cls, name))
    if function is None:
        checker.refuse(node, f"{kind} has no method '{name}'")
    if getattr(function, "__interpreted__", False):
        checker.refuse(node, f"'{name}' of {kind} runs only under CPython")
    return make_instance(checker.program, function, kind, {})


def method_call(checker: Checker, base: tree.Expr, name: str, arguments: list[tree.Expr], node: Any) -> tree.Expr:
    """Call a method whose arguments are already checked."""
    from cloudos.compiler.check.calls import finish_call, virtual_call

    if isinstance(base.type, ProtocolType):
        if name not in protocol_methods(base.type.cls):
            checker.refuse(node, f"{base.type} has no method '{name}'")
        return virtual_call(checker, base, name, arguments, node)
    if not isinstance(base.type, StructType | ManagedType):
        checker.refuse(node, f"{base.type} has no method '{name}'")
    instance = method_signature(checker, base.type, name, node)
    wanted = instance.parameters[1:]
    if len(wanted) != len(arguments):
        checker.refuse(node, f"'{name}' of {base.type} takes {len(wanted)} arguments, not {len(arguments)}")
    values = [
        checker.coerce(argument, parameter.type, node) for argument, parameter in zip(arguments, wanted, strict=True)
    ]
    return finish_call(checker, instance, [base, *values], node)


def property_value(checker: Checker, base: tree.Expr, name: str, node: Any) -> tree.Expr:
    """Read a property."""
    return method_call(checker, base, name, [], node)
