"""Every example of docs/sdk.md, run under plain CPython."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "sdk.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


# What these do only a machine can: tests/boot/test_sdk.py runs them there.
ON_THE_MACHINE = "from cloudos.sdk.memory import"
HERE = [example for example in EXAMPLES if ON_THE_MACHINE not in example[0]]


def test_every_example_is_found() -> None:
    assert len(EXAMPLES) == TEXT.count("```python") >= 6


@pytest.mark.parametrize(("program", "output"), HERE, ids=range(len(HERE)))
def test_example(program: str, output: str, tmp_path: Path) -> None:
    path = tmp_path / "example.py"
    path.write_text(program + '\n\nif __name__ == "__main__":\n    from cloudos.sdk import run\n\n    run(main)\n')
    done = subprocess.run(
        [sys.executable, path], capture_output=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.decode() == output, done.stderr.decode()
    assert done.returncode == 0
