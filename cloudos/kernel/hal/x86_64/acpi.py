"""The tables of the firmware: ACPI specification 6.4, section 5.2.

They may lie anywhere in memory, so that what is looked at is added to the direct map.
"""

from __future__ import annotations

from cloudos.abi.errors import OutOfMemory
from cloudos.kernel.hal.interface import FrameSource
from cloudos.kernel.hal.x86_64 import mmu
from cloudos.lang import U8, U32, U64, PhysAddr, Ptr, VirtAddr, never_inlined, place, struct

__all__ = ["OutOfMemory"]

# Of the root pointer: revision, address of the directory of 32-bit addresses and of that of 64-bit ones.
REVISION = 15
NARROW = 16
WIDE = 24
# Of a table: signature, length in bytes; a header of so many.
LENGTH = 4
HEADER = 36
# No table is longer; what says so of itself is read up to here and an entry more.
LONGEST = 65_536
LONGEST_ENTRY = 64


@struct
class Root:
    """Where the root pointer is; 0: there is none."""

    address: U64 = U64(0)


ROOT = place(Root())


@never_inlined
def number(address: VirtAddr) -> U32:
    """Four bytes, little-endian, at any address."""
    bytes = Ptr.at(U8, address)
    value = U32(0)
    for index in U64.range(4):
        value = value | U32(bytes.offset(index).value) << U32.truncate(index * 8)
    return value


@never_inlined
def _see(address: U64, frames: FrameSource) -> VirtAddr:
    """Where a table can be read. Raises OutOfMemory."""
    mmu.map_direct(address, address + LONGEST, frames)
    return mmu.direct(PhysAddr(address))


def find(signature: U32, frames: FrameSource) -> VirtAddr:
    """The table with this signature; 0 when there is none. Raises OutOfMemory."""
    none = VirtAddr(0)
    if ROOT.address == 0:
        return none
    root = _see(ROOT.address, frames)
    is_wide = Ptr.at(U8, root.offset(REVISION)).value >= 2
    directory = _see(_address(root.offset(WIDE if is_wide else NARROW), is_wide), frames)
    at = directory.offset(HEADER)
    while at < end_of(directory):
        found = _see(_address(at, is_wide), frames)
        if number(found) == signature:
            return found
        at = at.offset(8 if is_wide else 4)
    return none


@never_inlined
def end_of(table: VirtAddr) -> VirtAddr:
    """Where no entry of a table begins any more."""
    return table.offset(min(U64(number(table.offset(LENGTH))), U64(LONGEST - LONGEST_ENTRY)))


def _address(place: VirtAddr, is_wide: bool) -> U64:
    """An address in a table."""
    return long_number(place) if is_wide else U64(number(place))


@never_inlined
def long_number(address: VirtAddr) -> U64:
    """Eight bytes, little-endian, at any address."""
    return U64(number(address.offset(4))) << 32 | U64(number(address))
