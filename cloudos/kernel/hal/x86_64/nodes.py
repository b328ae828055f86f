"""Which memory and which processors are near each other: the ACPI tables "SRAT" and "SLIT".

Source: ACPI specification 6.4, sections 5.2.16 and 5.2.17. Nodes are proximity domains; those beyond the eighth count
as the first.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import OutOfMemory
from cloudos.kernel.hal.interface import MAXIMUM_NODE_RANGES, MAXIMUM_NODES, BootInformation, FrameSource, NodeRange
from cloudos.kernel.hal.x86_64 import acpi
from cloudos.lang import U8, U32, U64, Array, Ptr, VirtAddr, place, struct, zeroed

__all__ = ["OutOfMemory"]

AFFINITIES = 0x5441_5253  # "SRAT"
DISTANCES = 0x5449_4C53  # "SLIT"
AFFINITY_ENTRIES = 48
KIND_PROCESSOR = 0
KIND_MEMORY = 1
KIND_X2APIC = 2
ENABLED = 1
# Where the number of nodes stands, and the distances, a byte each, behind it.
MATRIX = 44
# No table with more fits into the memory that is looked at.
MOST_DISTANCES = 255
# Processors with identifiers from this on are not used.
MOST_IDENTIFIERS = 1024


@struct
class Processors:
    """The node of each processor, by the identifier of its local APIC."""

    nodes: Array[U8, Literal[1024]] = zeroed()


PROCESSORS = place(Processors())


def find(boot: BootInformation, frames: FrameSource) -> None:
    """Fill in what `boot` says of nodes. Raises OutOfMemory."""
    table = acpi.find(U32(AFFINITIES), frames)
    if table.value == 0:
        return
    at = table.offset(AFFINITY_ENTRIES)
    end = acpi.end_of(table)
    while at < end:
        head = acpi.number(at)
        if head & 0xFF == KIND_PROCESSOR and acpi.number(at.offset(4)) & ENABLED != 0:
            PROCESSORS.nodes[head >> 24] = U8.truncate(_node(boot, U64(head >> 16 & 0xFF)))
        elif head & 0xFF == KIND_MEMORY and acpi.number(at.offset(28)) & ENABLED != 0:
            _add_range(boot, at)
        elif head & 0xFF == KIND_X2APIC and acpi.number(at.offset(12)) & ENABLED != 0:
            identifier = acpi.number(at.offset(8))
            if identifier < MOST_IDENTIFIERS:
                PROCESSORS.nodes[identifier] = U8.truncate(_node(boot, U64(acpi.number(at.offset(4)))))
        at = at.offset(U64(max(head >> 8 & 0xFF, U32(1))))
    _find_distances(boot, acpi.find(U32(DISTANCES), frames))


def _node(boot: BootInformation, node: U64) -> U64:
    """A node of the machine, which there is from now on."""
    if node >= MAXIMUM_NODES:
        return U64(0)
    boot.last_node = max(boot.last_node, node)
    return node


def _add_range(boot: BootInformation, entry: VirtAddr) -> None:
    """Memory of a node: domain at 2, start at 8, length at 16."""
    start = acpi.long_number(entry.offset(8))
    node = _node(boot, U64(acpi.number(entry.offset(2))))
    if boot.node_range_count < MAXIMUM_NODE_RANGES:
        boot.node_ranges[boot.node_range_count] = NodeRange(start, start + acpi.long_number(entry.offset(16)), node)
        boot.node_range_count = boot.node_range_count + 1


def _find_distances(boot: BootInformation, table: VirtAddr) -> None:
    """The distances, as far as the table has them; others are 0. A node is nearest to itself."""
    if table.value == 0:
        return
    count = acpi.long_number(table.offset(acpi.HEADER))
    if count > MOST_DISTANCES:
        return
    for node in U64.range(min(count, boot.last_node + 1)):
        for other in U64.range(min(count, boot.last_node + 1)):
            boot.distances[node][other] = Ptr.at(U8, table.offset(MATRIX + node * count + other)).value
