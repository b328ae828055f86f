"""What a page fault costs while as many processes touch new memory as there are processors, each on one of its own.

Arguments: the number of processes, and how many rounds each does at least, until all have done that many. A round maps
PAGES pages, touches each of them, and gives them back. Prints a key and a number: instructions of a page, of the process
that needs most of them. A process's number is that of the best GROUP pages that followed one another, since others may
run in the middle of them.
"""

from __future__ import annotations

from bench.calls import call_words, reply_receive_words
from bench.counter import cycles
from bench.pages import touch_all
from cloudos.abi import initial
from cloudos.abi.layout import PAGE_SIZE
from cloudos.abi.messages import NEVER
from cloudos.lang import U64, code_address
from cloudos.sdk import List, Text, print, system
from cloudos.sdk.processes import Child

PAGES, GROUP = 64, 2
LENGTH = PAGES * PAGE_SIZE
QUOTA = 1 << 20
# What a process says with a round.
GO_ON = 1


def toucher(endpoint: U64) -> None:
    """Tell the best round so far, until the answer is that nobody waits for more."""
    best = U64(NEVER)
    go_on = U64(GO_ON)
    while go_on == GO_ON:
        address = system.memory_map(U64(LENGTH))
        for offset in U64.range(0, LENGTH, GROUP * PAGE_SIZE):
            begin = cycles()
            touch_all(address + offset, U64(GROUP * PAGE_SIZE))
            best = min(best, (cycles() - begin) // GROUP)
        system.memory_unmap(address, U64(LENGTH))
        error, go_on, _tag, _badge, _handle = call_words(endpoint, U64(1), best)
        assert error == 0, "no reply"


def collect(endpoint: U64, count: U64, rounds: U64) -> U64:
    """The largest of the best rounds, when each of `count` processes has done its rounds."""
    worst = U64(0)
    wanted = count * rounds
    left = count
    reply = U64(0)
    answer = U64(GO_ON)
    while left > 0:
        error, best, _tag, _badge, reply = reply_receive_words(endpoint, U64(1), answer, reply)
        assert error == 0
        if wanted > 0:
            wanted = wanted - 1
        answer = U64(GO_ON) if wanted > 0 else U64(0)
        if answer == 0:
            print(f"{best}")
            worst = max(worst, best)
            left = left - 1
    return worst


def main(arguments: List[Text]) -> None:
    count = U64(arguments[1].to_integer())
    rounds = U64(arguments[2].to_integer())
    endpoint = system.endpoint_create(U64(initial.QUOTA))
    for _ in U64.range(count):
        child = Child()
        child.make(system.quota_create(U64(initial.QUOTA), U64(QUOTA)))
        child.start(code_address(toucher), system.process_install(child.process, endpoint, U64(0), U64(5)))
    print(f"page_fault_apart {collect(endpoint, count, rounds)}")
