"""Targets of assignments: fields, elements, what a pointer points at."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace

from cloudos.compiler import tree
from cloudos.compiler.check.annotations import U64
from cloudos.compiler.check.calls import finish_call
from cloudos.compiler.check.checker import Checker, make_instance, member
from cloudos.compiler.check.construction import note_field
from cloudos.compiler.check.escape import check_store, note_binding
from cloudos.compiler.check.expressions import check_value, field_type, index_value, require_present
from cloudos.compiler.check.operators import method_call, method_signature, property_value
from cloudos.compiler.typesystem import ArrayType, ManagedType, PtrType, SliceType, StructType, Type


@dataclass
class Place:
    """Something that can be loaded from and stored into.

    `kind` is field, index, deref, item (`__setitem__`) or property.
    """

    kind: str
    type: Type
    base: tree.Expr
    name: str = ""
    index: tree.Expr | None = None
    checker: Checker | None = None
    node: ast.expr | None = None
    before: list[tree.Stmt] = field(default_factory=list)

    def load(self, line: int) -> tree.Expr:
        """The current value."""
        if self.kind == "field":
            return tree.LoadField(self.type, self.base, self.name, line=line)
        if self.kind == "deref":
            return tree.Deref(self.type, self.base, line=line)
        if self.kind == "property":
            assert self.checker is not None
            return property_value(self.checker, self.base, self.name, self.node)
        assert self.index is not None
        if self.kind == "index":
            return tree.LoadIndex(self.type, self.base, self.index, line=line)
        assert self.checker is not None and self.node is not None
        return method_call(self.checker, self.base, "__getitem__", [self.index], self.node)

    def pinned(self, checker: Checker, line: int) -> Place:
        """The same place with base and index evaluated once, by the statements in `before`."""
        before: list[tree.Stmt] = []

        def keep(value: tree.Expr, purpose: str) -> tree.Expr:
            if isinstance(value, tree.Local | tree.Static | tree.Located | tree.Const):
                return value
            name = checker.temporary(value.type, purpose)
            note_binding(checker, name, value, self.node or checker.source.node)
            before.append(tree.SetLocal(line, name, value))
            return tree.Local(value.type, name, line=line)

        base = keep(self.base, "base")
        index = keep(self.index, "index") if self.index is not None else None
        return replace(self, base=base, index=index, before=before)


def place_of(checker: Checker, node: ast.expr) -> Place:
    """The place that a target expression names."""
    if isinstance(node, ast.Attribute):
        return _attribute_place(checker, node)
    if isinstance(node, ast.Subscript):
        return _subscript_place(checker, node)
    checker.refuse(node, "this cannot be assigned to")


def _attribute_place(checker: Checker, node: ast.Attribute) -> Place:
    base = require_present(checker, check_value(checker, node.value, None), node.value)
    if isinstance(base.type, PtrType) and node.attr == "value":
        return Place("deref", base.type.element, base, node=node)
    if isinstance(base.type, StructType | ManagedType):
        kind = field_type(checker, base.type, node.attr)
        if kind is not None:
            return Place("field", kind, base, name=node.attr, node=node)
        written = member(base.type.cls, node.attr)
        if isinstance(written, property) and written.fset is not None:
            setter = make_instance(checker.program, written.fset, base.type, {})
            kind = setter.parameters[1].type
            return Place("property", kind, base, name=node.attr, checker=checker, node=node)
        checker.refuse(node, f"{base.type} has no field '{node.attr}'", "declare it in the body of the class")
    checker.refuse(node, f"'{node.attr}' of {base.type} cannot be assigned to")


def _subscript_place(checker: Checker, node: ast.Subscript) -> Place:
    base = require_present(checker, check_value(checker, node.value, None), node.value)
    if isinstance(node.slice, ast.Slice):
        checker.refuse(node, "a slice cannot be assigned to", "use part.copy_from(other) or part.fill(value)")
    if isinstance(base.type, SliceType | ArrayType):
        return Place("index", base.type.element, base, index=index_value(checker, node.slice), node=node)
    if isinstance(base.type, StructType | ManagedType) and member(base.type.cls, "__setitem__") is not None:
        signature = method_signature(checker, base.type, "__setitem__", node)
        wanted = signature.parameters[1].type
        index = checker.coerce(check_value(checker, node.slice, wanted), wanted, node.slice)
        kind = signature.parameters[2].type
        return Place("item", kind, base, index=index, checker=checker, node=node)
    checker.refuse(node, f"elements of {base.type} cannot be assigned to")


def assign_place(checker: Checker, place: Place, value: tree.Expr, node: ast.AST) -> list[tree.Stmt]:
    """The statement that stores `value` into `place`."""
    line = checker.line(node)
    check_store(checker, place.base, value, node)
    if place.kind == "field":
        note_field(checker, place.base, place.name)
        return [tree.StoreField(line, place.base, place.name, value)]
    if place.kind == "deref":
        return [tree.StoreDeref(line, place.base, value)]
    if place.kind == "index":
        assert place.index is not None
        return [tree.StoreIndex(line, place.base, place.index, value)]
    # Python evaluates the value before the object and the index.
    name = checker.temporary(value.type, "value")
    note_binding(checker, name, value, node)
    held = tree.Local(value.type, name, line=line)
    return [tree.SetLocal(line, name, value), tree.Evaluate(line, _setter_call(checker, place, held))]


def _setter_call(checker: Checker, place: Place, value: tree.Expr) -> tree.Expr:
    """The call that an assignment to an item or a property stands for."""
    assert place.node is not None and isinstance(place.base.type, StructType | ManagedType)
    if place.kind == "property":
        setter = make_instance(checker.program, member(place.base.type.cls, place.name).fset, place.base.type, {})
        return finish_call(checker, setter, [place.base, value], place.node)
    assert place.index is not None
    return method_call(checker, place.base, "__setitem__", [place.index, value], place.node)


__all__ = ["U64", "Place", "assign_place", "place_of"]
