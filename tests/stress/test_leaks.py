"""After the load the kernel has what it had: read from the memory of machines that did little and much."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudos.host import image
from tests.stress.harness import run
from tests.stress.leaks import check_frames, holdings
from tests.stress.memory_image import MemoryImage

LOADS = [
    ("churn.py", 12, 60),
    ("messages.py", 300, 3_000),
    ("derivations.py", 500, 5_000),
    ("memory_load.py", 2_000, 20_000),
    ("extremes.py", 50, 200),
]


@pytest.mark.parametrize(("program", "few", "many"), LOADS)
def test_much_work_leaves_what_little_does(program: str, few: int, many: int, tmp_path: Path) -> None:
    kernel = image.build_kernel("x86_64")
    found = []
    for count in (few, many):
        memory = tmp_path / f"memory-{count}"
        run(program, count, 1, keep=memory)
        after = MemoryImage(memory, kernel)
        check_frames(after)
        found.append(holdings(after))
        memory.unlink()
    assert found[0] == found[1], "the more the kernel has done, the more it keeps"
    assert found[0]["work left"] == 0
