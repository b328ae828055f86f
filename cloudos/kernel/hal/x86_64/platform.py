"""What the loader says about the machine: the PVH start information.

Source: Xen, xen/include/public/arch-x86/hvm/start_info.h (version 1, which has the memory map).
"""

from __future__ import annotations

from cloudos.abi import devices
from cloudos.abi.errors import OutOfMemory
from cloudos.kernel.hal.interface import MAXIMUM_RANGES, RESOURCE_END, BootInformation, FrameSource, MemoryRange
from cloudos.kernel.hal.shared.kept import is_kept, keep
from cloudos.kernel.hal.x86_64 import acpi, mmu, nodes, power
from cloudos.kernel.hal.x86_64.boot import KERNEL_BASE
from cloudos.lang import U32, U64, PhysAddr, Ptr, Slice, panic, place, struct

__all__ = ["OutOfMemory", "is_kept"]

ELF_MACHINE = 62
PORT_COUNT = 1 << 16
MAGIC = 0x336E_C578
TYPE_RAM = 1
# Below, and from 640 KB to 1 MB, firmware keeps what it needs; a processor that starts begins there in real mode.
FIRMWARE_END = 64 << 10


@struct
class StartInformation:
    """hvm_start_info. Addresses are physical."""

    magic: U32
    version: U32
    flags: U32
    module_count: U32
    module_list: U64
    command_line: U64
    acpi_root: U64
    memory_map: U64
    memory_map_entries: U32
    reserved: U32


@struct
class Module:
    """hvm_modlist_entry."""

    address: U64
    size: U64
    command_line: U64
    reserved: U64


@struct
class MemoryMapEntry:
    """hvm_memmap_table_entry."""

    address: U64
    size: U64
    kind: U32
    reserved: U32


BOOT_INFORMATION = place(BootInformation())


def read(start_information: U64) -> BootInformation:
    """Memory and boot module, from the address that the loader left in EBX. Panics when it is not PVH's."""
    info = Ptr.at(StartInformation, mmu.direct(PhysAddr(start_information))).value
    if info.magic != MAGIC or info.version < 1:
        panic("the loader gave no PVH start information")
    entries = Slice.of(Ptr.at(MemoryMapEntry, mmu.direct(PhysAddr(info.memory_map))), U64(info.memory_map_entries))
    keep(U64(devices.PORTS), U64(PORT_COUNT), U64(RESOURCE_END))
    keep(U64(devices.PORTS), U64(power.DEBUG_EXIT), U64(power.DEBUG_EXIT + 4))
    acpi.ROOT.address = info.acpi_root
    boot = BOOT_INFORMATION
    for index in U64.range(entries.length):
        entry = entries[index]
        if entry.kind == TYPE_RAM and boot.count < MAXIMUM_RANGES:
            _add(boot, entry.address, entry.address + entry.size)
    if info.module_count > 0:
        module = Ptr.at(Module, mmu.direct(PhysAddr(info.module_list))).value
        boot.module = PhysAddr(module.address)
        boot.module_length = module.size
        boot.reserve(module.address, module.address + module.size)
    boot.reserve(mmu.TEXT_START.address.value - KERNEL_BASE, mmu.KERNEL_END.address.value - KERNEL_BASE)
    return boot


def find_nodes(frames: FrameSource) -> None:
    """Note which memory is near which processor. Raises OutOfMemory."""
    nodes.find(BOOT_INFORMATION, frames)


def _add(boot: BootInformation, start: U64, end: U64) -> None:
    """Add whole pages of a range that are not the firmware's. What the loader put there has been read by now."""
    keep(U64(devices.MEMORY), start, end)
    first = (max(start, U64(FIRMWARE_END)) + 4095) // 4096 * 4096
    last = end // 4096 * 4096
    if first < last:
        boot.ranges[boot.count] = MemoryRange(first, last)
        boot.count = boot.count + 1
