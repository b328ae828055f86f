"""What the machine's loader says: memory from 1 MB on, and the boot bundle at its end."""

from __future__ import annotations

from cloudos.kernel.hal.interface import BootInformation, MemoryRange
from cloudos.kernel.hal.simulated import board
from cloudos.lang import U64, PhysAddr, place

# Among the numbers that no real processor has.
ELF_MACHINE = 0xC105

BOOT_INFORMATION = place(BootInformation())


def read(start_information: U64) -> BootInformation:
    """Memory and boot module. The start information has no address: the board itself knows."""
    machine = board.current()
    boot = BOOT_INFORMATION
    boot.ranges[0] = MemoryRange(U64(board.MEMORY_START), U64(machine.memory.size))
    boot.count = U64(1)
    start, length = machine.module
    boot.module = PhysAddr(start)
    boot.module_length = U64(length)
    return boot


def kernel_image() -> MemoryRange:
    """Physical memory that the kernel itself would occupy: one page, which nobody may use."""
    return MemoryRange(U64(board.MEMORY_START), U64(board.MEMORY_START + board.KERNEL_IMAGE))
