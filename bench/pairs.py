"""What a message costs while as many pairs exchange messages as there are processors, each on one of its own.

Arguments: the number of pairs, and how many rounds each shall do at least. Prints a key and a number: instructions of
all processors, from the moment when all pairs are at it until the first has done its rounds, for each round of any.
"""

from __future__ import annotations

from typing import Literal

from bench.counter import cycles
from bench.microkernel import call_words, child_of, echo
from cloudos.abi import initial
from cloudos.lang import U64, Array, Atomic, code_address, place, struct, zeroed
from cloudos.sdk import List, Text, print, system
from cloudos.sdk.threads import start

MOST = 256
WARM_UP = 20


@struct
class Pair:
    """What one client does. Nobody else's stands in the same line of a cache."""

    endpoint: U64 = U64(0)
    rounds: U64 = U64(0)
    unused: Array[U64, Literal[6]] = zeroed()


@struct
class Shared:
    """Between the clients. `over`: the first one has done its rounds."""

    arrived: Atomic[U64] = Atomic(U64(0))
    over: Atomic[U64] = Atomic(U64(0))
    wanted: U64 = U64(0)
    least: U64 = U64(0)
    begin: U64 = U64(0)
    bell: U64 = U64(0)
    pairs: Array[Pair, Literal[256]] = zeroed()


SHARED = place(Shared())


def client(number: U64) -> None:
    """Call the server of this pair until the first pair is done."""
    pair = SHARED.pairs[number]
    for index in U64.range(WARM_UP):
        call_words(pair.endpoint, U64(1), index)
    if SHARED.arrived.fetch_add(U64(1)) + 1 == SHARED.wanted:
        SHARED.begin = cycles()
    while SHARED.arrived.load() < SHARED.wanted:
        # A moment's message keeps the pair where it is.
        call_words(pair.endpoint, U64(1), U64(0))
    while SHARED.over.load() == 0:
        error, word, _tag, _badge, _handle = call_words(pair.endpoint, U64(1), pair.rounds)
        assert error == 0 and word == pair.rounds + 1, "wrong reply"
        pair.rounds = pair.rounds + 1
        if pair.rounds == SHARED.least and SHARED.over.exchange(U64(1)) == 0:
            report(cycles() - SHARED.begin)
            system.notification_signal(SHARED.bell, U64(1))


def report(took: U64) -> None:
    """What all pairs have done so far."""
    total = U64(0)
    for number in U64.range(SHARED.wanted):
        total = total + SHARED.pairs[number].rounds
    print(f"round_trip_pairs {took // total}")


def main(arguments: List[Text]) -> None:
    SHARED.wanted = U64(arguments[1].to_integer())
    SHARED.least = U64(arguments[2].to_integer())
    assert SHARED.wanted <= MOST, "too many pairs"
    SHARED.bell = system.notification_create(U64(initial.QUOTA))
    for number in U64.range(SHARED.wanted):
        endpoint = system.endpoint_create(U64(initial.QUOTA))
        child_of(code_address(echo), endpoint)
        SHARED.pairs[number].endpoint = endpoint
    for number in U64.range(SHARED.wanted):
        start(code_address(client), number)
    system.notification_wait(SHARED.bell, U64((1 << 64) - 1))
