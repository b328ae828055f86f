"""Switching the machine off, and resetting it."""

from __future__ import annotations

from typing import NoReturn

from cloudos.kernel.hal.simulated.board import PoweredOff, Reset


def off() -> NoReturn:
    """End the simulation."""
    raise PoweredOff


def reset() -> NoReturn:
    """End the simulation too: what begins again is another one."""
    raise Reset
