"""The machine that is meant where none is named: $CLOUDOS_ARCH and $CLOUDOS_CPUS, else one x86_64 processor.

They are the defaults of the options `--arch` and `--cpus`, and of `counted`, `image` and `system_image` for tests: so
the same tests run on every machine. What measures names its machine and does not ask here.
"""

from __future__ import annotations

import os

from cloudos.host.errors import ToolError

ARCHITECTURE, PROCESSORS = "CLOUDOS_ARCH", "CLOUDOS_CPUS"
ARCHITECTURES = ("x86_64", "aarch64")
MOST_PROCESSORS = 256


def architecture() -> str:
    """The name of the architecture. Raises ToolError when the variable names none."""
    named = os.environ.get(ARCHITECTURE) or ARCHITECTURES[0]
    if named not in ARCHITECTURES:
        raise ToolError(f"{ARCHITECTURE}={named}: there is no such architecture", f"one of {', '.join(ARCHITECTURES)}")
    return named


def processors() -> int:
    """How many processors. Raises ToolError when the variable is not a number from 1 to 256."""
    named = os.environ.get(PROCESSORS) or "1"
    if not (named.isascii() and named.isdigit() and 1 <= int(named) <= MOST_PROCESSORS):
        raise ToolError(f"{PROCESSORS}={named}: no number of processors", f"write one from 1 to {MOST_PROCESSORS}")
    return int(named)


def is_named() -> bool:
    """Whether it is another machine than one x86_64 processor."""
    return (architecture(), processors()) != (ARCHITECTURES[0], 1)
