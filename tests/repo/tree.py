"""The repository as the tests of this folder see it: its files, their syntax trees, and what they import."""

from __future__ import annotations

import ast
import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def files() -> tuple[str, ...]:
    """Every file of the project, as a path relative to the root: those committed, and new ones in their folders.

    What lies beside them in the checkout is the user's own: README's first command wants a text there.
    """
    committed = listed("--cached")
    folders = {name.split("/")[0] for name in committed if "/" in name}
    new = {name for name in listed("--others", "--exclude-standard") if "/" in name and name.split("/")[0] in folders}
    return tuple(sorted(name for name in committed | new if (ROOT / name).is_file()))


def listed(*options: str) -> set[str]:
    """What git lists with these options."""
    command = ["git", "ls-files", *options, "-z"]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name for name in output.split("\0") if name}


def modules(*folders: str) -> list[str]:
    """The Python files below the folders given."""
    return [name for name in files() if name.endswith(".py") and name.startswith(tuple(f"{f}/" for f in folders))]


@functools.cache
def tree(name: str) -> ast.Module:
    """The syntax tree of one file."""
    return ast.parse((ROOT / name).read_text(encoding="utf-8"), name)


def dotted(name: str) -> str:
    """The module name of a file: "cloudos.host.cli"; a package's __init__ is the package."""
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports(name: str) -> Iterator[tuple[int, str]]:
    """Line and module of every import in a file, wherever it stands. `from a import b` gives "a" and "a.b"."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno}: relative import; write the whole name"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield node.lineno, whole if is_module(whole) else str(node.module)


def is_module(whole: str) -> bool:
    """Whether a dotted name is a module or package of this repository."""
    path = ROOT / whole.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").is_file()
