"""The device tree of AArch64 machines: what matters is found, whatever else the tree says."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import pytest

from cloudos.kernel.hal.aarch64 import device_tree
from cloudos.kernel.hal.aarch64.device_tree import BOOT_INFORMATION, MACHINE
from cloudos.kernel.hal.shared.direct import DIRECT_BASE
from cloudos.lang import PhysAddr, current_address_space
from tests.unit.kernel.simulated_machine import erase

PLACE = 0x4800_0000


@dataclass
class Node:
    """A node with its properties as bytes."""

    name: str
    properties: dict[str, bytes] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)


def cells(*values: int) -> bytes:
    return b"".join(struct.pack(">I", value) for value in values)


def pairs(*values: int) -> bytes:
    """Addresses and lengths of two cells each."""
    return b"".join(struct.pack(">Q", value) for value in values)


def texts(*values: str) -> bytes:
    return b"".join(value.encode() + b"\0" for value in values)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 4)


def encode(root: Node, reserved: list[tuple[int, int]]) -> bytes:
    """The tree as Devicetree Specification 0.4, chapter 5, writes it."""
    strings = bytearray()

    def tokens(node: Node) -> bytes:
        parts = cells(1) + padded(texts(node.name))
        for name, value in node.properties.items():
            parts += cells(3, len(value), len(strings)) + padded(value)
            strings.extend(texts(name))
        return parts + cells(4) + b"".join(map(tokens, node.children)) + cells(2)

    structure = tokens(root) + cells(9)
    kept = b"".join(pairs(*one) for one in [*reserved, (0, 0)])
    start = 40 + len(kept)
    total = start + len(structure) + len(strings)
    header = cells(0xD00D_FEED, total, start, start + len(structure), 40, 17, 16, 0, len(strings), len(structure))
    return header + kept + structure + bytes(strings)


def device(name: str, kind: str, *registers: int, line: int | None = None) -> Node:
    made = {"reg": pairs(*registers), "compatible": texts(kind, "arm,primecell")}
    if line is not None:
        made["interrupts"] = cells(0, line, 4)
    return Node(name, made)


INITRD = (cells(0x4400_0000), cells(0x4400_1234))


def machine(*more: Node, method: str = "hvc", initrd: tuple[bytes, bytes] = INITRD) -> Node:
    """Much as QEMU describes `virt`."""
    chosen = {"linux,initrd-end": initrd[1], "linux,initrd-start": initrd[0], "stdout-path": texts("/pl011@9000000")}
    memory = {"reg": pairs(0x4000_0000, 0x1000_0000), "device_type": texts("memory")}
    cpu = Node("cpu@0", {"reg": cells(0), "device_type": texts("cpu"), "compatible": texts("arm,cortex-a72")})
    return Node(
        "",
        {"#address-cells": cells(2), "#size-cells": cells(2), "compatible": texts("linux,dummy-virt")},
        [
            Node("psci", {"compatible": texts("arm,psci-1.0"), "method": texts(method)}),
            Node("memory@40000000", memory),
            Node("cpus", {"#address-cells": cells(1)}, [cpu]),
            device("pl011@9000000", "arm,pl011", 0x900_0000, 0x1000, line=1),
            device("pl011@9040000", "arm,pl011", 0x904_0000, 0x1000, line=8),
            *more,
            Node("chosen", chosen),
        ],
    )


@contextmanager
def loaded(content: bytes) -> Iterator[None]:
    """Read what lies where the loader says the tree is."""
    size = -(-len(content) // 4096) * 4096
    region = current_address_space().allocate(size, 4096, address=DIRECT_BASE + PLACE)
    for offset in range(0, size, 8):
        region.write(offset, 8, int.from_bytes(content[offset : offset + 8].ljust(8, b"\0"), "little"))
    erase(MACHINE)
    erase(BOOT_INFORMATION)
    try:
        device_tree.read(PhysAddr(PLACE))
        yield
    finally:
        current_address_space().release(region)


def read(root: Node, *reserved: tuple[int, int]) -> AbstractContextManager[None]:
    """Read the tree of a machine."""
    return loaded(encode(root, list(reserved)))


def ranges() -> list[tuple[int, int]]:
    return [
        (int(BOOT_INFORMATION.ranges[index].start), int(BOOT_INFORMATION.ranges[index].end))
        for index in range(int(BOOT_INFORMATION.count))
    ]


def reserved() -> list[tuple[int, int]]:
    return [
        (int(BOOT_INFORMATION.reserved[index].start), int(BOOT_INFORMATION.reserved[index].end))
        for index in range(int(BOOT_INFORMATION.reserved_count))
    ]


def test_memory_devices_and_the_bundle_are_found() -> None:
    places = (0xA00_0000, 0xA00_0200)
    slots = [device(f"virtio_mmio@{at:x}", "virtio,mmio", at, 0x200, line=16 + at % 8) for at in places]
    with read(machine(*slots)):
        assert ranges() == [(0x4000_0000, 0x5000_0000)] and reserved() == []
        assert (int(MACHINE.uart), int(MACHINE.uart_line)) == (0x900_0000, 1)
        assert [int(MACHINE.slots[index]) for index in range(int(MACHINE.slot_count))] == [0xA00_0000, 0xA00_0200]
        # The tree has the end where the kernel will want the length.
        assert int(BOOT_INFORMATION.module.value) == 0x4400_0000
        assert int(BOOT_INFORMATION.module_length) == 0x4400_1234
        assert not MACHINE.asks_firmware


@pytest.mark.parametrize(("kind", "version"), [("arm,gic-v3", 3), ("arm,cortex-a15-gic", 2), ("arm,gic-400", 2)])
def test_both_versions_of_the_interrupt_controller_are_known(kind: str, version: int) -> None:
    registers = (0x800_0000, 0x1_0000, 0x80A_0000, 0xF6_0000, 1 << 40, 1 << 20, 5, 5)
    for count in (4, 6, 8):
        with read(machine(device("intc@8000000", kind, *registers[:count]))):
            assert int(MACHINE.gic_version) == version
            known = registers[: min(count, 6)]
            assert [int(number) for number in MACHINE.ranges] == [*known, *[0] * (6 - len(known))]


def test_other_processors_are_found_in_order_by_their_affinity() -> None:
    cells_of = (cells(0x1), cells(0x100), pairs(1 << 32 | 7))
    more = [
        Node(f"cpu@{index}", {"device_type": texts("cpu"), "reg": reg, "numa-node-id": cells(index)})
        for index, reg in enumerate(cells_of, 1)
    ]
    with read(machine(Node("more", {}, more))):
        found = [int(MACHINE.processors[index]) for index in range(int(MACHINE.processor_count))]
        # Not the one that reads this, 0.
        assert found == [0x1, 0x100, 1 << 32 | 7]
        assert [int(node) for node in MACHINE.nodes][:5] == [0, 1, 2, 3, 0]
    with read(machine(Node("more", {}, [Node("cpu@1", {"device_type": texts("cpu"), "reg": cells(1)})] * 300))):
        assert int(MACHINE.processor_count) == 255


def test_ranges_of_memory_come_in_order_and_what_is_reserved_is_noted() -> None:
    more = [
        Node("memory@8000000000", {"device_type": texts("memory"), "reg": pairs(1 << 39, 1 << 30, 1 << 38, 1 << 30)}),
        Node("memory@0", {"device_type": texts("memory"), "reg": pairs(0, 1 << 20)}),
        Node("reserved-memory", {"#size-cells": cells(2)}, [Node("secure@1", {"reg": pairs(0x4100_0000, 0x2_0000)})]),
        Node("other@41000000", {"reg": pairs(0x4200_0000, 0x1000)}),
    ]
    with read(machine(*more), (0x4040_0000, 0x3000)):
        first = [(0, 1 << 20), (0x4000_0000, 0x5000_0000)]
        assert ranges() == [*first, (1 << 38, (1 << 38) + (1 << 30)), (1 << 39, (1 << 39) + (1 << 30))]
        assert reserved() == [(0x4040_0000, 0x4040_3000), (0x4100_0000, 0x4102_0000)]


def test_wide_addresses_of_the_bundle_and_calls_to_the_firmware() -> None:
    with read(machine(method="smc", initrd=(pairs(1 << 40), pairs((1 << 40) + 5)))):
        assert int(BOOT_INFORMATION.module.value) == 1 << 40
        assert int(BOOT_INFORMATION.module_length) == (1 << 40) + 5
        assert MACHINE.asks_firmware


def test_where_there_is_no_tree_nothing_is_found() -> None:
    with loaded(bytes(4096)):
        assert BOOT_INFORMATION.count == 0


@pytest.mark.parametrize("first", (True, False), ids=("before", "behind"))
@pytest.mark.parametrize("line", ("log=channel", "log=channel quiet", "quiet log=channel", "log", ""))
def test_the_command_line_may_leave_the_serial_port_to_a_driver(line: str, first: bool) -> None:
    tree = machine()
    chosen = tree.children.pop()
    chosen.properties["bootargs"] = texts(line)
    tree.children.insert(0 if first else len(tree.children), chosen)
    with read(tree):
        left = line.startswith("log=channel")
        assert int(MACHINE.uart) == (device_tree.LEFT_TO_DRIVER if left else 0x900_0000)
