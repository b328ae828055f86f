"""Switching the machine off."""

from __future__ import annotations

from typing import NoReturn

from cloudos.kernel.hal.simulated.board import PoweredOff


def off() -> NoReturn:
    """End the simulation."""
    raise PoweredOff
