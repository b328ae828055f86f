"""The compiler, given any text: it is compiled up to the C text, or refused with a place and a message.

Import is build time: what a module says at its top level runs. So texts are kept from running that name what could do
harm here, import anything but the language, or have loops at the top level; functions are compiled, never called.
"""

from __future__ import annotations

import ast
import linecache
import sys
import tempfile
import warnings
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from cloudos.compiler import api
from cloudos.compiler import load as load_pass
from cloudos.compiler.diagnostics import CompileError, InternalCompilerError
from cloudos.compiler.targets import host_target
from tests.fuzz.clang import check_units

HEADER = "from __future__ import annotations\n"
ALLOWED = ("__future__", "typing", "cloudos.lang")
FORBIDDEN = frozenset(
    [
        "open",
        "exec",
        "eval",
        "compile",
        "__import__",
        "input",
        "breakpoint",
        "exit",
        "quit",
        "getattr",
        "setattr",
        "delattr",
        "globals",
        "locals",
        "vars",
        "help",
        "dir",
        "print",
        "memoryview",
        "type",
        "super",
        "object",
        "classmethod",
        "property",
        "license",
        "credits",
        "copyright",
    ]
)
ENTRY = "run"
WITH_CLANG = "# clang\n"
"""The end of a text that clang is to see too: most are faster without."""
MOST_DIGITS = 30


def is_harmless(tree: ast.Module) -> bool:
    """Whether a module may be imported here."""
    inside = {id(node) for function in ast.walk(tree) if isinstance(function, ast.FunctionDef)
              for statement in function.body for node in ast.walk(statement)}  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.module not in ALLOWED):
            return False
        if isinstance(node, ast.Name) and (node.id in FORBIDDEN or node.id.startswith("__")):
            return False
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            return False
        slow = (ast.While, ast.For, ast.comprehension, ast.Pow, ast.LShift, ast.Mult, ast.Lambda, ast.Raise)
        if isinstance(node, slow) and id(node) not in inside:
            return False
    return True


def load(text: str, folder: Path) -> ModuleType | None:
    """Import the text as the compiler's tool does; None for what must not run. Raises CompileError."""
    path = folder / "program.py"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # Refused before anything runs.
        return api.import_program(path)
    return api.import_program(path) if is_harmless(tree) else None


def translate(module: ModuleType, with_clang: bool) -> None:
    """All passes, clang's only when asked for, from every function at the top level that has a body of this text."""
    for function in functions_of(module):
        compiled, _ = api.translate(host_target(), [function])
        if with_clang:
            check_units(compiled.units)


def functions_of(module: ModuleType) -> list[Any]:
    """`run`, or the functions of the module."""
    entry = getattr(module, ENTRY, None)
    if isinstance(entry, FunctionType):
        return [entry]
    return [value for value in vars(module).values() if isinstance(value, FunctionType)
            and value.__module__ == module.__name__ and not value.__name__.startswith("_")]  # fmt: skip


def compile_text(text: str) -> bool:
    """Whether the text was compiled. AssertionError: what it was refused with is no refusal."""
    before = set(sys.modules)
    with tempfile.TemporaryDirectory(prefix="cloudos-fuzz-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        try:
            module = load(text, Path(folder))
            if module is None:
                return False
            translate(module, text.endswith(WITH_CLANG))
            main = getattr(module, "main", None)
            if isinstance(main, FunctionType):
                api._adapter(main, Path(folder, "program.py"))
        except CompileError as error:
            check(error)
            return False
        finally:
            load_pass._read.cache_clear()
            load_pass._parse.cache_clear()
            for name in set(sys.modules) - before:
                if name.startswith("program_"):
                    del sys.modules[name]
            linecache.cache.pop(str(Path(folder, "program.py")), None)
    return True


def check(error: CompileError) -> None:
    """A refusal says where and why."""
    assert not isinstance(error, InternalCompilerError)
    assert error.diagnostics
    for one in error.diagnostics:
        assert one.message and one.line >= 1 and one.column >= 1, f"{one!r}"
        assert str(one)


def fuzz(data: bytes) -> None:
    """Compile a text that begins as every module does, or any."""
    text = data.decode("utf-8", "replace")
    if any(len(part) > MOST_DIGITS for part in text.split() if part.isdigit()):
        return
    compile_text(HEADER + text)
