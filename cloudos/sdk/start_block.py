"""What a process is started with: a bundle (`cloudos.abi.bundle`) of arguments, environment and handles by name."""

from __future__ import annotations

from cloudos.abi.bundle import MAGIC, VERSION, BundleEntry, BundleHeader, EntryKind
from cloudos.lang import U8, U64, Ptr, Slice, managed, size_of
from cloudos.sdk.collections.byte_buffer import ByteBuffer
from cloudos.sdk.collections.bytes import Bytes
from cloudos.sdk.collections.list import List

HEADER = size_of(BundleHeader)
ENTRY = size_of(BundleEntry)


@managed
class Item:
    """One entry."""

    kind: U64
    name: Bytes
    content: Bytes


@managed
class StartBlock:
    """A bundle in the making."""

    items: List[Item]
    # Bytes of names and contents so far.
    size: U64

    def add(self, kind: EntryKind, name: Slice[U8], content: Slice[U8]) -> None:
        """One more entry."""
        self.items.append(Item(U64(kind), Bytes(name), Bytes(content)))
        self.size += name.length + content.length + 16

    def add_handle(self, name: Slice[U8], handle: U64) -> None:
        """A capability of the process, by its number there."""
        words = ByteBuffer()
        write_number(words, handle, U64(8))
        self.add(EntryKind.HANDLE, name, words.content())

    def encode(self) -> ByteBuffer:
        """The bundle."""
        out = ByteBuffer()
        texts = ByteBuffer()
        base = U64(HEADER) + self.items.length * ENTRY
        entries = ByteBuffer()
        for item in self.items:
            name_at = base + texts.length
            texts.write(item.name.content)
            # What is read as a word has its place where words have theirs.
            while texts.length % 8 != 0:
                texts.append(U8(0))
            content_at = base + texts.length
            texts.write(item.content.content)
            write_number(entries, item.kind, U64(4))
            write_number(entries, item.name.length, U64(4))
            write_number(entries, name_at, U64(8))
            write_number(entries, content_at, U64(8))
            write_number(entries, item.content.length, U64(8))
            write_number(entries, U64(0), U64(8))
        write_number(out, U64(MAGIC), U64(8))
        write_number(out, U64(VERSION), U64(4))
        write_number(out, self.items.length, U64(4))
        write_number(out, base + texts.length, U64(8))
        write_number(out, U64(0), U64(8))
        out.write(entries.content())
        out.write(texts.content())
        return out


def new_start_block() -> StartBlock:
    """A block without entries."""
    return StartBlock(List[Item](), U64(0))


def write_number(out: ByteBuffer, value: U64, width: U64) -> None:
    """So many bytes of a number, the lowest first."""
    rest = value
    for _ in U64.range(width):
        out.append(U8(rest & 0xFF))
        rest = rest >> 8


def total_size(address: Ptr[U8]) -> U64:
    """The length of the bundle at an address, as its header says."""
    return address.cast(BundleHeader).value.total_size
