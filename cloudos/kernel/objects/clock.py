"""System calls on time."""

from __future__ import annotations

from cloudos.kernel.hal import timer
from cloudos.lang import U64


def clock_read() -> U64:
    """System call."""
    return timer.now()
