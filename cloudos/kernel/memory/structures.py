"""The structures of memory objects and address spaces, which refer to one another.

What can be done with them: `pages.py` (the pages of a memory object), `regions.py` (the regions of a space),
`address_space.py` (mapping) and `page_faults.py`; the system calls are in `kernel/objects/memory.py` and `space.py`.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.objects import Rights
from cloudos.kernel.hal import mmu
from cloudos.kernel.hal.interface import Access
from cloudos.kernel.objects.header import Header
from cloudos.lang import U8, U64, Array, PhysAddr, Ptr, null, struct, zeroed

MAXIMUM_REGIONS = 512


@struct
class Entry:
    """An entry of a node, or the root of a tree: 0, or a frame (of a page or of a node) and PRESENT."""

    bits: U64


@struct
class Memory:
    """A memory object: so many pages. In pages unless stated.

    Pages hang in a tree: `root` is the entry for 512 ** levels pages; below it are nodes of 512 entries, one frame
    each. Nodes and pages may be shared with clones, and are copied before they change. A run (`base` is not 0) has no
    tree: its frames follow one another.
    """

    header: Header = zeroed()
    # Of a run: where it begins.
    base: PhysAddr = zeroed()
    length: U64 = U64(0)
    root: Entry = zeroed()
    levels: U64 = U64(0)
    # There are clones, or it is one: only then may anything be shared.
    cloned: bool = False
    # What is given back stays reserved, for the mappings that `reserve` was paid for.
    keeps: bool = False
    # Of a run: its frames belong to nobody here (a device, the boot bundle); registers, which must not be cached.
    foreign: bool = False
    uncached: bool = False
    # 1 + the node that its frames shall be near; 0: near whoever touches them first.
    node: U8 = U8(0)
    # Frames that this object sees in its tree, and frames that it may still take; it has paid for both.
    claims: U64 = U64(0)
    reserve: U64 = U64(0)
    # Who supplies the pages, if not the kernel: an endpoint, and the badge that its receiver sees.
    pager: Ptr[Header] = null()
    badge: U64 = U64(0)
    # Of a run: how much of it has been zeroed.
    ready: U64 = U64(0)
    # A block of 512 frames that is being zeroed for the pages from `block_page`; `block_ready` of them are; 0: none.
    block: PhysAddr = zeroed()
    block_page: U64 = U64(0)
    block_ready: U64 = U64(0)
    # How far the end of the object, or giving back a part, has come.
    cursor: U64 = U64(0)
    # Its mappings. `sweeping`: pages [sweep_first, sweep_end) are being taken out of all of them, and have been from
    # those before `sweep_region`, and from that one up to `sweep_page`.
    regions: Ptr[Region] = null()
    sweeping: bool = False
    sweep_first: U64 = U64(0)
    sweep_end: U64 = U64(0)
    sweep_page: U64 = U64(0)
    sweep_region: Ptr[Region] = null()


@struct
class Region:
    """[start, end) of a space shows a memory object from `offset` on. All in bytes, whole pages."""

    start: U64
    end: U64
    offset: U64
    access: Access
    # What the handle that it was mapped through allows at most.
    rights: Rights
    memory: Ptr[Memory]
    space: Ptr[Space]
    # The other mappings of the object.
    next: Ptr[Region]
    previous: Ptr[Region]


@struct
class RegionTable:
    """The regions of a space, in order of address: one frame."""

    at: Array[Ptr[Region], Literal[512]]


@struct
class Space:
    """An address space."""

    header: Header = zeroed()
    pages: mmu.PageTable = zeroed()
    regions: Ptr[RegionTable] = null()
    count: U64 = U64(0)
    # The region that was found last; null when there is none.
    found: Ptr[Region] = null()
    # What `memory_map` shows the program; null until it is called.
    program: Ptr[Memory] = null()
    # How far its end has come.
    cursor: U64 = U64(0)
