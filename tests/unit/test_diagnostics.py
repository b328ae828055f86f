"""What is refused in library code names the line of the program that led there."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudos.compiler.api import compile_program
from cloudos.compiler.diagnostics import CompileError, Diagnostic

HEAD = "from __future__ import annotations\n\nimport json\n\nfrom cloudos.lang import U64, managed\n"
CLASS = "from cloudos.sdk import List\n\n\n@managed\nclass Item:\n    value: U64\n\n\n"


def refused(folder: Path, body: str) -> Diagnostic:
    source = folder / "refused.py"
    source.write_text(HEAD + CLASS + body)
    with pytest.raises(CompileError) as caught:
        compile_program(source, "x86_64", folder / "out.elf")
    assert not (folder / "out.elf").exists()
    return caught.value.diagnostics[0]


def test_a_function_that_is_no_systems_python(tmp_path: Path) -> None:
    found = refused(tmp_path, "def main() -> None:\n    json.dumps(3)\n")
    assert found.origin == "refused.py:15"
    assert str(found).endswith("needed by refused.py:15")


def test_an_instance_of_library_code(tmp_path: Path) -> None:
    found = refused(tmp_path, "def main() -> None:\n    items = List[Item]()\n    items.sort()\n")
    assert found.path == "cloudos/sdk/collections/sorting.py"
    assert found.origin == "refused.py:16"


def test_the_program_itself(tmp_path: Path) -> None:
    found = refused(tmp_path, "def main() -> None:\n    x = 5\n")
    assert (found.path, found.line, found.origin) == ("refused.py", 15, "")
