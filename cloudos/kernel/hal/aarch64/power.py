"""Arm's Power State Coordination Interface (DEN0022): starting processors, switching the machine off and on."""

from __future__ import annotations

from typing import NoReturn

from cloudos.kernel.hal.aarch64 import cpu
from cloudos.kernel.hal.aarch64.device_tree import MACHINE
from cloudos.lang import U64, PhysAddr, Template, VirtAddr, machine, never_inlined

SYSTEM_OFF = 0x8400_0008
SYSTEM_RESET = 0x8400_0009
PROCESSOR_ON = 0xC400_0003


def _call(instruction: str) -> Template:
    inputs = {"function": "{x0}", "first": "{x1}", "second": "{x2}", "third": "{x3}"}
    return Template(f"{instruction} #0", result="={x0}", inputs=inputs, clobbers=("memory",))


@machine(aarch64=_call("hvc"))
def _ask_hypervisor(function: U64, first: U64, second: U64, third: U64) -> U64:
    """Call the hypervisor."""
    return U64(0)


@machine(aarch64=_call("smc"))
def _ask_firmware(function: U64, first: U64, second: U64, third: U64) -> U64:
    """Call the firmware."""
    return U64(0)


@never_inlined
def _ask(function: U64, first: U64, second: U64, third: U64) -> U64:
    """Call a function in the way that the device tree names: 0, or an error."""
    if MACHINE.asks_firmware:
        return _ask_firmware(function, first, second, third)
    return _ask_hypervisor(function, first, second, third)


def start_processor(affinity: U64, entry: PhysAddr, argument: VirtAddr) -> bool:
    """Let a processor begin there, without translation, with the argument in x0. False: there is no such processor."""
    return _ask(U64(PROCESSOR_ON), affinity, entry.value, argument.value) == 0


def off() -> NoReturn:
    """Switch off."""
    _end(U64(SYSTEM_OFF))


def reset() -> NoReturn:
    """Start the machine again."""
    _end(U64(SYSTEM_RESET))


@never_inlined
def _end(function: U64) -> NoReturn:
    _ask(function, U64(0), U64(0), U64(0))
    while True:
        cpu.halt()
