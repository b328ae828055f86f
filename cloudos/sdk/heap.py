"""The heap of a process.

Blocks of up to 1 KiB come in classes of 16 bytes, blocks of up to 64 KiB in powers of two, and larger ones are
mapped and unmapped one by one. A released block goes to the free list of its class; when there is no new memory, small
ones are cut from free ones of a larger class, and those that lie side by side are joined. No block has a header: its
owner knows its size and says it on release, which the compiler does for managed objects and for slices.

The two functions that compiled code calls are `allocate` and `release`. Exhaustion is not an error there but a
null pointer: the caller panics with OUT_OF_MEMORY. Who serves others asks `has_room` before keeping something for them.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import BadArgument, OutOfMemory
from cloudos.lang import U8, U64, Array, Ptr, Slice, VirtAddr, exported, null, panic, struct, zeroed
from cloudos.sdk.system import memory_map, memory_unmap

GRAIN = 16  # bytes; every block is aligned to this
SMALL_LIMIT = 1024  # bytes; the last of the 16-byte classes
SMALL_CLASSES = SMALL_LIMIT // GRAIN
MEDIUM_LIMIT = 65536  # bytes; the last of the power-of-two classes
MEDIUM_SHIFT = 10  # log2(SMALL_LIMIT)
CLASS_COUNT = 70  # 64 small ones and 2048, 4096 … 65536
PAGE = 4096
FIRST_CHUNK = 16384  # bytes; chunks double from here …
LAST_CHUNK = 1048576  # … to here, so that a small program stays small


@struct
class FreeBlock:
    """What a free block holds in its first bytes; its size only while blocks are joined."""

    next: Ptr[FreeBlock] = null()
    size: U64 = U64(0)


@struct
class Sorter:
    """Sorts blocks by their addresses: list n holds 2**n of them or none, as digits of a binary number (mergesort)."""

    lists: Array[Ptr[FreeBlock], Literal[48]] = zeroed()

    def add(self, block: Ptr[FreeBlock]) -> None:
        """One more, which is a list of one."""
        place = U64(0)
        while not self.lists[place].is_null():
            block = merged(self.lists[place], block)
            self.lists[place] = null()
            place += 1
        self.lists[place] = block

    def result(self) -> Ptr[FreeBlock]:
        """All blocks, the lowest first."""
        result: Ptr[FreeBlock] = null()
        for place in U64.range(48):
            result = merged(result, self.lists[place])
        return result


def merged(first: Ptr[FreeBlock], second: Ptr[FreeBlock]) -> Ptr[FreeBlock]:
    """One sorted list of two."""
    head = FreeBlock()
    last = Ptr.to(head)
    while not first.is_null() and not second.is_null():
        if first.address < second.address:
            last.value.next = first
            first = first.value.next
        else:
            last.value.next = second
            second = second.value.next
        last = last.value.next
    last.value.next = second if first.is_null() else first
    return head.next


@struct
class Heap:
    """Free lists, and the chunk from which new blocks are cut."""

    free: Array[Ptr[FreeBlock], Literal[70]] = zeroed()
    fresh: U64 = U64(0)  # address of the first byte of the chunk that was never handed out: still zero
    fresh_end: U64 = U64(0)
    chunk: U64 = U64(FIRST_CHUNK)  # bytes; the size of the next chunk
    in_use: U64 = U64(0)  # bytes handed out, rounded up to their class
    released: bool = False  # a block came back since free ones were joined

    def allocate(self, size: U64) -> U64:
        """The address of a zeroed block of `size` bytes (not 0); raises OutOfMemory."""
        if size > MEDIUM_LIMIT:
            rounded = round_to_pages(size)
            address = memory_map(rounded)
            self.in_use += rounded
            return address
        number = class_of(size)
        block = self.free[number]
        rounded = class_size(number)
        if block.is_null():
            address = self.cut(rounded)
        else:
            self.free[number] = block.value.next
            address = block.address.value
            Slice.of(Ptr.at(U64, block.address), rounded // 8).fill(U64(0))
        self.in_use += rounded
        return address

    def release(self, address: U64, size: U64) -> None:
        """Take back the block of `size` bytes at `address`."""
        if size > MEDIUM_LIMIT:
            rounded = round_to_pages(size)
            self.in_use -= rounded
            unmap(address, rounded)
            return
        number = class_of(size)
        self.in_use -= class_size(number)
        self.released = True
        self.put(address, number)

    def put(self, address: U64, number: U64) -> None:
        block = Ptr.at(FreeBlock, VirtAddr(address))
        block.value.next = self.free[number]
        self.free[number] = block

    def cut(self, rounded: U64) -> U64:
        """Cut a block from the fresh part of the chunk, starting a new chunk if need be; raises OutOfMemory."""
        if self.fresh_end - self.fresh < rounded:
            self.begin_chunk(rounded)
        address = self.fresh
        self.fresh = address + rounded
        return address

    def begin_chunk(self, least: U64) -> None:
        """Map the next chunk; where the quota has not so much left, a smaller one, of `least` bytes at least.

        Raises OutOfMemory, and leaves everything as it is.
        """
        try:
            self.map_chunk(least)
        except OutOfMemory:
            if not self.reuse_block(least) and not (self.join() and self.reuse_block(least)):
                raise

    def reuse_block(self, least: U64) -> bool:
        """Make a free block of at least `least` bytes the chunk that blocks are cut from; False when there is none."""
        for number in U64.range(class_of(least), CLASS_COUNT):
            block = self.free[number]
            if not block.is_null():
                self.free[number] = block.value.next
                size = class_size(number)
                self.keep_rest()
                self.fresh = block.address.value
                self.fresh_end = self.fresh + size
                Slice.of(Ptr.at(U64, block.address), size // 8).fill(U64(0))
                return True
        return False

    def map_chunk(self, least: U64) -> None:
        """`begin_chunk` with new memory alone."""
        least = round_to_pages(least)
        size = max(self.chunk, least)
        while True:
            try:
                chunk = memory_map(size)
                break
            except OutOfMemory:
                if size == least:
                    raise
                size = max(round_to_pages(size // 2), least)
        self.keep_rest()
        self.fresh = chunk
        self.fresh_end = chunk + size
        # The quota may be full: where a chunk did not fit, the next one is not larger than what did.
        self.chunk = min(size * 2, U64(LAST_CHUNK)) if size >= self.chunk else size

    def has_room(self, size: U64, largest: U64) -> bool:
        """See the function of this name."""
        if largest > MEDIUM_LIMIT:
            return can_map(round_to_pages(size))
        # What is left of one block when the next does not fit is lost to that: at most half.
        if self.has_free(2 * size, largest):
            return True
        try:
            self.map_chunk(size)
            return True
        except (OutOfMemory, BadArgument):
            return self.join() and self.has_free(2 * size, largest)

    def has_free(self, size: U64, largest: U64) -> bool:
        """Whether the chunk, and free blocks of `largest` bytes at least, are `size` bytes together."""
        found = self.fresh_end - self.fresh
        for number in U64.range(class_of(largest), CLASS_COUNT):
            block = self.free[number]
            while not block.is_null() and found < size:
                found += class_size(number)
                block = block.value.next
        return found >= size

    def join(self) -> bool:
        """Join free blocks that lie side by side to large ones; False: none has come since the last time.

        It takes time by their number, n log n, and happens only when there is no new memory.
        """
        if not self.released:
            return False
        self.released = False
        self.keep_rest()
        sorter = Sorter()
        for number in U64.range(CLASS_COUNT):
            block = self.free[number]
            self.free[number] = null()
            while not block.is_null():
                following = block.value.next
                block.value.size = class_size(number)
                block.value.next = null()
                sorter.add(block)
                block = following
        block = sorter.result()
        while not block.is_null():
            self.fresh = block.address.value
            self.fresh_end = self.fresh
            while not block.is_null() and block.address.value == self.fresh_end:
                self.fresh_end += block.value.size
                block = block.value.next
            self.keep_rest()
        return True

    def keep_rest(self) -> None:
        """Put what is left of the old chunk on the free lists, in the largest blocks that fit."""
        while self.fresh_end > self.fresh:
            number = largest_class_within(self.fresh_end - self.fresh)
            address = self.fresh
            self.fresh = address + class_size(number)
            self.put(address, number)


def class_of(size: U64) -> U64:
    """The number of the smallest class that holds `size` bytes, 1 to MEDIUM_LIMIT."""
    if size <= SMALL_LIMIT:
        return (size - 1) // GRAIN
    return U64(64 - MEDIUM_SHIFT - 1 + SMALL_CLASSES) - U64((size - 1).leading_zeros())


def class_size(number: U64) -> U64:
    """The size in bytes of the blocks of a class."""
    if number < SMALL_CLASSES:
        return (number + 1) * GRAIN
    return U64(2 * SMALL_LIMIT) << (number - SMALL_CLASSES)


def largest_class_within(room: U64) -> U64:
    """The number of the largest class whose blocks fit into `room` bytes, a multiple of 16."""
    if room < 2 * SMALL_LIMIT:
        return min(room, U64(SMALL_LIMIT)) // GRAIN - 1
    return min(U64(63 - MEDIUM_SHIFT - 1 + SMALL_CLASSES) - U64(room.leading_zeros()), U64(CLASS_COUNT - 1))


def unmap(address: U64, length: U64) -> None:
    """Give pages back. Where the system has no room to split a mapping, they stay ours, unused."""
    try:
        memory_unmap(address, length)
    except OutOfMemory:
        pass
    except BadArgument:
        panic("release of memory that was not allocated")


def round_to_pages(size: U64) -> U64:
    return (size + (PAGE - 1)) // PAGE * PAGE


def can_map(length: U64) -> bool:
    """Whether there is so much new memory."""
    try:
        unmap(memory_map(length), length)
        return True
    except (OutOfMemory, BadArgument):
        return False


def has_room(size: U64, largest: U64) -> bool:
    """Whether blocks can be had that are `size` bytes together and `largest` each at most, rounded up to their classes.

    For a service that would come down if they could not: it refuses what it has no room for.
    """
    return heap.has_room(size, largest)


heap = Heap()


@exported("cloudos_allocate")
def allocate(size: U64) -> Ptr[U8]:
    """A zeroed block of `size` bytes, aligned to 16; null when memory is exhausted. Size 0 gets a block of its own."""
    nothing: Ptr[U8] = null()
    try:
        return Ptr.at(U8, VirtAddr(heap.allocate(max(size, U64(1)))))
    except (OutOfMemory, BadArgument):
        return nothing


@exported("cloudos_release")
def release(pointer: Ptr[U8], size: U64) -> None:
    """Give back a block with the size it was allocated with; null is nothing to give back."""
    if not pointer.is_null():
        heap.release(pointer.address.value, max(size, U64(1)))
