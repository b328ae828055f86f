"""Records of fixed size in a ring, each with a hash over the one before and itself.

The memory holds two copies of the anchor, then the entries. One place more than can be held is free, so that writing a
new entry leaves those that the anchor speaks of untouched until the anchor is written in turn.
"""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U8, U64, Array, Ptr, Slice, managed, struct, zeroed
from cloudos.sdk.sha256 import Sha256

MAGIC = int.from_bytes(b"AUDITS\x00\x01", "little")
RECORD = 48
ENTRY = 80
ANCHOR = 128
CHECKED = 96  # bytes of an anchor that its check covers
RECENT = 32  # entries that are looked at when the service starts
ENTRIES_AT = 2 * ANCHOR
HASH = 32
MOST = 1 << 62  # what nobody reaches by counting


@struct
class Entry:
    """A record as the kernel gives it (`cloudos.abi.audit`), and its hash. Any byte may have any value."""

    number: U64 = U64(0)
    time: U64 = U64(0)
    subject: U64 = U64(0)
    object: U64 = U64(0)
    detail: U64 = U64(0)
    event: U8 = U8(0)
    subject_label: U8 = U8(0)
    object_label: U8 = U8(0)
    reserved: Array[U8, Literal[5]] = zeroed()
    hash: Array[U8, Literal[32]] = zeroed()


@struct
class Anchor:
    """What the chain must be: entries `first` to `count`, the hash before them, the last one; and a check."""

    magic: U64 = U64(MAGIC)
    sequence: U64 = U64(0)
    count: U64 = U64(0)
    first: U64 = U64(1)
    before: Array[U8, Literal[32]] = zeroed()
    last: Array[U8, Literal[32]] = zeroed()
    check: Array[U8, Literal[32]] = zeroed()


def bytes_at(pointer: Ptr[U8], length: U64) -> Slice[U8]:
    """Memory as bytes."""
    return Slice.of(pointer, length)


@managed
class Chain:
    """The chain in a memory, and the anchor that is in force."""

    memory: Slice[U8]
    places: U64
    anchor: Anchor
    sha: Sha256

    def entry(self, number: U64) -> Entry:
        """The place of an entry."""
        return self.memory.pointer.offset(U64(ENTRIES_AT) + number % self.places * ENTRY).cast(Entry).value

    def kept_anchor(self, copy: U64) -> Anchor:
        """One of the two anchors in the memory."""
        return self.memory.pointer.offset(copy * ANCHOR).cast(Anchor).value

    def held(self) -> U64:
        """How many entries are held."""
        return self.anchor.count + 1 - self.anchor.first

    def add(self, record: Entry) -> None:
        """Chain a record; its hash is computed here. The oldest one goes when there is no more room.

        It counts once `write_anchor` was called.
        """
        number = self.anchor.count + 1
        if self.held() + 1 == self.places:
            self.anchor.before = self.entry(self.anchor.first).hash
            self.anchor.first += 1
        kept = self.entry(number)
        bytes_at(Ptr.to(kept).cast(U8), U64(RECORD)).copy_from(bytes_at(Ptr.to(record).cast(U8), U64(RECORD)))
        self.digest(self.anchor.last.slice(), kept, kept.hash.slice())
        self.anchor.last = kept.hash
        self.anchor.count = number

    def write_anchor(self) -> None:
        """Write the anchor over the older of its copies."""
        self.anchor.sequence += 1
        self.check_of(self.anchor, self.anchor.check.slice())
        self.memory.pointer.offset(self.anchor.sequence % 2 * ANCHOR).cast(Anchor).value = self.anchor

    def digest(self, before: Slice[U8], entry: Entry, into: Slice[U8]) -> None:
        """The hash of an entry."""
        self.sha.begin()
        self.sha.update(before)
        self.sha.update(bytes_at(Ptr.to(entry).cast(U8), U64(RECORD)))
        self.sha.finish(into)

    def check_of(self, anchor: Anchor, into: Slice[U8]) -> None:
        """The check of an anchor."""
        self.sha.begin()
        self.sha.update(bytes_at(Ptr.to(anchor).cast(U8), U64(CHECKED)))
        self.sha.finish(into)

    def sound(self) -> U64:
        """How many entries are as they were written, from the first held on."""
        return self.sound_from(self.anchor.first, self.anchor.before.slice())

    def recent(self) -> U64:
        """How many entries `recent_sound` looks at."""
        return min(self.held(), U64(RECENT))

    def recent_sound(self) -> U64:
        """`sound` of the last entries only: a start must not take longer the more there are."""
        first = self.anchor.count + 1 - self.recent()
        if first == self.anchor.first:
            return self.sound()
        return self.sound_from(first, self.entry(first - 1).hash.slice())

    def sound_from(self, first: U64, hash: Slice[U8]) -> U64:
        """How many entries are as they were written, from `first` on, which follows `hash`."""
        before, computed = Array[U8, Literal[32]](), Array[U8, Literal[32]]()
        before.slice().copy_from(hash)
        good = U64(0)
        for number in U64.range(first, self.anchor.count + 1):
            entry = self.entry(number)
            self.digest(before.slice(), entry, computed.slice())
            if not computed.slice().equals(entry.hash.slice()):
                return good
            before.slice().copy_from(computed.slice())
            good += 1
        # A chain that is sound in itself but not the one that the anchor speaks of is so from its last entry on.
        if not before.slice().equals(self.anchor.last.slice()):
            return good - min(good, U64(1))
        return good

    def is_anchor(self, anchor: Anchor) -> bool:
        """Whether a copy of the anchor in memory is whole and fits the memory."""
        computed = Array[U8, Literal[32]]()
        self.check_of(anchor, computed.slice())
        if anchor.magic != MAGIC or not computed.slice().equals(anchor.check.slice()):
            return False
        if anchor.count >= MOST or anchor.sequence >= MOST:
            return False
        return 1 <= anchor.first <= anchor.count + 1 and anchor.count + 1 - anchor.first < self.places

    def recover(self) -> bool:
        """Take over the newest whole anchor in the memory; False when there is none."""
        found = False
        for copy in U64.range(2):
            kept = self.kept_anchor(copy)
            if self.is_anchor(kept) and (not found or kept.sequence > self.anchor.sequence):
                self.anchor = kept
                found = True
        return found

    def is_fresh(self) -> bool:
        """Whether nothing was ever written to the anchors."""
        for byte in self.memory[0:ENTRIES_AT]:
            if byte != 0:
                return False
        return True


def new_chain(memory: Slice[U8]) -> Chain:
    """A chain in a memory of at least 4,096 bytes, aligned to 8; what the memory holds is not looked at."""
    return Chain(memory, (memory.length - ENTRIES_AT) // ENTRY, Anchor(), Sha256())
