"""Switching the machine off, and resetting it."""

from __future__ import annotations

from typing import NoReturn

from cloudos.kernel.hal.x86_64 import cpu
from cloudos.lang import U8, U16, never_inlined

# QEMU's isa-debug-exit, where the host tool puts it: any write ends the emulator.
DEBUG_EXIT = 0xF4
# Keyboard controller: command FE pulses the processor's reset line.
KEYBOARD_COMMAND = 0x64
RESET_PULSE = 0xFE


def off() -> NoReturn:
    """Switch off; where there is no exit device, reset: the emulator's option -no-reboot makes that the end."""
    cpu.port_write_u8(U16(DEBUG_EXIT), U8(0))
    reset()


@never_inlined
def reset() -> NoReturn:
    """By the keyboard controller; where there is none, as on `microvm`, by a fault that cannot be delivered."""
    cpu.port_write_u8(U16(KEYBOARD_COMMAND), U8(RESET_PULSE))
    cpu.shut_down()
