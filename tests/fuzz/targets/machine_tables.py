"""What a machine says of itself when it starts: the device tree of AArch64, the PVH start information of x86_64.

Both come from firmware, which the kernel trusts as far as it must: it may refuse to start, by a panic that says where.
But it reads nothing outside of the tables, ends, and what it takes for memory are whole pages in order, none twice.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from cloudos.kernel.hal.aarch64 import device_tree
from cloudos.kernel.hal.interface import BootInformation
from cloudos.kernel.hal.shared.direct import DIRECT_BASE
from cloudos.kernel.hal.shared.kept import KEPT
from cloudos.kernel.hal.x86_64 import mmu, platform
from cloudos.kernel.hal.x86_64.boot import KERNEL_BASE
from cloudos.kernel.memory import frames, ranges
from cloudos.lang import U64, Panic, PanicKind, PhysAddr, VirtAddr, current_address_space, panic_kind_of
from tests.fuzz.target import Feed
from tests.unit.kernel.simulated_machine import erase

PLACE = 0x4800_0000
PAGE = 4096
REFUSALS = (PanicKind.EXPLICIT, PanicKind.OVERFLOW, PanicKind.INDEX, PanicKind.ASSERTION)
TREE_MAGIC = b"\xd0\x0d\xfe\xed"
INFORMATION = struct.Struct("<IIIIQQQQII")
PVH_MAGIC = 0x336E_C578
MAP, ENTRY = 64, 24
LARGEST_TREE = 1 << 16
TEXT, END = KERNEL_BASE + (1 << 20), KERNEL_BASE + (2 << 20)


def fuzz(data: bytes) -> None:
    """Read one table."""
    feed = Feed(data)
    form = feed.number()
    for symbol, address in ((mmu.TEXT_START, TEXT), (mmu.KERNEL_END, END)):
        symbol.model = VirtAddr(address)
    try:
        boot = tree(feed, form) if form & 1 else start_information(feed)
        allocator = frames.FrameAllocator()
        if boot is not None and read_or_refuse(lambda: take_over(boot, allocator)):
            check(allocator)
    finally:
        for instance in (
            device_tree.MACHINE,
            device_tree.TREE,
            device_tree.BOOT_INFORMATION,
            platform.BOOT_INFORMATION,
            KEPT,
        ):
            erase(instance)


def read_or_refuse(function: Callable[[], Any]) -> bool:
    """Whether the kernel believes the table; False when it refuses to start."""
    try:
        function()
    except (Panic, AssertionError) as panic:
        if panic_kind_of(panic) not in REFUSALS:
            raise
        return False
    return True


def tree(feed: Feed, form: int) -> BootInformation | None:
    """A device tree of the input's bytes. Its header says how long it is: so much is memory, and no more."""
    content = feed.rest()
    if form & 2:
        content = TREE_MAGIC + struct.pack(">I", len(content) + 8) + content
    content = content.ljust(8, b"\0")
    size = max(int.from_bytes(content[4:8], "big"), 8)
    if size > LARGEST_TREE:
        return None
    content = content[:size].ljust(size, b"\0")
    region = current_address_space().allocate(size, 8, address=DIRECT_BASE + PLACE)
    region.data[:] = content
    region.mask = None
    try:
        believed = read_or_refuse(lambda: device_tree.read(PhysAddr(PLACE)))
        return device_tree.BOOT_INFORMATION if believed else None
    finally:
        current_address_space().release(region)


def start_information(feed: Feed) -> BootInformation | None:
    """A PVH start information whose parts lie in memory: what they say, and how many entries, is the input's."""
    version, modules, module_address, module_size = feed.number(), feed.number() & 1, feed.number(6), feed.number(4)
    entries = feed.rest()
    count = len(entries) // ENTRY
    module = MAP + count * ENTRY
    header = INFORMATION.pack(PVH_MAGIC, version, 0, modules, PLACE + module, 0, 0, PLACE + MAP, count, 0)
    content = (
        header.ljust(MAP, b"\0") + entries[: count * ENTRY] + struct.pack("<QQQQ", module_address, module_size, 0, 0)
    )
    region = current_address_space().allocate(len(content), 8, address=mmu.DIRECT_BASE + PLACE)
    region.data[:] = content
    region.mask = None
    try:
        return platform.BOOT_INFORMATION if read_or_refuse(lambda: platform.read(U64(PLACE))) else None
    finally:
        current_address_space().release(region)


def take_over(boot: BootInformation, allocator: frames.FrameAllocator) -> None:
    """As the kernel does at its start."""
    for index in U64.range(boot.reserved_count):
        ranges.reserve(boot, boot.reserved[index].start, boot.reserved[index].end)
    allocator.start(boot)


def check(allocator: frames.FrameAllocator) -> None:
    """Zones of memory are in order, and none overlap."""
    end = 0
    for index in range(int(allocator.zone_count)):
        zone = allocator.zones[index]
        assert end <= int(zone.first) < int(zone.end), "memory is there twice, or out of order"
        assert zone.first < zone.frontier <= zone.end
        end = int(zone.end)
