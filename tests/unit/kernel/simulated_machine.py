"""A machine of simulated memory for the kernel's memory management."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cloudos.kernel.hal import mmu
from cloudos.kernel.hal.interface import BootInformation, MemoryRange
from cloudos.kernel.memory.frames import FRAMES, FrameAllocator
from cloudos.kernel.sched import processor as processor  # it names the data of the processor that allocates
from cloudos.lang import U64, PhysAddr, current_address_space

PAGE = 4096


def erase(instance: Any) -> None:
    """Make a static instance all zero again, as at boot."""
    region = instance._region
    region.data[:] = bytes(region.size)
    if region.shadows is not None:
        region.shadows.clear()


def boot_information(*ranges: tuple[int, int]) -> BootInformation:
    """A memory map of these [start, end) ranges."""
    boot = BootInformation()
    for index, (start, end) in enumerate(ranges):
        boot.ranges[index] = MemoryRange(U64(start), U64(end))
    boot.count = U64(len(ranges))
    return boot


@contextmanager
def memory(*ranges: tuple[int, int], allocator: FrameAllocator = FRAMES) -> Iterator[FrameAllocator]:
    """Uninitialised physical memory at these ranges, and a frame allocator over it."""
    space = current_address_space()
    regions = [space.allocate(end - start, PAGE, address=mmu.DIRECT_BASE + start) for start, end in ranges]
    erase(allocator)
    allocator.start(boot_information(*ranges))
    try:
        yield allocator
    finally:
        for region in regions:
            space.release(region)


@contextmanager
def user_table(allocator: FrameAllocator) -> Iterator[mmu.PageTable]:
    """Page tables with an empty kernel half."""
    mmu.KERNEL.pages.root = allocator.allocate_zeroed()
    root = allocator.allocate_zeroed()
    mmu.copy_kernel_half(root)
    yield mmu.PageTable(root)
    mmu.KERNEL.pages.root = PhysAddr(0)
