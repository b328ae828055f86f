"""The kernel's heap: slabs of equal blocks over the frame allocator, every byte charged to a quota.

Contract. `allocate` gives zeroed memory at a multiple of 16; `free` takes it back with the size it was asked for.
Both are bounded. What fails has changed nothing. A quota is charged the size of the block, that is the size rounded
up to its class; of the slabs' own records (64 bytes each) nobody is charged.

A slab is one frame, or four together for the large classes, so that the record at its start costs little: 63 blocks of
64 bytes, 7 of 2048. It is found by rounding a block's address down. Blocks never used yet lie beyond `fresh`; a slab
without used blocks goes back at once.

Tests make the n-th allocation from now fail by setting `FAILURES.at` to n.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import OutOfMemory, QuotaExceeded
from cloudos.kernel.hal import cpu, mmu
from cloudos.kernel.hal.interface import PAGE_SIZE
from cloudos.kernel.memory.frames import FRAMES
from cloudos.kernel.objects.header import Quota
from cloudos.lang import (
    U8,
    U16,
    U64,
    Array,
    PhysAddr,
    Ptr,
    VirtAddr,
    inlined,
    never_inlined,
    null,
    place,
    struct,
    zeroed,
)

__all__ = ["OutOfMemory", "QuotaExceeded"]

GRAIN = 64
SIZES = (64, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
LARGEST = 2048
CLASSES = 10
RECORD = 64
# Blocks above this size lie in slabs of 4 << LARGE_ORDER KB.
SMALL = 512
LARGE_ORDER = 2


def _class_table() -> Array[U8, Literal[33]]:
    """The class of a block of n * 64 bytes."""
    table = Array[U8, Literal[33]]()
    for grains in range(33):
        table[grains] = U8(next(index for index, size in enumerate(SIZES) if size >= grains * GRAIN))
    return table


def _size_table() -> Array[U16, Literal[10]]:
    table = Array[U16, Literal[10]]()
    for index, size in enumerate(SIZES):
        table[index] = U16(size)
    return table


CLASS_OF = _class_table()
SIZE_OF = _size_table()


@struct
class Block:
    """A free block."""

    next: Ptr[Block]


@struct
class Slab:
    """Record at the start of a slab. Slabs with room are linked; `fresh`: offset of the first block never used."""

    next: Ptr[Slab]
    previous: Ptr[Slab]
    free: Ptr[Block]
    used: U64
    fresh: U64


@struct
class Failures:
    """Failure injection. `at` counts down with each allocation; the one that finds 1 fails. 0: none."""

    at: U64 = U64(0)

    @inlined
    def check(self) -> None:
        """Called before every allocation. Raises OutOfMemory."""
        if self.at != 0:
            self.count()

    @never_inlined
    def count(self) -> None:
        """One allocation more, of which the last fails. Raises OutOfMemory."""
        self.at -= 1
        if self.at == 0:
            raise OutOfMemory


@struct
class Heap:
    """Of each class, the slabs with room."""

    partial: Array[Ptr[Slab], Literal[10]] = zeroed()

    def allocate(self, kind: U64) -> Ptr[U8]:
        """A block of a class, contents undefined. Raises OutOfMemory."""
        if self.partial[kind].is_null():
            self._add_slab(kind)
        slab = self.partial[kind].value
        slab.used += 1
        block = slab.free
        if block.is_null():
            block = _start(slab).offset(slab.fresh).cast(Block)
            slab.fresh += _size(kind)
        else:
            slab.free = block.value.next
        if slab.free.is_null() and slab.fresh + _size(kind) > _slab_bytes(kind):
            self._unlink(slab, kind)
        return block.cast(U8)

    def release(self, block: Ptr[U8], kind: U64) -> None:
        """Take a block back; its slab too when that was the last one."""
        size = _slab_bytes(kind)
        slab = Ptr.at(Slab, block.address.align_down(size)).value
        assert slab.used != 0, "freed block was never allocated"
        if slab.free.is_null() and slab.fresh + _size(kind) > size:
            self._link(slab, kind)
        slab.used -= 1
        if slab.used == 0:
            self._unlink(slab, kind)
            FRAMES.free(mmu.direct_to_physical(Ptr.to(slab).address), _order(kind))
            return
        free = block.cast(Block)
        free.value.next = slab.free
        slab.free = free

    def _add_slab(self, kind: U64) -> None:
        frame = FRAMES.allocate(_order(kind))
        slab = Ptr.at(Slab, mmu.direct(frame)).value
        slab.free = null()
        slab.used = U64(0)
        slab.fresh = U64(RECORD)
        self._link(slab, kind)

    def _link(self, slab: Slab, kind: U64) -> None:
        slab.next = self.partial[kind]
        slab.previous = null()
        if not slab.next.is_null():
            slab.next.value.previous = Ptr.to(slab)
        self.partial[kind] = Ptr.to(slab)

    def _unlink(self, slab: Slab, kind: U64) -> None:
        if not slab.next.is_null():
            slab.next.value.previous = slab.previous
        if slab.previous.is_null():
            self.partial[kind] = slab.next
        else:
            slab.previous.value.next = slab.next


def _size(kind: U64) -> U64:
    """Bytes of a block of a class."""
    return U64(SIZE_OF[kind])


HEAP = place(Heap())
FAILURES = place(Failures())


def _start(slab: Slab) -> Ptr[U8]:
    return Ptr.to(slab).cast(U8)


def _order(kind: U64) -> U64:
    """Frames of a slab, as a power of two."""
    return U64(LARGE_ORDER) if _size(kind) > SMALL else U64(0)


def _slab_bytes(kind: U64) -> U64:
    return U64(PAGE_SIZE) << _order(kind)


def _class_of(size: U64) -> U64:
    assert size <= LARGEST, "larger than any block"
    return U64(CLASS_OF[(size + (GRAIN - 1)) // GRAIN])


def block_size(size: U64) -> U64:
    """What a quota is charged for `size` bytes."""
    return _size(_class_of(size))


def allocate(quota: Quota, size: U64) -> Ptr[U8]:
    """`size` bytes of zeroes, at most 2048. Raises QuotaExceeded, OutOfMemory."""
    FAILURES.check()
    kind = _class_of(size)
    quota.charge(_size(kind))
    try:
        block = HEAP.allocate(kind)
    except OutOfMemory:
        quota.refund(_size(kind))
        raise
    cpu.zero(block.address, _size(kind))
    return block


def free(quota: Quota, block: Ptr[U8], size: U64) -> None:
    """Give back what `allocate` gave for the same quota and size."""
    kind = _class_of(size)
    HEAP.release(block, kind)
    quota.refund(_size(kind))


def allocate_frame(quota: Quota) -> PhysAddr:
    """One frame of zeroes. Raises QuotaExceeded, OutOfMemory."""
    return allocate_frames(quota, U64(0))


def allocate_frames(quota: Quota, order: U64) -> PhysAddr:
    """4096 << order bytes of zeroes at a multiple of that size. Raises QuotaExceeded, OutOfMemory."""
    FAILURES.check()
    quota.charge(U64(PAGE_SIZE) << order)
    try:
        return FRAMES.allocate_zeroed_block(order)
    except OutOfMemory:
        quota.refund(U64(PAGE_SIZE) << order)
        raise


def free_frame(quota: Quota, frame: PhysAddr) -> None:
    """Give back a frame."""
    free_frames(quota, frame, U64(0))


def free_frames(quota: Quota, frame: PhysAddr, order: U64) -> None:
    """Give back what `allocate_frames` gave."""
    FRAMES.free(frame, order)
    quota.refund(U64(PAGE_SIZE) << order)


def at_frame(frame: PhysAddr) -> VirtAddr:
    """Where the kernel sees a frame."""
    return mmu.direct(frame)


@struct
class QuotaFrames:
    """A FrameSource, for page tables, that charges a quota."""

    quota: Ptr[Quota]

    def allocate_zeroed(self) -> PhysAddr:
        """One frame of zeroes. Raises QuotaExceeded, OutOfMemory."""
        return allocate_frame(self.quota.value)
