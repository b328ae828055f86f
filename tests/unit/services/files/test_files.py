"""Limits, hostile input, the image, devices, mounts, sessions."""

from __future__ import annotations

import gc
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudos.abi.errors import BadArgument, Denied, NotFound
from cloudos.contracts import files as constants
from cloudos.contracts.errors import (
    Busy,
    IsDirectory,
    NameTooLong,
    NoSpace,
    NotSeekable,
    ReadOnly,
    ServiceGone,
)
from cloudos.contracts.files import APPEND, CREATE, READ, WRITE
from cloudos.contracts.streams import CURRENT, END, START
from cloudos.lang import U64, data
from cloudos.services.files import setup, streams
from cloudos.services.files.life import MAGIC, Kept, count_life
from cloudos.services.files.memory_files import CHUNK, CHUNK_COST, LONGEST_FILE, NODE_COST
from cloudos.services.files.paths import parse_path
from cloudos.services.files.streams import MAXIMUM_OF_SESSION
from tests.unit.services.files.service import MINTER, Service, outcome

RW = READ | WRITE
IMAGE = {
    "/bin/tool": b"\x7fELF and more",
    "/bin/script": b"#!/bin/sh\n",
    "/etc/conf.d/net": b"address",
    "readme": b"hello",
    "/etc/conf.d": b"in the way of a directory",
    "/bin/tool/below": b"below a file",
    "/": b"no name",
    "/etc/": b"a directory has no content",
    "/etc/empty/": b"",
    "/home/": b"",
    "/var/log/": b"",
    "/bin/tool/": b"",
}


@pytest.fixture
def service() -> Service:
    return Service("root=1000000", "tmp=20000", image=IMAGE)


def filled(service: Service, path: bytes) -> int:
    """Write to a new file until there is no room; how many bytes."""
    stream, total = service.open(path, WRITE | CREATE), 0
    with pytest.raises(NoSpace):
        while True:
            total += service.write(stream, bytes(3000))
    service.close(stream)
    return total


# Paths.


@given(st.binary(max_size=40).map(lambda drawn: drawn.replace(b"\0", b"/")))
def test_paths_are_normalised(tail: bytes) -> None:
    expected: list[bytes] = []
    for name in tail.split(b"/"):
        if name == b"..":
            expected = expected[:-1]
        elif name not in (b"", b"."):
            expected.append(name)
    path = parse_path(data(b"/" + tail))
    assert [bytes(int(byte) for byte in name.content) for name in path.names] == expected
    assert path.directory == (tail.split(b"/")[-1] in (b"", b".", b".."))


@pytest.mark.parametrize("path", [b"", b"a", b"./a", b"../a", b"/a\0", b"\0", b"a/b"])
def test_what_is_no_path_is_not_found(service: Service, path: bytes) -> None:
    for operation, more in (("open", (RW | CREATE, 0o600)), ("status", ()), ("make_directory", (0o700,))):
        with pytest.raises(NotFound):
            service.ask(operation, path, *more)
    for pair in ((path, b"/b"), (b"/readme", path)):
        with pytest.raises(NotFound):
            service.ask("rename", *pair)


def test_long_names_and_paths(service: Service) -> None:
    service.close(service.open(b"/" + b"n" * 255, RW | CREATE))
    assert b"n" * 255 in service.list_all(b"/")
    for path in (b"/" + b"n" * 256, b"/ab" * 342, b"/" + b"n" * 256 + b"/x"):
        with pytest.raises(NameTooLong):
            service.open(path, RW | CREATE)
    with pytest.raises(NotFound):
        service.status((b"/ab" * 342)[:1024])


@given(st.binary(max_size=60), st.binary(max_size=60), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_any_input_gives_an_answer_or_an_error(first: bytes, second: bytes, number: int, more: int) -> None:
    service = Service(image=IMAGE)
    for path in (first, b"/" + first, b"/bin/" + first):
        calls: list[tuple[Any, ...]] = [
            ("open", path, number, more),
            ("open", path, number % 64, more),
            ("status", path),
        ]
        calls += [("status", path), ("make_directory", path, number), ("remove", path), ("remove_directory", path)]
        calls += [("rename", path, b"/" + second), ("change_mode", path, number), ("set_modified", path, more)]
        for name, *arguments in calls:
            outcome(partial(service.ask, name, *arguments))
    outcome(partial(service.names_from, b"/", number))
    service.end(number)


# Streams.


@pytest.mark.parametrize("offset", [-(2**63), 2**63 - 1, -1, 0, 1, 2**62, -(2**62)])
@pytest.mark.parametrize("origin", [START, CURRENT, END, 3, 2**64 - 1])
@pytest.mark.parametrize("before", [0, 5, 2**63 - 1])
def test_extremes_of_seek(service: Service, offset: int, origin: int, before: int) -> None:
    stream = service.open(b"/f", RW | CREATE)
    service.write(stream, bytes(10))
    service.seek(stream, before, START)
    base = {START: 0, CURRENT: before, END: 10}.get(origin)
    if base is None or not 0 <= base + offset < 2**63:
        with pytest.raises(BadArgument):
            service.seek(stream, offset, origin)
        assert service.seek(stream, 0, CURRENT) == before
    else:
        assert service.seek(stream, offset, origin) == base + offset
        assert service.read(stream, 3) == bytes(3)[: max(0, 10 - base - offset)]


def test_files_end_somewhere(service: Service) -> None:
    stream = service.open(b"/f", RW | CREATE)
    for length in (LONGEST_FILE + 1, 2**63, 2**64 - 1):
        with pytest.raises(NoSpace):
            service.truncate(stream, length)
    for position in (LONGEST_FILE, 2**63 - 1):
        service.seek(stream, position, START)
        with pytest.raises(NoSpace):
            service.write(stream, b"x")
    service.seek(stream, LONGEST_FILE - 2, START)
    assert service.write(stream, b"abc") == 2
    assert int(service.stream_status(stream).length) == LONGEST_FILE
    assert service.space(b"/")[1] < 20000, "holes cost nothing"


def test_what_a_file_gives_up_is_zero_when_it_grows_again(service: Service) -> None:
    stream = service.open(b"/f", RW | CREATE)
    service.write(stream, b"x" * 3000)
    service.write(stream, b"x" * 3000)
    service.truncate(stream, 10)
    service.truncate(stream, 6000)
    service.seek(stream, 0, START)
    assert service.read(stream, 4032) + service.read(stream, 4032) == b"x" * 10 + bytes(5990)


def test_appending_goes_to_the_end_of_the_moment(service: Service) -> None:
    first, second = (service.open(b"/f", RW | CREATE | APPEND) for _ in range(2))
    service.write(first, b"one ")
    service.write(second, b"two ")
    service.write(first, b"three")
    service.seek(second, 0, START)
    assert service.read(second, 100) == b"one two three"


# Space.


def test_a_full_file_system_refuses_and_recovers(service: Service) -> None:
    limit, used = service.space(b"/tmp")
    assert (limit, used) == (20000, 0)
    taken = filled(service, b"/tmp/big")
    assert taken == (20000 - NODE_COST) // CHUNK_COST * CHUNK
    service.open(b"/other", RW | CREATE)
    count = 0
    with pytest.raises(NoSpace):
        while True:
            service.ask("make_directory", b"/tmp/%d" % count, 0o700)
            count += 1
    assert service.space(b"/tmp")[1] <= 20000
    stream = service.open(b"/tmp/big", READ)
    service.ask("remove", b"/tmp/big")
    assert service.space(b"/tmp")[1] > taken, "a stream keeps what it reads"
    service.close(stream)
    gc.collect()
    assert service.space(b"/tmp")[1] == NODE_COST * count
    service.ask("make_directory", b"/tmp/again", 0o700)


def test_what_another_replaces_is_given_back(service: Service) -> None:
    before = service.space(b"/")[1]
    for path in (b"/a", b"/b"):
        stream = service.open(path, RW | CREATE)
        service.write(stream, b"x")
        service.close(stream)
    service.ask("rename", b"/a", b"/b")
    gc.collect()
    assert service.space(b"/")[1] == before + NODE_COST + CHUNK_COST
    service.close(service.open(b"/b", RW | constants.TRUNCATE))
    gc.collect()
    assert service.space(b"/")[1] == before + NODE_COST


# Renaming.


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (b"/d/f", b"/d", "NotEmpty"),
        (b"/d/e", b"/d", "NotEmpty"),
        (b"/d", b"/d/e", "BadArgument"),
        (b"/d", b"/d/e/new", "BadArgument"),
        (b"/d", b"/d/missing/new", "NotFound"),
        (b"/d", b"/d/f/new", "NotDirectory"),
        (b"/d", b"/d", None),
        (b"/d/f", b"/d//f", None),
        (b"/d/f", b"/d/f/", "NotDirectory"),
        (b"/missing", b"/missing", "NotFound"),
        (b"/d/e", b"/d/f", "NotDirectory"),
        (b"/d/f", b"/empty", "IsDirectory"),
        (b"/d/e", b"/empty", None),
        (b"/empty", b"/d", "NotEmpty"),
        (b"/d/f", b"/locked/f", "Denied"),
        (b"/locked/e", b"/e", "Denied"),
        (b"/locked/e", b"/locked/g", "Denied"),
        (b"/locked", b"/d/moved", "Denied"),
        (b"/locked", b"/renamed", None),
    ],
)
def test_renaming(service: Service, old: bytes, new: bytes, error: str | None) -> None:
    for directory in (b"/d", b"/d/e", b"/empty", b"/locked", b"/locked/e"):
        service.ask("make_directory", directory, 0o700)
    service.close(service.open(b"/d/f", RW | CREATE))
    service.ask("change_mode", b"/locked", 0o500)
    number = outcome(lambda: int(service.status(old).number))
    assert outcome(lambda: service.ask("rename", old, new)) == error
    assert outcome(lambda: int(service.status(old if error else new).number)) == number


# Image, devices, mounts.


def test_the_image_is_there_to_be_read(service: Service) -> None:
    assert service.list_all(b"/") == [b"bin", b"etc", b"readme", b"home", b"var", b"dev", b"tmp"]
    assert service.list_all(b"/bin") == [b"tool", b"script"]
    assert service.list_all(b"/etc") == [b"conf.d", b"empty"]
    assert service.list_all(b"/etc/conf.d") == [b"net"]
    assert service.list_all(b"/etc/empty") == []
    assert service.read(service.open(b"/etc/conf.d/net", READ), 100) == b"address"
    assert service.read(service.open(b"/readme", READ), 100) == b"hello"
    modes = [int(service.status(path).mode) for path in (b"/bin/tool", b"/bin/script", b"/readme", b"/etc")]
    assert modes == [0o555, 0o555, 0o444, 0o555]
    numbers = {int(service.status(path).mount) for path in (b"/", b"/etc", b"/dev", b"/tmp")}
    assert len(numbers) == 4


def test_the_image_is_not_changed(service: Service) -> None:
    for name, *arguments in (
        ("open", b"/readme", WRITE, 0),
        ("open", b"/etc/new", RW | CREATE, 0o600),
        ("open", b"/bin/tool", RW | constants.TRUNCATE, 0),
        ("make_directory", b"/etc/new", 0o700),
        ("remove", b"/bin/tool"),
        ("remove", b"/readme"),
        ("rename", b"/readme", b"/other"),
        ("remove_directory", b"/etc/conf.d"),
        ("change_mode", b"/etc", 0o700),
        ("change_mode", b"/readme", 0o700),
        ("set_modified", b"/bin/tool", 5),
        ("rename", b"/bin/tool", b"/bin/other"),
    ):
        with pytest.raises(ReadOnly):
            service.ask(name, *arguments)
    service.open(b"/mine", RW | CREATE)
    with pytest.raises(ReadOnly):
        service.ask("rename", b"/mine", b"/readme")
    assert service.space(b"/etc")[0] == service.space(b"/etc")[1] == sum(map(len, list(IMAGE.values())[:4]))


def test_directories_without_files_can_be_written(service: Service) -> None:
    assert service.list_all(b"/var") == [b"log"]
    for path in (b"/home/f", b"/var/f", b"/var/log/f"):
        service.close(service.open(path, RW | CREATE))
    with pytest.raises(ReadOnly):
        service.open(b"/etc/empty/f", RW | CREATE)


def test_mount_points_stay(service: Service) -> None:
    assert service.mounts() == [
        b"memory / rw,limit=1000000",
        b"image /bin ro",
        b"image /etc ro",
        b"devices /dev ro",
        b"memory /tmp rw,limit=20000",
    ]
    for path in (b"/", b"/tmp", b"/dev/", b"/x/../etc"):
        with pytest.raises(Busy):
            service.ask("remove_directory", path)
        with pytest.raises(IsDirectory):
            service.ask("remove", path)
        with pytest.raises(Busy):
            service.ask("rename", path, b"/other")
    service.open(b"/f", RW | CREATE)
    with pytest.raises(Busy):
        service.ask("rename", b"/f", b"/tmp")
    with pytest.raises(BadArgument):
        service.ask("rename", b"/f", b"/tmp/f")
    for dotted in (b"/etc/.", b"/tmp/.."):
        with pytest.raises(BadArgument):
            service.ask("remove_directory", dotted)
        with pytest.raises(Busy):
            service.ask("rename", b"/f", dotted)


def test_devices(service: Service) -> None:
    assert service.list_all(b"/dev") == [b"null", b"zero", b"full"], "without a source there is no random"
    null, zero, full = (service.open(b"/dev/" + name, RW) for name in (b"null", b"zero", b"full"))
    assert service.read(null, 10) == b"" and service.read(zero, 5) == service.read(full, 5) == bytes(5)
    assert service.write(null, b"abc") == service.write(zero, b"abc") == 3
    with pytest.raises(NoSpace):
        service.write(full, b"abc")
    assert service.write(full, b"") == 0
    assert service.seek(zero, 100, START) == 0
    with pytest.raises(NotSeekable):
        service.truncate(zero, 5)
    assert service.status(b"/dev/null").kind == constants.DEVICE


@pytest.mark.parametrize("argument", ["", "root", "root=", "root=x", "root=-1", "var=5", "tmp=1=2", "root=100"])
def test_bad_arguments(argument: str) -> None:
    with pytest.raises(BadArgument):
        Service(argument)


@pytest.mark.parametrize("argument", ["root=101%", "root=-1%", "root=%", "root=1%%"])
def test_a_part_of_the_quota_is_up_to_all_of_it(argument: str) -> None:
    with pytest.raises(BadArgument):
        Service(argument)


def test_limits_may_be_parts_of_the_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "usage", lambda quota: (U64(0), U64(1_000_000)))
    service = Service("root=40%", "tmp=25%")
    assert int(service.ask("space", b"/")[0]) == 400_000
    assert int(service.ask("space", b"/tmp")[0]) == 250_000


def test_programs_of_the_image_are_found_in_it_and_nothing_else(service: Service) -> None:
    offset, length = (int(number) for number in service.ask("in_image", b"/bin/tool"))
    assert bytes(int(byte) for byte in service.image.content[offset : offset + length]) == IMAGE["/bin/tool"]
    service.close(service.open(b"/tmp/tool", RW | CREATE, 0o700))
    for path in (b"/readme", b"/etc/conf.d/net", b"/bin", b"/tmp/tool", b"/dev/null"):
        assert int(service.ask("in_image", path)[1]) == 0
    with pytest.raises(NotFound):
        service.ask("in_image", b"/bin/missing")


# Lists.


def test_who_removes_what_was_listed_misses_nothing(service: Service) -> None:
    service.ask("make_directory", b"/d", 0o700)
    expected = [b"file%d" % i for i in range(60)]
    for name in expected:
        service.close(service.open(b"/d/" + name, RW | CREATE))
    for name in expected[:7]:
        service.ask("remove", b"/d/" + name)
    seen: list[bytes] = []
    while found := service.names_from(b"/d", len(seen), 40):
        for name in found:
            service.ask("remove", b"/d/" + name)
        seen += found
    assert seen == expected[7:]
    service.ask("remove_directory", b"/d")


# Sessions.


def test_a_session_has_so_many_streams(service: Service) -> None:
    held = [service.open(b"/readme", READ) for _ in range(MAXIMUM_OF_SESSION)]
    with pytest.raises(NoSpace):
        service.open(b"/new", RW | CREATE)
    assert b"new" not in service.list_all(b"/"), "a refused open makes nothing"
    service.open(b"/readme", READ, session=8)
    service.close(held.pop())
    service.open(b"/readme", READ)
    service.machine.room = 0
    for _ in range(MAXIMUM_OF_SESSION):
        with pytest.raises(NoSpace):
            service.open(b"/readme", READ, session=9)
    # One for the service, one for the caller.
    service.machine.room = 1
    with pytest.raises(NoSpace):
        service.open(b"/readme", READ, session=9)
    service.machine.room = 2
    service.open(b"/readme", READ, session=9)


def test_the_end_of_a_session(service: Service) -> None:
    own, given, handed_over = (service.open(b"/readme", READ) for _ in range(3))
    other = service.open(b"/readme", READ, session=8)
    for stream in (given, handed_over):
        service.share(stream)
    service.close(handed_over)
    for caller in (0, 7, 8, own):
        with pytest.raises(Denied):
            service.end(7, by=caller)
    service.end(7)
    with pytest.raises(ServiceGone):
        service.stream_status(own)
    for stream in (given, handed_over, other):
        assert service.read(stream, 5) == b"hello"
    service.end(7)
    held = [service.open(b"/readme", READ) for _ in range(MAXIMUM_OF_SESSION)]
    assert len(set(held)) == MAXIMUM_OF_SESSION
    for stream in (given, handed_over):
        service.close(stream)
        with pytest.raises(ServiceGone):
            service.read(stream, 5)
    with pytest.raises(NoSpace):
        service.open(b"/readme", READ)


def test_what_nobody_holds_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    maximum = 100
    monkeypatch.setattr(streams, "MAXIMUM", maximum)
    service = Service(image=IMAGE)
    opened = []
    for session in range(2, 2 + maximum):
        stream = service.open(b"/readme", READ, session=session)
        service.share(stream)
        if session % 2 == 0:
            service.close(stream)
            service.end(session)
        opened.append(stream)
    with pytest.raises(NoSpace):
        service.open(b"/readme", READ, session=9999)
    service.machine.gone.update(opened[:10])
    for _ in range(10):
        service.open(b"/readme", READ, session=9999)
    with pytest.raises(NoSpace):
        service.open(b"/readme", READ, session=9999)
    for stream in opened[:10]:
        with pytest.raises(ServiceGone):
            service.stream_status(stream)
    assert [int(service.stream_status(one).length) for one in opened[10:]] == [5] * (maximum - 10)


def test_streams_of_who_died_do_not_count(service: Service) -> None:
    held = [service.open(b"/readme", READ) for _ in range(MAXIMUM_OF_SESSION)]
    service.machine.gone.update(held[:3])
    for _ in range(3):
        service.open(b"/readme", READ)
    with pytest.raises(NoSpace):
        service.open(b"/readme", READ)
    assert service.read(held[3], 5) == b"hello"


def test_badges_that_name_nothing(service: Service) -> None:
    stream = service.open(b"/readme", READ)
    assert stream == 1 << 62 | 5 << 32
    for badge in (0, 7, MINTER, stream + 1, stream - (1 << 32), stream | 1 << 63, 2**64 - 1, stream ^ 1 << 62):
        with pytest.raises(ServiceGone):
            service.read(badge, 5)
        with pytest.raises(ServiceGone):
            service.share(badge)
        with pytest.raises(ServiceGone):
            service.close(badge)
    for badge in (stream, 1 << 62, 2**64 - 1):
        with pytest.raises(ServiceGone):
            service.ask("status", b"/", session=badge)


def test_lives_are_counted() -> None:
    kept = Kept(U64(0), U64(0), U64(0))
    assert [int(count_life(kept, U64(77))) for _ in range(3)] == [77, 78, 79]
    kept.life = U64(5)
    assert count_life(kept, U64(33)) == 33, "what is damaged is not trusted"
    kept.life = U64((1 << 30) - 1)
    kept.check = ~kept.life
    assert count_life(kept, U64(9)) == 0 and kept.magic == MAGIC
