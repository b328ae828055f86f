"""The leak check of the real machine, from its memory: every frame is free or reached from what the kernel keeps.

Reaching is conservative, as in a garbage collector that knows no types: from every word of the kernel's static data
that is an address in the direct map, or that of a frame, or the root of page tables, on to the words there. So nothing
needs to be known of the kernel's structures but frames and page tables. The kernel has no code for this.
"""

from __future__ import annotations

import itertools

from cloudos.kernel.hal.x86_64.mmu import PageTable
from cloudos.kernel.memory.frames import FREE, MAXIMUM_ORDER, STATE_BYTES, FrameAllocator, Zone
from cloudos.kernel.memory.structures import Space
from cloudos.kernel.objects.header import Quota
from cloudos.kernel.objects.process import FirstProcess, Process
from cloudos.kernel.objects.thread import Thread
from cloudos.kernel.sched.processor import Processor
from cloudos.kernel.sched.requests import All, Line, Own
from cloudos.kernel.sched.timers import Timers
from cloudos.lang import offset_of, size_of
from tests.stress.memory_image import DIRECT_BASE, MemoryImage

PAGE = 4096
WORDS = PAGE // 8
USER_ENTRIES = 256
PRESENT, LARGE = 1, 1 << 7
ADDRESS = 0x000F_FFFF_FFFF_F000
# Frames of the largest slab of the heap: a pointer into one holds all of it.
SLAB = 4
LEAST_SLICE, LARGEST_SLICE = 64, 1 << 16
LARGEST_ELEMENT = 64


class Frames:
    """The frame allocator's view: which frames it manages, and which of them are free."""

    def __init__(self, image: MemoryImage) -> None:
        self.image = image
        self.at = image.symbol("kernel__memory__frames__FRAMES")
        self.available = self._field("available")
        self.managed: set[int] = set()
        self.free: set[int] = set()
        self.untouched = 0
        for index in range(self._field("zone_count")):
            self._add_zone(self.at + offset_of(FrameAllocator, "zones") + index * size_of(Zone))

    def _field(self, name: str) -> int:
        return self.image.word(self.at + offset_of(FrameAllocator, name))

    def _add_zone(self, zone: int) -> None:
        first, frontier, end = (self.image.word(zone + offset_of(Zone, name)) for name in ("first", "frontier", "end"))
        states_frames = ((end - first) * STATE_BYTES + PAGE - 1) // PAGE
        self.managed |= set(range(first + states_frames, frontier))
        self.untouched += end - frontier
        start = self.image.physical(DIRECT_BASE + first * PAGE)
        for number in range(first, frontier):
            place = start + (number - first) * STATE_BYTES
            state = int.from_bytes(self.image.data[place : place + STATE_BYTES], "little")
            if state >= FREE:
                assert state - FREE <= MAXIMUM_ORDER, f"frame {number:#x} has no such order"
                block = set(range(number, number + (1 << (state - FREE))))
                assert not block & self.free, f"frame {number:#x} is in two free blocks"
                self.free |= block

    def check(self) -> None:
        """The count is right."""
        assert self.free <= self.managed, "a frame is free that is not managed"
        assert self.available == len(self.free) + self.untouched, "the count of free frames is wrong"


class Marker:
    """Finds the frames that are in use."""

    def __init__(self, image: MemoryImage, unused: set[int]) -> None:
        self.image = image
        self.limit = len(image.data)
        self.free = unused
        self.root = image.word(image.symbol("kernel_space"))
        # Every address space has this entry of the kernel's: by it a root is known.
        self.mark = image.word(DIRECT_BASE + self.root + 8 * USER_ENTRIES)
        self.tables: set[int] = set()
        self.mapped: set[int] = set()
        self.held: set[int] = set()
        self.work: list[int] = []

    def walk(self, root: int) -> None:
        """The tables and pages of one address space."""
        self._walk(root, USER_ENTRIES, 3)

    def run(self) -> set[int]:
        """Numbers of the frames in use."""
        self._walk(self.root, WORDS, 3, kernel=True)
        for address, size in self.image.statics:
            numbers = self.image.words(address, size // 8)
            self._look_at(numbers)
            self._hold_slices(numbers)
        while self.work:
            self._look_at(self.image.words(DIRECT_BASE + self.work.pop() * PAGE, WORDS))
        return self.tables | self.mapped | self.held

    def _look_at(self, numbers: list[int]) -> None:
        for number in numbers:
            if DIRECT_BASE <= number < DIRECT_BASE + self.limit:
                self._hold((number - DIRECT_BASE) // PAGE)
            elif PAGE < number < self.limit and (number % PAGE == 0 or number & PRESENT):
                if self._is_root(number):
                    self._walk(number, USER_ENTRIES, 3)
                else:
                    self._hold(number // PAGE)

    def _hold_slices(self, numbers: list[int]) -> None:
        """In static data a number behind an address may make it a slice, of so many bytes or of larger elements."""
        for number, length in itertools.pairwise(numbers):
            if DIRECT_BASE <= number < DIRECT_BASE + self.limit and LEAST_SLICE <= length <= LARGEST_SLICE:
                size = length if length > PAGE else length * LARGEST_ELEMENT
                first = (number - DIRECT_BASE) // PAGE
                for frame in range(first, first + (size - 1) // PAGE + 1):
                    self._hold(frame)

    def _hold(self, frame: int) -> None:
        first = frame - frame % SLAB
        for number in range(first, first + SLAB) if self._is_slab(first) else (frame,):
            if number not in self.held and number not in self.free and number * PAGE < self.limit:
                self.held.add(number)
                self.work.append(number)

    def _is_slab(self, frame: int) -> bool:
        """Whether a frame looks like the start of a large slab: `used` and `fresh` are possible."""
        if frame == 0 or (frame + SLAB) * PAGE > self.limit:
            return False
        _, _, _, used, fresh = self.image.words(DIRECT_BASE + frame * PAGE, 5)
        return 0 < used < 64 and PAGE // 8 < fresh <= SLAB * PAGE and fresh % 64 == 0

    def _is_root(self, address: int) -> bool:
        frame = address // PAGE
        if address % PAGE or frame in self.tables or frame in self.free:
            return False
        return self.image.word(DIRECT_BASE + address + 8 * USER_ENTRIES) == self.mark

    def _walk(self, table: int, count: int, level: int, *, kernel: bool = False) -> None:
        """All tables below, and all pages of a user's. Small pages of the kernel's are what it keeps for processors."""
        self.tables.add(table // PAGE)
        for entry in self.image.words(DIRECT_BASE + table, count):
            address = entry & ADDRESS
            if not entry & PRESENT:
                continue
            if level > 0 and not entry & LARGE:
                self._walk(address, WORDS, level - 1, kernel=kernel)
            elif not kernel:
                start = address // PAGE
                self.mapped |= set(range(start, start + (1 << 9 * level)))
            elif level == 0:
                self._hold(address // PAGE)


def root_of_first(image: MemoryImage) -> int:
    """The page tables of the first process."""
    process = image.word(image.symbol("kernel__objects__process__FIRST") + offset_of(FirstProcess, "process"))
    space = image.word(process + offset_of(Process, "space"))
    return image.word(space + offset_of(Space, "pages") + offset_of(PageTable, "root"))


def check_frames(image: MemoryImage) -> None:
    """No frame is lost, none is in use and free, and the count is right."""
    lost = lost_frames(image)
    assert not lost, f"{len(lost)} frames are lost: {[hex(frame) for frame in lost[:8]]}"


def word_of_processor(image: MemoryImage, address: int) -> int:
    """Eight bytes at an address that the kernel has mapped for a processor."""
    table = image.word(image.symbol("kernel_space"))
    for level in (3, 2, 1, 0):
        entry = image.word(DIRECT_BASE + table + 8 * (address >> 12 + 9 * level & WORDS - 1))
        assert entry & PRESENT and not (level and entry & LARGE), f"{address:#x} is not mapped by small pages"
        table = entry & ADDRESS
    return image.word(DIRECT_BASE + table + address % PAGE)


def at_hand(image: MemoryImage) -> set[int]:
    """The frames that processors have at hand: allocated, each on one list, and what was in them is forgotten."""
    found: set[int] = set()
    own = image.word(image.symbol("kernel__sched__requests__ALL") + offset_of(All, "first"))
    while own:
        line = own + offset_of(Own, "line")
        frame = word_of_processor(image, line + offset_of(Line, "at_hand"))
        while frame:
            assert frame // PAGE not in found, "a frame is at hand twice"
            found.add(frame // PAGE)
            frame = image.word(DIRECT_BASE + frame)
        own = word_of_processor(image, line + offset_of(Line, "next"))
    return found


def lost_frames(image: MemoryImage) -> list[int]:
    """Frames that are not free and not reached.

    None is in use and free, and the count is right, or this raises AssertionError.
    """
    frames = Frames(image)
    frames.check()
    unused = at_hand(image)
    assert not frames.free & unused, "a frame is at hand and free"
    unused |= frames.free
    # What the first process has is known for certain; of what follows some may have been used long ago.
    certain = Marker(image, unused)
    certain.walk(root_of_first(image))
    assert not unused & (certain.tables | certain.mapped), "a frame is in use and free"
    used = Marker(image, unused).run()
    return sorted(frames.managed - unused - used)


def count_below(image: MemoryImage, thread: int) -> int:
    """How many threads the heap of timers has from this one on."""
    count, work = 0, [thread]
    while work:
        address = work.pop()
        if address:
            count += 1
            work += [image.word(address + offset_of(Thread, name)) for name in ("timer_left", "timer_right")]
    return count


def holdings(image: MemoryImage) -> dict[str, int]:
    """Numbers that are the same again when all that was made is gone."""
    timers = image.symbol("processor") + offset_of(Processor, "timers")
    return {
        "bytes charged": image.word(image.symbol("kernel__objects__quota__ROOT") + offset_of(Quota, "used")),
        "deadlines": count_below(image, image.word(timers + offset_of(Timers, "first"))),
        "work left": int(image.word(image.symbol("kernel__objects__cleanup__PENDING")) != 0),
    }
