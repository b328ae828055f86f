"""The interrupt controller: its lines are `board.Line`. That an interrupt was not ended is noticed."""

from __future__ import annotations

from cloudos.abi.devices import LEVEL
from cloudos.kernel.hal.interface import FrameSource
from cloudos.kernel.hal.simulated import board
from cloudos.lang import U64


def start(frames: FrameSource) -> None:
    """All lines are masked; what the kernel itself needs has none."""


def acknowledge() -> None:
    """End the interrupt being handled."""
    board.current().end_interrupt()


def configure(line: U64, flags: U64, is_open: bool) -> None:
    """Open or mask a line."""
    board.current().configure_line(int(line), int(flags) & LEVEL != 0, is_open)
