"""The file service in a process of its own, asked through its contracts. Prints a line for each thing that held.

Its first life has files of its own bundle; the second those of the boot bundle, a clock, random bytes and kept memory.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial, layout
from cloudos.abi.bundle import EntryKind
from cloudos.abi.errors import BadArgument, Denied, NotFound
from cloudos.abi.objects import MEMORY_PAID, Rights
from cloudos.contracts.devices import Clock, Entropy
from cloudos.contracts.errors import (
    BadMessage,
    BadOperation,
    Busy,
    Exists,
    IsDirectory,
    NameTooLong,
    NoSpace,
    NotDirectory,
    NotEmpty,
    ReadOnly,
    ServiceGone,
)
from cloudos.contracts.files import APPEND, CREATE, DEVICE, DIRECTORY, READ, TRUNCATE, WRITE, Files
from cloudos.contracts.streams import END, START, Stream
from cloudos.lang import (
    I64,
    U8,
    U64,
    Array,
    Error,
    Ptr,
    Slice,
    UserPtr,
    VirtAddr,
    code_address,
    data,
    error_name,
    error_place,
    struct,
)
from cloudos.sdk import print, system, transport
from cloudos.sdk.bundle import bundle
from cloudos.sdk.memory import READ as READ_MEMORY
from cloudos.sdk.memory import Memory, unmap
from cloudos.sdk.processes import Child, populate
from cloudos.sdk.service import server
from cloudos.sdk.start_block import StartBlock, new_start_block
from cloudos.services.files import main as service

CLIENT = Rights.SEND | Rights.DERIVE | Rights.TRANSFER | Rights.GRANT | Rights.INSPECT
SERVER = CLIENT | Rights.RECEIVE
KEPT = Rights.READ | Rights.WRITE | Rights.MAP | Rights.INSPECT
IMAGE = Rights.READ | Rights.MAP | Rights.INSPECT
NOW = 1_700_000_000_000_000_000
MODE = 0o644


def run_service(argument: U64) -> None:
    """What the child runs: the service as init would start it."""
    try:
        bundle.attach(U64(layout.BUNDLE_START), U64(0))
        transport.attach()
        service.main()
    except Error:
        print(f"WRONG {error_name()}, raised at {error_place()}")


@struct
class Surroundings:
    """A clock that stands still and random bytes that are not."""

    def now(self) -> U64:
        """See `Clock`."""
        return U64(NOW)

    def fill(self, into: Slice[U8]) -> U64:
        """See `Entropy`."""
        into.fill(U8(0x5A))
        return into.length


SURROUNDINGS = Surroundings()
serve_surroundings = server((Clock, SURROUNDINGS), (Entropy, SURROUNDINGS), symbol="serve_surroundings")


def run_surroundings(endpoint: U64) -> None:
    """What another child runs."""
    try:
        transport.attach()
        serve_surroundings(endpoint)
    except Error:
        pass


def start_surroundings() -> U64:
    """A process with clock and random bytes; a handle to them."""
    endpoint = system.endpoint_create(U64(initial.QUOTA))
    child = Child()
    child.make(U64(initial.QUOTA))
    there = system.process_install(child.process, endpoint, U64(SERVER), U64(0))
    child.start(code_address(run_surroundings), there)
    return system.handle_derive(endpoint, U64(CLIENT), U64(1))


def give(child: Child, block: StartBlock, name: Slice[U8], handle: U64, rights: U64) -> None:
    """Let the child have a handle under a name."""
    block.add_handle(name, system.process_install(child.process, handle, rights, U64(0)))


def introduce(child: Child) -> None:
    """Give a child its own space where processes find it, behind handles that it does not use."""
    for _ in U64.range(6):
        system.process_install(child.process, child.process, U64(Rights.INSPECT), U64(0))
    space = system.process_space(child.process)
    there = system.process_install(child.process, space, U64(0), U64(0))
    system.handle_close(space)
    assert there == initial.SPACE


def start_service(endpoint: U64, state: U64, surroundings: U64) -> Child:
    """A process with the service, on the endpoint. Without surroundings it has its own files and no clock."""
    child = Child()
    child.make(U64(initial.QUOTA))
    introduce(child)
    block = new_start_block()
    block.add(EntryKind.ARGUMENT, data(b""), data(b"files"))
    block.add(EntryKind.ARGUMENT, data(b""), data(b"tmp=65536"))
    block.add(EntryKind.FILE, data(b"/etc/motd"), data(b"welcome\n"))
    block.add(EntryKind.FILE, data(b"/bin/tool"), data(b"\x7fELFxyz"))
    give(child, block, data(b"offer"), endpoint, U64(SERVER))
    give(child, block, data(b"state"), state, U64(KEPT))
    if surroundings != 0:
        give(child, block, data(b"clock"), surroundings, U64(0))
        give(child, block, data(b"entropy"), surroundings, U64(0))
        give(child, block, data(b"image"), U64(initial.BUNDLE), U64(IMAGE))
    content = block.encode()
    source = UserPtr.at(U8, content.content().pointer.address.value)
    start = U64(layout.BUNDLE_START)
    populate(child.process, start, source, content.length, content.length, U64(READ_MEMORY))
    child.start(code_address(run_service), U64(0))
    return child


def session(endpoint: U64, number: U64) -> Files:
    """A session of the service."""
    return Files(system.handle_derive(endpoint, U64(CLIENT), number))


def check(held: bool, what: str) -> None:
    """Say what held, or did not."""
    print(f"{'ok' if held else 'WRONG'} {what}")


def read_back(stream: Stream, expected: Slice[U8]) -> bool:
    """Whether a stream goes on with these bytes and then ends."""
    area = Array[U8, Literal[4032]]()
    count = stream.read(area.slice())
    return count == expected.length and area.slice()[0:count].equals(expected) and stream.read(area.slice()) == 0


def contents(files: Files) -> None:
    """Files are written, read, appended to, sought in, truncated."""
    stream = Stream(files.open(data(b"/notes"), U64(READ | WRITE | CREATE), U64(MODE)))
    check(stream.write(data(b"hello world")) == 11, "write")
    check(stream.seek(I64(-5), U64(END)) == 6 and read_back(stream, data(b"world")), "seek and read")
    added = Stream(files.open(data(b"/notes"), U64(WRITE | APPEND), U64(0)))
    added.write(data(b"!"))
    check(stream.status().length == 12, "append")
    stream.truncate(U64(5))
    stream.seek(I64(0), U64(START))
    check(read_back(stream, data(b"hello")), "truncate")
    files.remove(data(b"/notes"))
    check(stream.status().length == 5, "a removed file lives as long as its stream")
    stream.close()
    added.close()
    try:
        stream.close()
        check(False, "closed twice")
    except ServiceGone:
        check(True, "a closed stream is gone")


def directories(files: Files) -> None:
    """Directories are made, listed, renamed, removed."""
    area = Array[U8, Literal[256]]()
    count = files.list(data(b"/"), U64(0), area.slice())
    check(area.slice()[0:count].equals(data(b"etc\x00bin\x00dev\x00tmp\x00")), "list of mounts")
    files.make_directory(data(b"/a"), U64(0o755))
    files.make_directory(data(b"/a/b"), U64(0o755))
    files.rename(data(b"/a/b"), data(b"/a/../c"))
    check(files.status(data(b"//c/.")).kind == DIRECTORY, "rename")
    count = files.mounts(U64(0), area.slice())
    check(area.slice()[0 : 1 + 7].equals(data(b"memory /")) and count > 60, "mounts")


def expect(code: U64, wanted: U64, what: str) -> None:
    """Say whether the right error came."""
    check(code == wanted, what)


def removal(files: Files, path: Slice[U8]) -> U64:
    """Try to remove a directory; a number for what came of it."""
    try:
        files.remove_directory(path)
        return U64(0)
    except NotEmpty:
        return U64(1)
    except Busy:
        return U64(2)
    except ReadOnly:
        return U64(3)
    except BadArgument:
        return U64(4)
    except (NotFound, NotDirectory, NameTooLong, Denied, ServiceGone, BadMessage, BadOperation):
        return U64(5)


def opening(files: Files, path: Slice[U8], flags: U64) -> U64:
    """Try to open; a number for what came of it."""
    try:
        Stream(files.open(path, flags, U64(MODE))).close()
        return U64(0)
    except NotFound:
        return U64(1)
    except NoSpace:
        return U64(2)
    except ReadOnly:
        return U64(3)
    except BadArgument:
        return U64(4)
    except NameTooLong:
        return U64(5)
    except (IsDirectory, Exists, NotDirectory, Denied, ServiceGone, BadMessage, BadOperation):
        return U64(6)


def errors(files: Files) -> None:
    """What cannot be done is refused as the contract says."""
    files.make_directory(data(b"/a/x"), U64(0o755))
    expect(removal(files, data(b"/a")), U64(1), "not empty")
    expect(removal(files, data(b"/dev")), U64(2), "busy")
    expect(removal(files, data(b"/bin/tool")), U64(3), "read-only")
    expect(removal(files, data(b"/a/.")), U64(4), "dot")
    expect(opening(files, data(b"notes"), U64(READ)), U64(1), "relative path")
    expect(opening(files, data(b"/a\x00b"), U64(READ | WRITE | CREATE)), U64(1), "zero byte")
    expect(opening(files, data(b"/etc/motd"), U64(WRITE)), U64(3), "write to the image")
    expect(opening(files, data(b"/etc/motd"), U64(64)), U64(4), "bad flags")
    expect(opening(files, data(b""), U64(READ)), U64(1), "empty path")


def image_and_devices(files: Files) -> None:
    """Files of the image and device files."""
    area = Array[U8, Literal[16]]()
    check(read_back(Stream(files.open(data(b"/etc/motd"), U64(READ), U64(0))), data(b"welcome\n")), "image")
    check(files.status(data(b"/bin/tool")).mode == 0o555, "programs may be executed")
    area[3] = U8(9)
    zero = Stream(files.open(data(b"/dev/zero"), U64(READ), U64(0)))
    check(zero.read(area.slice()) == 16 and area[3] == 0, "zero")
    null = Stream(files.open(data(b"/dev/null"), U64(READ | WRITE | CREATE | TRUNCATE), U64(MODE)))
    check(null.write(data(b"abc")) == 3 and null.read(area.slice()) == 0, "null")
    check(files.status(data(b"/dev/null")).kind == DEVICE, "kind of a device")


def limits(files: Files) -> None:
    """A full file system refuses, and has room again when the file is gone."""
    block = Array[U8, Literal[4000]]()
    stream = Stream(files.open(data(b"/tmp/big"), U64(WRITE | CREATE), U64(MODE)))
    total = U64(0)
    full = False
    while not full and total < 100_000:
        try:
            total = total + stream.write(block.slice())
        except NoSpace:
            full = True
    limit, used = files.space(data(b"/tmp/big"))
    check(full and limit == 65536 and 50_000 < total < 65536 and used <= limit, "full")
    files.remove(data(b"/tmp/big"))
    stream.close()
    limit, used = files.space(data(b"/tmp"))
    check(used == 0, "room again")
    opened = U64(0)
    while opened < 100 and opening_kept(files):
        opened = opened + 1
    check(opened <= 64 and not opening_kept(files), "64 streams a session")


def opening_kept(files: Files) -> bool:
    """Open a file and leave it open; whether there was room."""
    try:
        files.open(data(b"/etc/motd"), U64(READ), U64(0))
        return True
    except NoSpace:
        return False


def sessions(endpoint: U64) -> None:
    """Sessions are apart from each other and are ended by who makes them."""
    minter, first, second = session(endpoint, U64(1)), session(endpoint, U64(9)), session(endpoint, U64(10))
    kept = Stream(first.open(data(b"/etc/motd"), U64(READ), U64(0)))
    other = Stream(second.open(data(b"/etc/motd"), U64(READ), U64(0)))
    shared = Stream(first.open(data(b"/etc/motd"), U64(READ), U64(0)))
    shared.share()
    try:
        second.end_session(U64(9))
        check(False, "anybody may end a session")
    except Denied:
        check(True, "only who makes sessions ends them")
    minter.end_session(U64(9))
    try:
        kept.status()
        check(False, "the stream is still there")
    except ServiceGone:
        check(True, "streams end with their session")
    check(other.status().length == 8 and shared.status().length == 8, "others stay")
    invented = Stream(system.handle_derive(endpoint, U64(CLIENT), U64(1 << 62)))
    try:
        invented.status()
        check(False, "a stream of nobody")
    except ServiceGone:
        check(True, "an unknown badge is gone")
    try:
        Files(other.handle).status(data(b"/"))
        check(False, "a stream is no session")
    except ServiceGone:
        check(True, "a stream is no session")


def restart(endpoint: U64, state: U64, child: Child) -> None:
    """After a crash sessions go on, and streams of the life before are gone."""
    files = session(endpoint, U64(20))
    old = Stream(files.open(data(b"/etc/motd"), U64(READ), U64(0)))
    first = life(state)
    system.process_kill(child.process)
    start_service(endpoint, state, start_surroundings())
    check(files.status(data(b"/etc/motd")).length == 8, "sessions survive a restart")
    check(life(state) == first + 1, "lives are counted")
    Stream(files.open(data(b"/etc/motd"), U64(READ), U64(0)))
    try:
        old.status()
        check(False, "a stream of another life")
    except ServiceGone:
        check(True, "streams do not survive it")


def life(state: U64) -> U64:
    """The number of the life in the memory that the service keeps."""
    address = Memory(state).map(U64(0), U64(4096), U64(READ_MEMORY))
    found = Ptr.at(U64, VirtAddr(address)).offset(1).value
    unmap(address, U64(4096))
    return found


def surrounded(files: Files) -> None:
    """The files of the boot bundle, the time of day, random bytes."""
    large = Stream(files.open(data(b"/share/large"), U64(READ), U64(0)))
    area = Array[U8, Literal[4032]]()
    total, right = U64(0), True
    count = large.read(area.slice())
    while count > 0:
        for i in U64.range(count):
            right = right and U64(area[i]) == (total + i) % 251
        total = total + count
        count = large.read(area.slice())
    check(right and total == 100_000, "a file of the boot bundle")
    random = Stream(files.open(data(b"/dev/random"), U64(READ), U64(0)))
    check(random.read(area.slice()[0:100]) == 100 and area[99] == 0x5A and area[100] != 0x5A, "random")
    files.make_directory(data(b"/new"), U64(0o700))
    check(NOW <= files.status(data(b"/new")).modified < NOW + 60_000_000_000, "time of day")


def main() -> None:
    endpoint = system.endpoint_create(U64(initial.QUOTA))
    state = system.memory_create(U64(initial.QUOTA), U64(4096), U64(MEMORY_PAID))
    child = start_service(endpoint, state, U64(0))
    transport.attach()
    files = session(endpoint, U64(7))
    contents(files)
    directories(files)
    errors(files)
    image_and_devices(files)
    limits(files)
    sessions(endpoint)
    restart(endpoint, state, child)
    surrounded(session(endpoint, U64(21)))
    print("end")
