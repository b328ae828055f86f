"""Waits at pipes whose other end only forgetful/main.py holds, which ends, and uses a pipe of its own after each.

    heir ROUNDS

Then it tells how often every component was started.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import NotFound
from cloudos.contracts.names import Names
from cloudos.contracts.pipes import Pipes
from cloudos.contracts.streams import Stream
from cloudos.contracts.supervisor import Supervisor
from cloudos.lang import U8, U64, Array, data, place, struct, zeroed
from cloudos.sdk import List, Text, print, system, transport
from cloudos.sdk.component import held

PAUSE = 10_000_000  # nanoseconds


@struct
class Room:
    """What is read."""

    bytes: Array[U8, Literal[4000]] = zeroed()


ROOM = place(Room())


def found(number: U64) -> U64:
    """What a life of the other has published, once it has."""
    name = Text(f"end{number}")
    while True:
        try:
            return Names(held("names")).look_up(name.content)
        except NotFound:
            system.thread_sleep(U64(PAUSE))


def use_pipe() -> None:
    """Bytes through a pipe."""
    reading, writing = Pipes(held("pipes")).make()
    Stream(writing).write(data(b"through"))
    count = Stream(reading).read(ROOM.bytes.slice())
    assert ROOM.bytes.slice()[0:count].equals(data(b"through")), "other bytes than were written"
    Stream(writing).close()
    Stream(reading).close()
    transport.close(reading)
    transport.close(writing)


def main(arguments: List[Text]) -> U8:
    """Status 0 when all rounds went well."""
    for number in U64.range(U64(arguments[1].to_integer())):
        handle = found(number)
        begin = system.clock_read()
        count = Stream(handle).read(ROOM.bytes.slice())
        print(f"inherited {count} after {(system.clock_read() - begin) // 1_000_000}")
        transport.close(handle)
        use_pipe()
    count = Supervisor(held("init")).list(U64(0), ROOM.bytes.slice())
    start = U64(0)
    for at in U64.range(count):
        if ROOM.bytes[at] == 0:
            words = Text.from_bytes(ROOM.bytes.slice()[start:at]).split(" ")
            print(f"lives {words[0]} {words[2]}")
            start = at + 1
    return U8(0)
