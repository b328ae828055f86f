"""The direct map: where the kernel sees physical memory, at the same place on every real machine."""

from __future__ import annotations

from cloudos.lang import PhysAddr, VirtAddr

DIRECT_BASE = 0xFFFF_8000_0000_0000


def direct(frame: PhysAddr) -> VirtAddr:
    """Where the kernel sees physical memory."""
    return VirtAddr(frame.value | DIRECT_BASE)


def direct_to_physical(address: VirtAddr) -> PhysAddr:
    """Inverse of `direct`."""
    return PhysAddr(address.value - DIRECT_BASE)
