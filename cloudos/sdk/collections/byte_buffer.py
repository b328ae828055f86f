"""`ByteBuffer`: bytes that grow and change. `Text` and `Bytes` are made from one; formatted text is written to one."""

from __future__ import annotations

from collections.abc import Iterator

from cloudos.lang import U8, U64, Slice, interpreted, iterate, managed, sequence, zeroed
from cloudos.sdk.collections.byte_store import ByteStore, discard
from cloudos.sdk.collections.bytes import Bytes, adopt_bytes
from cloudos.sdk.collections.slices import copy_bytes
from cloudos.sdk.collections.text import Text, adopt_text


@sequence
@managed
class ByteBuffer:
    """A growable run of bytes."""

    store: ByteStore

    def __init__(self) -> None:
        self.store = ByteStore()

    def drop(self) -> None:
        discard(self.store.storage)

    @property
    def length(self) -> U64:
        return self.store.used

    @interpreted
    def __iter__(self) -> Iterator[U8]:
        return iterate(self)

    def __getitem__(self, index: U64 | int) -> U8:
        return self.store.filled()[index]

    def __setitem__(self, index: U64 | int, value: U8) -> None:
        self.store.filled()[index] = value

    def append(self, byte: U8) -> None:
        self.store.append(byte)

    def write(self, data: Slice[U8]) -> None:
        """Append the bytes: a buffer is a `Sink` for formatted text."""
        self.store.write(data)

    def reserve(self, more: U64) -> None:
        """Make room for `more` bytes, so that appending them moves nothing."""
        self.store.reserve(more)

    def clear(self) -> None:
        """Forget the bytes, keep the room."""
        self.store.used = U64(0)

    def shorten(self, length: U64) -> None:
        """Forget the bytes from `length` on, which must be no more than there are, and keep the room."""
        assert length <= self.store.used, "a buffer cannot be shortened to more than it has"
        self.store.used = length

    def content(self) -> Slice[U8]:
        """The bytes themselves, to read or change in place: valid until the buffer grows or dies."""
        return self.store.filled()

    def to_text(self) -> Text:
        """A copy of the bytes as text."""
        return adopt_text(copy_bytes(self.store.filled()))

    def to_bytes(self) -> Bytes:
        """A copy of the bytes."""
        return adopt_bytes(copy_bytes(self.store.filled()))

    def take_bytes(self) -> Bytes:
        """The bytes without copying where possible; the buffer is empty afterwards."""
        self.store.trim()
        content = self.store.storage
        self.store.storage = zeroed()
        self.store.used = U64(0)
        return adopt_bytes(content)
