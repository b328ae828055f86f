"""Capabilities: the only way to name an object, and who derived what from whom.

Contract. A handle is generation << 32 | index; 0 is none. A slot's generation grows each time that it is freed, and a
slot whose generations are used up is never used again, so that a stale handle is always detected. `derive`, `copy`
and `move` check everything, then change things in a way that cannot fail; the only memory they may need is for the
target table to grow, on its own quota. All operations here are bounded.

The derivation tree. `revoke_step` removes one child of the capability and puts the child's children in its place:
repeated until no child is left, it has removed every descendant, whatever the shape of the tree, and needs no memory
of how far it came: it can stop after any step while others derive, close and revoke. `close` does the same to the
capability itself: what was derived from it then counts as derived from its parent, which can still revoke it.

Threads blocked through a capability are woken, one per step, before it goes.
"""

from __future__ import annotations

from cloudos.abi.errors import (
    BadHandle,
    BadState,
    Denied,
    OutOfMemory,
    PeerGone,
    QuotaExceeded,
    TooManyHandles,
    WrongKind,
)
from cloudos.abi.objects import Kind, Operation, Rights
from cloudos.kernel.hal import mmu
from cloudos.kernel.hal.interface import PAGE_SIZE
from cloudos.kernel.memory import heap
from cloudos.kernel.objects import cleanup
from cloudos.kernel.objects.header import (
    MAXIMUM_CHUNKS,
    SLOTS_PER_CHUNK,
    Capability,
    CapabilityTable,
    Chunk,
    Directory,
    Header,
)
from cloudos.kernel.security import labels
from cloudos.lang import U32, U64, Ptr, VirtAddr, fast, inlined, never_inlined, null

__all__ = ["Capability", "CapabilityTable", "OutOfMemory", "QuotaExceeded"]

INDEX_MASK = 0xFFFFFFFF
FIRST_GENERATION = 1
# A slot that has reached it is not used again: whoever keeps a slot of his own may still count one further.
LAST_GENERATION = U32.MAX - 1


# Handles


@never_inlined
def find(table: CapabilityTable, handle: U64) -> Ptr[Capability]:
    """The capability with this handle, whatever it names. Raises BadHandle."""
    capability = _at(table, handle)
    _check(capability.value, capability.value.object, handle)
    return capability


@inlined
def _at(table: CapabilityTable, handle: U64) -> Ptr[Capability]:
    """What stands where the handle says. Raises BadHandle."""
    index = handle & INDEX_MASK
    if index >= table.fresh:
        raise BadHandle
    return _slot(table, index)


@inlined
def _check(capability: Capability, object: Ptr[Header], handle: U64) -> None:
    """BadHandle unless the handle is that of a capability, which names this object."""
    if object.is_null() or U64(capability.generation) != handle >> 32:
        raise BadHandle


@inlined
def lookup(table: CapabilityTable, handle: U64, kind: Kind, rights: Rights) -> Ptr[Capability]:
    """The capability with this handle, to use its object. Raises BadHandle, WrongKind, Denied, PeerGone."""
    capability = _at(table, handle)
    # Read once: another processor may take the handle of a reply away.
    object = capability.value.object
    _check(capability.value, object, handle)
    header = object.value
    if header.kind != kind:
        raise WrongKind
    if rights not in capability.value.rights:
        raise Denied
    if header.dying:
        raise PeerGone
    return capability


@inlined
def names_now(capability: Ptr[Capability]) -> Ptr[Header]:
    """What a capability names at this moment, if anything: another processor may be about to change it. Whoever finds
    here what belongs to this processor can rely on it."""
    return capability.value.object


@fast
def handle_of(capability: Ptr[Capability]) -> U64:
    """The handle by which the owner of the table knows it."""
    index = chunk_of(capability).number * SLOTS_PER_CHUNK + (capability.address.value % PAGE_SIZE) // 64
    return U64(capability.value.generation) << 32 | index


def table_of(capability: Ptr[Capability]) -> CapabilityTable:
    """The table that it stands in."""
    return chunk_of(capability).table.value


@fast
def chunk_of(capability: Ptr[Capability]) -> Chunk:
    """The record of its frame."""
    return Ptr.at(Chunk, capability.address.align_down(PAGE_SIZE)).value


# Making


def insert_root(table: CapabilityTable, object: Ptr[Header], rights: Rights, badge: U64) -> U64:
    """Name the object by a capability that was derived from none; its handle.

    Raises PeerGone, TooManyHandles, QuotaExceeded, OutOfMemory.
    """
    reserve(table, U64(1))
    capability = _take(table)
    _fill(capability, object, rights, badge)
    _link_first(capability, null(), object.value)
    return handle_of(capability)


def derive(source: Ptr[Capability], target: CapabilityTable, rights: Rights, badge: U64) -> U64:
    """A weaker copy of `source` in `target`, below it in the tree; its handle. Badge 0 keeps the source's.

    Denied: `source` lacks DERIVE, or a right that is asked for, or has another badge; or `target` belongs to another
    process and `source` lacks TRANSFER or policy is against it. Raises also PeerGone, TooManyHandles, QuotaExceeded,
    OutOfMemory.
    """
    original = source.value
    if Rights.DERIVE not in original.rights or rights not in original.rights:
        raise Denied
    if badge != 0 and original.badge != 0 and badge != original.badge:
        raise Denied
    _check_alive(source)
    _check_transfer(source, target)
    reserve(target, U64(1))
    capability = _take(target)
    _fill(capability, original.object, rights, badge if original.badge == 0 else original.badge)
    _link_first(capability, source, original.object.value)
    return handle_of(capability)


def copy(source: Ptr[Capability], target: CapabilityTable) -> U64:
    """Derive without weakening. Raises what `derive` does."""
    return derive(source, target, source.value.rights, U64(0))


def move(source: Ptr[Capability], target: CapabilityTable) -> U64:
    """Put the capability into another table, with its place in the tree; its new handle, the old one is stale.

    BadState: a thread is blocked through it. Raises also Denied (no TRANSFER, or policy), PeerGone, TooManyHandles,
    QuotaExceeded, OutOfMemory.
    """
    original = source.value
    if not original.waiters.is_null():
        raise BadState
    _check_alive(source)
    _check_transfer(source, target)
    reserve(target, U64(1))
    capability = _take(target)
    moved = capability.value
    moved.object = original.object
    moved.rights = original.rights
    moved.badge = original.badge
    moved.child = original.child
    moved.last = original.last
    moved.waiters = null()
    _replace(source, capability, capability)
    if not moved.child.is_null():
        moved.child.value.previous = capability
        moved.last.value.next = capability
    _give_back(table_of(source), source)
    return handle_of(capability)


def _check_alive(source: Ptr[Capability]) -> None:
    if source.value.object.value.dying:
        raise PeerGone


def _check_transfer(source: Ptr[Capability], target: CapabilityTable) -> None:
    """Authority that changes hands needs the right, and the label check. Raises Denied."""
    table = table_of(source)
    if Ptr.to(table) == Ptr.to(target):
        return
    if Rights.TRANSFER not in source.value.rights:
        raise Denied
    kind = source.value.object.value.kind
    if kind == Kind.MEMORY or kind == Kind.SPACE:
        labels.check(table, target, Operation.SHARE)
    labels.check(table, target, Operation.TRANSFER)


# Taking away


def remove_step(capability: Ptr[Capability]) -> bool:
    """Wake one thread that is blocked through the capability or, when there is none, remove it; whether it is gone.

    The object may have lost its last reference: `cleanup.step` follows.
    """
    if not capability.value.waiters.is_null():
        cleanup.KNOWN.objects.wake_one(capability)
        return False
    entry = capability.value
    object = entry.object
    rights = entry.rights
    _unlink(capability)
    _give_back(table_of(capability), capability)
    if U32(cleanup.CONCERNED).bit(U32(object.value.kind)):
        cleanup.KNOWN.objects.capability_removed(object, rights)
    cleanup.drop(object)
    return True


def close(table: CapabilityTable, handle: U64) -> None:
    """Remove a capability, in one go: for tables whose threads do not wait. Raises BadHandle."""
    capability = find(table, handle)
    while not remove_step(capability):
        pass


def revoke_step(capability: Ptr[Capability]) -> bool:
    """Remove at most one descendant; whether none is left. The capability itself stays."""
    entry = capability.value
    if entry.child.is_null():
        return True
    remove_step(entry.child)
    return entry.child.is_null()


def empty_step(table: CapabilityTable) -> bool:
    """Remove one capability or one frame of a table whose process is gone; whether nothing is left of it.

    Nothing can be put into the table from the first step on.
    """
    table.closing = True
    if table.capacity == 0:
        if not table.directory.is_null():
            _free_frame(table, table.directory.address)
            table.directory = null()
        return True
    start = table.capacity - SLOTS_PER_CHUNK
    if table.fresh <= start:
        _free_frame(table, _slot(table, start).address)
        table.capacity = start
        return False
    capability = _slot(table, table.fresh - 1)
    if capability.value.object.is_null():
        table.fresh -= 1
    else:
        remove_step(capability)
    return False


# The tree


def _link_first(capability: Ptr[Capability], parent: Ptr[Capability], object: Header) -> None:
    """Put a capability without children before the children of `parent` or, when that is null, before the roots."""
    entry = capability.value
    following = object.capabilities if parent.is_null() else parent.value.child
    entry.previous = parent
    entry.next = following
    if not following.is_null():
        following.value.previous = capability
    if parent.is_null():
        object.capabilities = capability
        return
    parent.value.child = capability
    if following.is_null():
        entry.next = parent
        parent.value.last = capability


def _is_first(capability: Ptr[Capability]) -> bool:
    """Whether `previous` is the parent (or, of a root, null)."""
    previous = capability.value.previous
    return previous.is_null() or previous.value.child == capability


def _is_final(capability: Ptr[Capability]) -> bool:
    """Whether `next` is the parent (or, of a root, null)."""
    following = capability.value.next
    return following.is_null() or following.value.last == capability


def _replace(capability: Ptr[Capability], front: Ptr[Capability], back: Ptr[Capability]) -> None:
    """Put a chain of siblings where `capability` stands."""
    first = _is_first(capability)
    final = _is_final(capability)
    previous = capability.value.previous
    following = capability.value.next
    front.value.previous = previous
    back.value.next = following
    _set_front(capability, first, front)
    if not final:
        following.value.previous = back
    elif not following.is_null():
        following.value.last = back


def _set_front(capability: Ptr[Capability], first: bool, front: Ptr[Capability]) -> None:
    """Make what leads to `capability` from the left lead to `front`."""
    previous = capability.value.previous
    if not first:
        previous.value.next = front
    elif previous.is_null():
        capability.value.object.value.capabilities = front
    else:
        previous.value.child = front


def _unlink(capability: Ptr[Capability]) -> None:
    """Take a capability out of the tree; its children take its place."""
    entry = capability.value
    if not entry.child.is_null():
        _replace(capability, entry.child, entry.last)
        return
    first = _is_first(capability)
    final = _is_final(capability)
    following = entry.next
    # A parent whose only child goes has none; a sibling on the left inherits the link to the parent.
    _set_front(capability, first, null() if first and final else following)
    if not final:
        following.value.previous = entry.previous
    elif not following.is_null():
        following.value.last = null() if first else entry.previous


# Slots


def reserve(table: CapabilityTable, count: U64) -> None:
    """Make room for `count` more capabilities, at most 63. Raises PeerGone, TooManyHandles, QuotaExceeded, OutOfMemory.

    When it raises, the table is as before. Puts that follow cannot fail for want of room.
    """
    if table.closing:
        raise PeerGone
    if table.available < count:
        _grow(table)


def take_slot(table: CapabilityTable) -> Ptr[Capability]:
    """A slot without object that is in no list. Raises PeerGone, TooManyHandles, QuotaExceeded, OutOfMemory."""
    reserve(table, U64(1))
    return _take(table)


def give_slot(table: CapabilityTable, capability: Ptr[Capability]) -> None:
    """Give back a slot of `take_slot` that has no object."""
    _give_back(table, capability)


def check_sending(capability: Ptr[Capability], target: CapabilityTable, moving: bool) -> None:
    """Raise what `copy` or `move` would, but for want of room. Raises Denied, BadState, PeerGone."""
    if moving and not capability.value.waiters.is_null():
        raise BadState
    if not moving and Rights.DERIVE not in capability.value.rights:
        raise Denied
    _check_alive(capability)
    # It has no right to be handed over, and within its process it must not leave its slot while it is used to answer.
    if capability.value.object.value.kind == Kind.REPLY:
        raise Denied
    _check_transfer(capability, target)


def _grow(table: CapabilityTable) -> None:
    """Add a chunk. Raises TooManyHandles, QuotaExceeded, OutOfMemory."""
    number = table.capacity // SLOTS_PER_CHUNK
    if number + U64(table.fewer) == MAXIMUM_CHUNKS:
        raise TooManyHandles
    quota = table.quota.value
    frame = heap.allocate_frame(quota)
    if number == 1:
        try:
            table.directory = Ptr.at(Directory, mmu.direct(heap.allocate_frame(quota)))
        except (OutOfMemory, QuotaExceeded):
            heap.free_frame(quota, frame)
            raise
    chunk = Ptr.at(Chunk, mmu.direct(frame))
    chunk.value.table = Ptr.to(table)
    chunk.value.number = number
    if number == 0:
        table.first = chunk.cast(Capability)
    else:
        table.directory.value.chunks[number] = chunk.cast(Capability)
    table.capacity += SLOTS_PER_CHUNK
    table.available += SLOTS_PER_CHUNK - 1


@inlined
def _slot(table: CapabilityTable, index: U64) -> Ptr[Capability]:
    """The slot of an index below `capacity`."""
    if index < SLOTS_PER_CHUNK:
        return table.first.offset(index)
    return table.directory.value.chunks[index // SLOTS_PER_CHUNK].offset(index % SLOTS_PER_CHUNK)


def _take(table: CapabilityTable) -> Ptr[Capability]:
    """A free slot, which there is: see `reserve`."""
    table.available -= 1
    capability = table.free
    if not capability.is_null():
        table.free = capability.value.next
        return capability
    if table.fresh % SLOTS_PER_CHUNK == 0:
        table.fresh += 1
    capability = _slot(table, table.fresh)
    capability.value.generation = U32(FIRST_GENERATION)
    table.fresh += 1
    return capability


def _fill(capability: Ptr[Capability], object: Ptr[Header], rights: Rights, badge: U64) -> None:
    """Write a slot that was just taken, and count it."""
    entry = capability.value
    entry.object = object
    entry.rights = rights
    entry.badge = badge
    entry.child = null()
    entry.last = null()
    entry.waiters = null()
    cleanup.retain(object)


def _give_back(table: CapabilityTable, capability: Ptr[Capability]) -> None:
    """Make a slot free, and its handle stale for ever."""
    entry = capability.value
    entry.object = null()
    if entry.generation >= LAST_GENERATION:
        return
    entry.generation += 1
    entry.next = table.free
    table.free = capability
    table.available += 1


def _free_frame(table: CapabilityTable, address: VirtAddr) -> None:
    heap.free_frame(table.quota.value, mmu.direct_to_physical(address))
