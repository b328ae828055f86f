"""Kills every service again and again while others use them.

    killer ROUNDS LIMIT NAME...

Each named component is killed ROUNDS times, one after the other, and then as many more in random order. After each
time the killer waits until the service answers again, and writes down how long that took: at most LIMIT milliseconds.
The memory that components and init hold at the end must be what they held after the first round, and the chain of the
audit must be sound.
"""

from __future__ import annotations

from typing import Literal

from cloudos.contracts.audits import Audit
from cloudos.contracts.supervisor import Supervisor
from cloudos.lang import U8, U64, Array, place, struct, zeroed
from cloudos.sdk import List, Text, print, system, transport
from cloudos.sdk.component import held, held_as


@struct
class Room:
    """What lists are read into."""

    bytes: Array[U8, Literal[4032]] = zeroed()


ROOM = place(Room())
LOOKS = 40  # at how much memory a component holds,
PAUSE = 300_000  # nanoseconds apart
MILLISECOND = 1_000_000


@struct
class Random:
    """xorshift64* (Marsaglia 2003; Vigna 2016)."""

    state: U64 = U64(0x9E37_79B9_7F4A_7C15)

    def below(self, limit: U64) -> U64:
        """A number from 0 up to, not including, `limit`."""
        x = self.state
        x = x ^ x >> 12
        x = x ^ x.wrapping_shl(U64(25))
        x = x ^ x >> 27
        self.state = x
        return x.wrapping_mul(U64(0x2545_F491_4F6C_DD1D)) % limit


RANDOM = place(Random())


def answers(handle: U64) -> None:
    """Ask a service for its version of a contract until it answers, with a number or with an error of its own."""
    while True:
        message = transport.REQUEST
        message.tag = U64(0)
        if transport.exchange(handle, message, U64(0)) != transport.GONE:
            return


def kill(name: Text) -> U64:
    """Kill a component and wait for its next life; how long that took, in nanoseconds."""
    begin = system.clock_read()
    Supervisor(held("init")).restart(name.content)
    handle = held_as(name.content)
    if handle != 0:
        # Who serves nobody has no handle to be asked through: then it is its start that counts.
        answers(handle)
    return system.clock_read() - begin


def line_of(name: Text) -> Text:
    """What the supervisor says of a component."""
    position = U64(0)
    while True:
        count = Supervisor(held("init")).list(position, ROOM.bytes.slice())
        if count == 0:
            return Text("")
        start = U64(0)
        for at in U64.range(count):
            if ROOM.bytes[at] == 0:
                found = Text.from_bytes(ROOM.bytes.slice()[start:at])
                if found.split(" ")[0] == name:
                    return found
                start = at + 1
                position += 1


def memory_of(name: Text) -> U64:
    """Bytes that a component holds: the least of several looks, for calls that are under way hold some as well."""
    least = U64(1) << 63
    for _ in U64.range(LOOKS):
        least = min(least, U64(line_of(name).split(" ")[3].to_integer()))
        system.thread_sleep(U64(PAUSE))
    return least


def machine_memory() -> U64:
    """Bytes that init holds for all: the least of several looks."""
    least = U64(1) << 63
    for _ in U64.range(LOOKS):
        _, used = Supervisor(held("init")).memory()
        least = min(least, used)
        system.thread_sleep(U64(PAUSE))
    return least


def starts_of(name: Text) -> U64:
    """How often a component was started."""
    return U64(line_of(name).split(" ")[2].to_integer())


def main(arguments: List[Text]) -> U8:
    """Status 0 when every restart was quick and nothing was lost."""
    rounds = U64(arguments[1].to_integer())
    limit = U64(arguments[2].to_integer()) * MILLISECOND
    names = arguments.slice(U64(3), arguments.length)
    longest, total = U64(0), U64(0)
    for name in names:
        kill(name)
    held_before = machine_memory()
    before = List[U64]()
    for name in names:
        before.append(memory_of(name))
    for name in names:
        slowest = U64(0)
        for _ in U64.range(rounds):
            slowest = max(slowest, kill(name))
        print(f"{name} {slowest}")
        longest = max(longest, slowest)
        total += rounds
    for _ in U64.range(rounds * names.length):
        longest = max(longest, kill(names[RANDOM.below(names.length)]))
        total += 1
    result = U8(0)
    for index in U64.range(names.length):
        name = names[index]
        print(f"{name} {before[index]} {memory_of(name)} {starts_of(name)}")
    held_after = machine_memory()
    print(f"machine {held_before} {held_after}")
    records, sound = Audit(held("audit")).verify()
    print(f"audit {records} sound {sound}")
    print(f"killed {total} longest {longest}")
    if longest > limit:
        result = U8(1)
    return result
