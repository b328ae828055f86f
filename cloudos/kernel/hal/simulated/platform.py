"""What the machine's loader says: memory from 1 MB on, and the boot bundle at its end."""

from __future__ import annotations

from cloudos.abi import devices
from cloudos.kernel.hal.interface import RESOURCE_END, BootInformation, FrameSource, MemoryRange, NodeRange
from cloudos.kernel.hal.simulated import board
from cloudos.lang import U8, U64, PhysAddr, place

# What drivers cannot have: a line, eight ports and a page of addresses, as if the kernel used them.
KEPT_LINE = 4
KEPT_PORTS = 0x3F8
KEPT_PAGE = 0xFEC0_0000
PORTS = 1 << 16
# Among the numbers that no real processor has.
ELF_MACHINE = 0xC105

BOOT_INFORMATION = place(BootInformation())


def read(start_information: U64) -> BootInformation:
    """Memory and boot module. The start information has no address: the board itself knows."""
    machine = board.current()
    boot = BOOT_INFORMATION
    boot.ranges[0] = MemoryRange(U64(board.MEMORY_START), U64(machine.memory.size))
    boot.count = U64(1)
    start, length = machine.module
    boot.module = PhysAddr(start)
    boot.module_length = U64(length)
    # One page, which nobody may use, stands for the kernel.
    boot.reserved_count = U64(0)
    boot.reserve(U64(board.MEMORY_START), U64(board.MEMORY_START + board.KERNEL_IMAGE))
    boot.reserve(U64(start), U64(start + length))
    return boot


def find_nodes(frames: FrameSource) -> None:
    """Note which memory is near which processor."""
    machine = board.current()
    boot = BOOT_INFORMATION
    boot.last_node = U64(len(machine.nodes) - 1)
    boot.node_range_count = U64(len(machine.nodes))
    for node, (start, end) in enumerate(machine.nodes):
        boot.node_ranges[node] = NodeRange(U64(start), U64(end), U64(node))
        for other in range(len(machine.nodes)):
            boot.distances[node][other] = U8(10 + 10 * abs(node - other))


def is_kept(resource: U64, first: U64, end: U64) -> bool:
    """Whether [first, end) of a resource has a part that the kernel keeps, or that does not exist."""
    kept = {
        devices.PORTS: [(KEPT_PORTS, KEPT_PORTS + 8), (PORTS, RESOURCE_END)],
        devices.MEMORY: [(0, board.current().memory.size), (KEPT_PAGE, KEPT_PAGE + 4096)],
        devices.LINES: [(KEPT_LINE, KEPT_LINE + 1), (board.LINES, RESOURCE_END)],
    }
    return any(int(first) < high and low < int(end) for low, high in kept[int(resource)])
