"""Checking calls: functions, methods, constructors, protocols."""

from __future__ import annotations

import ast
import builtins
import inspect
import typing
from typing import Any, TypeVar

from cloudos.compiler import tree
from cloudos.compiler.check import primitives
from cloudos.compiler.check.annotations import (
    UnknownAnnotation,
    contains_variable,
    expression_of_live,
    live_of_type,
    origin_of,
    type_of_annotation,
)
from cloudos.compiler.check.checker import (
    Checker,
    class_bindings,
    declared_method,
    make_instance,
    member,
    protocol_methods,
)
from cloudos.compiler.check.escape import check_store, note_binding
from cloudos.compiler.check.expressions import (
    check_value,
    field_type,
    refuse_managed_constant,
    require_present,
    struct_fields,
)
from cloudos.compiler.check.keeping import note_call
from cloudos.compiler.program import FunctionInstance, Parameter, plain_function
from cloudos.compiler.typesystem import (
    TEXT,
    ArrayType,
    AtomicType,
    LiveType,
    ManagedType,
    NullType,
    OptionalType,
    ProtocolType,
    StructType,
    TupleType,
    Type,
    TypeOf,
)
from cloudos.lang.layout import ZEROED


def check_call(checker: Checker, node: ast.Call, expected: Type | None) -> tree.Expr:
    """Any call expression."""
    for argument in node.args:
        if isinstance(argument, ast.Starred):
            checker.refuse(argument, "'*' is not supported in compiled code", "pass each value by itself")
    for keyword in node.keywords:
        if keyword.arg is None:
            checker.refuse(node, "'**' is not supported in compiled code", "pass each value by name")
    if isinstance(node.func, ast.Attribute):
        base = check_value(checker, node.func.value, None)
        if isinstance(base.type, LiveType):
            return _live_member_call(checker, base.type.value, node, expected)
        return _bound_call(checker, require_present(checker, base, node.func.value), node.func.attr, node)
    called = check_value(checker, node.func, None)
    if not isinstance(called.type, LiveType):
        checker.refuse(node.func, f"{called.type} cannot be called")
    return live_call(checker, called.type.value, node, expected)


def _live_member_call(checker: Checker, owner: Any, node: ast.Call, expected: Type | None) -> tree.Expr:
    assert isinstance(node.func, ast.Attribute)
    name = node.func.attr
    special = primitives.class_method(checker, owner, name, node)
    if special is not None:
        return special
    refuse_managed_constant(checker, owner, node.func)
    try:
        found = getattr(owner, name)
    except AttributeError:
        shown = getattr(owner, "__name__", type(owner).__name__)
        checker.refuse(node.func, f"'{shown}' has no attribute '{name}'")
    if isinstance(owner, type) and plain_function(member(owner, name)) is not None:
        if not isinstance(member(owner, name), staticmethod):
            checker.refuse(node.func, f"'{name}' needs an object to be called on")
        return call_function(checker, plain_function(member(owner, name)), _owner_type(checker, owner), node)
    return live_call(checker, found, node, expected)


def _owner_type(checker: Checker, owner: Any) -> Type | None:
    try:
        return type_of_annotation(owner, checker.bindings, checker.instance.owner)
    except (UnknownAnnotation, TypeError):
        return None


def live_call(checker: Checker, called: Any, node: ast.Call, expected: Type | None) -> tree.Expr:
    """Call of a live object."""
    name = getattr(called, "__intrinsic__", None)
    if name is not None:
        return primitives.intrinsic_call(checker, name, node, expected)
    if getattr(called, "__comptime__", False):
        return _comptime(checker, called, node)
    if isinstance(called, type):
        return _construct(checker, called, node, expected)
    if inspect.isfunction(called):
        if getattr(called, "__interpreted__", False):
            checker.refuse(node, f"'{called.__name__}' runs only under CPython")
        return call_function(checker, called, None, node)
    if inspect.isbuiltin(called):
        return primitives.builtin_call(checker, called, node, expected)
    checker.refuse(node.func, f"'{getattr(called, '__name__', called)}' cannot be called in compiled code")


def _comptime(checker: Checker, called: Any, node: ast.Call) -> tree.Expr:
    values = [checker.evaluate(argument, "this build-time argument") for argument in node.args]
    named = {str(entry.arg): checker.evaluate(entry.value, "this build-time argument") for entry in node.keywords}
    try:
        return expression_of_live(called(*values, **named), checker.line(node))
    except Exception as error:
        checker.refuse(node, f"this build-time call failed: {type(error).__name__}: {error}")


def _construct(checker: Checker, cls: Any, node: ast.Call, expected: Type | None) -> tree.Expr:
    converted = primitives.conversion(checker, cls, node)
    if converted is not None:
        return converted
    if cls in (
        builtins.int,
        builtins.float,
        builtins.str,
        builtins.list,
        builtins.dict,
        builtins.range,
        builtins.bytes,
    ):
        return primitives.builtin_call(checker, cls, node, expected)
    try:
        kind = type_of_annotation(cls, checker.bindings, checker.instance.owner)
    except UnknownAnnotation as error:
        checker.refuse(node, str(error), error.hint)
    line = checker.line(node)
    if isinstance(kind, ArrayType):
        if node.args or node.keywords:
            checker.refuse(node, "an array starts as all zeros", "fill it: array.fill(value)")
        return tree.Intrinsic(kind, "zeroed_place", [], line=line)
    if isinstance(kind, AtomicType):
        checker.refuse(node, "an atomic cell lives in a field of an object made at module level")
    if isinstance(kind, StructType | ManagedType):
        if getattr(origin_of(kind.cls), "__parameters__", ()) and not getattr(kind.cls, "__args__", ()):
            name = kind.cls.__name__
            checker.refuse(node, f"{name} needs its type: {name}[U64](…)")
        for argument in getattr(kind.cls, "__args__", ()):
            if argument in (builtins.int, builtins.float):
                name = origin_of(kind.cls).__name__
                checker.refuse(node, f"{argument.__name__} has no width", f"write {name}[U64], [I64] or [F64]")
        return _new_object(checker, kind, node)
    checker.refuse(node, f"{kind} cannot be made this way")


def _new_object(checker: Checker, kind: StructType | ManagedType, node: ast.Call) -> tree.Expr:
    line = checker.line(node)
    if isinstance(kind, ManagedType) and checker.program.target.kind == "kernel":
        checker.refuse(node, "the kernel has no managed objects", "use a struct in memory that the kernel owns")
    if isinstance(kind, ManagedType):
        from cloudos.compiler.check import reach_drop

        reach_drop(checker.program, kind)
    written = plain_function(member(kind.cls, "__init__"))
    if isinstance(kind, ManagedType) and written is not None and written.__name__ == "__init__":
        instance = make_instance(checker.program, written, kind, {})
        values, before = bind_arguments(checker, instance.parameters[1:], node)
        for value in values:
            if value.type != TEXT:  # a text cannot be a field, so __init__ cannot keep it
                _refuse_local(checker, value, node)
        made: tree.Expr = tree.Construct(kind, [], instance, values, line=line)
        return _after(before, made)
    parameters = [
        Parameter(entry.name, _field(checker, kind, entry.name), entry.has_default, entry.default)
        for entry in struct_fields(kind)
    ]
    values, before = bind_arguments(checker, parameters, node)
    for value in values:
        if isinstance(kind, ManagedType):
            _refuse_local(checker, value, node)
    named = [(parameter.name, value) for parameter, value in zip(parameters, values, strict=True)]
    return _after(before, tree.Construct(kind, named, line=line))


def _refuse_local(checker: Checker, value: tree.Expr, node: ast.AST) -> None:
    check_store(checker, None, value, node)


def _field(checker: Checker, kind: StructType | ManagedType, name: str) -> Type:
    found = field_type(checker, kind, name)
    assert found is not None
    return found


def _after(before: list[tree.Expr], value: tree.Expr) -> tree.Expr:
    return tree.Intrinsic(value.type, "after", [*before, value], line=value.line) if before else value


def default_value(checker: Checker, parameter: Parameter, node: ast.AST) -> tree.Expr:
    """The default of a parameter or field, from the live object."""
    line = checker.line(node)
    if parameter.default is ZEROED:
        value: tree.Expr = tree.Const(NullType(zero=True), None, line=line)
    else:
        value = expression_of_live(parameter.default, line)
    return checker.coerce(value, parameter.type, node)


def bind_arguments(
    checker: Checker, parameters: list[Parameter], node: ast.Call
) -> tuple[list[tree.Expr], list[tree.Expr]]:
    """Arguments in the order of the parameters, and what must be evaluated before them when names change the order."""
    positional = [parameter for parameter in parameters if not parameter.keyword_only]
    if len(node.args) > len(positional):
        named = [parameter.name for parameter in parameters if parameter.keyword_only]
        hint = f"give by name: {', '.join(named)}" if named else ""
        message = f"too many arguments: {len(node.args)} for {len(positional)} parameters"
        checker.refuse(node.args[len(positional)], message, hint)
    given: dict[str, tree.Expr] = {}
    for parameter, argument in zip(positional, node.args, strict=False):
        given[parameter.name] = _argument(checker, parameter, argument)
    for keyword in node.keywords:
        found = next((entry for entry in parameters if entry.name == keyword.arg), None)
        if found is None or found.name in given:
            problem = "is given twice" if found is not None else "is not a parameter"
            checker.refuse(keyword.value, f"'{keyword.arg}' {problem}")
        given[found.name] = _argument(checker, found, keyword.value)
    before: list[tree.Expr] = []
    order = [parameter.name for parameter in parameters if parameter.name in given]
    if order != list(given):
        given = {name: _keep(checker, value, before, node) for name, value in given.items()}
    values = []
    for parameter in parameters:
        if parameter.name in given:
            values.append(given[parameter.name])
        elif parameter.has_default:
            values.append(default_value(checker, parameter, node))
        else:
            checker.refuse(node, f"the argument '{parameter.name}' is missing")
    return values, before


def _keep(checker: Checker, value: tree.Expr, before: list[tree.Expr], node: ast.AST) -> tree.Expr:
    if isinstance(value, tree.Const | tree.Static):
        return value
    name = checker.temporary(value.type, "argument")
    note_binding(checker, name, value, node)
    before.append(tree.Bind(value.type, name, value, line=value.line))
    return tree.Local(value.type, name, line=value.line)


def _argument(checker: Checker, parameter: Parameter, node: ast.expr) -> tree.Expr:
    if isinstance(parameter.type, TypeOf):
        live = check_value(checker, node, None)
        if not isinstance(live.type, LiveType):
            checker.refuse(node, "a type is expected here")
        return live
    return checker.coerce(check_value(checker, node, parameter.type), parameter.type, node)


def call_function(checker: Checker, function: Any, owner: Type | None, node: ast.Call) -> tree.Expr:
    """Call of a plain function, its type variables found from the arguments."""
    function = checker.program.substitutes.get(function, function)
    bindings: dict[TypeVar, Type] = {}
    if any(contains_variable(kind) for kind in _live_annotations(function).values()):
        bindings = _infer(checker, function, owner, node)
    instance = make_instance(checker.program, function, owner, bindings)
    values, before = bind_arguments(checker, instance.parameters, node)
    return _after(before, finish_call(checker, instance, values, node))


def _live_annotations(function: Any) -> dict[str, Any]:
    """The annotations of a function, evaluated where they can be."""
    found = {}
    for name, note in function.__annotations__.items():
        try:
            found[name] = eval(note, function.__globals__) if isinstance(note, str) else note
        except Exception:  # the signature itself is checked, and refused with its place, by make_instance
            continue
    return found


def _infer(checker: Checker, function: Any, owner: Type | None, node: ast.Call) -> dict[TypeVar, Type]:
    """Match the types of the arguments with the annotations. A first look at each argument; binding repeats it."""
    bindings: dict[TypeVar, Type] = {}
    known = class_bindings(owner)
    names = list(inspect.signature(function).parameters)
    if names and names[0] == "self" and owner is not None:
        names = names[1:]
    notes = _live_annotations(function)
    pairs = [*zip(names, node.args, strict=False), *((str(entry.arg), entry.value) for entry in node.keywords)]
    for name, argument in pairs:
        note = notes.get(name)
        if note is None or not contains_variable_deep(note):
            continue
        found = check_value(checker, argument, None).type
        _match(note, found, bindings)
    for variable in _variables(list(notes.values())):
        if variable not in bindings and variable not in known:
            checker.refuse(
                node, f"the type {variable} does not follow from the arguments", "give integers a width: U64(…)"
            )
    return {variable: kind for variable, kind in bindings.items() if variable not in known}


def contains_variable_deep(note: Any) -> bool:
    """Whether a typing construct has type variables anywhere in it."""
    return bool(_variables([note]))


def _variables(notes: list[Any]) -> list[TypeVar]:
    found: list[TypeVar] = []
    for note in notes:
        if isinstance(note, TypeVar):
            found.append(note)
        else:
            arguments = getattr(note, "__args__", None) or typing.get_args(note)
            found.extend(_variables([entry for entry in arguments or () if not isinstance(entry, str | int)]))
    return list(dict.fromkeys(found))


def _match(note: Any, found: Type, bindings: dict[TypeVar, Type]) -> None:
    if isinstance(note, TypeVar):
        if str(found) not in ("int", "float", "None", "null()", "zeroed()"):
            bindings.setdefault(note, found if not isinstance(found, TypeOf) else found.type)
        return
    if typing.get_origin(note) is type:
        if isinstance(found, LiveType):
            bindings.setdefault(typing.get_args(note)[0], type_of_annotation(found.value, {}))
        return
    if typing.get_origin(note) is tuple and isinstance(found, TupleType):
        for inner, kind in zip(typing.get_args(note), found.items, strict=False):
            _match(inner, kind, bindings)
        return
    parts = typing.get_args(note) if not isinstance(note, type) else getattr(note, "__args__", ())
    if isinstance(found, OptionalType) or type(None) in parts:
        inner_notes = [part for part in parts if part is not type(None)]
        _match(inner_notes[0], found.inner if isinstance(found, OptionalType) else found, bindings)
        return
    try:
        live = live_of_type(found)
    except UnknownAnnotation:
        return
    if origin_of(live) is origin_of(note):
        for inner, argument in zip(getattr(note, "__args__", ()), getattr(live, "__args__", ()), strict=False):
            if isinstance(inner, TypeVar) and typing.get_origin(argument) is typing.Literal:
                bindings.setdefault(inner, LiveType(typing.get_args(argument)[0]))
            else:
                _match(inner, type_of_annotation(argument, {}), bindings)


def finish_call(checker: Checker, instance: FunctionInstance, values: list[tree.Expr], node: ast.AST) -> tree.Expr:
    """The call node; a struct result needs the callee checked, to know who provides its storage."""
    if isinstance(instance.result, StructType | ArrayType) and not instance.checked:
        if instance.checking:
            checker.refuse(node, "a function that returns a struct cannot call itself", "return through a parameter")
        from cloudos.compiler.check import check_instance

        check_instance(checker.program, instance)
    note_call(checker, instance, values, node)
    values = [value for value in values if not isinstance(value.type, LiveType)]
    return tree.Call(instance.result, instance, values, line=checker.line(node))


def _bound_call(checker: Checker, base: tree.Expr, name: str, node: ast.Call) -> tree.Expr:
    kind = base.type
    if isinstance(kind, StructType | ManagedType):
        return _method(checker, base, kind, name, node)
    if isinstance(kind, ProtocolType):
        signature = protocol_signature(checker, kind, name, node)
        values, before = bind_arguments(checker, signature.parameters[1:], node)
        return _after(before, virtual_call(checker, base, name, values, node))
    found = primitives.method(checker, base, name, node)
    if found is None:
        checker.refuse(node.func, f"{kind} has no method '{name}'", primitives.method_hint(kind, name))
    return found


def _method(checker: Checker, base: tree.Expr, kind: StructType | ManagedType, name: str, node: ast.Call) -> tree.Expr:
    written = member(kind.cls, name)
    if getattr(written, "__intrinsic__", None) == "copy":
        return tree.Intrinsic(kind, "copy", [base], line=checker.line(node))
    if isinstance(written, staticmethod):
        return call_function(checker, plain_function(written), kind, node)
    function = plain_function(written)
    if function is None or isinstance(written, property):
        checker.refuse(node.func, f"{kind} has no method '{name}'")
    if getattr(function, "__interpreted__", False):
        checker.refuse(node, f"'{name}' of {kind} runs only under CPython")
    bindings: dict[TypeVar, Type] = {}
    variables = _variables([note for entry, note in _live_annotations(function).items() if entry != "return"])
    if any(variable not in class_bindings(kind) for variable in variables):
        bindings = _infer(checker, function, kind, node)
    instance = make_instance(checker.program, function, kind, bindings)
    values, before = bind_arguments(checker, instance.parameters[1:], node)
    if before:
        # The object is evaluated before the arguments; keep it so.
        moved: list[tree.Expr] = []
        base = _keep(checker, base, moved, node)
        before = [*moved, *before]
    return _after(before, finish_call(checker, instance, [base, *values], node))


def protocol_signature(checker: Checker, protocol: ProtocolType, name: str, node: ast.AST) -> FunctionInstance:
    """The declared signature of a protocol's method; never compiled itself."""
    if name not in protocol_methods(protocol.cls):
        checker.refuse(node, f"{protocol} has no method '{name}'")
    return declared_method(checker.program, protocol, name)


def virtual_call(checker: Checker, base: tree.Expr, name: str, values: list[tree.Expr], node: Any) -> tree.Expr:
    """A call through the table of methods."""
    assert isinstance(base.type, ProtocolType)
    signature = protocol_signature(checker, base.type, name, node)
    values = [
        checker.coerce(value, parameter.type, node)
        for value, parameter in zip(values, signature.parameters[1:], strict=True)
    ]
    checker.program.virtual_calls[base.type, name] = None
    note_call(checker, (base.type, name), [base, *values], node)
    return tree.CallVirtual(signature.result, base.type, name, base, values, line=checker.line(node))
