"""What a message costs while as many pairs exchange messages as there are processors, each on one of its own.

Arguments: the number of pairs, and how many batches of rounds each does at least, until all have done that many. Prints
a key and a number: instructions of a round, of the pair that needs most of them. A pair's number is that of its best
round, since others may run in the middle of one: the emulator lets a processor go on until it sleeps or a timer is due.
"""

from __future__ import annotations

from typing import Literal

from bench.calls import call_words, child_of
from bench.counter import cycles
from bench.microkernel import echo
from cloudos.abi import initial
from cloudos.abi.messages import NEVER
from cloudos.lang import U64, Array, Atomic, code_address, place, struct, zeroed
from cloudos.sdk import List, Text, print, system
from cloudos.sdk.threads import start

MOST = 256
ROUNDS = 50
PAUSE_NS = 1_000


@struct
class Pair:
    """What one client does. Nobody else's stands in the same line of a cache. `best`: of its rounds."""

    endpoint: U64 = U64(0)
    best: U64 = U64(0)
    unused: Array[U64, Literal[6]] = zeroed()


@struct
class Shared:
    """Between the clients. `done`: how many have done their batches; `left`: how many go on."""

    done: Atomic[U64] = Atomic(U64(0))
    left: Atomic[U64] = Atomic(U64(0))
    wanted: U64 = U64(0)
    least: U64 = U64(0)
    bell: U64 = U64(0)
    pairs: Array[Pair, Literal[256]] = zeroed()


SHARED = place(Shared())


def client(number: U64) -> None:
    """Call the server of this pair until all pairs are done."""
    pair = SHARED.pairs[number]
    count = U64(0)
    while SHARED.done.load() < SHARED.wanted:
        for index in U64.range(ROUNDS):
            begin = cycles()
            error, word, _tag, _badge, _handle = call_words(pair.endpoint, U64(1), index)
            took = cycles() - begin
            assert error == 0 and word == index + 1, "wrong reply"
            if took < pair.best:
                pair.best = took
        count = count + 1
        if count == SHARED.least:
            SHARED.done.fetch_add(U64(1))
        system.thread_sleep(U64(PAUSE_NS))
    if SHARED.left.fetch_sub(U64(1)) == 1:
        system.notification_signal(SHARED.bell, U64(1))


def main(arguments: List[Text]) -> None:
    SHARED.wanted = U64(arguments[1].to_integer())
    SHARED.least = U64(arguments[2].to_integer())
    SHARED.left.store(SHARED.wanted)
    SHARED.bell = system.notification_create(U64(initial.QUOTA))
    assert SHARED.wanted <= MOST, "too many pairs"
    for number in U64.range(SHARED.wanted):
        endpoint = system.endpoint_create(U64(initial.QUOTA))
        child_of(code_address(echo), endpoint)
        SHARED.pairs[number].endpoint = endpoint
        SHARED.pairs[number].best = U64(NEVER)
    for number in U64.range(SHARED.wanted):
        start(code_address(client), number)
    system.notification_wait(SHARED.bell, U64(NEVER))
    worst = U64(0)
    for number in U64.range(SHARED.wanted):
        worst = max(worst, SHARED.pairs[number].best)
    print(f"round_trip_pairs {worst}")
