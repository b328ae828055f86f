"""Checking expressions that are not calls or operators."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable
from typing import Any, NoReturn

from cloudos import lang
from cloudos.compiler import tree
from cloudos.compiler.check.annotations import (
    INTEGERS,
    U64,
    UnknownAnnotation,
    expression_of_live,
    live_of_type,
    own,
    type_of_annotation,
)
from cloudos.compiler.check.checker import Checker, class_bindings, make_instance, member
from cloudos.compiler.check.construction import require_field
from cloudos.compiler.check.narrowing import apply_facts
from cloudos.compiler.fields import about_the_same_field
from cloudos.compiler.typesystem import (
    BOOL,
    BYTES,
    CONST_FLOAT,
    CONST_INT,
    NONE,
    TEXT,
    AddressType,
    ArrayType,
    EnumType,
    IntType,
    LiveType,
    ManagedType,
    NullType,
    OptionalType,
    PtrType,
    SliceType,
    StructType,
    TupleType,
    Type,
    TypeOf,
    UserPtrType,
)

VIRT = type_of_annotation(lang.VirtAddr, {})


def check_value(checker: Checker, node: ast.expr, expected: Type | None) -> tree.Expr:
    """The typed tree of an expression; `expected` only helps where a constant or an empty value has no type yet."""
    handler = HANDLERS.get(type(node))
    if handler is None:
        _refuse_expression(checker, node)
    try:
        value: tree.Expr = handler(checker, node, expected)
    except UnknownAnnotation as error:
        checker.refuse(node, str(error), error.hint)
    return value


def check_condition(checker: Checker, node: ast.expr) -> tree.Expr:
    """An expression that must be a bool."""
    value = check_value(checker, node, BOOL)
    if value.type != BOOL:
        hint = "compare it: x != 0" if isinstance(value.type, IntType) else ""
        if isinstance(value.type, OptionalType):
            hint = "compare it: x is not None"
        if isinstance(value.type, SliceType | ManagedType):
            hint = "compare its length: x.length > 0"
        checker.refuse(node, f"a condition must be a bool, this is {value.type}", hint)
    return value


def _refuse_expression(checker: Checker, node: ast.expr) -> NoReturn:
    names: dict[type, tuple[str, str]] = {
        ast.Lambda: ("a lambda", "write a function at the top level of the module"),
        ast.ListComp: ("a list comprehension", "write a loop that appends"),
        ast.SetComp: ("a set comprehension", "write a loop"),
        ast.DictComp: ("a dict comprehension", "write a loop that stores"),
        ast.GeneratorExp: ("a generator expression", "write a loop"),
        ast.List: ("a list display", "in programs: items = List[U64](), then append"),
        ast.Dict: ("a dict display", "in programs: table = Map[Text, U64](), then store"),
        ast.Set: ("a set display", "use a Map"),
        ast.NamedExpr: ("':='", "assign in a statement of its own"),
        ast.Starred: ("'*'", "pass each value by itself"),
        ast.Await: ("'await'", "write a loop"),
        ast.Yield: ("'yield'", "write a class with __next__"),
    }
    what, hint = names.get(type(node), (f"'{type(node).__name__}'", "see the language reference"))
    checker.refuse(node, f"{what} is not supported in compiled code", hint)


def _constant(checker: Checker, node: ast.Constant, expected: Type | None) -> tree.Expr:
    value, line = node.value, checker.line(node)
    if isinstance(value, bool):
        return tree.Const(BOOL, value, line=line)
    if value is None:
        return tree.Const(NONE, None, line=line)
    if isinstance(value, int):
        return tree.Const(CONST_INT, value, line=line)
    if isinstance(value, float):
        return tree.Const(CONST_FLOAT, value, line=line)
    if isinstance(value, str):
        return tree.TextLiteral(TEXT, value, line=line)
    if isinstance(value, bytes):
        return tree.BytesData(BYTES, value, line=line)
    checker.refuse(node, f"the literal {value!r} is not supported")


def _name(checker: Checker, node: ast.Name, expected: Type | None) -> tree.Expr:
    name, line = node.id, checker.line(node)
    if name in checker.local_names:
        if name not in checker.locals or name not in checker.flow.assigned:
            checker.refuse(node, f"'{name}' may not be set here", "give it a value on every way that leads here")
        kind = checker.locals[name]
        local = tree.Local(kind, name, line=line)
        if isinstance(kind, TypeOf):
            return tree.Const(LiveType(live_of_type(kind.type)), None, line=line)
        if isinstance(kind, OptionalType) and name in checker.flow.present:
            return tree.Unwrap(kind.inner, local, line=line)
        return local
    if name in checker.globals:
        return live_expression(checker, checker.globals[name], line)
    if hasattr(builtins, name):
        return tree.Const(LiveType(getattr(builtins, name)), None, line=line)
    checker.refuse(node, f"'{name}' is not defined")


def live_expression(checker: Checker, value: Any, line: int) -> tree.Expr:
    """What a live object means; for one that is `located`, the function that tells its address is called."""
    if not hasattr(type(value), "__located__"):
        return expression_of_live(value, line)
    where, kind = type(value).__located__
    target = make_instance(checker.program, where, None, {})
    return tree.Located(type_of_annotation(kind, {}), target, line=line)


def require_present(checker: Checker, value: tree.Expr, node: ast.AST) -> tree.Expr:
    """Refuse the use of a value that may be None."""
    if isinstance(value.type, OptionalType):
        hint = "test it first: if value is None: …"
        if not isinstance(value, tree.Local):
            hint = "bind it to a local name and test that: value = …; if value is None: …"
        checker.refuse(node, f"this may be None ({value.type})", hint)
    return value


def struct_fields(kind: StructType | ManagedType) -> list[Any]:
    """The fields of a class as the language library lists them."""
    return list(fields_info(kind).fields)


def fields_info(kind: StructType | ManagedType) -> Any:
    """The description of a class that the language library keeps."""
    try:
        return kind.cls.__struct__ if isinstance(kind, StructType) else kind.cls.__managed__
    except (NameError, TypeError) as error:
        raise about_the_same_field(error, UnknownAnnotation(str(error))) from None


def field_type(checker: Checker, kind: StructType | ManagedType, name: str) -> Type | None:
    """The type of a field, or None when the class has no such field."""
    if name in fields_info(kind).type_fields:
        return TypeOf(type_of_annotation(fields_info(kind).type_fields[name], class_bindings(kind), kind))
    for entry in struct_fields(kind):
        if entry.name == name:
            return type_of_annotation(entry.type, class_bindings(kind), kind)
    return None


def _attribute(checker: Checker, node: ast.Attribute, expected: Type | None) -> tree.Expr:
    base = check_value(checker, node.value, None)
    line = checker.line(node)
    if isinstance(base.type, LiveType):
        return _live_attribute(checker, base.type.value, node)
    base = require_present(checker, base, node.value)
    kind = base.type
    if isinstance(kind, StructType | ManagedType):
        return _member(checker, base, kind, node)
    primitive = _primitive_attribute(base, kind, node.attr, line)
    if primitive is not None:
        return primitive
    hint = "call it: write the parentheses" if _is_method(kind, node.attr) else ""
    if isinstance(kind, EnumType) and node.attr == "value":
        hint = f"convert it: {kind.width}(…)"
    checker.refuse(node, f"{kind} has no attribute '{node.attr}'", hint)


def _is_method(kind: Type, name: str) -> bool:
    try:
        return callable(getattr(live_of_type(kind), name, None))
    except UnknownAnnotation:
        return False


def _primitive_attribute(base: tree.Expr, kind: Type, name: str, line: int) -> tree.Expr | None:
    if isinstance(kind, SliceType) and name == "length":
        return tree.Intrinsic(U64, "slice_length", [base], line=line)
    if isinstance(kind, SliceType) and name == "pointer":
        return tree.Intrinsic(PtrType(kind.element), "slice_pointer", [base], line=line)
    if isinstance(kind, ArrayType) and name == "length":
        return tree.Const(U64, kind.count, line=line)
    if isinstance(kind, PtrType) and name == "value":
        return tree.Deref(kind.element, base, line=line)
    if isinstance(kind, PtrType) and name == "address":
        return tree.Reinterpret(VIRT, base, line=line)
    if isinstance(kind, UserPtrType) and name == "address":
        return tree.Reinterpret(U64, base, line=line)
    if isinstance(kind, AddressType) and name == "value":
        return tree.Reinterpret(U64, base, line=line)
    return None


def refuse_managed_constant(checker: Checker, owner: Any, node: ast.AST) -> None:
    """Refuse the use of a managed object that was made at import: the heap exists only when the program runs."""
    if not isinstance(owner, type) and own(type(owner), "__managed__"):
        hint = "make it in main and pass it on, or keep plain data in a @struct made at module level"
        checker.refuse(node, f"this {type(owner).__name__} was made at import, before there is a heap", hint)


def _live_attribute(checker: Checker, owner: Any, node: ast.Attribute) -> tree.Expr:
    line = checker.line(node)
    if isinstance(owner, lang.LinkerSymbol) and node.attr == "address":
        return tree.Intrinsic(VIRT, "linker_symbol", [tree.Const(LiveType(owner), None, line=line)], line=line)
    if owner in INTEGERS and node.attr in ("MIN", "MAX", "BITS"):
        return tree.Const(CONST_INT, int(getattr(owner, node.attr)), line=line)
    refuse_managed_constant(checker, owner, node)
    try:
        value = getattr(owner, node.attr)
    except AttributeError:
        name = getattr(owner, "__name__", type(owner).__name__)
        checker.refuse(node, f"'{name}' has no attribute '{node.attr}'")
    return live_expression(checker, value, line)


def _member(checker: Checker, base: tree.Expr, kind: StructType | ManagedType, node: ast.Attribute) -> tree.Expr:
    from cloudos.compiler.check.operators import property_value

    found = field_type(checker, kind, node.attr)
    line = checker.line(node)
    if isinstance(found, TypeOf):
        return tree.Const(LiveType(live_of_type(found.type)), None, line=line)
    if found is not None:
        require_field(checker, base, node.attr, node)
        return tree.LoadField(found, base, node.attr, line=line)
    written = member(kind.cls, node.attr)
    if isinstance(written, property):
        return property_value(checker, base, node.attr, node)
    if written is None:
        checker.refuse(node, f"{kind} has no attribute '{node.attr}'")
    if callable(written) or isinstance(written, staticmethod):
        checker.refuse(node, f"the method '{node.attr}' is not called", "methods cannot be kept: call it here")
    return live_expression(checker, written, line)


def index_value(checker: Checker, node: ast.expr) -> tree.Expr:
    """An index as U64: any unsigned integer type or a constant."""
    value = check_value(checker, node, U64)
    if isinstance(value, tree.Const) and value.type == CONST_INT:
        assert isinstance(value.value, int)
        if value.value < 0:
            checker.refuse(node, "a negative index", "count from the start: items[items.length - 1]")
        return checker.coerce(value, U64, node)
    if isinstance(value.type, IntType) and not value.type.signed:
        return value if value.type == U64 else tree.Convert(U64, value, line=value.line)
    if isinstance(value.type, EnumType) and not value.type.width.signed:
        return tree.Convert(U64, tree.Reinterpret(value.type.width, value, line=value.line), line=value.line)
    checker.refuse(node, f"an index must be an unsigned integer, this is {value.type}", "convert: U64(…)")


def _subscript(checker: Checker, node: ast.Subscript, expected: Type | None) -> tree.Expr:
    from cloudos.compiler.check.operators import method_call, method_signature

    base = check_value(checker, node.value, None)
    line = checker.line(node)
    if isinstance(base.type, LiveType):
        return _live_subscript(checker, node)
    base = require_present(checker, base, node.value)
    kind = base.type
    if isinstance(node.slice, ast.Slice):
        return _cut(checker, node, base)
    if isinstance(kind, SliceType | ArrayType):
        return tree.LoadIndex(kind.element, base, index_value(checker, node.slice), line=line)
    if isinstance(kind, StructType | ManagedType) and member(kind.cls, "__getitem__") is not None:
        wanted = method_signature(checker, kind, "__getitem__", node).parameters[1].type
        index = checker.coerce(check_value(checker, node.slice, wanted), wanted, node.slice)
        return method_call(checker, base, "__getitem__", [index], node)
    checker.refuse(node, f"{kind} has no elements")


def _live_subscript(checker: Checker, node: ast.Subscript) -> tree.Expr:
    live = checker.evaluate(node, "this type")
    if isinstance(live, lang.Integer | lang.F32 | lang.F64 | lang.PhysAddr | lang.VirtAddr | bool):
        return live_expression(checker, live, checker.line(node))
    try:
        kind = type_of_annotation(live, checker.bindings, checker.instance.owner)
        return tree.Const(LiveType(live_of_type(kind)), None, line=checker.line(node))
    except UnknownAnnotation as error:
        if isinstance(live, int | str | bytes) or own(type(live), "__struct__"):
            return live_expression(checker, live, checker.line(node))
        checker.refuse(node, str(error), error.hint)


def _cut(checker: Checker, node: ast.Subscript, base: tree.Expr) -> tree.Expr:
    cut = node.slice
    assert isinstance(cut, ast.Slice)
    if not isinstance(base.type, SliceType):
        hint = "write array.slice()[a:b]" if isinstance(base.type, ArrayType) else "use a method of the object"
        checker.refuse(node, f"{base.type} cannot be cut", hint)
    if cut.step is not None:
        checker.refuse(cut.step, "a slice has no step", "write a loop")
    line = checker.line(node)
    name = checker.temporary(base.type, "cut")
    held = tree.Local(base.type, name, line=line)
    zero: tree.Expr = tree.Const(U64, 0, line=line)
    lower = index_value(checker, cut.lower) if cut.lower is not None else zero
    upper = tree.Intrinsic(U64, "slice_length", [held], line=line)
    end = index_value(checker, cut.upper) if cut.upper is not None else upper
    bound = tree.Bind(base.type, name, base, line=line)
    return tree.Intrinsic(base.type, "slice_cut", [bound, lower, end], (base.type.element,), line=line)


def unify(checker: Checker, left: tree.Expr, right: tree.Expr, node: ast.AST) -> tuple[tree.Expr, tree.Expr]:
    """Both values with one type."""
    if left.type == right.type:
        return left, right
    if left.type == NONE and right.type != NONE:
        kind: Type = right.type if isinstance(right.type, OptionalType) else OptionalType(right.type)
        return checker.coerce(left, kind, node), checker.coerce(right, kind, node)
    if right.type == NONE:
        second, first = unify(checker, right, left, node)
        return first, second
    if isinstance(left, tree.Const) and left.type in (CONST_INT, CONST_FLOAT):
        return checker.coerce(left, right.type, node), right
    if isinstance(left.type, OptionalType):
        return left, checker.coerce(right, left.type, node)
    if isinstance(right.type, OptionalType):
        return checker.coerce(left, right.type, node), right
    return left, checker.coerce(right, left.type, node)


def _choose(checker: Checker, node: ast.IfExp, expected: Type | None) -> tree.Expr:
    condition = check_condition(checker, node.test)
    if isinstance(condition, tree.Const):
        return check_value(checker, node.body if condition.value else node.orelse, expected)
    start = checker.flow.copy()
    apply_facts(checker, node.test, True)
    yes = check_value(checker, node.body, expected)
    checker.flow.become(start)
    apply_facts(checker, node.test, False)
    no = check_value(checker, node.orelse, expected)
    checker.flow.become(start)
    typed = expected is not None and expected not in (CONST_INT, NONE)
    open_type = yes.type in (CONST_INT, CONST_FLOAT, NONE) or isinstance(yes.type, NullType)
    if expected is not None and typed and (open_type or yes.type != no.type):
        yes, no = checker.coerce(yes, expected, node.body), checker.coerce(no, expected, node.orelse)
    yes, no = unify(checker, yes, no, node)
    if yes.type in (CONST_INT, CONST_FLOAT):
        checker.refuse(node, "a bare number has no width", "write U64(…) or another integer type")
    return tree.Choose(yes.type, condition, yes, no, line=checker.line(node))


def _tuple(checker: Checker, node: ast.Tuple, expected: Type | None) -> tree.Expr:
    wanted = expected.items if isinstance(expected, TupleType) and len(expected.items) == len(node.elts) else None
    items = []
    for position, element in enumerate(node.elts):
        kind = wanted[position] if wanted is not None else None
        value = check_value(checker, element, kind)
        items.append(checker.settle(value, element) if kind is None else checker.coerce(value, kind, element))
    return tree.MakeTuple(TupleType(tuple(item.type for item in items)), items, line=checker.line(node))


def _formatted(checker: Checker, node: ast.JoinedStr, expected: Type | None) -> tree.Expr:
    from cloudos.compiler.check.texts import check_format

    return check_format(checker, node)


def _install() -> dict[type, Callable[[Checker, Any, Type | None], tree.Expr]]:
    from cloudos.compiler.check import calls, operators

    return {
        ast.Constant: _constant,
        ast.Name: _name,
        ast.Attribute: _attribute,
        ast.Subscript: _subscript,
        ast.IfExp: _choose,
        ast.Tuple: _tuple,
        ast.JoinedStr: _formatted,
        ast.BinOp: operators.check_binary,
        ast.UnaryOp: operators.check_unary,
        ast.BoolOp: operators.check_logic,
        ast.Compare: operators.check_compare,
        ast.Call: calls.check_call,
    }


class _Handlers(dict[type, Callable[[Checker, Any, "Type | None"], tree.Expr]]):
    """The table of handlers, filled at the first look: operators and calls check expressions themselves."""

    def get(self, key: type, default: Any = None) -> Any:
        if not self:
            self.update(_install())
        return super().get(key, default)


HANDLERS = _Handlers()
