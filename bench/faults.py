"""What a page fault costs while as many processes touch new memory as there are processors, each on one of its own.

Arguments: the number of processes, and how many pages each touches; with a third one, `clones`, each writes to a clone
that has so many pages, whose origin stays. Prints a key and a number: instructions of a page,
of the process that needs most of them. A process's number is that of the best GROUP pages that followed one another,
since others may run in the middle of them.
"""

from __future__ import annotations

from typing import Literal

from bench.calls import call_words
from bench.counter import cycles
from bench.pages import touch_all
from cloudos.abi import initial
from cloudos.abi.layout import PAGE_SIZE
from cloudos.abi.messages import NEVER
from cloudos.abi.objects import MEMORY_ON_DEMAND
from cloudos.lang import U64, Array, code_address
from cloudos.sdk import List, Text, ipc, print, system
from cloudos.sdk.ipc import Message
from cloudos.sdk.memory import READ, WRITE, Memory, unmap
from cloudos.sdk.processes import Child

MOST, GROUP = 256, 8
# Where a process has its clone, and what the first answer says beside the number of pages if it has one.
CLONE = 0x40_0000_0000
CLONED = 1 << 32
QUOTA = 2 << 20
TURN_NS = 1_000_000


def toucher(endpoint: U64) -> None:
    """Map as many pages as the first answer says, wait until all have done that, touch them, and tell the number."""
    best = U64(NEVER)
    error, pages, _tag, _badge, _handle = call_words(endpoint, U64(1), U64(0))
    assert error == 0, "no reply"
    address = U64(CLONE)
    if pages & CLONED != 0:
        pages = pages & ~U64(CLONED)
    else:
        address = system.memory_map(pages * PAGE_SIZE)
    error, _word, _tag, _badge, _handle = call_words(endpoint, U64(1), U64(0))
    assert error == 0, "no reply"
    for offset in U64.range(0, pages * PAGE_SIZE, GROUP * PAGE_SIZE):
        begin = cycles()
        touch_all(address + offset, U64(GROUP * PAGE_SIZE))
        best = min(best, (cycles() - begin) // GROUP)
    # Not answered: nobody ends while others are measured.
    call_words(endpoint, U64(1), best)


def give_clone(process: U64, own: U64, pages: U64) -> None:
    """Show a process a clone of memory that has been touched, and which nobody writes to any more."""
    origin = Memory()
    origin.create(own, pages * PAGE_SIZE, U64(MEMORY_ON_DEMAND))
    address = origin.map(U64(0), pages * PAGE_SIZE, U64(READ | WRITE))
    touch_all(address, pages * PAGE_SIZE)
    clone = Memory()
    clone.clone(origin, own)
    space = system.process_space(process)
    system.space_map(space, clone.handle, U64(CLONE), U64(0), pages * PAGE_SIZE, U64(READ | WRITE))
    unmap(address, pages * PAGE_SIZE)


def start(endpoint: U64, clone: U64) -> None:
    """Start a process that has memory, and time, of its own; `clone`: so many pages of it are a clone's."""
    quota = U64(initial.QUOTA)
    child = Child()
    own = system.quota_create(quota, U64(QUOTA))
    child.make(own)
    if clone != 0:
        give_clone(child.process, own, clone)
    schedule = system.schedule_create(quota, U64(initial.PRIORITY), U64(TURN_NS), U64(TURN_NS))
    child.start_on(code_address(toucher), system.process_install(child.process, endpoint, U64(0), U64(5)), schedule)


def answer(endpoint: U64, count: U64, word: U64) -> None:
    """Wait for a call of each process, and then answer them all."""
    message = Message()
    replies = Array[U64, Literal[256]]()
    for index in U64.range(count):
        ipc.receive(endpoint, message)
        replies[index] = message.reply
    for index in U64.range(count):
        message.set(U64(0), U64(1))
        message.words[0] = word
        message.reply = replies[index]
        ipc.reply(message)


def main(arguments: List[Text]) -> None:
    count = U64(arguments[1].to_integer())
    pages = U64(arguments[2].to_integer())
    clone = pages if arguments.length > 3 else U64(0)
    assert count <= MOST, "too many processes"
    endpoint = system.endpoint_create(U64(initial.QUOTA))
    for _ in U64.range(count):
        start(endpoint, clone)
    answer(endpoint, count, pages | CLONED if clone != 0 else pages)
    answer(endpoint, count, pages)
    message = Message()
    worst = U64(0)
    for _ in U64.range(count):
        ipc.receive(endpoint, message)
        worst = max(worst, message.words[0])
    print(f"page_fault_apart {worst}")
