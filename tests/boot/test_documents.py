"""What the README shows is tried as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.boot.harness import ROOT, cloudos, run

README = (ROOT / "README.md").read_text()


def test_the_program_in_the_readme_runs(tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "app.py").write_text(program)
    assert run(Path("app.py"), cwd=tmp_path).check().output == b"hello from app.py\n"


def test_the_first_command_in_the_readme_runs(tmp_path: Path) -> None:
    line = next(line for line in README.splitlines() if line.startswith("bin/cloudos run "))
    words = shlex.split(line.removeprefix("bin/cloudos "))
    program = words.index("examples/wordcount.py")
    words[program] = str(ROOT / words[program])
    (tmp_path / "book.txt").write_text("the cat and the dog")
    assert cloudos(*words, cwd=tmp_path).check().output == b"2 the\n1 and\n1 cat\n1 dog\n"


def test_every_command_in_the_readme_exists() -> None:
    listed = set(re.findall(r"^bin/cloudos (\w+)", README, re.MULTILINE))
    offered = cloudos("--help").check().output.decode().split("Commands:")[1]
    assert listed == set(re.findall(r"^  (\w+)", offered, re.MULTILINE))
