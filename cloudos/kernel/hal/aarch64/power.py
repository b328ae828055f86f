"""Switching the machine off: Arm's Power State Coordination Interface (DEN0022), section 5.10."""

from __future__ import annotations

from typing import NoReturn

from cloudos.kernel.hal.aarch64 import cpu
from cloudos.kernel.hal.aarch64.device_tree import MACHINE
from cloudos.lang import U32, Template, machine

SYSTEM_OFF = 0x8400_0008


@machine(aarch64=Template("mov w0, %w[function]; hvc #0", inputs={"function": "r"}, clobbers=("x0", "memory")))
def _ask_hypervisor(function: U32) -> None:
    """Call the hypervisor."""


@machine(aarch64=Template("mov w0, %w[function]; smc #0", inputs={"function": "r"}, clobbers=("x0", "memory")))
def _ask_firmware(function: U32) -> None:
    """Call the firmware."""


def off() -> NoReturn:
    """Switch off, in the way that the device tree names."""
    if MACHINE.asks_firmware:
        _ask_firmware(U32(SYSTEM_OFF))
    else:
        _ask_hypervisor(U32(SYSTEM_OFF))
    while True:
        cpu.halt()
