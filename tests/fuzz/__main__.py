"""Replays inputs: `python -m tests.fuzz TARGET FILE...` runs each, and ends with the traceback of the first that crashes."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.fuzz.registry import TARGETS
from tests.fuzz.target import replay


def main() -> None:
    """Exit status 1 for a crash."""
    target = TARGETS[sys.argv[1]]
    for name in sys.argv[2:]:
        print(f"{target.name} {name}", flush=True)
        replay(target, Path(name).read_bytes())
    print("no crash")


if __name__ == "__main__":
    main()
