"""On a machine with several nodes: where the memory is that is asked for. One line for each node, until there is none.

With an argument: where memory is that is near each of two processors.

A line says where in physical memory 64 KB of the node are; then where memory is that nobody chose a node for; then how
much of 64 MB of the last node was had elsewhere, which no program sees, and everybody can have.
"""

from __future__ import annotations

from cloudos.abi import initial
from cloudos.abi.errors import BadArgument
from cloudos.abi.objects import MEMORY_CONTIGUOUS, MEMORY_NODE, MEMORY_ON_DEMAND
from cloudos.lang import U64, Atomic, Order, Ptr, VirtAddr, code_address, place, struct
from cloudos.sdk import List, Text, print
from cloudos.sdk.memory import READ, WRITE, Memory
from cloudos.sdk.threads import start

SIZE = 64 << 10


@struct
class Shared:
    """Between the threads."""

    found: Atomic[U64] = Atomic(U64(0))


SHARED = place(Shared())
MUCH = 64 << 20


def address_on(node: U64) -> U64:
    """The physical address of some memory. Raises BadArgument when there is no such node."""
    memory = Memory()
    memory.create(U64(initial.QUOTA), U64(SIZE), MEMORY_CONTIGUOUS + node * MEMORY_NODE)
    address = memory.inspect().physical
    memory.close()
    return address


def fill(node: U64) -> None:
    """Touch more memory than a node of 64 MB has."""
    memory = Memory()
    memory.create(U64(initial.QUOTA), U64(MUCH), MEMORY_ON_DEMAND + (node + 1) * MEMORY_NODE)
    at = memory.map(U64(0), U64(MUCH), U64(READ | WRITE))
    for offset in U64.range(0, MUCH, 4096):
        Ptr.at(U64, VirtAddr(at + offset)).value = offset
    for offset in U64.range(0, MUCH, 4096):
        assert Ptr.at(U64, VirtAddr(at + offset)).value == offset
    print(f"elsewhere {address_on(node + 1) >> 20}")


def other(argument: U64) -> None:
    """On another processor: where memory is that is near it."""
    SHARED.found.store(address_on(U64(0)), Order.RELEASE)


def both() -> None:
    """Where memory is that is near this processor, which stays busy, and near the one on which another thread runs."""
    start(code_address(other), U64(0))
    while SHARED.found.load(Order.ACQUIRE) == 0:
        pass
    print(f"here {address_on(U64(0)) >> 20} there {SHARED.found.load(Order.RELAXED) >> 20}")


def main(arguments: List[Text]) -> None:
    if arguments.length > 1:
        both()
        return
    node = U64(0)
    try:
        while True:
            print(f"node {node} {address_on(node + 1) >> 20}")
            node = node + 1
    except BadArgument:
        pass
    print(f"near {address_on(U64(0)) >> 20}")
    fill(node - 1)
