"""The log service through its contract: order, levels, limits, names, the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudos.contracts.errors import Dropped, NoSpace, ServiceGone
from cloudos.contracts.logs import DEBUG, ERROR, INFORMATION, Log
from cloudos.lang import U8, U64, Array, data
from cloudos.sdk import List, Text, local_calls, models
from cloudos.sdk.local_system import LocalModel
from cloudos.services.log.main import LogServer, new_log, serve

LOG, SHELL, NET, FILES, STREAM = 1, 2, 3, 10, 11
INTO = Array[U8, Literal[2000]]()


class World:
    """The service, and two components that write."""

    def __init__(self, *arguments: str, files: int = 0) -> None:
        local_calls.reset()
        self.model = LocalModel()
        models.install(self.model)
        given = List[Text]()
        for argument in ("log", *arguments):
            given.append(Text(argument))
        self.server: LogServer = new_log(given, U64(files))
        local_calls.install(LOG, serve.__dispatch__, LOG, self.server)  # type: ignore[attr-defined]
        local_calls.derive(LOG, SHELL, 20)
        local_calls.derive(LOG, NET, 30)

    def write(self, text: bytes, level: int = INFORMATION, who: int = SHELL) -> None:
        Log(U64(who)).write(U64(level), data(text))

    def read(self, position: int = 0, level: int = DEBUG) -> bytes:
        count = Log(U64(LOG)).read(U64(position), U64(level), INTO.slice())
        return bytes(int(byte) for byte in INTO.slice()[0:count])

    def all(self, level: int = DEBUG) -> list[bytes]:
        lines, position = [], 0
        while line := self.read(position, level):
            lines.append(line)
            position = int(line.split(b" ")[0]) + 1
        return lines


@pytest.fixture(autouse=True)
def after() -> Iterator[None]:
    yield
    local_calls.reset()
    models.install(models.SystemModel())


def test_a_record_has_number_time_level_component_and_text() -> None:
    world = World("name=20:shell", "name=bad", "name=x:y")
    world.model.now = 77
    world.write(b"hello world", ERROR)
    world.write(b"two", who=NET)
    assert world.all() == [b"1 77 3 shell hello world", b"2 77 6 #30 two"]


def test_levels_select() -> None:
    world = World()
    world.write(b"quiet", DEBUG)
    world.write(b"loud", ERROR)
    world.write(b"beyond", 99)
    assert [line.split()[-1] for line in world.all(ERROR)] == [b"loud"]
    assert world.all()[2].startswith(b"3 0 7 ")


def test_text_cannot_pretend_to_be_two_records() -> None:
    world = World()
    world.write(b"a\n2 0 3 init all is well\x7f\x1b[2J")
    assert world.all() == [b"1 0 6 #20 a?2 0 3 init all is well??[2J"]


def test_long_texts_are_cut() -> None:
    world = World()
    world.write(b"x" * 1001)
    assert world.read() == b"1 0 6 #20 " + b"x" * 1000


@given(st.lists(st.integers(1, 1000), max_size=60), st.integers(4096, 9000))
def test_the_ring_holds_the_newest_records(lengths: list[int], size: int) -> None:
    world = World(f"ring={size}")
    for number, length in enumerate(lengths, 1):
        world.write(bytes([65 + number % 26]) * length)
    lines = world.all()
    assert (
        lines
        == [
            f"{number} 0 6 #20 ".encode() + bytes([65 + number % 26]) * length
            for number, length in enumerate(lengths, 1)
        ][len(lengths) - len(lines) :]
    )
    held = sum((32 + length + 7) // 8 * 8 for length in lengths[len(lengths) - len(lines) :])
    room = size // 8 * 8
    assert held <= room
    # Nothing is forgotten without need: a record, and what is skipped at the end, are at most 1,032 bytes each.
    assert len(lines) == len(lengths) or held > room - 2 * 1032


def test_who_writes_too_much_is_alone_in_being_refused() -> None:
    world = World("name=20:shell")
    for _ in range(400):
        world.write(b"x")
    for _ in range(5):
        with pytest.raises(NoSpace):
            world.write(b"lost")
    world.write(b"other", who=NET)
    world.model.now = 10_000_000  # two records' worth
    world.write(b"again")
    last = world.all()[-3:]
    assert [line.split(b" ", 3)[3] for line in last] == [
        b"#30 other", b"log 5 records of shell dropped", b"shell again"
    ]  # fmt: skip
    world.write(b"second")
    with pytest.raises(NoSpace):
        world.write(b"third")


def test_a_reader_learns_of_dropped_records_without_another_write() -> None:
    world = World("ring=100000")
    for _ in range(400):
        world.write(b"x")
    with pytest.raises(NoSpace):
        world.write(b"lost")
    assert len(world.all()) == 400
    world.model.now = 5_000_000
    assert world.all()[-1].endswith(b"log 1 records of #20 dropped")


def test_more_components_than_buckets() -> None:
    world = World("ring=200000")
    for badge in range(100, 200):
        local_calls.derive(LOG, badge, badge)
        world.model.now += 1
        for _ in range(3):
            world.write(b"x", who=badge)
    assert len(world.all()) == 300


def test_only_named_readers_may_read() -> None:
    world = World(f"reader={LOG}", "reader=x")
    world.write(b"secret")
    assert world.read().endswith(b"secret")
    with pytest.raises(ServiceGone):
        Log(U64(SHELL)).read(U64(0), U64(DEBUG), INTO.slice())


class FileServer:
    """A file, and how it fails."""

    def __init__(self) -> None:
        self.content = b""
        self.fails = False
        self.opened = 0

    def open(self, message: object) -> None:
        self.opened += 1
        message.tag = U64(307 << 32) if self.fails else U64(1 << 4)  # type: ignore[attr-defined]
        from cloudos.sdk import transport

        transport.buffer().handles[0] = U64(STREAM)

    def write(self, message: object) -> None:
        from cloudos.sdk import transport

        length = int(transport.length_of(message))  # type: ignore[arg-type]
        taken = min(length, 10)
        if self.fails:
            message.tag = U64(308 << 32)  # type: ignore[attr-defined]
            return
        self.content += bytes(int(byte) for byte in transport.buffer().data.slice()[0:taken])
        message.words[0] = U64(taken)  # type: ignore[attr-defined]
        message.tag = U64(1)  # type: ignore[attr-defined]


def answered(function: object) -> object:
    from cloudos.sdk.service import CALLER

    def dispatch(message: object) -> None:
        CALLER.reply = message.reply  # type: ignore[attr-defined]
        function(message)  # type: ignore[operator]

    return dispatch


def test_records_reach_the_file_also_after_it_failed() -> None:
    world = World("file=/var/log/messages", files=FILES)
    file = FileServer()
    local_calls.install(FILES, answered(file.open))  # type: ignore[arg-type]
    local_calls.install(STREAM, answered(file.write))  # type: ignore[arg-type]
    assert world.server.deadline() == 2**64 - 1
    world.write(b"first")
    assert world.server.deadline() == 100_000_000
    file.fails = True
    world.server.expired()
    assert world.server.deadline() == 10_000_000_000
    world.write(b"second")
    assert file.content == b""
    file.fails = False
    world.server.expired()
    assert file.content == b"1 0 6 #20 first\n2 0 6 #20 second\n"
    assert world.server.deadline() == 2**64 - 1
    world.write(b"third")
    world.server.expired()
    assert file.content.endswith(b"third\n")
    assert file.opened == 2
    world.write(b"fourth")
    file.fails = True
    world.server.expired()
    assert world.model.closed == [STREAM]


def test_without_the_handle_no_file_is_tried() -> None:
    world = World("file=/var/log/messages")
    world.write(b"first")
    assert world.server.deadline() == 2**64 - 1


def test_notes_are_kept_like_records_and_those_that_are_not_are_counted() -> None:
    world = World()
    for number in range(450):
        Log(U64(SHELL)).note(U64(INFORMATION), data(b"note %d" % number))
    kept = len(world.all())
    assert 0 < kept < 450
    assert world.all()[0].endswith(b"note 0")
    world.model.now += 10_000_000_000
    world.write(b"later")
    assert any(b"%d records of" % (450 - kept) in line for line in world.all())


def test_a_log_that_hangs_holds_up_nobody() -> None:
    world = World()
    local_calls.hang(SHELL)
    with pytest.raises(Dropped):
        Log(U64(SHELL)).note(U64(INFORMATION), data(b"lost"))
    assert world.all() == []
