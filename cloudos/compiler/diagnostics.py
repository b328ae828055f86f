"""What the compiler says when it refuses a program: place, line, reason, and what to write instead."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Diagnostic:
    """One refusal. Lines and columns count from 1, as editors do."""

    path: str
    line: int
    column: int
    message: str
    hint: str = ""
    source_line: str = ""
    origin: str = ""
    """`file:line` in the program that led to library code which is refused; empty when the place says it all."""

    def __str__(self) -> str:
        text = f"{self.path}:{self.line}:{self.column}: error: {self.message}"
        if self.source_line:
            text += f"\n    {self.source_line.rstrip()}\n    {' ' * (self.column - 1)}^"
        if self.hint:
            text += f"\n  help: {self.hint}"
        if self.origin:
            text += f"\n  needed by {self.origin}"
        return text


class CompileError(Exception):
    """The program cannot be compiled; `diagnostics` says why."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = list(diagnostics)
        super().__init__("\n".join(str(entry) for entry in self.diagnostics))


def with_origin(error: CompileError, origin: str) -> CompileError:
    """The same error, saying what led to it, unless it says so already."""
    return CompileError([entry if entry.origin else replace(entry, origin=origin) for entry in error.diagnostics])


class InternalCompilerError(Exception):
    """The compiler produced something that its own back end refuses: a defect of the compiler, never of the program."""


def refuse_at(
    path: str, line: int, column: int, message: str, hint: str = "", source: str | None = None
) -> CompileError:
    """Build the error for one place; the caller raises it. `column` counts from 1."""
    lines = source.splitlines() if source is not None else linecache.getlines(path)
    shown = lines[line - 1].rstrip("\n") if 0 < line <= len(lines) else ""
    return CompileError([Diagnostic(path, line, column, message, hint, shown)])


def refuse_node(path: str, node: ast.AST, message: str, hint: str = "", source: str | None = None) -> CompileError:
    """Build the error for a syntax node."""
    line = getattr(node, "lineno", 1)
    column = getattr(node, "col_offset", 0) + 1
    return refuse_at(path, line, column, message, hint, source)
