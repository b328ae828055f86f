"""Fields of structs and managed classes whose annotation means no type.

`cloudos.lang` lays a class out when something needs to know how it is laid out, which for most is the compiler; what it
raises then says which field it is about, and becomes a refusal here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from cloudos.compiler.diagnostics import CompileError, refuse_at
from cloudos.compiler.load import module_text, shown_path

E = TypeVar("E", bound=Exception)
HINT = "a field has a type of cloudos.lang or a class under @struct; only managed classes hold managed objects"


MARK = "cloudos_field"
"""The attribute of an error that says which class and field it is about (`cloudos.lang.structs.of_field`)."""


def about_the_same_field(error: Exception, other: E) -> E:
    """The other error, which says as well what the first is about."""
    field = getattr(error, MARK, None)
    if field is not None:
        setattr(other, MARK, field)
    return other


@contextmanager
def fields_refused() -> Iterator[None]:
    """Turn errors about a field into CompileError, with the place of the field."""
    try:
        yield
    except Exception as error:
        field = getattr(error, MARK, None)
        if field is None:
            raise
        owner, name = field
        raise refusal(owner, name, str(error)) from None


def refusal(owner: type[Any], name: str, message: str) -> CompileError:
    """The refusal of a field; at the first line of a module that cannot be read."""
    source = vars(owner).get("__struct_source__") or vars(owner).get("__managed_source__") or (None,)
    file = getattr(source[-1], "globals", {}).get("__file__", "<unknown>")
    try:
        text = module_text(file)
        line, column = place(ast.parse(text), owner.__name__.partition("[")[0], name)
    except (OSError, KeyError, SyntaxError):
        text, line, column = "", 1, 1
    return refuse_at(shown_path(file), line, column, message, HINT, text)


def place(tree: ast.Module, owner: str, name: str) -> tuple[int, int]:
    """Line and column of a field's annotation, from 1; of the first line when the class is not found."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == owner:
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and field.target.id == name:
                    return field.annotation.lineno, field.annotation.col_offset + 1
            return node.lineno, node.col_offset + 1
    return 1, 1
