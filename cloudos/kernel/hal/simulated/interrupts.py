"""The interrupt controller: it remembers which interrupt is being handled, so that forgetting to end one is noticed."""

from __future__ import annotations

from cloudos.kernel.hal.interface import FrameSource
from cloudos.kernel.hal.simulated import board


def start(frames: FrameSource) -> None:
    """Nothing is to be routed."""


def acknowledge() -> None:
    """End the interrupt being handled."""
    machine = board.current()
    assert machine.in_service, "acknowledged an interrupt that is not being handled"
    machine.in_service.pop()
