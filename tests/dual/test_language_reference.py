"""Every example of docs/language.md: run under CPython and compiled, or refused as it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cloudos.compiler.api import compile_host, compile_program
from cloudos.compiler.diagnostics import CompileError
from tests.dual.comparison import compare_all, load_text
from tests.dual.harness import entries_of

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "language.md"
TEXT = REFERENCE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python *([a-z]*)\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", TEXT, re.MULTILINE | re.DOTALL)


def examples(kind: str) -> list[object]:
    """The examples of one kind, named by the heading they stand under."""
    found: list[object] = []
    for mark, text, message in BLOCKS:
        if mark == kind:
            heading = re.findall(r"^## (.*)$", TEXT[: TEXT.index(text)], re.MULTILINE)[-1]
            found.append(pytest.param(text, message.strip(), id=f"{heading}-{len(found)}"))
    return found


def test_every_example_is_found() -> None:
    assert TEXT.count("```python") == len(BLOCKS)
    assert {mark for mark, _, _ in BLOCKS} <= {"", "refused", "program"}
    assert len(BLOCKS) > 20


@pytest.mark.parametrize(("text", "message"), examples(""))
def test_example(text: str, message: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    name = "example_" + re.sub(r"\W", "_", request.node.callspec.id).lower()
    module = load_text(name, text, tmp_path)
    assert entries_of(module), "an example has at least one function that can be called with plain values"
    compare_all(module, tmp_path)


@pytest.mark.parametrize(("text", "message"), examples("refused"))
def test_refused_example(text: str, message: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    name = "refused_" + re.sub(r"\W", "_", request.node.callspec.id).lower()
    module = load_text(name, "from __future__ import annotations\n" + text, tmp_path)
    with pytest.raises(CompileError) as caught:
        compile_host(tuple(entries_of(module)), tmp_path / "library.so", "0")
    assert message
    assert message in str(caught.value)


def program_arguments(text: str) -> list[str]:
    """The arguments that the reference runs the program with: those of the command line below it."""
    below = TEXT[TEXT.index(text) + len(text) :]
    command = re.search(r"`bin/cloudos run \S+ ([^`]*)`", below)
    assert command is not None
    return command[1].split()


@pytest.mark.parametrize(("text", "output"), examples("program"))
def test_program_example(text: str, output: str, tmp_path: Path) -> None:
    """Under CPython here, in a virtual machine by tests/boot; both print what the reference shows."""
    path = tmp_path / "example.py"
    path.write_text(text, encoding="utf-8")
    command = [sys.executable, str(path), *program_arguments(text)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)})
    assert run.stdout.strip() == output
    for arch in ("x86_64", "aarch64"):
        assert compile_program(path, arch, tmp_path / f"{arch}.elf").path.exists()
