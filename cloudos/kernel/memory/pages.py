"""The pages of a memory object: a tree of frames, shared with clones down to whatever nobody changed since.

Sharing. A clone begins with the same nodes as its origin; each node and page counts its users. Before something below a
shared node changes, the node is copied, which makes its children shared in turn: one node for each level, whatever the
number of clones, and no chain to look through.

Payment. Every object pays for each frame that it sees (`claims`), shared or not, and FRAMES keeps as many frames
promised as are needed to give everyone copies of their own. So copying what is shared never fails. New pages and nodes
are claimed first, which may fail and then has changed nothing; then taken, which cannot.
"""

from __future__ import annotations

from cloudos.abi.errors import OutOfMemory, QuotaExceeded
from cloudos.kernel.hal import cpu, mmu
from cloudos.kernel.hal.interface import PAGE_SIZE
from cloudos.kernel.memory import heap
from cloudos.kernel.memory.frames import FRAMES
from cloudos.kernel.memory.structures import Memory
from cloudos.lang import U64, PhysAddr, Ptr, Slice, fast, inlined, never_inlined, null, panic, struct

__all__ = ["OutOfMemory", "QuotaExceeded"]

PRESENT = 1
# On the entry of a last node: its 512 pages are one block of 2 MB.
TOGETHER = 2
# On the entry of an absent page: the pager was asked for it, or has refused it.
WAITING = 4
DENIED = 8
ADDRESS = 0x000F_FFFF_FFFF_F000
NODE_BITS = 9
NODE_ENTRIES = 512
MAXIMUM_WIDTH = 256
# 2 MB: so many pages, of the order that the frame allocator knows them by.
BLOCK_PAGES = 512
BLOCK_ORDER = 9
# Units of work between preemption points: entries released, pages zeroed.
STEP = 4
ZERO_STEP = 8


@struct
class Page:
    """What an object has at one page. `exclusive`: no other object sees its frame; `together`: part of a block.

    `slot`: the entry of the page, null when there is no node for it. Of an absent page, `exclusive` says whether the
    node is this object's alone.
    """

    slot: Ptr[U64]
    entry: U64
    exclusive: bool
    together: bool

    @property
    def present(self) -> bool:
        """Whether there is a frame."""
        return self.entry & PRESENT != 0

    @property
    def frame(self) -> PhysAddr:
        """The frame of a page that is present."""
        return PhysAddr(self.entry & ADDRESS)


def levels_for(length: U64) -> U64:
    """How many levels of nodes stand below the root array of an object of `length` pages."""
    levels = U64(0)
    while (length - 1) >> (levels * NODE_BITS) >= MAXIMUM_WIDTH:
        levels += 1
    return levels


def nodes_for(length: U64, levels: U64) -> U64:
    """How many nodes all pages need."""
    total = U64(0)
    for level in U64.range(1, levels + 1):
        total += ((length - 1) >> (level * NODE_BITS)) + 1
    return total


@never_inlined
def claim(memory: Memory, count: U64) -> None:
    """Make sure that `count` frames can be taken. Raises QuotaExceeded, OutOfMemory, having changed nothing."""
    heap.FAILURES.check()
    if count <= memory.reserve:
        return
    missing = count - memory.reserve
    quota = memory.header.quota.value
    quota.charge(missing * PAGE_SIZE)
    try:
        FRAMES.promise(missing)
    except OutOfMemory:
        quota.refund(missing * PAGE_SIZE)
        raise
    memory.reserve = count


@never_inlined
def unclaim(memory: Memory, count: U64) -> None:
    """Give promised frames back."""
    memory.reserve -= count
    FRAMES.withdraw(count)
    memory.header.quota.value.refund(count * PAGE_SIZE)


@never_inlined
@fast
def promised_frame() -> PhysAddr:
    """A frame that was promised, contents undefined."""
    try:
        return FRAMES.allocate_promised(U64(0))
    except OutOfMemory:
        return panic("a promised frame is missing")


@never_inlined
def _take(memory: Memory) -> PhysAddr:
    """One claimed frame, zeroed."""
    memory.reserve -= 1
    memory.claims += 1
    frame = promised_frame()
    cpu.zero(mmu.direct(frame), U64(PAGE_SIZE))
    return frame


def _entry(node: PhysAddr, index: U64) -> Ptr[U64]:
    return Ptr.at(U64, mmu.direct(node).offset((index & (NODE_ENTRIES - 1)) * 8))


@inlined
def _root_entry(memory: Memory, index: U64) -> Ptr[U64]:
    number = index >> (memory.levels * NODE_BITS)
    assert number < memory.width, "page outside its memory object"
    return memory.root.offset(number)


@fast
def find(memory: Memory, index: U64) -> Page:
    """What there is at a page."""
    slot = _root_entry(memory, index)
    entry = slot.value
    exclusive = True
    together = False
    level = memory.levels
    while level > 0:
        if entry & PRESENT == 0:
            return Page(null(), U64(0), False, False)
        node = PhysAddr(entry & ADDRESS)
        exclusive = exclusive and not FRAMES.is_shared(node)
        together = entry & TOGETHER != 0
        level -= 1
        slot = _entry(node, index >> (level * NODE_BITS))
        entry = slot.value
    if entry & PRESENT != 0:
        exclusive = exclusive and not FRAMES.is_shared(PhysAddr(entry & ADDRESS))
    return Page(slot, entry, exclusive, together)


@never_inlined
def slot_at(memory: Memory, index: U64, level: U64) -> Ptr[U64]:
    """The entry of this level (0: of the page) for a page; null when there is no node to hold it."""
    nothing: Ptr[U64] = null()
    slot = _root_entry(memory, index)
    current = memory.levels
    while current > level:
        if slot.value & PRESENT == 0:
            return nothing
        current -= 1
        slot = _entry(PhysAddr(slot.value & ADDRESS), index >> (current * NODE_BITS))
    return slot


def missing_nodes(memory: Memory, index: U64, level: U64) -> U64:
    """How many nodes must be made before there is an entry of this level."""
    slot = _root_entry(memory, index)
    current = memory.levels
    while current > level:
        if slot.value & PRESENT == 0:
            return current - level
        current -= 1
        slot = _entry(PhysAddr(slot.value & ADDRESS), index >> (current * NODE_BITS))
    return U64(0)


@never_inlined
def own_path(memory: Memory, index: U64, level: U64) -> Ptr[U64]:
    """The entry of this level, all nodes above it existing and shared with nobody. Missing ones have been claimed."""
    slot = _root_entry(memory, index)
    current = memory.levels
    while current > level:
        entry = slot.value
        if entry & PRESENT == 0:
            slot.value = _take(memory).value | PRESENT
        elif FRAMES.is_shared(PhysAddr(entry & ADDRESS)):
            slot.value = _copy_node(PhysAddr(entry & ADDRESS)).value | (entry & (PRESENT | TOGETHER))
        current -= 1
        slot = _entry(PhysAddr(slot.value & ADDRESS), index >> (current * NODE_BITS))
    return slot


def _copy_node(node: PhysAddr) -> PhysAddr:
    """A node with the same children, of which each gets one user more; the old one loses one."""
    copy = promised_frame()
    origin = Slice.of(Ptr.at(U64, mmu.direct(node)), U64(NODE_ENTRIES))
    Slice.of(Ptr.at(U64, mmu.direct(copy)), U64(NODE_ENTRIES)).copy_from(origin)
    share_all(origin)
    FRAMES.unshare(node)
    return copy


@never_inlined
def share_all(entries: Slice[U64]) -> None:
    """Whatever these entries point at has one user more."""
    for entry in entries:
        if entry & PRESENT != 0:
            FRAMES.share(PhysAddr(entry & ADDRESS))


@fast
def fill_slot(memory: Memory, slot: Ptr[U64]) -> PhysAddr:
    """`fill` when the node is there and this object's alone. Raises what `fill` does."""
    heap.FAILURES.check()
    if memory.reserve > 0:
        frame = FRAMES.allocate_promised(U64(0))
        memory.reserve -= 1
    else:
        quota = memory.header.quota.value
        quota.charge(U64(PAGE_SIZE))
        try:
            frame = FRAMES.allocate(U64(0))
        except OutOfMemory:
            quota.refund(U64(PAGE_SIZE))
            raise
    memory.claims += 1
    cpu.zero(mmu.direct(frame), U64(PAGE_SIZE))
    slot.value = frame.value | PRESENT
    return frame


def fill(memory: Memory, index: U64) -> PhysAddr:
    """Give an absent page a zeroed frame. Raises QuotaExceeded, OutOfMemory, having changed nothing."""
    claim(memory, missing_nodes(memory, index, U64(0)) + 1)
    slot = own_path(memory, index, U64(0))
    frame = _take(memory)
    slot.value = frame.value | PRESENT
    return frame


def make_exclusive(memory: Memory, index: U64) -> PhysAddr:
    """Give a page that is present a frame that no other object sees. It must not be mapped anywhere."""
    slot = own_path(memory, index, U64(0))
    frame = PhysAddr(slot.value & ADDRESS)
    if FRAMES.is_shared(frame):
        copy = promised_frame()
        words = U64(PAGE_SIZE // 8)
        target = Slice.of(Ptr.at(U64, mmu.direct(copy)), words)
        target.copy_from(Slice.of(Ptr.at(U64, mmu.direct(frame)), words))
        FRAMES.unshare(frame)
        slot.value = copy.value | PRESENT
        if memory.levels > 0:
            above = slot_at(memory, index, U64(1))
            above.value = above.value & ~U64(TOGETHER)
        frame = copy
    return frame


def put_shared(memory: Memory, index: U64, frame: PhysAddr) -> None:
    """Let an absent page be a frame that another object has as well. Raises QuotaExceeded, OutOfMemory."""
    claim(memory, missing_nodes(memory, index, U64(0)) + 1)
    slot = own_path(memory, index, U64(0))
    memory.reserve -= 1
    memory.claims += 1
    FRAMES.share(frame)
    slot.value = frame.value | PRESENT


def mark(memory: Memory, index: U64, flag: U64) -> None:
    """Remember something of an absent page: WAITING, DENIED or nothing. Raises QuotaExceeded, OutOfMemory."""
    claim(memory, missing_nodes(memory, index, U64(0)))
    own_path(memory, index, U64(0)).value = flag


# Blocks of 2 MB


def block_step(memory: Memory, index: U64) -> bool:
    """Zero a part of a block for the 512 pages around `index`; True when it needs more steps.

    False: either the pages are there now, or there is no block to be had. Raises QuotaExceeded, OutOfMemory.
    """
    first = index // BLOCK_PAGES * BLOCK_PAGES
    if memory.block.value == 0:
        if memory.reserve < BLOCK_PAGES + memory.levels:
            return False
        try:
            memory.block = FRAMES.allocate_promised(U64(BLOCK_ORDER))
        except OutOfMemory:
            return False
        memory.reserve -= BLOCK_PAGES
        memory.claims += BLOCK_PAGES
        memory.block_page = first
        memory.block_ready = U64(0)
    if memory.block_page != first:
        return False
    cpu.zero(mmu.direct(memory.block.offset(memory.block_ready * PAGE_SIZE)), U64(PAGE_SIZE * ZERO_STEP))
    memory.block_ready += ZERO_STEP
    if memory.block_ready < BLOCK_PAGES:
        return True
    if block_fits(memory, index):
        _install_block(memory)
    else:
        drop_block(memory)
    return False


def block_fits(memory: Memory, index: U64) -> bool:
    """Whether none of the 512 pages around `index` was touched yet."""
    if memory.levels == 0:
        return False
    above = slot_at(memory, index, U64(1))
    return above.is_null() or above.value & PRESENT == 0


def _install_block(memory: Memory) -> None:
    try:
        claim(memory, missing_nodes(memory, memory.block_page, U64(1)) + 1)
    except (OutOfMemory, QuotaExceeded):
        drop_block(memory)
        raise
    above = own_path(memory, memory.block_page, U64(1))
    node = _take(memory)
    for number in U64.range(BLOCK_PAGES):
        _entry(node, number).value = memory.block.offset(number * PAGE_SIZE).value | PRESENT
    above.value = node.value | (PRESENT | TOGETHER)
    memory.block = PhysAddr(0)


@never_inlined
def drop_block(memory: Memory) -> None:
    """Forget the block that is being zeroed; its frames are promised as before."""
    if memory.block.value == 0:
        return
    FRAMES.free(memory.block, U64(BLOCK_ORDER))
    FRAMES.promised += BLOCK_PAGES
    memory.claims -= BLOCK_PAGES
    memory.reserve += BLOCK_PAGES
    memory.block = PhysAddr(0)


def block_is_exclusive(memory: Memory, index: U64) -> bool:
    """Whether no other object sees any of the 512 pages, known to be together and under a node of its own."""
    first = find(memory, index // BLOCK_PAGES * BLOCK_PAGES)
    return FRAMES.none_shared(first.frame, U64(BLOCK_PAGES))


# Giving back


def release_step(memory: Memory, end: U64, ending: bool) -> bool:
    """Give back a few pages, from `memory.cursor` on; True when it has come to `end`.

    `ending`: the nodes too; of subtrees that are shared, only the node at their top is let go, for `finish` to settle.
    """
    drop_block(memory)
    for _ in U64.range(STEP):
        if memory.cursor >= end:
            return True
        _release_at(memory, memory.cursor, end, ending)
        if ending:
            _release_nodes(memory, memory.cursor)
    return memory.cursor >= end


def _release_at(memory: Memory, index: U64, end: U64, ending: bool) -> None:
    """Release the page at the cursor, or skip what is absent, or let go what is shared; move the cursor."""
    slot = _root_entry(memory, index)
    level = memory.levels
    while level > 0:
        shift = level * NODE_BITS
        following = min(((index >> shift) + 1) << shift, end)
        node = PhysAddr(slot.value & ADDRESS)
        if slot.value & PRESENT == 0:
            _skip(memory, following, ending)
            return
        if FRAMES.is_shared(node):
            if ending:
                FRAMES.unshare(node)
                slot.value = U64(0)
                memory.cursor = following
                return
            own_path(memory, index, level - 1)
            node = PhysAddr(slot.value & ADDRESS)
        level -= 1
        slot = _entry(node, index >> (level * NODE_BITS))
    if slot.value & PRESENT == 0:
        slot.value = U64(0)
        _skip(memory, index + 1, ending)
        return
    _release_frame(memory, PhysAddr(slot.value & ADDRESS))
    slot.value = U64(0)
    if memory.levels > 0 and not ending:
        above = slot_at(memory, index, U64(1))
        above.value = above.value & ~U64(TOGETHER)
    memory.cursor = index + 1


def _skip(memory: Memory, following: U64, ending: bool) -> None:
    """Pass over absent pages; of committed memory, their frames were promised."""
    if memory.committed and not ending:
        unclaim(memory, min(following - memory.cursor, memory.reserve))
    memory.cursor = following


@never_inlined
def _release_frame(memory: Memory, frame: PhysAddr) -> None:
    if FRAMES.unshare(frame):
        FRAMES.withdraw(U64(1))
    else:
        FRAMES.free(frame, U64(0))
    memory.claims -= 1
    memory.header.quota.value.refund(U64(PAGE_SIZE))


def _release_nodes(memory: Memory, passed: U64) -> None:
    """Free the nodes whose last page lies before `passed`. All pages below them are gone."""
    for level in U64.range(1, memory.levels + 1):
        if passed < memory.length and passed & ((U64(1) << (level * NODE_BITS)) - 1) != 0:
            return
        slot = slot_at(memory, passed - 1, level)
        if not slot.is_null() and slot.value & PRESENT != 0:
            _release_frame(memory, PhysAddr(slot.value & ADDRESS))
            slot.value = U64(0)


def finish(memory: Memory) -> None:
    """After the last `release_step` of an object that ends: settle what it paid for."""
    FRAMES.withdraw(memory.claims + memory.reserve)
    memory.header.quota.value.refund((memory.claims + memory.reserve) * PAGE_SIZE)
    memory.claims = U64(0)
    memory.reserve = U64(0)
