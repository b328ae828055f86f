"""Uses a little of everything, round after round, while greedy/main.py takes all it can get.

An error in any round ends it, and the machine, with a status. Each round says how far it came with computing in one
period of the other's schedule. Some rounds after the other has begun to loop, it ends with status 0.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial
from cloudos.abi.errors import NotFound
from cloudos.contracts.files import CREATE, READ, WRITE, Files
from cloudos.contracts.logs import DEBUG, NOTICE, Log
from cloudos.contracts.streams import START, Stream
from cloudos.lang import I64, U8, U64, Array, data, place, struct, zeroed
from cloudos.sdk import Text, print, system, transport
from cloudos.sdk.component import held

PERIOD = 10_000_000  # nanoseconds
AFTER = 10  # rounds, when the other loops


@struct
class Room:
    """What is read."""

    bytes: Array[U8, Literal[1100]] = zeroed()
    position: U64 = U64(0)


ROOM = place(Room())


def use_memory_and_handles() -> None:
    """A little, and give it back."""
    address = system.memory_map(U64(65536))
    system.memory_unmap(address, U64(65536))
    system.handle_close(system.endpoint_create(U64(initial.QUOTA)))


def use_file(round: U64) -> None:
    """Write, read back, remove."""
    files = Files(held("files"))
    text = Text(f"round {round}")
    handle = files.open(data(b"/neighbour"), U64(READ | WRITE | CREATE), U64(0o644))
    stream = Stream(handle)
    assert stream.write(text.content) == text.length, "not all was written"
    stream.seek(I64(0), U64(START))
    count = stream.read(ROOM.bytes.slice())
    assert ROOM.bytes.slice()[0:count].equals(text.content), "other bytes than were written"
    stream.close()
    transport.close(handle)
    files.remove(data(b"/neighbour"))


def use_log(round: U64) -> None:
    """Write a record, and find it."""
    log = Log(held("log"))
    text = Text(f" neighbour round {round}")
    log.write(U64(NOTICE), text.content[11 : text.length])
    found = False
    while not found:
        count = log.read(ROOM.position, U64(DEBUG), ROOM.bytes.slice())
        assert count > 0, "a record is lost"
        line = Text.from_bytes(ROOM.bytes.slice()[0:count])
        ROOM.position = U64(line.split(" ")[0].to_integer()) + 1
        found = line.slice(line.length - min(line.length, text.length), line.length) == text


def compute() -> U64:
    """How far it comes in one period."""
    until = system.clock_read() + PERIOD
    count = U64(0)
    while system.clock_read() < until:
        count += 1
    return count


def other_loops() -> bool:
    """Whether the file is there that says so."""
    try:
        Files(held("files")).status(data(b"/looping"))
        return True
    except NotFound:
        return False


def main() -> U8:
    """Status 0 when all rounds went well."""
    round, left = U64(0), U64(AFTER)
    while left > 0:
        use_memory_and_handles()
        use_file(round)
        use_log(round)
        print(f"neighbour {compute()}")
        round += 1
        if other_loops():
            left -= 1
    return U8(0)
