"""Replays inputs: `python -m tests.fuzz TARGET [FILE…]`, without files all that are kept; `--list` shows the targets.

Each input is run once, without the engine. The first that crashes ends it, with its traceback and status 1; 2 stands
for an unknown target.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.fuzz.registry import TARGETS
from tests.fuzz.target import replay


def main() -> int:
    """The exit status, unless an input crashes."""
    name, *files = sys.argv[1:]
    if name == "--list":
        width = max(map(len, TARGETS))
        for target in TARGETS.values():
            print(f"{target.name:<{width}}  {len(target.inputs):>4} inputs  {target.boundary}")
        return 0
    if name not in TARGETS:
        print(f"there is no target '{name}'; there are: {', '.join(TARGETS)}", file=sys.stderr)
        return 2
    target = TARGETS[name]
    for path in [Path(file) for file in files] or target.inputs:
        print(f"{target.name} {path}", flush=True)
        replay(target, path.read_bytes())
    print("no crash")
    return 0


if __name__ == "__main__":
    sys.exit(main())
