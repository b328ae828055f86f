"""What one processor takes away while others use it: `programs/remote.py`, and the machine's memory afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudos.host import image
from tests.stress.harness import LONG, run, size
from tests.stress.leaks import holdings, lost_frames
from tests.stress.memory_image import MemoryImage

PROCESSORS = (2, 3, 4) if LONG else (2,)


def play(architecture: str, processors: int, rounds: int, memory: Path | None = None) -> dict[str, int]:
    """What the program says; nothing of its quota is lost."""
    lines = run("remote.py", rounds, 1, architecture=architecture, processors=processors, keep=memory).lines
    assert lines["before"] == lines["after"]
    return lines


@pytest.mark.parametrize("processors", PROCESSORS)
@pytest.mark.parametrize("architecture", ("x86_64", "aarch64"))
def test_what_is_taken_away_elsewhere_is_gone(architecture: str, processors: int) -> None:
    found = play(architecture, processors, size(60, 100_000))
    assert found["killed"] > 0
    if LONG:
        assert found["left"] > 1000 and found["faulted"] > 1000


def test_no_frame_is_lost(tmp_path: Path) -> None:
    kernel, lost = image.build_kernel("x86_64"), []
    for rounds in (1, size(60, 10_000)):
        memory = tmp_path / f"memory-{rounds}"
        play("x86_64", 2, rounds, memory)
        after = MemoryImage(memory, kernel)
        lost.append(lost_frames(after))
        assert holdings(after)["work left"] == 0
        memory.unlink()
    assert lost == [[], []]
