"""Takes all it can get of everything, one after the other: memory, handles, log space, pipes, file space, time.

Of each it says how much it got and which error ended that, keeps it for some time while neighbour/main.py works, gives
it back, and takes a little of it again. At last it creates a file that says so, and loops for ever.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial
from cloudos.abi.errors import OutOfMemory, QuotaExceeded
from cloudos.abi.objects import Rights
from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.contracts.errors import NoSpace
from cloudos.contracts.files import CREATE, WRITE, Files
from cloudos.contracts.logs import NOTICE, Log
from cloudos.contracts.pipes import Pipes
from cloudos.contracts.streams import Stream
from cloudos.lang import U8, U64, Array, Ptr, Slice, VirtAddr, data, place, struct, zeroed
from cloudos.sdk import print, system, transport
from cloudos.sdk.component import held
from cloudos.sdk.system import enter

KEPT = 100_000_000  # nanoseconds that it keeps what it took
LEAST_REFUSED = 200  # records, which takes longer where the host runs something else meanwhile
BLOCK = 4096
CREATE_ENDPOINT = next(call.number for call in SYSTEM_CALLS if call.name == "endpoint_create")
DERIVE = next(call.number for call in SYSTEM_CALLS if call.name == "handle_derive")


@struct
class Handles:
    """What was made."""

    made: Array[U64, Literal[16384]] = zeroed()


@struct
class Room:
    """What is written to files."""

    bytes: Array[U8, Literal[4000]] = zeroed()


HANDLES = place(Handles())
ROOM = place(Room())


def take_memory() -> U64:
    """All pages there are; each has the address of the one before. The address of the last."""
    last, count = U64(0), U64(0)
    try:
        while True:
            address = system.memory_map(U64(BLOCK))
            Ptr.at(U64, VirtAddr(address)).value = last
            last = address
            count += 1
    except OutOfMemory:
        print(f"holding memory {count * BLOCK}")
    return last


def exhaust_memory() -> None:
    """Lets errors out that should not be."""
    last = take_memory()
    system.thread_sleep(U64(KEPT))
    while last != 0:
        before = Ptr.at(U64, VirtAddr(last)).value
        system.memory_unmap(last, U64(BLOCK))
        last = before
    system.memory_unmap(system.memory_map(U64(BLOCK)), U64(BLOCK))
    print("released memory 0")


def make_handles(derived: bool) -> None:
    """Endpoints, or weaker handles to one, until there are no more."""
    first = system.endpoint_create(U64(initial.QUOTA))
    count, error = U64(0), U64(0)
    number = U64(DERIVE) if derived else U64(CREATE_ENDPOINT)
    argument = first if derived else U64(initial.QUOTA)
    while count < 16384:
        error, made = enter(number, argument, U64(Rights.SEND), U64(0), U64(0), U64(0), U64(0))
        if error != 0:
            break
        HANDLES.made[count] = made
        count += 1
    print(f"error {error}")
    print(f"holding handles {count}")
    system.thread_sleep(U64(KEPT))
    for index in U64.range(count):
        system.handle_close(HANDLES.made[index])
    system.handle_close(first)
    system.handle_close(system.endpoint_create(U64(initial.QUOTA)))
    print("released handles 0")


def exhaust_log() -> None:
    """Write until the log takes no more, and go on writing."""
    log = Log(held("log"))
    taken, refused = U64(0), U64(0)
    until = U64(0)
    while until == 0 or refused < LEAST_REFUSED or system.clock_read() < until:
        try:
            log.write(U64(NOTICE), data(b"a record of many"))
            taken += 1
        except NoSpace:
            refused += 1
            if until == 0:
                print(f"holding log {taken}")
                until = system.clock_read() + KEPT
    print(f"error {refused}")
    system.thread_sleep(U64(KEPT))
    log.write(U64(NOTICE), data(b"the last record"))
    print("released log 0")


def write_file(path: Slice[U8], limit: U64) -> U64:
    """Write to a new file until it has `limit` bytes or there is no more room; how many bytes it has."""
    handle = Files(held("files")).open(path, U64(WRITE | CREATE), U64(0o644))
    stream = Stream(handle)
    written = U64(0)
    try:
        while written < limit:
            written += stream.write(ROOM.bytes.slice()[0 : min(limit - written, U64(4000))])
    except NoSpace:
        pass
    stream.close()
    transport.close(handle)
    return written


def exhaust_pipes() -> None:
    """Make pipes until the service gives no more, and close them. Raises ServiceGone when that has come down."""
    count = U64(0)
    try:
        while count < 1000:
            reading, writing = Pipes(held("pipes")).make()
            HANDLES.made[count * 2] = reading
            HANDLES.made[count * 2 + 1] = writing
            count += 1
    except QuotaExceeded:
        print(f"holding pipes {count}")
    system.thread_sleep(U64(KEPT))
    for index in U64.range(count * 2):
        Stream(HANDLES.made[index]).close()
        transport.close(HANDLES.made[index])
    reading, writing = Pipes(held("pipes")).make()
    Stream(reading).close()
    Stream(writing).close()
    transport.close(reading)
    transport.close(writing)
    print("released pipes 0")


def exhaust_files() -> None:
    """Fill one volume; another takes files, and the first does when it has room again."""
    files = Files(held("files"))
    print(f"holding files {write_file(data(b'/tmp/full'), U64(1 << 30))}")
    assert write_file(data(b"/greedy"), U64(10000)) == 10000, "another volume is full as well"
    try:
        print(f"error {10 - write_file(data(b'/tmp/more'), U64(10))}")
    except NoSpace:
        print("error 10")
    system.thread_sleep(U64(KEPT))
    files.remove(data(b"/tmp/full"))
    assert write_file(data(b"/tmp/again"), U64(100_000)) == 100_000, "the room is not there again"
    files.remove(data(b"/tmp/again"))
    files.remove(data(b"/greedy"))
    print("released files 0")


def main() -> U8:
    """Never returns, unless something is wrong."""
    system.thread_sleep(U64(KEPT))
    exhaust_memory()
    exhaust_log()
    exhaust_pipes()
    exhaust_files()
    # A table of handles does not shrink, so less memory is left from here on.
    make_handles(False)
    make_handles(True)
    system.thread_sleep(U64(KEPT))
    write_file(data(b"/looping"), U64(1))
    print("holding time 0")
    while True:
        HANDLES.made[0] = HANDLES.made[0].wrapping_add(U64(1))
