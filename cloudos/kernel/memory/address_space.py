"""Address spaces: ordered regions (VMAs) over page tables.

Contract. Regions never overlap and never allow both write and execute; a region knows where its frames come from
(`Backing`) and therefore whether they go back to the allocator. Operations check everything first; when memory runs
out half-way, what was done is undone.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

from cloudos.abi import layout
from cloudos.abi.errors import BadArgument, OutOfMemory
from cloudos.kernel.hal import mmu
from cloudos.kernel.hal.interface import Access
from cloudos.kernel.memory.frames import FRAMES
from cloudos.lang import U8, U64, Array, PhysAddr, Ptr, Slice, VirtAddr, enum, struct, zeroed

__all__ = ["OutOfMemory"]

PAGE_SIZE = layout.PAGE_SIZE
LARGE_PAGE_SIZE = layout.LARGE_PAGE_SIZE
LARGE_ORDER = 9
MAXIMUM_REGIONS = 64


@enum(U8)
class Backing(IntEnum):
    """Where a region's frames come from."""

    # From the frame allocator, all at once; the process may unmap them.
    ANONYMOUS = 0
    # From the frame allocator, when first touched.
    ON_DEMAND = 1
    # From the frame allocator, filled by the loader.
    PROGRAM = 2
    # Memory that somebody else owns.
    FOREIGN = 3


@struct
class Region:
    """[start, end), whole pages."""

    start: U64
    end: U64
    access: Access
    backing: Backing


@struct
class AddressSpace:
    """One process's view of memory."""

    pages: mmu.PageTable = zeroed()
    regions: Array[Region, Literal[64]] = zeroed()
    count: U64 = U64(0)

    def start(self) -> None:
        """Become empty. Raises OutOfMemory."""
        self.pages = mmu.new_user_table(FRAMES)
        self.count = U64(0)

    def find(self, address: U64) -> U64:
        """Index of the first region that ends above `address`; `count` when there is none."""
        low = U64(0)
        high = self.count
        while low < high:
            middle = (low + high) // 2
            if self.regions[middle].end <= address:
                low = middle + 1
            else:
                high = middle
        return low

    def add(self, start: U64, end: U64, access: Access, backing: Backing) -> None:
        """Describe a region, joined with an equal neighbour. Raises OutOfMemory when there is no room for it.

        BadArgument: not whole pages of user space, overlapping, or both writable and executable.
        """
        index = self.find(start)
        if start >= end or start < layout.USER_START or end > layout.USER_END or (start | end) % PAGE_SIZE != 0:
            raise BadArgument
        if index < self.count and self.regions[index].start < end:
            raise BadArgument
        if Access.WRITE in access and Access.EXECUTE in access:
            raise BadArgument
        if index > 0 and self._joins(self.regions[index - 1], start, access, backing):
            self.regions[index - 1].end = end
            return
        if self.count == MAXIMUM_REGIONS:
            raise OutOfMemory
        self._insert(index, Region(start, end, access, backing))

    def _joins(self, before: Region, start: U64, access: Access, backing: Backing) -> bool:
        if before.end != start or before.access != access or before.backing != backing:
            return False
        return backing == Backing.ANONYMOUS

    def _insert(self, index: U64, region: Region) -> None:
        position = self.count
        while position > index:
            self.regions[position] = self.regions[position - 1]
            position = position - 1
        self.regions[index] = region
        self.count = self.count + 1

    def _remove(self, index: U64) -> None:
        for position in U64.range(index + 1, self.count):
            self.regions[position - 1] = self.regions[position]
        self.count = self.count - 1

    def map_foreign(self, start: U64, frame: PhysAddr, length: U64) -> None:
        """Make memory that is not the process's own readable. Raises OutOfMemory, BadArgument."""
        access = Access.READ | Access.USER
        self.add(start, start + length, access, Backing.FOREIGN)
        self.pages.map_range(VirtAddr(start), frame, length, access, FRAMES, U64(1))

    def map_shared(self, address: U64, frame: PhysAddr) -> None:
        """Map one frame that the kernel goes on using, for reading and writing. Raises OutOfMemory, BadArgument."""
        if address > layout.USER_END:
            raise BadArgument
        access = Access.READ | Access.WRITE | Access.USER
        self.add(address, address + PAGE_SIZE, access, Backing.FOREIGN)
        try:
            self.pages.map(VirtAddr(address), frame, U64(0), access, FRAMES)
        except OutOfMemory:
            self._forget(address, address + PAGE_SIZE)
            raise

    def forget_region(self, start: U64) -> None:
        """Take a region without pages out again."""
        self._remove(self.find(start))

    def kernel_view(self, address: U64, length: U64) -> Slice[U8]:
        """Where the kernel sees the first bytes of [address, address + length), which are mapped: at most to the end
        of their page."""
        mapping = self.pages.lookup(VirtAddr(address))
        size = mmu.page_bytes(mapping.level)
        offset = address % size
        count = min(size - offset, length)
        return Slice.of(Ptr.at(U8, mmu.direct(mapping.frame.offset(offset))), count)

    def unmap_foreign(self, start: U64) -> None:
        """Take back what `map_foreign` mapped at `start`."""
        index = self.find(start)
        region = self.regions[index]
        address = region.start
        while address < region.end:
            address = address + mmu.page_bytes(self.pages.unmap(VirtAddr(address)).level)
        self._remove(index)

    def release_step(self) -> bool:
        """Give back the last region, or at the end the page tables; whether nothing is left. It is not in use."""
        if self.count > 0:
            region = self.regions[self.count - 1]
            if region.backing != Backing.FOREIGN:
                self._release_pages(region.start, region.end)
            self.count = self.count - 1
            return False
        if self.pages.root.value != 0:
            self.pages.release(FRAMES)
        return True

    def map_anonymous(self, length: U64) -> U64:
        """Map zeroed memory where there is room; its address. Raises OutOfMemory, BadArgument."""
        if length == 0:
            raise BadArgument
        if length > layout.HEAP_END or length // PAGE_SIZE > FRAMES.available:
            raise OutOfMemory
        size = (length + (PAGE_SIZE - 1)) // PAGE_SIZE * PAGE_SIZE
        start = self._find_room(size)
        self.add(start, start + size, Access.READ | Access.WRITE | Access.USER, Backing.ANONYMOUS)
        try:
            self.populate(start, start + size)
        except OutOfMemory:
            self._forget(start, start + size)
            raise
        return start

    def _find_room(self, size: U64) -> U64:
        """The first gap of the heap that is large enough; large sizes start where large pages can. OutOfMemory."""
        alignment = U64(PAGE_SIZE)
        if size >= LARGE_PAGE_SIZE:
            alignment = U64(LARGE_PAGE_SIZE)
        start = U64(layout.HEAP_START)
        index = self.find(start)
        while index < self.count and self.regions[index].start < start + size:
            start = (self.regions[index].end + (alignment - 1)) // alignment * alignment
            index = index + 1
        if start + size > layout.HEAP_END:
            raise OutOfMemory
        return start

    def populate(self, start: U64, end: U64) -> None:
        """Give zeroed frames to all pages of a range that lies in one region and has none yet.

        OutOfMemory: no frame given stays.
        """
        access = self.regions[self.find(start)].access
        address = start
        try:
            while address < end:
                address = address + self._populate_page(address, end, access)
        except OutOfMemory:
            self._release_pages(start, address)
            raise

    def _populate_page(self, address: U64, end: U64, access: Access) -> U64:
        """Map one page, a large one where it fits and there is one; how many bytes it covers."""
        # Where smaller pages were before, their table is still there.
        untouched = self.pages.lookup(VirtAddr(address)).level > 0
        if address % LARGE_PAGE_SIZE == 0 and end - address >= LARGE_PAGE_SIZE and untouched:
            try:
                self._map_new(address, U64(1), access)
                return U64(LARGE_PAGE_SIZE)
            except OutOfMemory:
                pass
        self._map_new(address, U64(0), access)
        return U64(PAGE_SIZE)

    def _map_new(self, address: U64, level: U64, access: Access) -> None:
        order = level * LARGE_ORDER
        frame = FRAMES.allocate_zeroed_block(order)
        try:
            self.pages.map(VirtAddr(address), frame, level, access, FRAMES)
        except OutOfMemory:
            FRAMES.free(frame, order)
            raise

    def unmap_anonymous(self, start: U64, length: U64) -> None:
        """Give back pages of `map_anonymous`. Raises BadArgument, OutOfMemory; then nothing has changed."""
        if (start | length) % PAGE_SIZE != 0 or length == 0 or start > layout.USER_END or length > layout.USER_END:
            raise BadArgument
        end = start + length
        self._check_anonymous(start, end)
        index = self.find(start)
        inside = self.regions[index].start < start and self.regions[index].end > end
        if inside and self.count == MAXIMUM_REGIONS:
            raise OutOfMemory
        self._split_page(start)
        self._split_page(end)
        self._forget(start, end)
        self._release_pages(start, end)

    def _check_anonymous(self, start: U64, end: U64) -> None:
        """BadArgument unless anonymous regions cover [start, end) without a gap."""
        address = start
        while address < end:
            index = self.find(address)
            if index == self.count:
                raise BadArgument
            region = self.regions[index]
            if region.start > address or region.backing != Backing.ANONYMOUS:
                raise BadArgument
            address = region.end

    def _split_page(self, address: U64) -> None:
        """Make `address` a border between pages. Raises OutOfMemory."""
        if address % LARGE_PAGE_SIZE != 0:
            mapping = self.pages.lookup(VirtAddr(address))
            if mapping.present and mapping.level == 1:
                self.pages.split(VirtAddr(address), FRAMES)

    def _forget(self, start: U64, end: U64) -> None:
        """Take [start, end) out of the regions. There is room for one more if a region must be split."""
        index = self.find(start)
        while index < self.count and self.regions[index].start < end:
            region = self.regions[index]
            if region.start < start and region.end > end:
                self._insert(index + 1, Region(end, region.end, region.access, region.backing))
                self.regions[index].end = start
                return
            if region.start < start:
                region.end = start
                index = index + 1
            elif region.end > end:
                region.start = end
                return
            else:
                self._remove(index)

    def _release_pages(self, start: U64, end: U64) -> None:
        """Unmap whole pages and free their frames."""
        address = start
        while address < end:
            mapping = self.pages.unmap(VirtAddr(address))
            if mapping.present:
                FRAMES.free(mapping.frame, mapping.level * LARGE_ORDER)
            address = address + mmu.page_bytes(mapping.level)

    def is_executable(self, address: U64) -> bool:
        """Whether there may be instructions at `address`."""
        index = self.find(address)
        if index == self.count or self.regions[index].start > address:
            return False
        return Access.EXECUTE in self.regions[index].access

    def resolve(self, address: U64, write: bool, execute: bool) -> bool:
        """Handle a page fault on a page that is not mapped; whether the access may be tried again.

        Raises OutOfMemory when the region would allow it but there is no frame.
        """
        index = self.find(address)
        if index == self.count or self.regions[index].start > address:
            return False
        region = self.regions[index]
        if region.backing != Backing.ON_DEMAND or execute or (write and Access.WRITE not in region.access):
            return False
        page = address // PAGE_SIZE * PAGE_SIZE
        self.populate(page, page + PAGE_SIZE)
        return True
