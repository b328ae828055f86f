"""The compiler, given systems Python that is nearly right: programs of tests/dual with changes in one function.

The input says which program, which function, and which changes (`tests/fuzz/mutations.py`). The result is compiled up
to the C text, which clang must take, or refused with a place and a message. Nothing is run.
"""

from __future__ import annotations

import ast
import linecache
import sys
import tempfile
import warnings
from functools import cache
from pathlib import Path
from types import FunctionType

from cloudos.compiler import api
from cloudos.compiler import load as load_pass
from cloudos.compiler.diagnostics import CompileError
from cloudos.compiler.targets import host_target
from tests.fuzz.clang import check_units
from tests.fuzz.mutations import TYPES, Mutator
from tests.fuzz.target import FOLDER, Feed
from tests.fuzz.targets.compiler_text import check

PROGRAMS = tuple(sorted((FOLDER.parent / "dual" / "programs").glob("*.py")))
CLANG_EVERY = 8
"""Of so many inputs, one goes through clang too."""


@cache
def parsed(path: Path) -> ast.Module:
    """A program; callers change copies."""
    return ast.parse(path.read_text())


def fuzz(data: bytes) -> None:
    """Compile one changed function."""
    feed = Feed(data)
    with_clang = feed.below(CLANG_EVERY) == 1
    module = ast.parse(ast.unparse(parsed(PROGRAMS[feed.below(len(PROGRAMS))])))
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef)]
    methods = [node for one in module.body if isinstance(one, ast.ClassDef) for node in one.body
               if isinstance(node, ast.FunctionDef)]  # fmt: skip
    chosen = (functions + methods)[feed.below(len(functions) + len(methods))]
    Mutator(feed, chosen, module).run()
    if feed.odds(4):
        change_field(feed, module)
    try:
        text = ast.unparse(ast.fix_missing_locations(module))
    except ValueError:
        return  # no text of Python's has this tree
    compile_function(text, chosen.name if chosen in functions else None, with_clang)


def change_field(feed: Feed, module: ast.Module) -> None:
    """Give a field of a class another type."""
    fields = [field for one in module.body if isinstance(one, ast.ClassDef) for field in one.body
              if isinstance(field, ast.AnnAssign)]  # fmt: skip
    if fields:
        feed.choose(fields).annotation = ast.parse(feed.choose(TYPES), mode="eval").body


def compile_function(text: str, name: str | None, with_clang: bool) -> None:
    """Compile the function of this name, or all that use the changed method."""
    before = set(sys.modules)
    with tempfile.TemporaryDirectory(prefix="cloudos-fuzz-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        path = Path(folder) / "program.py"
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        try:
            module = api.import_program(path)
            functions = [value for key, value in vars(module).items() if isinstance(value, FunctionType)
                         and value.__module__ == module.__name__ and name in (None, key)]  # fmt: skip
            compiled, _ = api.translate(host_target(), functions, host=False)
            if with_clang:
                check_units(compiled.units)
        except CompileError as error:
            check(error)
        finally:
            load_pass._read.cache_clear()
            load_pass._parse.cache_clear()
            linecache.cache.pop(str(Path(folder, "program.py")), None)
            for key in set(sys.modules) - before:
                if key.startswith("program_"):
                    del sys.modules[key]
