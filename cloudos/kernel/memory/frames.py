"""The frame allocator: a buddy system over the machine's memory, in blocks of 4 KB times powers of two up to 16 MB.

Contract. `start` gets the usable ranges; `allocate(order)` gives 4096 << order bytes at a multiple of that size,
contents undefined; `free` takes back any aligned block whose pages are all allocated, so a large block may come back
in pieces. Managed memory is reached through the direct map.

Lazy. Memory beyond a range's frontier was never handed out: nothing in it is read, written or listed, so that the
cost of `start` does not depend on how much there is. When the free lists are empty, the frontier moves by one block of
the largest size. What is known of a frame is four bytes, at the start of its range (0.1% of the memory); free blocks
are linked through their own first bytes.

Near. Memory belongs to nodes (boards, sockets): each has lists of its own. Who allocates gets memory of the processor's
node, or of the one that is asked for; when that has none left, of the next nearest that has.

Shared. An allocated frame may have more users than one; who takes the last one away frees it.

At hand. Each of several processors has a few frames, for what it does without being alone in the kernel: they count as
allocated, and are taken from all when there are no others. Before the last one is needed more are put by, if the free
frames are within reach: they belong to the processor that has done so last.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import OutOfMemory
from cloudos.kernel.hal import cpu, mmu
from cloudos.kernel.hal.interface import PAGE_SIZE, BootInformation
from cloudos.kernel.sched.requests import ALL, OWN, Line, is_alone, must_be_alone, reaches
from cloudos.lang import (
    U8,
    U32,
    U64,
    Array,
    Atomic,
    Order,
    PhysAddr,
    Ptr,
    Slice,
    VirtAddr,
    fast,
    inlined,
    never_inlined,
    panic,
    place,
    struct,
    zeroed,
)

PAGE_BITS = 12
MAXIMUM_ORDER = 12
ORDERS = 13
LARGEST_BLOCK = PAGE_SIZE << MAXIMUM_ORDER
BLOCK_FRAMES = 1 << MAXIMUM_ORDER
MAXIMUM_ZONES = 32
# A block is split into 1 << AT_ONCE of the order that is needed.
AT_ONCE = 5
# So many frames, as a power of two, a processor puts by at once.
AT_HAND = 5
STATE_BITS = 2
STATE_BYTES = 1 << STATE_BITS
# State of a frame: FREE plus the order of the free block that it begins; else how many users it has beyond the first.
# 0 inside a free block.
FREE = 0x8000_0000


@struct
class FreeBlock:
    """Stands at the start of every free block: frame numbers of its neighbours in the list, 0 for none."""

    next: U64
    previous: U64


@struct
class Zone:
    """One contiguous range of memory. Frame numbers: [first, frontier) is managed, [frontier, end) untouched."""

    first: U64 = U64(0)
    frontier: U64 = U64(0)
    end: U64 = U64(0)
    opened: bool = False
    # Where the lists of its node begin.
    lists: U64 = U64(0)
    # Where the state of frame 0 would be.
    states: U64 = U64(0)

    @inlined
    def state(self, frame: U64) -> Ptr[U32]:
        """What is known of a frame of the zone; kept in the zone's first frames."""
        return Ptr.at(U32, VirtAddr(self.states.wrapping_add(frame.wrapping_shl(STATE_BITS))))


@struct
class FrameAllocator:
    """All memory. `available` counts free frames, `total` all frames that ever were free.

    Nodes are named by the index of their first list in `heads`. In `near`, from that index on, are all nodes, the
    nearest first.
    """

    zone_count: U64 = U64(0)
    available: U64 = U64(0)
    total: U64 = U64(0)
    # The highest number of a node.
    last_node: U64 = U64(0)
    # The processor that free frames belong to, see `Header.home`: who is not alone only takes some of them at hand.
    home: U32 = U32(0)
    near: Array[U8, Literal[104]] = zeroed()
    heads: Array[U64, Literal[104]] = zeroed()
    zones: Array[Zone, Literal[32]] = zeroed()

    def start(self, boot: BootInformation) -> None:
        """Take over the ranges. Panics unless they are in order of address and none overlaps another."""
        end = U64(0)
        for index in U64.range(boot.count):
            range = boot.ranges[index]
            assert end <= range.start
            end = range.end
            self._add_zone(range.start, end)

    def _add_zone(self, start: U64, end: U64) -> None:
        first = start // PAGE_SIZE
        last = end // PAGE_SIZE
        state_frames = ((last - first) * STATE_BYTES + (PAGE_SIZE - 1)) // PAGE_SIZE
        if last - first <= state_frames or self.zone_count == MAXIMUM_ZONES:
            return
        zone = self.zones[self.zone_count]
        zone.first = first
        zone.frontier = first + state_frames
        zone.end = last
        zone.states = mmu.direct(PhysAddr(first * PAGE_SIZE)).value.wrapping_sub(first << 2)
        self.zone_count = self.zone_count + 1
        self.available = self.available + (last - zone.frontier)
        self.total = self.available

    def set_nodes(self, boot: BootInformation) -> None:
        """Give untouched memory to the nodes that it belongs to. What was touched before stays the first node's."""
        self.last_node = boot.last_node
        for index in U64.range(boot.node_range_count):
            part = boot.node_ranges[index]
            # All memory is the first node's so far.
            if part.node != 0:
                self._set_node(part.start // PAGE_SIZE, part.end // PAGE_SIZE, part.node * ORDERS)
        for node in U64.range(self.last_node + 1):
            for other in U64.range(self.last_node + 1):
                self._set_near(boot, node, other)

    def _set_node(self, start: U64, end: U64, lists: U64) -> None:
        for index in U64.range(self.zone_count):
            zone = self.zones[index]
            first = max(start, zone.frontier)
            last = min(end, zone.end)
            if first < last and self.zone_count + 2 <= MAXIMUM_ZONES:
                self._cut(zone, last)
                self._cut(zone, first)
                self.zones[self.zone_count - 1].lists = lists

    def _cut(self, zone: Zone, at: U64) -> None:
        """Let the untouched frames of a zone from `at` on be a zone of their own, the last one."""
        made = self.zones[self.zone_count]
        self.zone_count = self.zone_count + 1
        made.first = at
        made.frontier = at
        made.end = zone.end
        made.opened = True
        made.lists = zone.lists
        made.states = zone.states
        zone.end = at

    def _set_near(self, boot: BootInformation, node: U64, other: U64) -> None:
        """Put a node in its place among those that are near another one: after those that are as near."""
        row = boot.distances[node]
        place = node * ORDERS
        for third in U64.range(self.last_node + 1):
            if row[third] < row[other] or (third < other and row[third] == row[other]):
                place = place + 1
        self.near[place] = U8(other * ORDERS)

    def allocate(self, order: U64) -> PhysAddr:
        """A block of 4096 << order bytes, near this processor. Raises OutOfMemory."""
        return self.allocate_near(order, U64(0))

    @fast
    @never_inlined
    def allocate_near(self, order: U64, node: U64) -> PhysAddr:
        """A block of 4096 << order bytes; `node`: 1 + a node that it shall be near; 0: near this processor.

        Raises OutOfMemory.
        """
        if not is_alone():
            return _take_at_hand(order | node)
        lists = U64(OWN.line.lists)
        if node != 0:
            lists = (node - 1) * ORDERS
        return self._take(lists, order)

    @fast
    @never_inlined
    def _take(self, lists: U64, order: U64) -> PhysAddr:
        """A block that is near the node of these lists. Raises OutOfMemory."""
        index = lists + order
        frame = self.heads[index]
        if frame == 0:
            index = self._split(lists, order)
            frame = self.heads[index]
        following = _block(frame).next
        self.heads[index] = following
        if following != 0:
            _block(following).previous = U64(0)
        self._zone_of(frame).state(frame).value = U32(0)
        self.available = self.available.wrapping_sub(_size(order))
        return _address(frame)

    @never_inlined
    def _split(self, lists: U64, order: U64) -> U64:
        """Put a few blocks of this order on a list, which is named, out of the smallest larger one.

        Raises OutOfMemory.
        """
        index = self._find(lists, order)
        frame = self.heads[index]
        zone = self._zone_of(frame)
        found = index - zone.lists
        self._remove(zone, frame, found)
        while found > order + AT_ONCE:
            found = found.wrapping_sub(1)
            self._insert(zone, frame.wrapping_add(_size(found)), found)
        # From the last on, so that the first is on top of the list.
        place = frame.wrapping_add(_size(found))
        while place != frame:
            place = place.wrapping_sub(_size(order))
            self._insert(zone, place, order)
        return zone.lists + order

    def allocate_zeroed(self) -> PhysAddr:
        """One frame of zeroes. Raises OutOfMemory."""
        return self.allocate_zeroed_block(U64(0))

    def allocate_zeroed_block(self, order: U64) -> PhysAddr:
        """A block of zeroes. Raises OutOfMemory."""
        frame = self.allocate(order)
        cpu.zero(mmu.direct(frame), U64(PAGE_SIZE) << order)
        return frame

    def free(self, address: PhysAddr, order: U64) -> None:
        """Give a block back. Panics when it was not allocated."""
        must_be_alone()
        frame = address.value // PAGE_SIZE
        zone = self._zone_of(frame)
        size = _size(order)
        assert frame & (size - 1) == 0, "freed block is not aligned"
        assert frame + size <= zone.frontier, "freed block was never allocated"
        assert zone.state(frame).value == 0, "block freed twice, or shared"
        self.available = self.available + size
        self._release(zone, frame, order)

    def _release(self, zone: Zone, frame: U64, order: U64) -> None:
        """Put a block on its list, after merging it with its free neighbours."""
        while order < MAXIMUM_ORDER:
            buddy = frame ^ _size(order)
            if buddy < zone.first or buddy >= zone.frontier:
                break
            if zone.state(buddy).value != U32(FREE) | U32(order):
                break
            self._remove(zone, buddy, order)
            frame = min(frame, buddy)
            order = order + 1
        self._insert(zone, frame, order)

    @fast
    @never_inlined
    def users(self, frame: PhysAddr) -> Ptr[Atomic[U32]]:
        """How many users an allocated frame has beyond the first: processors change that at the same time."""
        number = frame.value // PAGE_SIZE
        return self._zone_of(number).state(number).cast(Atomic[U32])

    @fast
    @never_inlined
    def share_all(self, frames: Slice[U64], more: U32) -> None:
        """So many more users, modulo 2 ** 32, of each frame. The addresses may have low bits set; 0 is none."""
        zone = self.zones[0]
        for address in frames:
            frame = address // PAGE_SIZE
            if frame != 0:
                if frame < zone.first or frame >= zone.end:
                    zone = self._zone_of(frame)
                zone.state(frame).cast(Atomic[U32]).value.fetch_add(more, Order.RELAXED)

    @inlined
    def _zone_of(self, frame: U64) -> Zone:
        for index in U64.range(self.zone_count):
            zone = self.zones[index]
            if frame >= zone.first and frame < zone.end:
                return zone
        return panic("frame outside memory")

    def _find(self, lists: U64, order: U64) -> U64:
        """The nearest list of the smallest order, at least `order`, that has a free block. Raises OutOfMemory."""
        step = U64(0)
        while True:
            node = U64(self.near[lists + step])
            for candidate in U64.range(order, ORDERS):
                if self.heads[node + candidate] != 0:
                    return node + candidate
            if not self._extend(node):
                step = step + 1
                if step > self.last_node:
                    self._gather(order)
                    step = U64(0)

    @never_inlined
    def put_by(self) -> None:
        """Let this processor have frames at hand, unless memory is short or out of reach."""
        if OWN.line.at_hand.value != 0 or not reaches(self.home):
            return
        self.home = OWN.line.number
        try:
            block = self._take(U64(OWN.line.lists), U64(AT_HAND))
        except OutOfMemory:
            return
        for index in U64.range(1 << AT_HAND):
            put_at_hand(block.offset(index * PAGE_SIZE))

    def _gather(self, order: U64) -> None:
        """Free one of the frames that processors have at hand. Raises OutOfMemory: that would not help."""
        own = ALL.first
        while order == 0 and not own.is_null():
            if own.value.line.at_hand.value != 0:
                self.free(_pop(own.value.line), U64(0))
                return
            own = own.value.line.next
        raise OutOfMemory

    def _extend(self, lists: U64) -> bool:
        """Move a node's frontier to the next border of the largest blocks; false when none of it is untouched."""
        for index in U64.range(self.zone_count):
            zone = self.zones[index]
            if zone.lists == lists and zone.frontier < zone.end:
                # The first time, also the records of the frames that hold the records.
                frame = zone.frontier if zone.opened else zone.first
                start = zone.frontier
                zone.opened = True
                limit = min((start | BLOCK_FRAMES - 1).wrapping_add(1), zone.end)
                zone.frontier = limit
                cpu.zero(zone.state(frame).address, ((limit - frame).wrapping_shl(STATE_BITS) + 7) // 8 * 8)
                self._release_range(zone, start, limit)
                return True
        return False

    def _release_range(self, zone: Zone, frame: U64, limit: U64) -> None:
        """Put frames on the lists, in the largest aligned blocks."""
        while frame < limit:
            order = U64(MAXIMUM_ORDER)
            while frame & _size(order).wrapping_sub(1) != 0 or frame.wrapping_add(_size(order)) > limit:
                order = order.wrapping_sub(1)
            self._insert(zone, frame, order)
            frame = frame.wrapping_add(_size(order))

    @fast
    @never_inlined
    def _insert(self, zone: Zone, frame: U64, order: U64) -> None:
        block = _block(frame)
        head = zone.lists + order
        block.next = self.heads[head]
        block.previous = U64(0)
        if block.next != 0:
            _block(block.next).previous = frame
        self.heads[head] = frame
        zone.state(frame).value = U32(FREE) | U32(order)

    def _remove(self, zone: Zone, frame: U64, order: U64) -> None:
        block = _block(frame)
        if block.next != 0:
            _block(block.next).previous = block.previous
        if block.previous != 0:
            _block(block.previous).next = block.next
        else:
            self.heads[zone.lists + order] = block.next
        zone.state(frame).value = U32(0)


def put_at_hand(frame: PhysAddr) -> None:
    """Let this processor have an allocated frame that nobody uses."""
    Ptr.at(PhysAddr, mmu.direct(frame)).value = OWN.line.at_hand
    OWN.line.at_hand = frame


@never_inlined
def _take_at_hand(wanted: U64) -> PhysAddr:
    """A frame from this processor's own; `wanted`: 0, or something else than any single frame. Raises OutOfMemory."""
    if wanted != 0 or OWN.line.at_hand.value == 0:
        raise OutOfMemory
    return _pop(OWN.line)


def _pop(line: Line) -> PhysAddr:
    frame = line.at_hand
    line.at_hand = Ptr.at(PhysAddr, mmu.direct(frame)).value
    return frame


@inlined
def _block(frame: U64) -> FreeBlock:
    return Ptr.at(FreeBlock, mmu.direct(_address(frame))).value


@inlined
def _size(order: U64) -> U64:
    """How many frames a block has. Numbers of frames are so small that no sum of them overflows."""
    return U64(1).wrapping_shl(order % 64)


@inlined
def _address(frame: U64) -> PhysAddr:
    """Where a frame lies. Its number comes from the allocator's own lists."""
    return PhysAddr(frame.wrapping_shl(PAGE_BITS))


FRAMES = place(FrameAllocator())
