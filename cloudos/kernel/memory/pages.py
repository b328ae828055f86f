"""The pages of a memory object: a tree of frames, shared with clones down to whatever nobody changed since.

Sharing. A clone begins with the same root as its origin; each node and page counts its users. Before something below a
shared node changes, the node is copied, which makes its children shared in turn: one node at a time, whatever the
number of clones, and no chain to look through.

Payment. Every object pays for each frame that it sees (`claims`), shared or not. A quota is a part of its parent and
the machine's quota is all frames, so there is a frame for everybody who has to copy what is shared.
"""

from __future__ import annotations

from cloudos.abi.errors import OutOfMemory, QuotaExceeded
from cloudos.kernel.hal import cpu, mmu
from cloudos.kernel.hal.interface import PAGE_SIZE
from cloudos.kernel.memory import heap
from cloudos.kernel.memory.frames import FRAMES, put_at_hand
from cloudos.kernel.memory.structures import Entry, Memory
from cloudos.kernel.sched import requests
from cloudos.lang import U32, U64, Order, PhysAddr, Ptr, Slice, fast, inlined, never_inlined, null, panic, struct

__all__ = ["OutOfMemory", "QuotaExceeded"]

PRESENT = 1
NODE_BITS = 9
NODE_ENTRIES = 512
# 2 MB: so many pages, of the order that the frame allocator knows them by.
BLOCK_PAGES = 512
BLOCK_ORDER = 9
BLOCK_BYTES = BLOCK_PAGES * PAGE_SIZE
# Absent entries are passed up to the next multiple of this.
PASSED_AT_ONCE = 32
# Between preemption points: pages given back, pages zeroed.
RELEASE_STEP = 4
# The end of an object is a part of other system calls, of which several steps are done at once.
ENDING_STEP = 2
ZERO_STEP = 8


@struct
class Place:
    """Where the way to a page ends: at the entry of the level asked for, or above it where the entry is 0.

    `exclusive`: nothing on the way, with what the entry points at, has another user.
    """

    slot: Ptr[Entry]
    entry: U64
    level: U64
    exclusive: bool

    @property
    def frame(self) -> PhysAddr:
        """What the entry points at."""
        return frame_of(self.entry)


@inlined
def frame_of(entry: U64) -> PhysAddr:
    """The frame in an entry that is not 0."""
    return PhysAddr(entry ^ PRESENT)


@inlined
def _bits(level: U64) -> U64:
    """How many pages an entry of a level, of which there are few, stands for, as a power of two."""
    return level.wrapping_mul(NODE_BITS) % 64


@inlined
def _child(entry: U64, index: U64) -> Ptr[Entry]:
    """The entry that stands for page `index` in units of the node's entries."""
    return Ptr.at(Entry, mmu.direct(PhysAddr((entry ^ PRESENT) | (index % NODE_ENTRIES * 8))))


@fast
@never_inlined
def find(memory: Memory, index: U64, level: U64) -> Place:
    """The entry of this level for a page."""
    slot = Ptr.to(memory.root)
    current = memory.levels
    shift = _bits(current)
    exclusive = True
    if index >> shift != 0:
        return Place(null(), U64(0), current + 1, exclusive)
    while True:
        entry = slot.value.bits
        if memory.cloned and entry != 0:
            exclusive = exclusive and FRAMES.users(frame_of(entry)).value.load(Order.ACQUIRE) == 0
        if entry == 0 or current == level:
            return Place(slot, entry, current, exclusive)
        current = current.wrapping_sub(1)
        shift = shift.wrapping_sub(NODE_BITS)
        slot = _child(entry, index >> (shift % 64))


# Paying


@never_inlined
def _charge(memory: Memory, count: U64) -> None:
    """For frames that the object will see. Raises QuotaExceeded."""
    memory.header.quota.value.charge(count * PAGE_SIZE)
    memory.claims += count


@never_inlined
def _repay(memory: Memory, count: U64) -> None:
    """For pages that the object sees no more."""
    memory.claims -= count
    if memory.keeps:
        memory.reserve += count
    else:
        memory.header.quota.value.refund(count * PAGE_SIZE)


def unreserve(memory: Memory, count: U64) -> None:
    """For pages that were paid for in advance and will not be touched."""
    memory.reserve -= count
    memory.header.quota.value.refund(count * PAGE_SIZE)


@fast
@never_inlined
def _take(memory: Memory, reserved: bool) -> PhysAddr:
    """A zeroed frame for the tree; `reserved`: from what was paid for before, if there is any.

    Raises QuotaExceeded, OutOfMemory.
    """
    heap.FAILURES.check()
    reserved = reserved and memory.reserve > 0
    if not reserved:
        memory.header.quota.value.charge(U64(PAGE_SIZE))
    try:
        frame = FRAMES.allocate_near(U64(0), U64(memory.node))
    except OutOfMemory:
        if not reserved:
            memory.header.quota.value.refund(U64(PAGE_SIZE))
        raise
    if reserved:
        memory.reserve -= 1
    memory.claims += 1
    cpu.zero(mmu.direct(frame), U64(PAGE_SIZE))
    return frame


# Making


@never_inlined
def own(memory: Memory, index: U64, level: U64) -> Ptr[Entry]:
    """The entry of this level, all nodes above it made if need be; none of them is shared.

    Raises QuotaExceeded, OutOfMemory; then there may be some more nodes.
    """
    while memory.levels < level or index >> _bits(memory.levels) != 0:
        if memory.root.bits != 0:
            node = _take(memory, False).value | PRESENT
            _child(node, U64(0)).value = memory.root
            memory.root.bits = node
        memory.levels += 1
    slot = Ptr.to(memory.root)
    current = memory.levels
    while current > level:
        if slot.value.bits == 0:
            slot.value.bits = _take(memory, False).value | PRESENT
        current = current.wrapping_sub(1)
        slot = _child(slot.value.bits, index >> _bits(current))
    return slot


def fill(memory: Memory, index: U64) -> PhysAddr:
    """Give an absent page a zeroed frame. Raises QuotaExceeded, OutOfMemory."""
    return fill_slot(memory, own(memory, index, U64(0)))


@inlined
def fill_slot(memory: Memory, slot: Ptr[Entry]) -> PhysAddr:
    """Give an absent page, whose entry exists and is this object's alone, a zeroed frame. Raises as `fill`."""
    frame = _take(memory, True)
    slot.value.bits = frame.value | PRESENT
    return frame


@never_inlined
def copy_node(memory: Memory, index: U64) -> bool:
    """Make a copy of the first node on the way to a page that is shared; False when there is none.

    Raises OutOfMemory.
    """
    slot = Ptr.to(memory.root)
    current = memory.levels
    if not memory.cloned or index >> _bits(current) != 0:
        return False
    while current > 0 and slot.value.bits != 0:
        if FRAMES.users(frame_of(slot.value.bits)).value.load(Order.ACQUIRE) != 0:
            _copy(slot.value, True)
            return True
        current = current.wrapping_sub(1)
        slot = _child(slot.value.bits, index >> _bits(current))
    return False


@never_inlined
def _copy(entry: Entry, is_node: bool) -> None:
    """Let an entry have a copy of a frame that it shares; what a node refers to is shared then. Raises OutOfMemory.

    Others who share it may do the same at this moment. So nobody changes a frame that is shared; what a copy refers to
    has one user more before the original is let go of; and who lets go last finds that everybody has a copy, and undoes
    that there is one user more: the original goes.
    """
    old = frame_of(entry.bits)
    copy = FRAMES.allocate(U64(0))
    words = Slice.of(Ptr.at(U64, mmu.direct(copy)), U64(NODE_ENTRIES))
    words.copy_from(Slice.of(Ptr.at(U64, mmu.direct(old)), U64(NODE_ENTRIES)))
    entry.bits = copy.value | PRESENT
    if is_node:
        FRAMES.share_all(words, U32(1))
    users = FRAMES.users(old)
    if users.value.fetch_sub(1) == 0:
        users.value.store(0, Order.RELAXED)
        if is_node:
            FRAMES.share_all(words, U32(U32.MAX))
        put_at_hand(old)


def make_exclusive(memory: Memory, index: U64) -> PhysAddr:
    """Give a page that is present, below nodes of its own, a frame that no other object sees. It is not mapped.

    Raises OutOfMemory.
    """
    place = find(memory, index, U64(0))
    _copy(place.slot.value, False)
    return frame_of(place.slot.value.bits)


def clone(memory: Memory, copy: Memory) -> None:
    """Let an empty object have the same pages. Raises QuotaExceeded."""
    drop_block(memory)
    _charge(copy, memory.claims)
    copy.root = memory.root
    copy.levels = memory.levels
    if memory.root.bits != 0:
        FRAMES.users(frame_of(memory.root.bits)).value.fetch_add(1, Order.RELAXED)
    copy.cloned = True
    memory.cloned = True


def move(source: Memory, first: U64, memory: Memory, index: U64) -> None:
    """Let a page of `source`, which is not mapped, become a page of `memory`; a zeroed one where it is absent.

    Nothing happens where `memory` has one. Raises QuotaExceeded, OutOfMemory; then nothing has moved.
    """
    if find(memory, index, U64(0)).entry != 0:
        return
    place = find(source, first, U64(0))
    bits = place.entry
    if bits == 0:
        bits = _take(memory, False).value | PRESENT
    else:
        _charge(memory, U64(1))
    try:
        own(memory, index, U64(0)).value.bits = bits
    except (OutOfMemory, QuotaExceeded):
        _repay(memory, U64(1))
        if place.entry == 0:
            FRAMES.free(frame_of(bits), U64(0))
        raise
    if place.entry != 0:
        place.slot.value.bits = U64(0)
        _repay(source, U64(1))


# Blocks of 2 MB


@never_inlined
def block_step(memory: Memory, index: U64) -> bool:
    """Zero a part of a block for the 512 absent pages around `index`; True when it needs more steps.

    False: either the pages are there now, or there is no block to be had. Raises QuotaExceeded, OutOfMemory.
    """
    first = index // BLOCK_PAGES * BLOCK_PAGES
    begins = memory.block.value == 0
    # Only what was paid for in advance is taken in such pieces.
    if begins and memory.reserve < BLOCK_PAGES:
        return False
    if begins or memory.block_ready == BLOCK_PAGES:
        requests.need_alone()
    if begins:
        try:
            memory.block = FRAMES.allocate_near(U64(BLOCK_ORDER), U64(memory.node))
        except OutOfMemory:
            return False
        memory.reserve -= BLOCK_PAGES
        memory.claims += BLOCK_PAGES
        memory.block_page = first
        memory.block_ready = U64(0)
    elif memory.block_page != first:
        return False
    if memory.block_ready == BLOCK_PAGES:
        _install_block(memory)
        return False
    cpu.zero(mmu.direct(memory.block.offset(memory.block_ready * PAGE_SIZE)), U64(PAGE_SIZE * ZERO_STEP))
    memory.block_ready += ZERO_STEP
    return True


def _install_block(memory: Memory) -> None:
    """Let the block be the pages that it is for. Raises QuotaExceeded, OutOfMemory; then it is gone."""
    try:
        above = own(memory, memory.block_page, U64(1))
        if above.value.bits == 0:
            node = _take(memory, False).value | PRESENT
            for number in U64.range(BLOCK_PAGES):
                _child(node, number).value.bits = memory.block.offset(number * PAGE_SIZE).value | PRESENT
            above.value.bits = node
            memory.block = PhysAddr(0)
    finally:
        drop_block(memory)


@never_inlined
def drop_block(memory: Memory) -> None:
    """Forget the block that is being zeroed."""
    if memory.block.value != 0:
        FRAMES.free(memory.block, U64(BLOCK_ORDER))
        _repay(memory, U64(BLOCK_PAGES))
        memory.block = PhysAddr(0)


@never_inlined
def block_at(memory: Memory, index: U64) -> PhysAddr:
    """The block of 2 MB that the 512 pages around `index` are; 0 when they are not."""
    above = find(memory, index, U64(1))
    none = PhysAddr(0)
    if memory.cloned or above.level != 1 or above.entry == 0:
        return none
    expected = _child(above.entry, U64(0)).value.bits
    block = expected
    # The last page may be any frame, also one before the first's.
    last = _child(above.entry, U64(NODE_ENTRIES - 1)).value.bits
    if block % BLOCK_BYTES != PRESENT or last.wrapping_sub(block) != BLOCK_BYTES - PAGE_SIZE:
        return none
    for number in U64.range(NODE_ENTRIES):
        if _child(above.entry, number).value.bits != expected:
            return none
        expected += PAGE_SIZE
    return frame_of(block)


# Giving back


@never_inlined
def release_step(memory: Memory, index: U64, end: U64, ending: bool) -> U64:
    """Give back a few pages, which are not mapped, from `index` on; the page that it came to, at most `end`.

    `ending`: the nodes too. Then of subtrees that are shared only the top is let go, and `claims` is settled by the
    caller. Raises OutOfMemory when a shared node cannot be copied, never when ending.
    """
    drop_block(memory)
    for _ in U64.range(ENDING_STEP if ending else RELEASE_STEP):
        if index >= end or (not ending and copy_node(memory, index)):
            break
        place = find(memory, index, U64(0))
        if ending and not place.exclusive:
            place = _shared_top(memory, index)
        if place.entry != 0:
            _let_go(memory, place, ending)
        index = _following(memory, place, index)
        if ending:
            _release_nodes(memory, index)
    return min(index, end)


def _following(memory: Memory, place: Place, index: U64) -> U64:
    """The page after those that an entry stands for, and after some absent ones that follow in its node."""
    shift = _bits(place.level)
    number = (index >> shift).wrapping_add(1)
    slot = place.slot
    if place.level < memory.levels:
        while number % PASSED_AT_ONCE != 0:
            slot = slot.offset(1)
            if slot.value.bits != 0:
                break
            number = number.wrapping_add(1)
    return number.wrapping_shl(shift)


@never_inlined
def empty_step(memory: Memory) -> bool:
    """Give back a few of all the pages, none of which is mapped, and their nodes; whether there are no more."""
    end = U64(1) << _bits(memory.levels)
    try:
        memory.cursor = release_step(memory, memory.cursor, end, True)
    except OutOfMemory:
        panic("giving memory back needs none")
    return memory.cursor >= end


def _shared_top(memory: Memory, index: U64) -> Place:
    """The highest entry on the way to a page whose frame has other users. There is one."""
    level = memory.levels
    place = find(memory, index, level)
    while place.exclusive:
        level -= 1
        place = find(memory, index, level)
    return place


def _let_go(memory: Memory, place: Place, ending: bool) -> None:
    """Take a frame out of the tree."""
    place.slot.value.bits = U64(0)
    users = FRAMES.users(place.frame)
    if users.value.load(Order.RELAXED) == 0:
        FRAMES.free(place.frame, U64(0))
    else:
        users.value.fetch_sub(1, Order.RELAXED)
    if not ending:
        _repay(memory, U64(1))


def _release_nodes(memory: Memory, passed: U64) -> None:
    """Free the nodes that end at page `passed`. All below them is gone."""
    for level in U64.range(1, memory.levels + 1):
        if passed % (U64(1) << _bits(level)) != 0:
            return
        place = find(memory, passed - 1, level)
        if place.level == level and place.entry != 0:
            _let_go(memory, place, True)
