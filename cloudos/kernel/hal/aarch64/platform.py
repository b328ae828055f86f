"""What the machine has: memory, the boot module, and what drivers cannot be given."""

from __future__ import annotations

from cloudos.abi import devices
from cloudos.abi.bundle import MAGIC, BundleHeader
from cloudos.kernel.hal.aarch64 import mmu
from cloudos.kernel.hal.aarch64.device_tree import BOOT_INFORMATION
from cloudos.kernel.hal.interface import RESOURCE_END, BootInformation, FrameSource
from cloudos.kernel.hal.shared.kept import is_kept, keep
from cloudos.lang import U64, PhysAddr, Ptr, inlined, panic

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
    kernel_end = mmu.image_address(mmu.KERNEL_END.address)
    end = boot.module_length  # the tree has the module's end
    if end == 0:
        boot.module = kernel_end
        end = kernel_end.value + _bundle_length(kernel_end)
    boot.module_length = end - boot.module.value
    boot.reserve(boot.module.value, end)
    boot.reserve(mmu.image_address(mmu.TEXT_START.address).value, kernel_end.value)
    return boot


def _bundle_length(place: PhysAddr) -> U64:
    """Bytes of the bundle that the host has put behind the kernel; 0 where there is none."""
    header = Ptr.at(BundleHeader, mmu.direct(place)).value
    return header.total_size if header.magic == MAGIC else U64(0)


@inlined
def find_nodes(frames: FrameSource) -> None:
    """The device tree has told which memory is near which processor."""
