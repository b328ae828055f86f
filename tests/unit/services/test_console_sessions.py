"""The console service over a model of a serial line: what programs get, what a person sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest

from cloudos.abi.errors import NotFound
from cloudos.abi.wiring import RESTARTED
from cloudos.contracts.console import ACCEPTED, COMPLETE, END, INTERRUPT, Console
from cloudos.contracts.devices import RECEIVED, ROOM, Serial
from cloudos.contracts.errors import Interrupted, NotSeekable, ServiceGone
from cloudos.contracts.files import TERMINAL
from cloudos.contracts.programs import TERMINAL_STOP, Programs
from cloudos.contracts.streams import Stream
from cloudos.lang import I64, U8, U64, Array, Slice, data
from cloudos.sdk import local_calls, models, transport
from cloudos.sdk.local_system import LocalModel
from cloudos.sdk.service import server
from cloudos.services.console import main
from cloudos.services.console.session import Waiter
from tests.unit.services.terminal_model import Terminal

CONSOLE, SERIAL, PROGRAMS, NOTIFICATION = 7, 8, 9, 10
SECOND = 1_000_000_000


class SerialServer:
    """A driver with a watch. `room`: how many bytes it takes still."""

    def __init__(self) -> None:
        self.came = bytearray()
        self.sent = bytearray()
        self.room = 1 << 30
        self.watched = 0
        self.held = 0

    def read(self, into: Slice[U8]) -> U64:
        assert self.watched, "the driver would let the console wait"
        part = self.came[: int(into.length)]
        del self.came[: len(part)]
        for index, byte in enumerate(part):
            into[index] = U8(byte)
        return U64(len(part))

    def write(self, data: Slice[U8]) -> U64:
        count = min(int(data.length), self.room)
        self.room -= count
        self.sent += bytes(int(byte) for byte in data[0:count])
        return U64(count)

    def unsent(self) -> U64:
        return U64(self.held)

    def watch(self, notification: U64) -> None:
        self.watched = int(notification)


class ProgramsServer:
    """Notes who is killed. `busy`: how often it does not answer in time."""

    def __init__(self) -> None:
        self.killed: list[tuple[int, bool, int]] = []
        self.busy = 0
        self.known = True

    def kill(self, number: U64, group: bool, signal: U64) -> None:
        if self.busy:
            self.busy -= 1
            raise ServiceGone
        if not self.known:
            raise NotFound
        self.killed.append((int(number), group, int(signal)))

    def __getattr__(self, name: str) -> Any:
        if name in ("create", "create_within", "limits", "pipe", "list", "set_foreground", "own", "attend"):
            return lambda *arguments: 0
        raise AttributeError(name)


class DerivingModel(LocalModel):
    """Handles to notifications can be derived too."""

    def handle_derive(self, handle: U64, rights: U64, badge: U64) -> U64:
        return U64(self._new()) if handle == NOTIFICATION else super().handle_derive(handle, rights, badge)


class Bench:
    def __init__(self) -> None:
        self.system = DerivingModel()
        models.install(self.system)
        local_calls.reset()
        self.serial, self.programs = SerialServer(), ProgramsServer()
        self.install_driver()
        local_calls.install(PROGRAMS, server((Programs, self.programs)).__dispatch__)  # type: ignore[attr-defined]
        self.console = main.new_console(U64(SERIAL), U64(PROGRAMS), U64(NOTIFICATION))
        dispatch = main.serve.__dispatch__  # type: ignore[attr-defined]
        for badge in range(1, 12):
            local_calls.install(
                CONSOLE * 10 + badge, lambda message: dispatch(message, self.console, self.console), badge
            )
        self.console.expired()
        self.terminal = Terminal()

    def install_driver(self) -> None:
        local_calls.install(SERIAL, server((Serial, self.serial)).__dispatch__)  # type: ignore[attr-defined]

    def client(self, badge: int = 1) -> tuple[Console, Stream]:
        return Console(U64(CONSOLE * 10 + badge)), Stream(U64(CONSOLE * 10 + badge))

    def read(self, room: int = 4032, badge: int = 1) -> local_calls.Background[bytes]:
        def run() -> bytes:
            into = Array[U8, Literal[4032]]()
            count = self.client(badge)[1].read(into.slice()[0:room])
            return bytes(int(byte) for byte in into.slice()[0:count])

        return local_calls.background(run)

    def edit(self, text: str = "", badge: int = 1) -> local_calls.Background[tuple[int, int, str]]:
        def run() -> tuple[int, int, str]:
            into = Array[U8, Literal[4032]]()
            content = text.encode()
            count = self.client(badge)[0].edit_line(data(b"$ "), data(content), U64(len(content)), into.slice())
            found = bytes(int(byte) for byte in into.slice()[0:count])
            return found[0], found[1] | found[2] << 8, found[3:].decode()

        return local_calls.background(run)

    def write(self, text: str, badge: int = 1) -> int:
        return int(self.client(badge)[1].write(data(text.encode())))

    def type(self, keys: bytes) -> None:
        self.serial.came += keys
        self.console.signalled(U64(RECEIVED))

    def pass_time(self, nanoseconds: int = SECOND) -> None:
        self.system.now += nanoseconds
        if self.system.now >= self.console.deadline():
            self.console.expired()

    def screen(self) -> str:
        self.terminal.feed(bytes(self.serial.sent))
        self.serial.sent.clear()
        return self.terminal.text()


@pytest.fixture
def bench() -> Iterator[Bench]:
    yield Bench()
    transport.ATTACHED.patience = U64(0)
    local_calls.reset()
    models.install(models.SystemModel())


def test_output_goes_to_new_lines(bench: Bench) -> None:
    assert bench.write("one\ntwo\n") == 8
    assert bench.serial.sent == b"one\r\ntwo\r\n"


def test_lines_are_read_as_they_were_edited(bench: Bench) -> None:
    reader = bench.read()
    bench.type(b"ab\x7fc \x17d\x15one two\x17x\r")
    assert reader.result() == b"one x\n"
    assert bench.screen() == "one x"


def test_a_line_that_does_not_fit_is_read_in_parts(bench: Bench) -> None:
    first = bench.read(4)
    bench.type(b"abcdef\rrest\r")
    assert [first.result(), bench.read(100).result(), bench.read(100).result()] == [b"abcd", b"ef\n", b"rest\n"]


def test_end_of_file(bench: Bench) -> None:
    reader = bench.read()
    bench.type(b"\x04")
    assert reader.result() == b""
    reader = bench.read()
    bench.type(b"part\x04")
    assert reader.result() == b"part"


def test_what_is_typed_early_is_shown_when_it_is_read(bench: Bench) -> None:
    bench.write("? ")
    bench.type(b"early\r")
    assert bench.screen() == "?"
    assert bench.read().result() == b"early\n"
    assert bench.screen() == "? early"


def test_what_is_typed_before_there_is_a_session_is_the_first_ones(bench: Bench) -> None:
    bench.type(b"very ")
    bench.type(b"early\r")
    assert bench.read().result() == b"very early\n"


def test_a_reader_that_has_ended_leaves_the_line_to_the_next(bench: Bench) -> None:
    bench.write("")
    bench.console.sessions[0].readers.append(Waiter(U64(99999), U64(100)))
    bench.type(b"kept\r")
    assert bench.read().result() == b"kept\n"


def test_keys_in_raw_mode(bench: Bench) -> None:
    bench.client()[0].set_mode(True)
    reader = bench.read()
    bench.type(b"\x03\x1b[A")
    assert reader.result() == b"\x03\x1b[A"
    assert bench.screen() == ""
    assert bench.programs.killed == []
    bench.client()[0].set_mode(False)
    reader = bench.read()
    bench.type(b"x\r")
    assert reader.result() == b"x\n"


def test_the_interrupt_key_ends_the_foreground_and_the_reader(bench: Bench) -> None:
    bench.client()[0].set_foreground(U64(44))
    reader = bench.read()
    bench.type(b"partial\x03")
    with pytest.raises(Interrupted):
        reader.result()
    assert bench.programs.killed == [(44, True, 2)]
    assert bench.screen() == "partial^C"


def test_the_suspend_key_stops_the_foreground_or_what_comes_there_next(bench: Bench) -> None:
    client = bench.client()[0]
    client.set_foreground(U64(44))
    bench.type(b"\x1a")
    assert bench.programs.killed == [(44, True, TERMINAL_STOP)]
    client.set_foreground(U64(0))
    bench.type(b"\x1a")
    assert not client.interrupted()
    client.set_foreground(U64(45))
    bench.pass_time(50_000_000)
    assert bench.programs.killed == [(44, True, TERMINAL_STOP), (45, True, TERMINAL_STOP)]
    client.set_foreground(U64(0))
    client.set_foreground(U64(46))
    bench.pass_time(50_000_000)
    assert len(bench.programs.killed) == 2
    assert bench.screen() == "^Z\n^Z"


def test_the_interrupt_key_is_kept_for_a_loader_that_is_busy(bench: Bench) -> None:
    bench.programs.busy = 3
    bench.client()[0].set_foreground(U64(44))
    bench.type(b"\x03")
    assert bench.programs.killed == []
    for _ in range(4):
        bench.pass_time(50_000_000)
    assert bench.programs.killed == [(44, True, 2)]
    bench.programs.busy = 1000
    bench.type(b"\x03")
    for _ in range(30):
        bench.pass_time(50_000_000)
    assert bench.console.doomed == 0
    bench.programs.busy, bench.programs.known = 0, False
    bench.type(b"\x03")
    assert bench.console.doomed == 0


def test_an_interrupt_that_is_faster_than_the_program(bench: Bench) -> None:
    bench.edit()
    bench.type(b"go\r\x03")
    assert bench.programs.killed == []
    bench.client()[0].set_foreground(U64(44))
    bench.pass_time(1)
    assert bench.programs.killed == [(44, True, 2)]
    # It was for that program alone, and a new line begins without it.
    bench.client()[0].set_foreground(U64(45))
    bench.client()[0].set_foreground(U64(0))
    bench.type(b"\x03")
    bench.edit()
    bench.client()[0].set_foreground(U64(46))
    bench.pass_time(1)
    assert bench.programs.killed == [(44, True, 2)]


def test_edit_line(bench: Bench) -> None:
    editing = bench.edit("ab")
    bench.type(b"\x1b[Dx\r")
    assert editing.result() == (ACCEPTED, 3, "axb")
    editing = bench.edit()
    bench.type(b"\x04")
    assert editing.result() == (END, 0, "")
    bench.write("\n")
    bench.client()[0].set_foreground(U64(44))
    editing = bench.edit("word")
    bench.type(b"\x03")
    assert editing.result()[0] == INTERRUPT
    assert bench.programs.killed == []
    assert bench.screen() == "$ axb\n$\n$ word^C"


def test_completion_stays_in_its_place(bench: Bench) -> None:
    editing = bench.edit()
    bench.type(b"fi\t")
    assert editing.result() == (COMPLETE, 2, "fi")
    editing = bench.edit("file")
    assert bench.screen() == "$ file"
    bench.type(b"\t")
    assert editing.result()[0] == COMPLETE
    bench.write("file1  file2\n")
    bench.edit("file")
    assert bench.screen() == "$ file\nfile1  file2\n$ file"


def test_output_moves_the_line_that_is_edited(bench: Bench) -> None:
    editing = bench.edit()
    bench.type(b"half")
    bench.write("in between\n")
    assert bench.screen() == "in between\n$ half"
    bench.write("no newline")
    assert bench.screen() == "in between\nno newline$ half"
    bench.write(" and more\n")
    assert bench.screen() == "in between\nno newline and more\n$ half"
    bench.type(b"way\r")
    assert editing.result()[2] == "halfway"


def test_a_second_edit_line_ends_the_first(bench: Bench) -> None:
    first, second = bench.edit(), bench.edit()
    with pytest.raises(ServiceGone):
        first.result()
    bench.type(b"x\r")
    assert second.result()[2] == "x"


def test_history(bench: Bench) -> None:
    terminal = bench.client()[0]
    for line in (b"one", b"two", b"two"):
        terminal.remember(data(line))
    into = Array[U8, Literal[10]]()
    assert [int(terminal.history(U64(n), into.slice())) for n in range(3)] == [3, 3, 0]
    editing = bench.edit()
    bench.type(b"\x1b[A\x1b[A\r")
    assert editing.result()[2] == "one"


def test_streams_of_a_terminal(bench: Bench) -> None:
    stream = bench.client()[1]
    assert stream.status().kind == TERMINAL
    stream.share()
    stream.close()
    with pytest.raises(NotSeekable):
        stream.seek(I64(0), U64(0))
    assert stream.read(data(b"")) == 0


def test_sessions_are_switched(bench: Bench) -> None:
    bench.write("first\n", 1)
    bench.write("second\n", 2)
    one, two = bench.read(badge=1), bench.read(badge=2)
    assert bench.screen() == "first"
    bench.type(b"\x1d2")
    assert bench.screen() == "first\n\n[session 2]\nsecond"
    bench.type(b"for two\r\x1d\x1d\x1d1for one\r")
    assert one.result() == b"for one\n"
    assert two.result() == b"for two\n"
    bench.type(b"\x1d5")
    assert bench.screen().endswith("[no session]")


def test_a_line_that_is_edited_comes_back_with_its_session(bench: Bench) -> None:
    editing = bench.edit()
    bench.write("", 2)
    bench.type(b"half\x1d2")
    bench.write("meanwhile\n", 1)
    bench.type(b"\x1d1")
    assert bench.screen().endswith("[session 1]\nmeanwhile\n$ half")
    bench.type(b"way\r")
    assert editing.result()[2] == "halfway"


def test_the_backlog_keeps_the_newest(bench: Bench) -> None:
    bench.write("", 1)
    for number in range(1000):
        bench.write(f"line number {number:6}\n", 2)
    bench.serial.sent.clear()
    bench.type(b"\x1d2")
    shown = bytes(bench.serial.sent)
    assert len(shown) < 8192 + 100
    assert f"[{1000 * 20 - 8192} bytes of output were dropped]".encode() in shown
    assert shown.endswith(b"line number    999\r\n")


def test_there_are_nine_sessions(bench: Bench) -> None:
    for badge in range(1, 10):
        bench.write("x", badge)
    with pytest.raises(ServiceGone):
        bench.write("x", 10)


def test_a_slow_line_slows_writers_and_nobody_else(bench: Bench) -> None:
    bench.serial.room = 0
    bench.write("x" * 4000)
    writer = local_calls.background(lambda: bench.write("y" * 1000))
    assert writer.waits
    assert bench.client()[0].window() == (U64(80), U64(24))
    bench.serial.room = 1000
    bench.console.signalled(U64(ROOM))
    assert writer.waits
    bench.serial.room = 1 << 30
    bench.console.signalled(U64(ROOM))
    assert writer.result() == 1000
    assert bench.serial.sent == b"x" * 4000 + b"y" * 1000


def test_what_has_not_left_is_counted_here_and_by_the_driver(bench: Bench) -> None:
    bench.write("gone")
    terminal, _ = bench.client()
    assert terminal.unsent() == 0
    bench.serial.room, bench.serial.held = 10, 7
    bench.write("x" * 30)
    assert terminal.unsent() == 20 + 7
    local_calls.remove(SERIAL)
    assert terminal.unsent() == 20
    bench.serial.room, bench.serial.held = 1 << 30, 0
    bench.install_driver()
    bench.pass_time()
    assert terminal.unsent() == 0


def test_a_driver_that_was_started_anew_is_told_again(bench: Bench) -> None:
    local_calls.remove(SERIAL)
    bench.write("kept")
    assert not bench.console.link.watched
    bench.pass_time()
    bench.serial = SerialServer()
    bench.install_driver()
    bench.serial.came += b"typed\r"
    bench.pass_time()
    assert bench.serial.watched
    assert bench.serial.sent == b"kept"
    bench.console.signalled(U64(RECEIVED))
    assert bench.read().result() == b"typed\n"


def test_a_driver_that_was_replaced_unseen_is_told_when_init_says_so(bench: Bench) -> None:
    """No call failed, so the console cannot know by itself."""
    bench.serial = SerialServer()
    bench.install_driver()
    bench.serial.came += b"typed\r"
    bench.pass_time()
    assert bench.console.link.watched and not bench.serial.watched
    bench.console.signalled(U64(RESTARTED))
    assert bench.serial.watched
    assert bench.read().result() == b"typed\n"


def answer_size(bench: Bench, columns: int, rows: int) -> None:
    bench.terminal = Terminal(columns, rows)
    bench.console.window_size.ask(bench.console.link.out, U64(bench.system.now))
    bench.console.flush()
    bench.screen()
    bench.type(bytes(bench.terminal.answers))


def test_the_window_is_asked_for_its_size(bench: Bench) -> None:
    answer_size(bench, 100, 40)
    assert bench.client()[0].window() == (U64(100), U64(40))
    editing = bench.edit()
    bench.type(b"x" * 120)
    assert bench.screen() == "$ " + "x" * 98 + "\n" + "x" * 22
    answer_size(bench, 60, 20)
    bench.type(b"\r")
    assert editing.result()[2] == "x" * 120


@pytest.mark.parametrize("keys", [b"\x1b[A", b"\x1b[1;5D", b"x\x1b", b"\x1b[12;R", b"\x1b\x1b[C", b"\x1b[1;1R"])
def test_keys_that_come_instead_of_the_size_are_keys(bench: Bench, keys: bytes) -> None:
    bench.client()[0].set_mode(True)
    bench.console.window_size.ask(bench.console.link.out, U64(bench.system.now))
    reader: Callable[[], bytes] = bench.read().result
    bench.type(keys)
    for _ in range(4):
        bench.pass_time()
    found = reader()
    while len(found) < len(keys):
        found += bench.read().result()
    assert found == keys
    assert bench.client()[0].window() == (U64(80), U64(24))
