"""Uses services without pause, while they are killed: see killer/main.py.

`files`: write, read back, rename and remove a file. `pipes`: bytes through a pipe. `programs`: run a program. `log`:
write a record and find it, a hundred times a second, which is less than a component may. A call that fails fails with
ServiceGone; anything else ends this component with status 1, and so do wrong bytes.

All have the priority of programs: a load that is more urgent would leave those no time.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import NotFound, QuotaExceeded
from cloudos.contracts.errors import ServiceGone
from cloudos.contracts.files import CREATE, READ, WRITE, Files
from cloudos.contracts.logs import DEBUG, NOTICE, Log
from cloudos.contracts.pipes import Pipes
from cloudos.contracts.programs import Program, Programs
from cloudos.contracts.streams import START, Stream
from cloudos.lang import I64, U8, U64, Array, data, place, struct, zeroed
from cloudos.sdk import Text, print, system, transport
from cloudos.sdk.component import held


@struct
class Room:
    """What is written, and what is read back."""

    bytes: Array[U8, Literal[1100]] = zeroed()


@struct
class Latest:
    """The number of the record behind the one that was found last."""

    number: U64 = U64(0)


ROOM = place(Room())
LATEST = place(Latest())
PAUSE = 10_000_000  # nanoseconds
CONTENT = data(b"what was written is what is read")


def compare(count: U64) -> None:
    """Panics unless the content was read."""
    assert ROOM.bytes.slice()[0:count].equals(CONTENT), "other bytes than were written"


def use_files() -> None:
    """One round. Raises ServiceGone; every other error is a failure."""
    files = Files(held("files"))
    handle = files.open(data(b"/tmp/load"), U64(READ | WRITE | CREATE), U64(0o644))
    try:
        stream = Stream(handle)
        stream.write(CONTENT)
        stream.seek(I64(0), U64(START))
        compare(stream.read(ROOM.bytes.slice()))
        stream.close()
    finally:
        transport.close(handle)
    try:
        files.rename(data(b"/tmp/load"), data(b"/tmp/moved"))
        files.remove(data(b"/tmp/moved"))
    except NotFound:
        # The service was killed in between: files in memory end with it.
        pass


def use_pipes() -> None:
    """One round. Raises ServiceGone."""
    try:
        reading, writing = Pipes(held("pipes")).make()
    except QuotaExceeded:
        raise ServiceGone
    try:
        Stream(writing).write(CONTENT)
        compare(Stream(reading).read(ROOM.bytes.slice()))
        Stream(writing).close()
        Stream(reading).close()
    finally:
        transport.close(reading)
        transport.close(writing)


def use_programs() -> None:
    """One round. Raises ServiceGone."""
    handle = Programs(held("programs")).create(data(b"/bin/true"))
    try:
        program = Program(handle)
        program.add_argument(data(b"true"))
        program.start(U64(0))
        assert program.wait() == 0, "the program failed"
        program.close()
    finally:
        transport.close(handle)


def number_before_space(line: Text) -> U64:
    """The number that a line begins with."""
    space = line.find(" ")
    assert space is not None, "a record has a number"
    return U64(line.slice(U64(0), space).to_integer())


def use_log(round: U64) -> None:
    """One round, with a pause. Raises ServiceGone. Panics when the record is not to be found."""
    log = Log(held("log"))
    text = Text(f"load {round}")
    log.write(U64(NOTICE), text.content)
    position, found = LATEST.number, False
    while not found:
        count = log.read(position, U64(DEBUG), ROOM.bytes.slice())
        assert count > 0, "a record is lost"
        line = Text.from_bytes(ROOM.bytes.slice()[0:count])
        # Not split: of what others wrote there may be very many words, whose memory would count as this load's.
        position = number_before_space(line) + 1
        found = line.slice(line.length - min(line.length, text.length), line.length) == text
    LATEST.number = position
    system.thread_sleep(U64(PAUSE))


def use_for_ever(what: Text, told: U64) -> U8:
    """One round after the other; of every `told` rounds a line is printed."""
    rounds, failures = U64(0), U64(0)
    while True:
        try:
            if what.equals("files"):
                use_files()
            elif what.equals("pipes"):
                use_pipes()
            elif what.equals("log"):
                use_log(rounds)
            else:
                use_programs()
        except ServiceGone:
            failures += 1
        rounds += 1
        if rounds % told == 0:
            print(f"{what} {rounds} {failures}")
