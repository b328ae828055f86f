"""Ends lives of a component that do not end by themselves, and looks whether anything else suffers.

    watchdog LIVES NAME LIMIT

A life of NAME that lasts for more than LIMIT milliseconds is ended. After LIVES starts of it every other component must
still be in its first life, and hold no more memory than after a tenth of them. What it found is printed, and is the
status.
"""

from __future__ import annotations

from typing import Literal

from cloudos.contracts.supervisor import Supervisor
from cloudos.lang import U8, U64, Array, place, struct, zeroed
from cloudos.sdk import List, Map, Text, print, system
from cloudos.sdk.component import held

LOOKS = 20  # at how much memory others hold
PERIOD = 1_000_000  # nanoseconds between two looks


@struct
class Room:
    """What lists are read into."""

    bytes: Array[U8, Literal[4032]] = zeroed()


ROOM = place(Room())


@struct
class Figures:
    """What is told at the end: the longest call of init, calls, and lives that were ended; and when one is, in
    nanoseconds."""

    limit: U64 = U64(0)
    longest: U64 = U64(0)
    looks: U64 = U64(0)
    ended: U64 = U64(0)


FIGURES = place(Figures())


def rows() -> List[Text]:
    """What init says of every component, the time it took being noted."""
    result = List[Text]()
    begin = system.clock_read()
    count = Supervisor(held("init")).list(U64(0), ROOM.bytes.slice())
    FIGURES.longest = max(FIGURES.longest, system.clock_read() - begin)
    FIGURES.looks += 1
    start = U64(0)
    for at in U64.range(count):
        if ROOM.bytes[at] == 0:
            result.append(Text.from_bytes(ROOM.bytes.slice()[start:at]))
            start = at + 1
    return result


def number(words: List[Text], index: U64) -> U64:
    """A number of a row."""
    return U64(words[index].to_integer())


def memory(name: Text) -> Map[Text, U64]:
    """Bytes that each component but one holds: the least of several looks, as calls under way hold some as well."""
    result = Map[Text, U64]()
    for _ in U64.range(LOOKS):
        look(name)
        for row in rows():
            words = row.split(" ")
            if words[0] != name:
                used = number(words, U64(3))
                result[words[0]] = min(used, result.get(words[0], used))
        system.thread_sleep(U64(PERIOD))
    return result


def look(name: Text) -> U64:
    """End the present life of a component when it has lasted; how often it was started."""
    for row in rows():
        words = row.split(" ")
        if words[0] == name:
            since = number(words, U64(5))
            if words[1].equals("running") and system.clock_read() - since > FIGURES.limit:
                Supervisor(held("init")).restart(name.content)
                FIGURES.ended += 1
            return number(words, U64(2))
    return U64(0)


def judge(name: Text, before: Map[Text, U64]) -> U8:
    """Whether all others are as they were: their lines, and the status."""
    result, after = U8(0), memory(name)
    # What the component wrote may have been no whole line.
    print("")
    for row in rows():
        words = row.split(" ")
        if words[0] == name:
            continue
        print(f"other {words[0]} {words[1]} {words[2]} {before[words[0]]} {after[words[0]]}")
        if not words[1].equals("running") or number(words, U64(2)) != 1:
            result = U8(1)
    print(f"looks {FIGURES.looks} longest {FIGURES.longest} ended {FIGURES.ended}")
    return result


def main(arguments: List[Text]) -> U8:
    """Status 0 when nothing else was taken down."""
    lives = U64(arguments[1].to_integer())
    name = arguments[2]
    FIGURES.limit = U64(arguments[3].to_integer()) * 1_000_000
    while look(name) < lives // 10:
        system.thread_sleep(U64(PERIOD))
    before = memory(name)
    starts = U64(0)
    while starts < lives:
        system.thread_sleep(U64(PERIOD))
        starts = look(name)
    result = judge(name, before)
    print(f"starts {starts} in {system.clock_read() // 1_000_000} ms")
    return result
