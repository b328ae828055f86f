"""The tables of x86's firmware: root pointer, directory, and what the kernel reads: "APIC", "SRAT" and "SLIT".

Firmware is believed. What must hold all the same: the kernel ends, or stops by a panic that says where; it reads only
what it has mapped; it counts no more processors and nodes than it has room for; no memory is there twice.
"""

from __future__ import annotations

import struct
from unittest import mock

from cloudos.kernel.hal.interface import MAXIMUM_NODE_RANGES, MAXIMUM_NODES, MAXIMUM_PROCESSORS
from cloudos.kernel.hal.x86_64 import acpi, interrupts, mmu, nodes, processors
from cloudos.kernel.hal.x86_64.processor import MODEL, State
from cloudos.kernel.memory import frames
from cloudos.lang import U32, U64, PhysAddr, current_address_space
from tests.fuzz.target import Feed
from tests.fuzz.targets.machine_tables import check, read_or_refuse, take_over
from tests.unit.kernel.simulated_machine import boot_information, erase

PLACE = 0x4800_0000
ROOT_BYTES = 64
LEAST_TABLE = 64
# Of what a table may say of itself here; entries of length 0 are passed byte by byte.
LONGEST = 2048
OWN = 3
SIGNATURES = (b"APIC", b"SRAT", b"SLIT", b"APIC", b"SRAT", b"FACP")
# Where the entries of each begin.
ENTRIES = {b"APIC": 44, b"SRAT": 48, b"SLIT": 36, b"FACP": 36}
MOST_TABLES = 6


class Outside(BaseException):
    """The firmware says that a table is where the input has none: anything may be there."""


def fuzz(data: bytes) -> None:
    """Read all tables."""
    feed = Feed(data)
    content = firmware(feed)
    end = len(content)
    memory = current_address_space().allocate(end + acpi.LONGEST, 4096, address=mmu.DIRECT_BASE + PLACE)
    memory.data[:end] = content
    memory.mask = None

    def see(start: U64, stop: U64, source: object) -> None:
        """As `map_direct`: what lies there can be read from then on."""
        assert int(stop) - int(start) == acpi.LONGEST
        if not PLACE <= start < PLACE + end:
            raise Outside

    before = MODEL[:]
    own = State()
    processors.model_data(own)
    interrupts.CONTROLLERS.extended = bool(len(data) & 1)
    acpi.ROOT.address = U64(PLACE)
    try:
        with (
            mock.patch.object(mmu, "map_direct", see),
            mock.patch.object(interrupts, "apic_read", lambda register: U32(OWN << int(processors._shift()))),
        ):
            read()
    except Outside:
        pass
    finally:
        MODEL[:] = before
        for instance in (acpi.ROOT, interrupts.CONTROLLERS, processors.KNOWN, nodes.PROCESSORS):
            erase(instance)
        current_address_space().release(memory)


def firmware(feed: Feed) -> bytes:
    """Root pointer, directory and tables, one after the other; any number in them may be the input's."""
    is_wide = feed.number() & 1
    width = 8 if is_wide else 4
    tables = [table(feed) for _ in range(feed.below(MOST_TABLES + 1))]
    directory = ROOT_BYTES
    at = directory + acpi.HEADER + width * len(tables)
    addresses = []
    for one in tables:
        addresses.append(PLACE + at if feed.number() < 248 else feed.number(width))
        at += len(one)
    length = acpi.HEADER + width * len(tables) if feed.number() < 240 else feed.number(2)
    root = b"RSD PTR ".ljust(acpi.REVISION, b"\0") + bytes([2 * is_wide])
    root += struct.pack("<IIQ", 0 if is_wide else PLACE + directory, 0, PLACE + directory)
    header = (b"XSDT" if is_wide else b"RSDT") + struct.pack("<I", length)
    pointers = b"".join(address.to_bytes(width, "little") for address in addresses)
    return root.ljust(ROOT_BYTES, b"\0") + header.ljust(acpi.HEADER, b"\0") + pointers + b"".join(tables)


def table(feed: Feed) -> bytes:
    """A table with entries of the input's; how long it says that it is may be something else."""
    signature: bytes = feed.choose(SIGNATURES)
    body = b"".join(entry(feed, signature) for _ in range(feed.below(40)))
    if signature == b"SLIT":
        body = struct.pack("<Q", feed.number(feed.choose((1, 2, 8)))) + body
    size = ENTRIES[signature] + len(body)
    form = feed.number()
    length = size if form < 240 else feed.number(4) if form > 253 else feed.number(2) % LONGEST
    header = (signature + struct.pack("<I", length)).ljust(ENTRIES[signature], b"\0")
    return (header + body).ljust(LEAST_TABLE, b"\0")


def entry(feed: Feed, signature: bytes) -> bytes:
    """A processor, memory of a node, a row of distances, or anything."""
    form = feed.number()
    if form < 128 and signature == b"APIC":
        return struct.pack("<BBBBI", 0, 8, form, feed.number(), form & 1)
    if form < 160 and signature == b"APIC":
        return struct.pack("<BBHIII", 9, 16, 0, feed.number(2), form & 1, 0)
    if form >= 240 and signature == b"SRAT":
        return struct.pack("<BBHIIIII", 2, 24, 0, form & 15, feed.number(2), 1, 0, 0)
    if form < 64 and signature == b"SRAT":
        return struct.pack("<BBBBIBBBBI", 0, 16, feed.number(), form, 1, 0, 0, 0, 0, 0)
    if form < 160 and signature == b"SRAT":
        start, length = feed.number(2) << 20, feed.number(2) << 20
        return struct.pack("<BBIHQQIIQ", 1, 40, form & 15, 0, start, length, 0, 1, 0)
    return feed.take(form & 31)


def read() -> None:
    """As the kernel does at its start; it may stop at each part."""
    if not read_or_refuse(lambda: processors.find(NOTHING)):
        return
    identifiers = [int(identifier) for identifier in processors.KNOWN.identifiers]
    count = next((index for index in range(1, len(identifiers)) if identifiers[index] == 0), len(identifiers))
    assert count <= MAXIMUM_PROCESSORS
    assert identifiers[0] == OWN and OWN not in identifiers[1:], "the first processor is there twice"
    boot = boot_information((1 << 20, 64 << 20), (128 << 20, 1 << 30))
    if not read_or_refuse(lambda: nodes.find(boot, NOTHING)):
        return
    assert boot.last_node < MAXIMUM_NODES and boot.node_range_count <= MAXIMUM_NODE_RANGES
    assert all(node < MAXIMUM_NODES for node in nodes.PROCESSORS.nodes), "a processor of a node that there is not"
    allocator = frames.FrameAllocator()
    if read_or_refuse(lambda: take_over(boot, allocator)):
        check(allocator)


class Nothing:
    """Frames for page tables: what is mapped needs none here."""

    def allocate_zeroed(self) -> PhysAddr:
        """Never asked."""
        raise AssertionError("memory was asked for")

    def allocate_zeroed_block(self, order: U64) -> PhysAddr:
        """Never asked."""
        raise AssertionError("memory was asked for")


NOTHING = Nothing()
