"""The address space object: page tables and the regions in them. Operations on it: `memory/address_space.py`."""

from __future__ import annotations

from cloudos.abi.errors import OutOfMemory, QuotaExceeded
from cloudos.abi.objects import Kind, Rights
from cloudos.kernel.hal import mmu
from cloudos.kernel.memory import address_space, heap, mappings
from cloudos.kernel.memory.structures import Space
from cloudos.kernel.objects import cleanup
from cloudos.kernel.objects.header import Header, Quota
from cloudos.lang import U64, Ptr, size_of, struct

__all__ = ["OutOfMemory", "QuotaExceeded"]

REGIONS_PER_STEP = 8


@struct
class SpaceHandler:
    """See `cleanup.Handler`."""

    unused: U64 = U64(0)

    def capability_added(self, object: Ptr[Header], rights: Rights) -> None:
        """Nothing to do."""

    def capability_removed(self, object: Ptr[Header], rights: Rights) -> None:
        """Nothing to do."""

    def cleanup_step(self, object: Ptr[Header]) -> bool:
        """Forget some regions, then free some page tables, at last the object. No processor uses it any more."""
        space = object.cast(Space).value
        for _ in U64.range(REGIONS_PER_STEP):
            if space.first.is_null():
                break
            address_space.remove(space, space.first)
        if not space.first.is_null():
            return False
        end = U64(address_space.TABLES_END)
        space.cursor = mappings.prune_step(space, space.cursor, U64(0), end, end)
        if space.cursor < end:
            return False
        heap.free_frame(space.header.quota.value, space.pages.root)
        cleanup.destroy(object)
        return True


cleanup.handled_by(Kind.SPACE, SpaceHandler())


def create(quota: Quota) -> Ptr[Space]:
    """An empty address space with one reference, the caller's. Raises QuotaExceeded, OutOfMemory."""
    made = cleanup.create(quota, Kind.SPACE, U64(size_of(Space))).cast(Space)
    try:
        made.value.pages.root = heap.allocate_frame(quota)
    except (OutOfMemory, QuotaExceeded):
        made.value.header.references = U64(0)
        cleanup.destroy(made.cast(Header))
        raise
    mmu.copy_kernel_half(made.value.pages.root)
    made.value.tables = U64(1)
    return made
