"""What the machine has: memory, the boot module, and what drivers cannot be given."""

from __future__ import annotations

from cloudos.abi import devices
from cloudos.kernel.hal.aarch64 import mmu
from cloudos.kernel.hal.aarch64.device_tree import BOOT_INFORMATION
from cloudos.kernel.hal.interface import RESOURCE_END, BootInformation, FrameSource
from cloudos.kernel.hal.shared.kept import is_kept, keep
from cloudos.lang import U64, inlined, panic

__all__ = ["BOOT_INFORMATION", "is_kept"]

ELF_MACHINE = 183


def read(start_information: U64) -> BootInformation:
    """Memory and boot module. `console.start` has read the device tree at this physical address. Panics without one."""
    boot = BOOT_INFORMATION
    if boot.count == 0:
        panic("the loader gave no device tree")
    # There are no I/O ports.
    keep(U64(devices.PORTS), U64(0), U64(RESOURCE_END))
    for index in U64.range(boot.count):
        range = boot.ranges[index]
        keep(U64(devices.MEMORY), range.start, range.end)
    start = boot.module.value
    # The tree has the module's end.
    boot.module_length = boot.module_length - start
    boot.reserve(start, start + boot.module_length)
    boot.reserve(mmu.image_address(mmu.TEXT_START.address).value, mmu.image_address(mmu.KERNEL_END.address).value)
    return boot


@inlined
def find_nodes(frames: FrameSource) -> None:
    """The device tree has told which memory is near which processor."""
