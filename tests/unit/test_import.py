"""Importing a program while it is built: what its file may look like, and where its streams go."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cloudos.compiler.api import import_program
from cloudos.compiler.diagnostics import CompileError


def test_a_program_needs_no_ending_and_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    for name in ("program", "program.txt", "other.py"):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbfVALUE = 7\r\n")
        assert import_program(tmp_path / name).VALUE == 7


def test_only_the_programs_own_functions_get_its_name(tmp_path: Path) -> None:
    """Classes of the program hold functions of the library, such as the `__eq__` that refuses."""
    path = tmp_path / "shapes.py"
    path.write_text(
        "from __future__ import annotations\nfrom cloudos.lang import U8, struct\n\n\n"
        "@struct\nclass Point:\n    x: U8\n\n    def twice(self) -> U8:\n        return self.x * 2\n"
    )
    point = import_program(path).Point
    assert (point.twice.__module__, point.__eq__.__module__) == ("shapes", "cloudos.lang.structs")


def test_code_that_python_cannot_parse_for_its_depth_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.py"
    path.write_text("x = 1" + " + 1" * 20_000 + "\n")
    with pytest.raises(CompileError, match="nested this deeply"):
        import_program(path)


def test_a_table_that_no_machine_holds_is_refused_where_it_is_made(tmp_path: Path) -> None:
    path = tmp_path / "table.py"
    path.write_text(
        "from typing import Literal\n\nfrom cloudos.lang import U32, Array\n\n"
        "TABLE = Array[U32, Literal[4294967296]]()\n"
    )
    with pytest.raises(CompileError, match=r"table\.py:5:1: error: .*17,179,869,184 bytes"):
        import_program(path)


def test_what_a_module_does_with_streams_at_import_stays_out_of_the_programs(tmp_path: Path) -> None:
    """In a process of its own, whose standard output is what a run would give to the program."""
    program = tmp_path / "program.py"
    program.write_text("import os, sys\nprint('text')\nos.write(1, b'bytes')\nREAD = sys.stdin.read()\n")
    script = (
        "import sys; from pathlib import Path; from cloudos.compiler.api import import_program;"
        f"module = import_program(Path({str(program)!r})); print('after', repr(module.READ), sys.stdin.read())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input="given", capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout == "after '' given\n"
    assert "text" in done.stderr
    assert "bytes" in done.stderr
