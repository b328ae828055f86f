"""Asks clang whether it takes what the compiler emits, without making an object."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cloudos.compiler.build import Unit, UnitRefused, compile_flags, tool_path
from cloudos.compiler.targets import host_target


def check_units(units: Sequence[Unit]) -> None:
    """Raises UnitRefused for text that is no C, or that clang warns of as an error."""
    flags = compile_flags(host_target(), "0", False)
    with tempfile.TemporaryDirectory(prefix="cloudos-fuzz-") as folder:
        names = []
        for number, unit in enumerate(units):
            names.append(f"{number}.c")
            Path(folder, names[-1]).write_text(unit.source, encoding="utf-8")
        command = [str(tool_path()), "clang", *flags, "-fsyntax-only", *names]
        done = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise UnitRefused("emitted text", done.stderr, "", None)
