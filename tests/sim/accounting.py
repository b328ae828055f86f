"""The leak check: every frame is either free, or can be reached from what the kernel keeps.

Reaching is conservative, as in a garbage collector that knows no types: from every word of the kernel's static data
that is an address in the direct map, or the root of page tables, to the frame there, and on from its words. So the
check needs to know nothing of the kernel's structures but frames and page tables.
"""

from __future__ import annotations

from typing import Any

from tests.sim.world import KERNEL, board, kernel_module, machine

PAGE = 4096
USER_ENTRIES = 256
LEAST_SLICE, LARGEST_SLICE = 64, 1 << 16
LARGEST_ELEMENT = 64
FRAMES = kernel_module("memory.frames")
MMU = kernel_module("hal.simulated.mmu")
QUOTAS, REQUESTS = kernel_module("objects.quota"), kernel_module("sched.requests")


def words(data: bytearray | memoryview, start: int, size: int) -> list[int]:
    """The 8-byte words of a stretch."""
    with memoryview(data) as view, view[start : start + size // 8 * 8].cast("Q") as numbers:
        return numbers.tolist()


class Marker:
    """Finds what is in use."""

    def __init__(self, simulation: machine.Simulation, free: set[int], roots: set[int] | None = None) -> None:
        # Of page tables, where they are known; else what looks like one is taken for it.
        self.roots = roots
        # A root that was given back may still be named in memory that nobody uses.
        self.free = free
        self.current = simulation.board.root
        self.memory = simulation.board.memory.data
        self.limit = simulation.board.memory.size
        self.top = simulation.board.levels - 1
        self.root = int(MMU.KERNEL.pages.root.value)
        self.tables: set[int] = set()
        self.mapped: set[int] = set()
        self.held: set[int] = set()
        self._work: list[int] = []
        # Every address space has this entry of the kernel's: by it a root is known.
        self.mark_place = 8 * (board.DIRECT_BASE >> (12 + 9 * self.top) & 511)
        self.mark = words(self.memory, self.root + self.mark_place, 8)[0] if self.root else 0

    def run(self) -> set[int]:
        """Numbers of all frames in use."""
        if self.root:
            self._walk(self.root, 512, self.top, kernel=True)
        if self.current and self.current != self.root:
            self._walk(self.current, USER_ENTRIES, self.top)
        for region in KERNEL.static_regions():
            self._look_at(words(region.data, 0, region.size), static=True)
        while self._work:
            self._look_at(words(self.memory, self._work.pop() * PAGE, PAGE))
        return self.tables | self.mapped | self.held

    def _look_at(self, numbers: list[int], *, static: bool = False) -> None:
        for index, number in enumerate(numbers):
            if board.DIRECT_BASE <= number < board.DIRECT_BASE + self.limit:
                self._hold((number - board.DIRECT_BASE) // PAGE)
                # In static data, what follows may make it a slice of so many elements.
                length = numbers[index + 1] if index + 1 < len(numbers) and static else 0
                if LEAST_SLICE <= length <= LARGEST_SLICE:
                    size = length if length > PAGE else length * LARGEST_ELEMENT
                    first = number - board.DIRECT_BASE
                    for frame in range(first // PAGE, (first + size - 1) // PAGE + 1):
                        self._hold(frame)
            elif board.MEMORY_START < number < self.limit and number % PAGE == 0 and self._is_root(number):
                self._walk(number, USER_ENTRIES, self.top)
            elif (number & board.PRESENT or number % PAGE == 0) and board.MEMORY_START < number < self.limit:
                # A memory object's entry for a page or for a node with more of them; a physical address.
                self._hold(number // PAGE)
                self._hold_run(number, numbers[index + 1] if index + 1 < len(numbers) else 0)

    def _hold_run(self, start: int, length: int) -> None:
        """A memory object knows a run of frames by its first, followed by its length in pages."""
        if start % PAGE == 0 and 1 < length <= FRAMES.BLOCK_FRAMES:
            for frame in range(start // PAGE, start // PAGE + (1 << (length - 1).bit_length())):
                self.held.add(frame)

    def _hold(self, frame: int) -> None:
        # A slab of the heap may begin some frames below.
        for number in (frame, *(frame & ~3 | part for part in range(4) if _is_slab(self.memory, frame & ~3))):
            if number not in self.held:
                self.held.add(number)
                self._work.append(number)

    def _is_root(self, address: int) -> bool:
        frame = address // PAGE
        if not self.mark or frame in self.tables or frame in self.free:
            return False
        if self.roots is not None and address not in self.roots:
            return False
        return words(self.memory, address + self.mark_place, 8)[0] == self.mark

    def _walk(self, table: int, count: int, level: int, *, kernel: bool = False) -> None:
        # What it holds now is not entries.
        assert table // PAGE not in self.free, "a frame is in use and free"
        self.tables.add(table // PAGE)
        for entry in words(self.memory, table, 8 * count):
            if entry & board.PRESENT and not entry & board.LEAF:
                self._walk(entry & board.FRAME, 512, level - 1, kernel=kernel)
            elif entry & board.PRESENT and not kernel:
                start = (entry & board.FRAME) // PAGE
                self.mapped |= set(range(start, start + (1 << 9 * level)))


HEAP = kernel_module("memory.heap")


def _is_slab(memory: bytearray, frame: int) -> bool:
    """Whether a frame looks like the beginning of a large slab: fresh is an offset in it, used not 0."""
    _, _, _, used, fresh = words(memory, frame * PAGE, 40)
    return 0 < used < 64 and PAGE // 8 < fresh <= 4 * PAGE and fresh % 64 == 0


def managed(allocator: Any) -> tuple[set[int], set[int]]:
    """Frames that were ever handed out or listed, and those of them that are free, from lists that must be sound."""
    seen: set[int] = set()
    for index in range(int(allocator.zone_count)):
        zone = allocator.zones[index]
        first, end = int(zone.first), int(zone.end)
        states = -(-(end - first) * getattr(FRAMES, "STATE_BYTES", 1) // PAGE)
        seen |= set(range(first + states, int(zone.frontier)))
    free: set[int] = set()
    for order in range(FRAMES.ORDERS):
        before, number = 0, int(allocator.heads[order])
        while number:
            block = FRAMES._block(FRAMES.U64(number))
            assert int(block.previous) == before, f"free block {number:#x} is linked wrongly"
            piece = set(range(number, number + (1 << order)))
            assert number % (1 << order) == 0 and not piece & free and piece <= seen, f"bad free block {number:#x}"
            free |= piece
            before, number = number, int(block.next)
    return seen, free


def of_processors(simulation: machine.Simulation) -> set[int]:
    """The frames in which the kernel keeps what it knows of each processor but the first: two, one after the other."""
    first = {processor.data - board.DIRECT_BASE for processor in simulation.board.processors[1:] if processor.data}
    return {frame // PAGE + index for frame in first for index in range(2)}


def at_hand(simulation: machine.Simulation) -> set[int]:
    """The frames that processors have at hand: allocated, and each on one list."""
    found: set[int] = set()
    own = REQUESTS.ALL.first
    while not own.is_null():
        frame = int(own.value.line.at_hand.value)
        while frame:
            assert frame // PAGE not in found, "a frame is at hand twice"
            found.add(frame // PAGE)
            frame = words(simulation.board.memory.data, frame, 8)[0]
        own = own.value.line.next
    return found


def check_frames(simulation: machine.Simulation, roots: set[int] | None = None) -> None:
    """Nothing leaked, nothing mapped is free, and the count is right. `roots`: of all page tables, where known."""
    allocator = FRAMES.FRAMES
    seen, free = managed(allocator)
    unused = free | at_hand(simulation)
    marker = Marker(simulation, unused, roots)
    used = marker.run()
    assert not unused & (marker.tables | marker.mapped), "a frame is in use and free"
    leaked = sorted(seen - unused - used - of_processors(simulation))
    assert not leaked, f"{len(leaked)} frames leaked: {[hex(frame) for frame in leaked[:8]]}"
    untouched = sum(int(zone.end) - int(zone.frontier) for zone in list(allocator.zones)[: int(allocator.zone_count)])
    assert int(allocator.available) == len(free) + untouched, "the count of free frames is wrong"


def ledger() -> tuple[int, int]:
    """What must be the same again when everything made since has been given back: free frames, bytes charged."""
    return int(FRAMES.FRAMES.available), int(QUOTAS.ROOT.used)
