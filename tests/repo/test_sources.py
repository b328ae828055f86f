"""Only Python, in small files and small functions, with instructions for processors in their one place."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import PurePath

from tests.repo.tree import ROOT, files, modules, tree

LONGEST_FILE = 600
LONGEST_FUNCTION = 40

LONGER: dict[str, str] = {}
"""Files ("path") and functions ("path:name") that may be longer, each with its reason."""

NOT_PYTHON = {"bin/cloudos", ".ci/run", "LICENSE", ".gitignore", "pyproject.toml"}
DOCUMENTS = (".md",)
DRAWINGS = "docs/"
BASELINES = "bench/baseline-"
MANIFESTS = (".toml",)
INPUTS = ("tests/fuzz/corpus/", "tests/fuzz/crashes/")
"""Bytes that fuzzing found."""

STANDARD_NAMES = {
    "collections": "the SDK's containers; inside its package the name misleads nobody",
    "pipes": "what the field calls them; Python's own module of that name is gone since 3.13",
    "platform": "a part of every architecture's hardware layer, only ever imported from there",
    "sched": "the scheduler, a folder of the kernel; nothing imports the standard library there",
}
"""Modules named like one of Python's own, each with its reason."""

TEMPLATE_PLACES = ("cloudos/kernel/hal/", "cloudos/lang/", "cloudos/sdk/")
ARCHITECTURE_NAMES = ("x86_64", "aarch64", "amd64", "arm64")


def functions(name: str) -> Iterator[tuple[str, int, int]]:
    """Name, line and length of every function in a file; the docstring does not count."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            first = node.body[0]
            if ast.get_docstring(node) is not None and first.end_lineno is not None:
                length -= first.end_lineno - first.lineno + 1
            yield node.name, node.lineno, length


def test_there_is_no_source_but_python() -> None:
    other = [
        name
        for name in files()
        if not name.endswith((".py", *DOCUMENTS))
        and name not in NOT_PYTHON
        and not is_manifest(name)
        and not is_result(name)
        and not name.startswith(INPUTS)
    ]
    assert other == []


def is_manifest(name: str) -> bool:
    return name.startswith(("cloudos/", "tests/")) and name.endswith(MANIFESTS)


def is_result(name: str) -> bool:
    """What `bin/cloudos bench` has measured."""
    return name.startswith((DRAWINGS, BASELINES)) and name.endswith((".svg", ".json"))


def test_files_are_short() -> None:
    long = {
        name: len((ROOT / name).read_text(encoding="utf-8").splitlines()) for name in files() if name.endswith(".py")
    }
    assert {name: size for name, size in long.items() if size > LONGEST_FILE and name not in LONGER} == {}


def test_functions_are_short() -> None:
    long = [
        f"{name}:{line} {function} has {length} lines"
        for name in modules("cloudos", "examples", "tests", "bench")
        for function, line, length in functions(name)
        if length > LONGEST_FUNCTION and f"{name}:{function}" not in LONGER
    ]
    assert long == []


def test_no_module_is_named_like_one_of_pythons() -> None:
    parts = {part for name in modules("cloudos") for part in PurePath(name).with_suffix("").parts[1:]}
    assert sorted(part for part in parts & sys.stdlib_module_names if part not in STANDARD_NAMES) == []


def test_instructions_stand_only_where_they_may() -> None:
    """`Template` and `Assembly` are the only ways to write machine instructions."""
    found = [
        f"{name}:{node.lineno}"
        for name in modules("cloudos", "examples")
        if not name.startswith(TEMPLATE_PLACES)
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Template", "Assembly")
    ]
    assert found == []


def architecture_mentions(name: str) -> Iterator[int]:
    """Lines on which code outside of docstrings and templates decides by an architecture's name."""
    for node in ast.walk(tree(name)):
        operands: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            operands = [node.value]
        for operand in operands:
            for leaf in ast.walk(operand):
                if isinstance(leaf, ast.Constant) and leaf.value in ARCHITECTURE_NAMES:
                    yield leaf.lineno


def test_only_the_hardware_layer_knows_architectures_by_name() -> None:
    places = ("cloudos/kernel", "cloudos/sdk", "cloudos/abi", "cloudos/lang", "cloudos/drivers", "cloudos/services")
    found = [
        f"{name}:{line}"
        for name in modules(*places, "cloudos/apps", "examples")
        if not name.startswith("cloudos/kernel/hal/")
        for line in architecture_mentions(name)
    ]
    assert found == []
