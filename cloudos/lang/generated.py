"""Functions generated while a module is imported: the macro language's way to write code."""

from __future__ import annotations

import linecache
from types import FunctionType
from typing import Any

GENERATED: dict[str, str] = {}
"""The source text by file name (`code.co_filename`), so that compiler and debuggers find it."""


def generate(source: str, name: str, namespace: dict[str, Any]) -> Any:
    """Run the text of a module and return the function called `name` in it.

    `namespace` supplies the globals and receives what the text defines. SyntaxError names the generated
    text; KeyError when it defines no such function.
    """
    filename = f"<generated {name} {len(GENERATED)}>"
    code = compile(source, filename, "exec", dont_inherit=True)
    GENERATED[filename] = source
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(code, namespace)
    function = namespace[name]
    if not isinstance(function, FunctionType):
        raise TypeError(f"{name} in the generated text is not a function")
    return function
