"""The address space object."""

from __future__ import annotations

from cloudos.abi.errors import BadArgument, OutOfMemory, QuotaExceeded
from cloudos.abi.objects import Kind, Rights
from cloudos.kernel.hal import mmu
from cloudos.kernel.hal.interface import PAGE_SIZE, Access
from cloudos.kernel.memory import address_space, heap
from cloudos.kernel.memory.structures import Memory, RegionTable, Space
from cloudos.kernel.objects import cleanup
from cloudos.kernel.objects.header import Header, Quota
from cloudos.lang import U64, Ptr, size_of

__all__ = ["BadArgument", "OutOfMemory", "QuotaExceeded"]


def create(quota: Quota) -> Ptr[Space]:
    """An empty space with one reference, the caller's. Raises QuotaExceeded, OutOfMemory."""
    made = cleanup.create(quota, Kind.SPACE, U64(size_of(Space))).cast(Space)
    space = made.value
    try:
        space.pages.root = heap.allocate_frame(quota)
        space.regions = Ptr.at(RegionTable, mmu.direct(heap.allocate_frame(quota)))
    except (OutOfMemory, QuotaExceeded):
        cleanup.drop(made.cast(Header))
        raise
    mmu.copy_kernel_half(space.pages.root)
    return made


def end_step(space: Space) -> bool:
    """Give back some regions or page tables of a space that goes; whether that was all. A process refers to its space,
    so that no processor uses it now."""
    quota = space.header.quota.value
    if space.pages.root.value != 0:
        if not address_space.close_step(space):
            return False
        heap.free_frame(quota, space.pages.root)
    if not space.regions.is_null():
        heap.free_frame(quota, mmu.direct_to_physical(space.regions.address))
    return True


def show(space: Ptr[Space], object: Ptr[Memory], start: U64, access: Access, rights: Rights) -> None:
    """Map all of a new object, to which the caller's reference ends. Raises BadArgument, QuotaExceeded, OutOfMemory."""
    try:
        address_space.map(space.value, object, rights, start, U64(0), object.value.length * PAGE_SIZE, access)
    finally:
        cleanup.drop(object.cast(Header))
