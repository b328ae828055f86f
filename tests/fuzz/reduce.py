"""Chooses few inputs that reach what many reach: `python -m tests.fuzz.reduce TARGET MOST FOLDER…`.

The inputs in the folders are run, the smallest first; those that take a way between two lines of the guiding modules
that none before took are copied to tests/fuzz/corpus/TARGET, MOST at the most: those that add most. Inputs that are
there already stay.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from tests.fuzz.dictionary import sources
from tests.fuzz.registry import TARGETS
from tests.fuzz.target import CORPUS, Target, limited

Arc = tuple[str, int, int]
PATIENCE = 10
LARGEST = 2048


class Tracer:
    """Collects the ways between lines in some files."""

    def __init__(self, files: set[str]) -> None:
        self.files = files
        self.arcs: set[Arc] = set()

    def enter(self, frame: FrameType, event: str, argument: object) -> Any:
        """Called for every function."""
        name = frame.f_code.co_filename
        if name not in self.files and not name.startswith("<generated"):
            return None
        last = 0

        def line(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal last
            self.arcs.add((name, last, frame.f_lineno))
            last = frame.f_lineno
            return line

        return line


def ways(target: Target, data: bytes, files: set[str]) -> set[Arc]:
    """The ways that an input takes; none when it crashes or takes long."""
    tracer = Tracer(files)
    fuzz = target.load().fuzz
    sys.settrace(tracer.enter)
    try:
        with limited(PATIENCE):
            fuzz(data)
    except BaseException as error:
        sys.settrace(None)
        print(f"left out: {error!r}", file=sys.stderr)
        return set()
    finally:
        sys.settrace(None)
    return tracer.arcs


def main() -> None:
    """Choose and copy."""
    target, most = TARGETS[sys.argv[1]], int(sys.argv[2])
    files = {str(path) for path in sources(target.guides)}
    known: set[Arc] = set()
    for path in target.inputs:
        known |= ways(target, path.read_bytes(), files)
    found = [path for folder in sys.argv[3:] for path in Path(folder).iterdir() if path.stat().st_size <= LARGEST]
    gains: list[tuple[int, bytes]] = []
    for path in sorted(found, key=lambda one: one.stat().st_size):
        data = path.read_bytes()
        new = ways(target, data, files) - known
        known |= new
        if new:
            gains.append((len(new), data))
    folder = CORPUS / target.name
    for _, data in sorted(gains, key=lambda gain: -gain[0])[:most]:
        (folder / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)
    print(f"{target.name}: {min(len(gains), most)} of {len(found)} inputs added, {len(known)} ways known")


if __name__ == "__main__":
    main()
