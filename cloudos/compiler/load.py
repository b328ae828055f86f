"""First pass: from live functions to their syntax.

Import is build time: CPython has run every module's top level before the compiler starts. What remains to be done is
to find, for a function object, the syntax tree that it was made from. Functions made by `cloudos.lang.generate` keep
their text in `cloudos.lang.GENERATED`.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FunctionType

from cloudos.compiler.diagnostics import refuse_at

ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds the package: paths below it are shown and recorded relative to it."""


@dataclass(frozen=True)
class FunctionSource:
    """Where a function was written."""

    path: str
    """The path shown to people and recorded in debug information; the same on every machine."""
    file: str
    """The path or the generated name under which the text is found."""
    text: str
    node: ast.FunctionDef


def shown_path(file: str) -> str:
    """The path of a source file as people and debug information see it."""
    if file.startswith("<"):
        return file
    path = Path(file).resolve()
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


@cache
def _parse(file: str, text: str) -> dict[tuple[str, int], ast.FunctionDef]:
    """All functions of a module, by name and first line (that of the first decorator, as code objects have it)."""
    found: dict[tuple[str, int], ast.FunctionDef] = {}
    for node in ast.walk(ast.parse(text, file)):
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(entry.lineno for entry in node.decorator_list)])
            found[node.name, first] = node
    return found


@cache
def _read(file: str) -> str:
    return Path(file).read_text(encoding="utf-8-sig")


def module_text(file: str) -> str:
    """The text of a module or of a generated function."""
    from cloudos.lang import GENERATED

    return GENERATED[file] if file in GENERATED else _read(file)


def function_source(function: FunctionType) -> FunctionSource:
    """Find the syntax of `function`. Raises CompileError for what has none (built-ins, lambdas, nested code)."""
    code = function.__code__
    file = code.co_filename
    try:
        text = module_text(file)
        node = _parse(file, text).get((code.co_name, code.co_firstlineno))
    except (OSError, SyntaxError):
        node, text = None, ""
    if node is None:
        hint = "write it as a function at the top level of a module or of a class"
        raise refuse_at(file, code.co_firstlineno, 1, f"no source was found for '{function.__qualname__}'", hint)
    if function.__closure__ and set(code.co_freevars) - {"__class__"}:
        name = code.co_freevars[0]
        hint = f"pass '{name}' as a parameter or keep it in the field of an object"
        raise refuse_at(file, node.lineno, 1, f"'{node.name}' uses '{name}' of the function around it", hint, text)
    return FunctionSource(shown_path(file), file, text, node)
