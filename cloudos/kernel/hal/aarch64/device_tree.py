"""What the loader says about the machine: the device tree.

Source: Devicetree Specification 0.4, chapter 5 (the format); the bindings of "arm,pl011", "arm,gic-v3", "arm,gic-400",
"arm,psci" and "virtio,mmio" in Linux's Documentation/devicetree/bindings. The tree is the firmware's: what it says is
believed, but nothing outside of it is read. Addresses and lengths have two cells each, as on every machine of 64 bits
that a hypervisor describes.
"""

from __future__ import annotations

from typing import Literal

from cloudos.kernel.hal.interface import (
    MAXIMUM_NODE_RANGES,
    MAXIMUM_NODES,
    MAXIMUM_RANGES,
    BootInformation,
    MemoryRange,
    NodeRange,
)
from cloudos.kernel.hal.shared.direct import direct
from cloudos.kernel.hal.shared.registers import register as behind
from cloudos.lang import U8, U32, U64, Array, PhysAddr, Ptr, Slice, VirtAddr, data, never_inlined, place, struct, zeroed

MAGIC = 0xD00D_FEED
BEGIN_NODE, END_NODE, PROPERTY, NOTHING = 1, 2, 3, 4
# Words of the header.
TOTAL_SIZE, STRUCTURE, STRINGS, RESERVED = 1, 2, 3, 4
# Bytes of an address with its length.
PAIR = 16
MAXIMUM_SLOTS = 32
RESERVED_DEPTH = 3
LEFT_TO_DRIVER = 1


@struct
class Machine:
    """What was found. Addresses are physical, 0 where there is no such device; lines count the shared interrupts.

    `uart` is LEFT_TO_DRIVER, whatever there is, when the command line says that the log goes over the program channel.
    """

    uart: U64 = U64(0)
    uart_line: U64 = U64(0)
    # The interrupt controller: 2 or 3; the processor's interface of the one, the redistributors of the other.
    gic_version: U64 = U64(0)
    distributor: U64 = U64(0)
    second: U64 = U64(0)
    second_length: U64 = U64(0)
    # PSCI is called by SMC and not by HVC.
    asks_firmware: bool = False
    slot_count: U64 = U64(0)
    slots: Array[U64, Literal[32]] = zeroed()
    slot_lines: Array[U64, Literal[32]] = zeroed()


@struct
class Node:
    """The properties of the node at hand that matter; null addresses where it has none."""

    compatible: VirtAddr = zeroed()
    registers: VirtAddr = zeroed()
    length: U64 = U64(0)
    interrupts: VirtAddr = zeroed()
    is_memory: bool = False
    is_reserved: bool = False
    # The board or socket that it is part of, of which there may be several.
    numa: U64 = U64(0)

    def address(self, index: U64) -> U64:
        """The start of one of its register ranges; behind it, its length."""
        return _double(behind(self.registers, index * 8))

    def line(self) -> U64:
        """The number of its interrupt: cells are kind, number, flags."""
        return U64(_word(behind(self.interrupts, U64(4))))

    @never_inlined
    def is_like(self, name: Slice[U8]) -> bool:
        """Whether what it is compatible with, most exactly, begins so."""
        return self.compatible.value != 0 and _begins(self.compatible, name)


@struct
class Tree:
    """Where the tree lies."""

    start: U64 = U64(0)
    size: U64 = U64(0)


TREE = place(Tree())
MACHINE = place(Machine())
BOOT_INFORMATION = place(BootInformation())


@never_inlined
def _left(address: VirtAddr) -> U64:
    """Bytes of the tree from an address on; 0 outside of it."""
    return TREE.size.saturating_sub(address.value.wrapping_sub(TREE.start))


@never_inlined
def _word(address: VirtAddr) -> U32:
    """A word of the tree; panics where there is none."""
    assert address.value % 4 == 0 and _left(address) >= 4
    return Ptr.at(U32, address).value.swap_bytes()


@never_inlined
def _double(address: VirtAddr) -> U64:
    return U64(_word(address)) << 32 | U64(_word(behind(address, U64(4))))


@never_inlined
def _begins(address: VirtAddr, text: Slice[U8]) -> bool:
    return Slice.of(Ptr.at(U8, address), min(text.length, _left(address))).equals(text)


def read(tree: PhysAddr) -> None:
    """Fill MACHINE and BOOT_INFORMATION. Nothing is found where there is no device tree; panics when it is broken."""
    base = direct(tree)
    TREE.start = base.value
    TREE.size = U64(8)
    if _word(base) != MAGIC:
        return
    TREE.size = U64(_word(behind(base, U64(4 * TOTAL_SIZE))))
    boot = BOOT_INFORMATION
    entry = behind(base, U64(_word(behind(base, U64(4 * RESERVED)))))
    while _double(behind(entry, U64(8))) != 0:
        boot.reserve(_double(entry), _double(entry) + _double(behind(entry, U64(8))))
        entry = behind(entry, U64(PAIR))
    _walk(
        behind(base, U64(_word(behind(base, U64(4 * STRUCTURE))))),
        behind(base, U64(_word(behind(base, U64(4 * STRINGS))))),
    )


def _walk(at: VirtAddr, strings: VirtAddr) -> None:
    """Go through all nodes. Properties stand before the nodes below."""
    node = Node()
    depth = U64(0)
    in_reserved = False
    while True:
        token = _word(at)
        at = behind(at, U64(4))
        if token == PROPERTY:
            length = U64(_word(at))
            _take_property(node, behind(strings, U64(_word(behind(at, U64(4))))), behind(at, U64(8)), length)
            at = behind(at, 8 + (length + 3) // 4 * 4)
        elif token == END_NODE:
            _finish(node)
            node = Node()
            depth = depth - 1
        elif token == BEGIN_NODE:
            _finish(node)
            node = Node()
            depth = depth + 1
            in_reserved = (depth >= RESERVED_DEPTH and in_reserved) or _begins(at, data(b"reserved-memory"))
            node.is_reserved = in_reserved
            # Its name, with a zero byte behind it, fills up whole words.
            while _word(at) & 0xFF != 0:
                at = behind(at, U64(4))
            at = behind(at, U64(4))
        elif token != NOTHING:
            return


def _take_property(node: Node, name: VirtAddr, value: VirtAddr, length: U64) -> None:
    """Note a property that matters."""
    if _begins(name, data(b"reg\0")):
        node.registers = value
        node.length = length
    elif _begins(name, data(b"compatible\0")):
        node.compatible = value
    elif _begins(name, data(b"interrupts\0")):
        node.interrupts = value
    elif _begins(name, data(b"device_type\0")):
        node.is_memory = _begins(value, data(b"memory\0"))
    elif _begins(name, data(b"numa-node-id\0")):
        node.numa = _known(U64(_word(value)))
    elif _begins(name, data(b"distance-matrix\0")):
        _take_distances(value, length)
    elif _begins(name, data(b"method\0")):
        MACHINE.asks_firmware = _begins(value, data(b"smc\0"))
    elif _begins(name, data(b"bootargs\0")):
        if _begins(value, data(b"log=channel")):
            MACHINE.uart = U64(LEFT_TO_DRIVER)
    elif _begins(name, data(b"linux,initrd-")):
        address = _double(value) if length == 8 else U64(_word(value))
        if _begins(behind(name, U64(13)), data(b"start\0")):
            BOOT_INFORMATION.module = PhysAddr(address)
        else:
            BOOT_INFORMATION.module_length = address


def _finish(node: Node) -> None:
    """All properties of a node are known."""
    machine = MACHINE
    if node.registers.value == 0:
        return
    first = node.address(U64(0))
    if node.is_memory or node.is_reserved:
        for index in U64.range(node.length // PAIR):
            _add_memory(node, node.address(index * 2), node.address(index * 2 + 1))
    elif node.is_like(data(b"virtio,mmio\0")):
        if machine.slot_count < MAXIMUM_SLOTS:
            machine.slots[machine.slot_count] = first
            machine.slot_lines[machine.slot_count] = node.line()
            machine.slot_count = machine.slot_count + 1
    elif node.is_like(data(b"arm,pl011\0")):
        if machine.uart == 0:
            machine.uart = first
            machine.uart_line = node.line()
    elif node.is_like(data(b"arm,gic-v3\0")):
        _take_controller(node, U64(3))
    elif node.is_like(data(b"arm,cortex-a15-gic\0")) or node.is_like(data(b"arm,gic-400\0")):
        _take_controller(node, U64(2))


def _take_controller(node: Node, version: U64) -> None:
    MACHINE.gic_version = version
    MACHINE.distributor = node.address(U64(0))
    MACHINE.second = node.address(U64(2))
    MACHINE.second_length = node.address(U64(3))


def _known(node: U64) -> U64:
    """A node of the machine, which there is from now on; those beyond the eighth count as the first."""
    if node >= MAXIMUM_NODES:
        return U64(0)
    BOOT_INFORMATION.last_node = max(BOOT_INFORMATION.last_node, node)
    return node


def _take_distances(value: VirtAddr, length: U64) -> None:
    """Triples: from, to, distance (numa.txt among Linux's bindings)."""
    for index in U64.range(length // 12):
        entry = behind(value, index * 12)
        first = _known(U64(_word(entry)))
        second = _known(U64(_word(behind(entry, U64(4)))))
        distance = U8.truncate(_word(behind(entry, U64(8))))
        BOOT_INFORMATION.distances[first][second] = distance
        BOOT_INFORMATION.distances[second][first] = distance


def _add_memory(node: Node, start: U64, length: U64) -> None:
    """Add a range, in order of address."""
    boot = BOOT_INFORMATION
    if node.is_reserved:
        boot.reserve(start, start + length)
    elif boot.count < MAXIMUM_RANGES:
        index = boot.count
        while index > 0 and boot.ranges[index - 1].start > start:
            boot.ranges[index] = boot.ranges[index - 1]
            index = index - 1
        boot.ranges[index] = MemoryRange(start, start + length)
        boot.count = boot.count + 1
        if boot.node_range_count < MAXIMUM_NODE_RANGES:
            boot.node_ranges[boot.node_range_count] = NodeRange(start, start + length, node.numa)
            boot.node_range_count = boot.node_range_count + 1
