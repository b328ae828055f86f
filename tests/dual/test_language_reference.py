"""Every example of docs/language.md: run under CPython and compiled, or refused as it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloudos.compiler.api import compile_host
from cloudos.compiler.diagnostics import CompileError
from tests.dual.comparison import compare_all, load_text
from tests.dual.harness import entries_of

REFERENCE = Path(__file__).parents[2] / "docs" / "language.md"
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
