"""Access to the registers of memory-mapped devices: one access each, with an address in a register.

Other addressing modes could not be emulated by hypervisors, and on AArch64 an access that also writes back its address
is not described to them.
"""

from __future__ import annotations

from cloudos.lang import U32, U64, Ptr, Template, VirtAddr, inlined, machine


@inlined
def register(base: VirtAddr, offset: U64) -> VirtAddr:
    """The address of a register: offsets in a mapped device never overflow, and are not checked."""
    return VirtAddr(base.value.wrapping_add(offset))


@machine(
    x86_64=Template("movl (%[address]), %[result]", result="=r", inputs={"address": "r"}, clobbers=("memory",)),
    aarch64=Template("ldr %w[result], [%[address]]", result="=r", inputs={"address": "r"}, clobbers=("memory",)),
)
def device_read_u32(address: VirtAddr) -> U32:
    """Read a register of a memory-mapped device, in one access of exactly this width."""
    return Ptr.at(U32, address).value


@machine(
    x86_64=Template("movl %[value], (%[address])", inputs={"address": "r", "value": "r"}, clobbers=("memory",)),
    aarch64=Template("str %w[value], [%[address]]", inputs={"address": "r", "value": "r"}, clobbers=("memory",)),
)
def device_write_u32(address: VirtAddr, value: U32) -> None:
    """Write a register of a memory-mapped device, in one access of exactly this width."""
    Ptr.at(U32, address).value = value


@machine(x86_64=Template("pause"), aarch64=Template("yield"))
def pause() -> None:
    """Hint of a busy wait."""
