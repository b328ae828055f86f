"""Asks one service after the other for more than its quota can give, until it says no; then for a little.

Of each it tells how much it got. An error that is not the expected one ends it, and the machine, with status 1; so does
a service that came down, which fails with ServiceGone. At last it tells how often every component was started.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import NotFound, QuotaExceeded
from cloudos.contracts.audits import Audit
from cloudos.contracts.console import Console
from cloudos.contracts.errors import NoSpace
from cloudos.contracts.files import CREATE, READ, WRITE, Files
from cloudos.contracts.logs import DEBUG, NOTICE, Log
from cloudos.contracts.names import Names
from cloudos.contracts.policies import Policies
from cloudos.contracts.programs import Program, Programs
from cloudos.contracts.streams import Stream
from cloudos.contracts.supervisor import Supervisor
from cloudos.lang import U8, U64, Array, data, place, struct, zeroed
from cloudos.sdk import Text, print, transport
from cloudos.sdk.component import held

MOST = 2000
LINES = 300
WRITES = 8


@struct
class Room:
    """What is written or read, and handles that are kept."""

    bytes: Array[U8, Literal[4000]] = zeroed()
    handles: Array[U64, Literal[2000]] = zeroed()


ROOM = place(Room())


def ask_names() -> U64:
    """Publish until there is no more room; all are withdrawn."""
    names, count = Names(held("names")), U64(0)
    try:
        while count < MOST:
            name = Text(f"a-name-of-some-length-that-takes-room-{count}")
            names.publish(name.content, U64(5), held("console"))
            count += 1
    except NoSpace:
        pass
    for number in U64.range(count):
        name = Text(f"a-name-of-some-length-that-takes-room-{number}")
        names.withdraw(name.content)
    return count


def make_files(folder: str) -> U64:
    """Empty files until there is no more room; how many."""
    files, count = Files(held("files")), U64(0)
    try:
        while count < MOST:
            path = Text(f"{Text(folder)}/f{count}")
            handle = files.open(path.content, U64(WRITE | CREATE), U64(0o644))
            Stream(handle).close()
            transport.close(handle)
            count += 1
    except NoSpace:
        pass
    return count


def remove_files(folder: str) -> None:
    """Those of `make_files`."""
    files = Files(held("files"))
    for number in U64.range(MOST):
        path = Text(f"{Text(folder)}/f{number}")
        try:
            files.remove(path.content)
        except NotFound:
            return


def fill(folder: str) -> U64:
    """One file with all bytes that there is room for; how many."""
    path, count = Text(f"{Text(folder)}/full"), U64(0)
    handle = Files(held("files")).open(path.content, U64(WRITE | CREATE), U64(0o644))
    try:
        while True:
            count += Stream(handle).write(ROOM.bytes.slice())
    except NoSpace:
        pass
    Stream(handle).close()
    transport.close(handle)
    return count


def empty(folder: str) -> None:
    """The file of `fill` goes."""
    path = Text(f"{Text(folder)}/full")
    Files(held("files")).remove(path.content)


def ask_files() -> None:
    """Small files, a large one in their place, and small ones again: what is freed does not fit what comes."""
    for _ in U64.range(3):
        print(f"got files {make_files('/tmp') + make_files('')}")
        remove_files("/tmp")
        remove_files("")
        print(f"got bytes {fill('/tmp') + fill('')}")
        empty("/tmp")
        empty("")


def ask_streams() -> U64:
    """Open one file until there is no more room; all are closed."""
    count = U64(0)
    try:
        while count < MOST:
            ROOM.handles[count] = Files(held("files")).open(data(b"/bin/true"), U64(READ), U64(0))
            count += 1
    except NoSpace:
        pass
    for index in U64.range(count):
        Stream(ROOM.handles[index]).close()
        transport.close(ROOM.handles[index])
    return count


def ask_programs(closes: bool) -> U64:
    """Programs that do not start, with all arguments that they may have. `closes`: whether the loader is told of it."""
    programs, count = Programs(held("programs")), U64(0)
    try:
        while count < MOST:
            ROOM.handles[count] = programs.create(data(b"/bin/true"))
            count += 1
            add_arguments(Program(ROOM.handles[count - 1]))
    except QuotaExceeded:
        pass
    for index in U64.range(count):
        if closes:
            Program(ROOM.handles[index]).close()
        transport.close(ROOM.handles[index])
    return count


def add_arguments(program: Program) -> None:
    """As many as there is room for."""
    try:
        while True:
            program.add_argument(ROOM.bytes.slice()[0:3000])
    except NoSpace:
        pass


def run_program() -> None:
    """One that starts, and ends well."""
    handle = Programs(held("programs")).create(data(b"/bin/true"))
    program = Program(handle)
    program.add_argument(data(b"true"))
    program.start(U64(0))
    assert program.wait() == 0, "the program failed"
    program.close()
    transport.close(handle)


def ask_console() -> U64:
    """A long history, and much output; how many writes were taken."""
    console, count = Console(held("console")), U64(0)
    for number in U64.range(LINES):
        ROOM.bytes.slice().fill(U8(0x61))
        ROOM.bytes[0] = U8(0x61) + U8(number % 26)
        console.remember(ROOM.bytes.slice())
    for _ in U64.range(WRITES):
        try:
            Stream(held("console")).write(ROOM.bytes.slice())
            count += 1
        except NoSpace:
            pass
    console.window()
    return count


def ask_records() -> U64:
    """All records of the log and of the audit, and the policy, again and again; records until there may be no more."""
    count = U64(0)
    try:
        while count < MOST:
            Log(held("log")).write(U64(NOTICE), ROOM.bytes.slice())
            count += 1
    except NoSpace:
        pass
    for position in U64.range(200):
        Log(held("log")).read(position, U64(DEBUG), ROOM.bytes.slice())
        Audit(held("audit")).read(position, ROOM.bytes.slice())
        Policies(held("policy")).labels(position, ROOM.bytes.slice())
    Audit(held("audit")).verify()
    return count


def tell_lives() -> None:
    """How often every component was started."""
    count = Supervisor(held("init")).list(U64(0), ROOM.bytes.slice())
    start = U64(0)
    for at in U64.range(count):
        if ROOM.bytes[at] == 0:
            words = Text.from_bytes(ROOM.bytes.slice()[start:at]).split(" ")
            print(f"lives {words[0]} {words[2]}")
            start = at + 1


def main() -> U8:
    """Status 0 when every service said no and went on."""
    print(f"got names {ask_names()}")
    print(f"got names {ask_names()}")
    ask_files()
    print(f"got streams {ask_streams()}")
    print(f"got streams {ask_streams()}")
    for closes in U64.range(4):
        print(f"got programs {ask_programs(closes % 2 == 0)}")
        run_program()
    print(f"got output {ask_console()}")
    print(f"got records {ask_records()}")
    tell_lives()
    return U8(0)
