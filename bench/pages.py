"""What memory costs, in instructions: page faults of each kind, mappings.

Run by `cloudos bench`. Prints one line per measure: its key and the average; docs/benchmarks.md says what each
contains.
"""

from __future__ import annotations

from bench.calls import measured
from bench.counter import cycles
from bench.microkernel import touch
from cloudos.abi import initial, tags
from cloudos.abi.layout import PAGE_SIZE
from cloudos.abi.objects import MEMORY_ON_DEMAND
from cloudos.lang import U64, code_address, place, struct
from cloudos.sdk import ipc, system
from cloudos.sdk.ipc import Message
from cloudos.sdk.memory import READ, WRITE, Memory, unmap
from cloudos.sdk.threads import start

FAULTS = 256
LENGTH = FAULTS * PAGE_SIZE
ROUNDS = 100
ACCESS = READ | WRITE


@struct
class Paging:
    """What the pager supplies from, and to."""

    endpoint: U64 = U64(0)
    target: Memory = Memory()
    source: Memory = Memory()


PAGING = place(Paging())


def touch_all(address: U64, length: U64) -> None:
    """Write to every page."""
    for offset in U64.range(0, length, PAGE_SIZE):
        touch(address + offset)


def faults(name: str, address: U64) -> None:
    """The time for each page that is touched."""
    begin = cycles()
    touch_all(address, U64(LENGTH))
    measured(name, begin, U64(FAULTS))


def new_memory() -> Memory:
    """An object whose pages come when they are touched. Raises what `memory_create` does."""
    memory = Memory()
    memory.create(U64(initial.QUOTA), U64(LENGTH), U64(MEMORY_ON_DEMAND))
    return memory


def shown(memory: Memory) -> U64:
    """The address at which all of an object is mapped. Raises what `space_map` does."""
    return memory.map(U64(0), U64(LENGTH), U64(ACCESS))


def resident_and_copied() -> None:
    """Pages that are there already, seen elsewhere; then those that are shared with a clone, written to."""
    memory = new_memory()
    first = shown(memory)
    touch_all(first, U64(LENGTH))
    faults("page_fault_shared", shown(memory))
    copy = Memory()
    copy.clone(memory, U64(initial.QUOTA))
    faults("page_fault_copy_on_write", first)


def supply(argument: U64) -> None:
    """A pager: the page from the same offset of the other object."""
    message = Message()
    ipc.receive(PAGING.endpoint, message)
    while True:
        offset = message.words[0]
        PAGING.target.supply(PAGING.source, offset, offset, U64(PAGE_SIZE))
        message.set(U64(tags.FAULT_RESUME), U64(0))
        ipc.reply_and_receive(PAGING.endpoint, message)


def paged() -> None:
    """Pages that a pager moves in from where they were written before."""
    PAGING.endpoint = system.endpoint_create(U64(initial.QUOTA))
    PAGING.source = new_memory()
    touch_all(shown(PAGING.source), U64(LENGTH))
    PAGING.target.create_paged(U64(initial.QUOTA), PAGING.endpoint, U64(LENGTH))
    start(code_address(supply), U64(0))
    system.thread_yield()
    faults("page_fault_pager", shown(PAGING.target))


def mappings(name: str, pages: U64, touching: bool) -> None:
    """Get memory of the process's own, write to each page or to none, give it back."""
    length = pages * PAGE_SIZE
    begin = U64(0)
    for index in U64.range(ROUNDS + 5):
        if index == 5:
            begin = cycles()
        address = system.memory_map(length)
        if touching:
            touch_all(address, length)
        system.memory_unmap(address, length)
    measured(name, begin, U64(ROUNDS))


def views(name: str, memory: Memory, length: U64) -> None:
    """Show an object whose pages are there, without a touch, and take the mapping away."""
    begin = U64(0)
    for index in U64.range(ROUNDS + 5):
        if index == 5:
            begin = cycles()
        unmap(memory.map(U64(0), length, U64(ACCESS)), length)
    measured(name, begin, U64(ROUNDS))


def main() -> None:
    resident_and_copied()
    paged()
    mappings("map_unmap_1_page", U64(1), False)
    mappings("map_unmap_512_pages", U64(512), False)
    mappings("map_touch_unmap_1_page", U64(1), True)
    mappings("map_touch_unmap_512_pages", U64(512), True)
    memory = new_memory()
    touch_all(shown(memory), U64(LENGTH))
    views("space_map_unmap_1_page", memory, U64(PAGE_SIZE))
    views("space_map_unmap_256_pages", memory, U64(LENGTH))
