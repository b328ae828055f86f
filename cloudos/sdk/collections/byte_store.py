"""A growing run of bytes on the heap, the common ground of `Text`, `Bytes` and `ByteBuffer`."""

from __future__ import annotations

from cloudos.lang import U8, U64, Slice, free_slice, new_slice, struct, write_text, zeroed
from cloudos.sdk.collections.slices import copy_bytes

LEAST_CAPACITY = 32  # bytes, from the second growth on: the first piece gets exactly what it needs


@struct
class ByteStore:
    """Owns `storage`, whose first `used` bytes are filled. Its holder frees the storage, or trims and takes it."""

    storage: Slice[U8] = zeroed()
    used: U64 = U64(0)

    def write(self, data: Slice[U8]) -> None:
        """Append the bytes: a store is a `Sink` for formatted text. They may be a part of the store itself."""
        start = self.used
        old = self.storage
        if old.length - start < data.length:
            self.storage = self.larger(data.length)
        self.storage[start : start + data.length].copy_from(data)
        self.used = start + data.length
        if self.storage.length != old.length:
            discard(old)

    def append(self, byte: U8) -> None:
        if self.used == self.storage.length:
            self.reserve(U64(LEAST_CAPACITY))
        self.storage[self.used] = byte
        self.used += 1

    def reserve(self, more: U64) -> None:
        """Make room for `more` bytes beyond those filled."""
        old = self.storage
        if old.length - self.used < more:
            self.storage = self.larger(more)
            discard(old)

    def larger(self, more: U64) -> Slice[U8]:
        """A copy with room for at least `more` bytes, twice as large if anything was there before."""
        capacity = self.used + more
        if self.used > 0:
            capacity = max(capacity, max(self.storage.length * 2, U64(LEAST_CAPACITY)))
        fresh = new_slice(U8, capacity)
        fresh[0 : self.used].copy_from(self.filled())
        return fresh

    def filled(self) -> Slice[U8]:
        """The bytes so far: valid until the next change."""
        return self.storage[0 : self.used]

    def trim(self) -> None:
        """Make the storage exactly as long as what is filled, for an owner to come."""
        if self.used < self.storage.length:
            exact = copy_bytes(self.filled())
            discard(self.storage)
            self.storage = exact


def discard(storage: Slice[U8]) -> None:
    """Free a heap slice, or the empty one that a store begins with."""
    if storage.length > 0:
        free_slice(storage)


def formatted(text: str) -> Slice[U8]:
    """The bytes of a formatted text in a heap slice, owned by the caller."""
    store = ByteStore()
    write_text(store, text)
    store.trim()
    return store.storage
