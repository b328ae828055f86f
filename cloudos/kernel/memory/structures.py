"""The structures of memory objects and address spaces, which refer to one another.

What can be done with them: `pages.py` (the pages of a memory object), `regions.py` (the regions of a space),
`mappings.py` (both in page tables), `address_space.py`, and `kernel/objects/memory.py` and `space.py`.
"""

from __future__ import annotations

from enum import IntEnum

from cloudos.abi.objects import Rights
from cloudos.kernel.hal import mmu
from cloudos.kernel.hal.interface import Access
from cloudos.kernel.objects.header import Header
from cloudos.lang import U8, U64, PhysAddr, Ptr, enum, struct


@enum(U8)
class Source(IntEnum):
    """Where the pages of a memory object come from."""

    # Zeroed frames, when first touched.
    DEMAND = 0
    # One run of frames, allocated at once, zeroed when first touched.
    CONTIGUOUS = 1
    # Memory that belongs to nobody here: a device's registers, the boot bundle.
    FOREIGN = 2


@enum(U8)
class Sweep(IntEnum):
    """What is being done to all mappings of some pages of a memory object."""

    NONE = 0
    READ_ONLY = 1
    UNMAPPED = 2


@struct
class Memory:
    """So many pages. Numbers of pages unless stated.

    Pages hang in a tree: `root` is an array of `width` entries on the heap, each for 512 ** levels pages; below it are
    nodes of 512 entries, one frame each. Nodes and pages may be shared with other objects (`FRAMES.is_shared`), and
    are copied before they change.
    """

    header: Header
    length: U64
    source: Source
    # Device registers must not be cached.
    uncached: bool
    # Paid for in full when it was made: touching it cannot fail.
    committed: bool
    levels: U64
    root: Ptr[U64]
    width: U64
    # Of CONTIGUOUS and FOREIGN memory; `ready` pages are zeroed.
    base: PhysAddr
    ready: U64
    # Frames that this object sees in its tree, and frames promised to it beyond those. It pays for both.
    claims: U64
    reserve: U64
    # Mappings; how many of them may write and execute.
    regions: Ptr[Region]
    writers: U64
    executors: U64
    # The sweep under way: over pages [sweep_first, sweep_end), next `sweep_page` of `sweep_region`.
    sweep: Sweep
    sweep_first: U64
    sweep_end: U64
    sweep_page: U64
    sweep_region: Ptr[Region]
    # A block of 512 frames that is being zeroed for the pages from `block_page`; null: none.
    block: PhysAddr
    block_page: U64
    block_ready: U64
    # The endpoint that is asked for pages, with the number that it knows this object by; kept by the threads' code.
    pager: Ptr[Header]
    key: U64
    # First of the threads that wait for pages; kept by the threads' code.
    waiters: Ptr[Header]
    # How far the end of the object, or giving back a part, has come.
    ending: bool
    cursor: U64


@struct
class Region:
    """[start, end) of a space shows a memory object from `offset` on. All in bytes, whole pages."""

    start: U64
    end: U64
    offset: U64
    access: Access
    height: U8
    # Made by `memory_map`: the program may give it back.
    anonymous: bool
    # Being unmapped: up to `cursor` it is; up to `pruned`, page tables that nobody needs are gone too.
    closing: bool
    # Its access was changed; up to `cursor`, no mapping has the old one.
    changing: bool
    # What the handle that it was mapped through allows at most.
    rights: Rights
    cursor: U64
    pruned: U64
    # Number of the page up to which the object's pages were given back.
    discarded: U64
    # Frames for page tables, paid and promised, not used yet.
    spare: U64
    space: Ptr[Space]
    memory: Ptr[Memory]
    left: Ptr[Region]
    right: Ptr[Region]
    # The widest free gap in front of a region of this subtree.
    room: U64
    # In order of address.
    next: Ptr[Region]
    previous: Ptr[Region]
    # The other mappings of the object.
    next_mapping: Ptr[Region]
    previous_mapping: Ptr[Region]


@struct
class Space:
    """An address space. `tables`: frames of its page tables, the root included."""

    header: Header
    pages: mmu.PageTable
    root: Ptr[Region]
    first: Ptr[Region]
    count: U64
    tables: U64
    # How far its end has come.
    cursor: U64
