"""Switching the machine off and on: Arm's Power State Coordination Interface (DEN0022), sections 5.10 and 5.11."""

from __future__ import annotations

from typing import NoReturn

from cloudos.kernel.hal.aarch64 import cpu
from cloudos.kernel.hal.aarch64.device_tree import MACHINE
from cloudos.lang import U32, Template, machine, never_inlined

SYSTEM_OFF = 0x8400_0008
SYSTEM_RESET = 0x8400_0009


@machine(aarch64=Template("mov w0, %w[function]; hvc #0", inputs={"function": "r"}, clobbers=("x0", "memory")))
def _ask_hypervisor(function: U32) -> None:
    """Call the hypervisor."""


@machine(aarch64=Template("mov w0, %w[function]; smc #0", inputs={"function": "r"}, clobbers=("x0", "memory")))
def _ask_firmware(function: U32) -> None:
    """Call the firmware."""


def off() -> NoReturn:
    """Switch off."""
    _ask(U32(SYSTEM_OFF))


def reset() -> NoReturn:
    """Start the machine again."""
    _ask(U32(SYSTEM_RESET))


@never_inlined
def _ask(function: U32) -> NoReturn:
    """Ask in the way that the device tree names."""
    if MACHINE.asks_firmware:
        _ask_firmware(function)
    else:
        _ask_hypervisor(function)
    while True:
        cpu.halt()
