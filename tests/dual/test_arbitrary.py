"""Arbitrary Python: compiled, or refused with a place. Never a failure inside the compiler, never C that clang refuses.

The programs are statements of the standard library whose names and attributes are replaced by ones that mean something
to the compiler, so that many get far.
"""

from __future__ import annotations

import ast
import copy
import random
import sys
import warnings
from pathlib import Path

import pytest

from cloudos import lang
from cloudos.compiler.api import cache_folder, translate
from cloudos.compiler.build import compile_flags, compile_unit
from cloudos.compiler.diagnostics import CompileError
from cloudos.compiler.targets import host_target
from tests.dual.comparison import LONG, load_text
from tests.dual.refused import HEADER, HELPERS

PROGRAMS = 4000 if LONG else 300
HEAD = """\
def run(
    a: U64, b: U64, s: Slice[U8], i: I64, f: F64, t: bool, p: Point, q: Point | None, box: Box, col: Color
) -> None:
    pass
"""
NAMES = (
    *("a", "b", "s", "i", "f", "t", "p", "q", "box", "col", "HOLDER", "Point", "U64", "I64", "F64", "Slice", "Ptr"),
    *("helper", "find", "fail", "Broken", "Color", "Box", "Pair", "T", "Array", "Literal", "data", "total", "pair"),
    *("write", "null", "zeroed", "copy", "new_slice", "panic", "len", "min", "str", "range", "print", "int", "fresh"),
)
ATTRIBUTES = (
    *("x", "y", "length", "value", "point", "items", "total", "wrapping_add", "truncate", "range", "slice", "fill"),
    *("copy_from", "RED", "code", "pointer", "cast", "offset", "address", "append", "at", "to", "of", "is_null"),
)
CONSTANTS = (0, 1, 3, -1, 300, 2**40, 2**70, True, None, "x", b"ab", 1.5, ...)


class Renamed(ast.NodeTransformer):
    """Gives names, attributes and half of the constants other values."""

    def __init__(self, source: random.Random) -> None:
        self._source = source

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._source.choice(NAMES)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        node.attr = self._source.choice(ATTRIBUTES)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if self._source.random() < 0.5:
            node.value = self._source.choice(CONSTANTS)
        return node


def statements(source: random.Random) -> list[ast.stmt]:
    """Statements, at most as long as a screen, of some modules of the standard library."""
    files = sorted(Path(ast.__file__).parent.glob("*.py"))
    found: list[ast.stmt] = []
    for path in source.sample(files, 25):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.stmt) and not isinstance(node, ast.ClassDef) and len(ast.dump(node)) < 3000:
                found.append(node)
    return found


def program(pool: list[ast.stmt], source: random.Random) -> str:
    """The text of one function; the empty text when Python itself refuses it."""
    function = ast.parse(HEAD).body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body = [Renamed(source).visit(copy.deepcopy(source.choice(pool))) for _ in range(source.randint(1, 3))]
    try:
        text = "from __future__ import annotations\n" + ast.unparse(ast.fix_missing_locations(function)) + "\n"
        compile(text, "<arbitrary>", "exec")
    except (SyntaxError, ValueError, TypeError):
        return ""
    return text


@pytest.mark.parametrize("seed", [1, 2])
def test_arbitrary_statements(seed: int, tmp_path: Path) -> None:
    warnings.simplefilter("ignore", SyntaxWarning)
    source = random.Random(seed)
    pool = statements(source)
    module = load_text(f"arbitrary_{seed}", HEADER + HELPERS, tmp_path)
    accepted = refused = 0
    for number in range(PROGRAMS):
        text = program(pool, source)
        if not text:
            continue
        name = f"<arbitrary {seed} {number}>"
        lang.GENERATED[name] = text
        space = dict(vars(module))
        exec(compile(text, name, "exec"), space)
        try:
            units = translate(host_target(), (space["run"],))[0].units
        except CompileError as error:
            first = error.diagnostics[0]
            assert first.line > 0 and first.column > 0 and first.source_line, (str(error), text)
            refused += 1
            continue
        except Exception as error:
            raise AssertionError(f"the compiler failed on\n{text}") from error
        accepted += 1
        for unit in units:
            compile_unit(unit, compile_flags(host_target(), "0", False), cache_folder())
    del sys.modules[module.__name__]
    assert refused > PROGRAMS // 2
    assert accepted > 2
