"""What came with the program: the boot bundle, mapped read-only into the process (layout: `cloudos.abi.bundle`)."""

from __future__ import annotations

from cloudos.abi.bundle import MAGIC, VERSION, BundleEntry, BundleHeader, EntryKind
from cloudos.lang import U8, U32, U64, Ptr, Slice, VirtAddr, size_of, struct, zeroed
from cloudos.sdk.errors import BadBundle


@struct
class Bundle:
    """The bundle of this process. Empty until the process entry attaches it."""

    content: Slice[U8] = zeroed()
    count: U64 = U64(0)

    def attach(self, address: U64, length: U64) -> None:
        """Take the bundle at this address of so many bytes, 0: as its header says; raises BadBundle."""
        if length == 0:
            length = Ptr.at(BundleHeader, VirtAddr(address)).value.total_size
        if length < size_of(BundleHeader):
            raise BadBundle
        content = Slice.of(Ptr.at(U8, VirtAddr(address)), length)
        header = Ptr.at(BundleHeader, VirtAddr(address)).value
        if header.magic != MAGIC or header.version != VERSION:
            raise BadBundle
        count = U64(header.entry_count)
        if count > (length - size_of(BundleHeader)) // size_of(BundleEntry):
            raise BadBundle
        self.content = content
        self.count = count
        for i in U64.range(count):
            entry = self.entry(i)
            if not self.holds(entry.name_offset, U64(entry.name_length)):
                raise BadBundle
            if not self.holds(entry.data_offset, entry.data_length):
                raise BadBundle

    def holds(self, offset: U64, length: U64) -> bool:
        return offset <= self.content.length and length <= self.content.length - offset

    def entry(self, number: U64) -> BundleEntry:
        """The entry of this number, in the order of the bundle; panics beyond the last."""
        assert number < self.count, "no such bundle entry"
        first = self.content.pointer.address.offset(size_of(BundleHeader))
        return Ptr.at(BundleEntry, first).offset(number).value

    def name(self, entry: BundleEntry) -> Slice[U8]:
        return self.content[entry.name_offset : entry.name_offset + U64(entry.name_length)]

    def data(self, entry: BundleEntry) -> Slice[U8]:
        return self.content[entry.data_offset : entry.data_offset + entry.data_length]

    def find(self, kind: EntryKind, name: Slice[U8]) -> U64 | None:
        """The number of the first entry of this kind and name."""
        for i in U64.range(self.count):
            entry = self.entry(i)
            if entry.kind == U32(kind) and self.name(entry).equals(name):
                return i
        return None


bundle = Bundle()
