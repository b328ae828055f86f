"""The session against guests played by Python threads: every way of reading, writing, ending and not ending."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloudos.host import frames, session
from cloudos.host.errors import ToolError
from cloudos.host.machine import Machine, memory_file
from cloudos.host.session import Ended, Limits, Session


@dataclass
class Guest:
    """The far ends of the channels, with what a kernel does with them."""

    log: socket.socket
    program: socket.socket

    def print(self, data: bytes, stream: int = 1) -> None:
        for start in range(0, len(data), 5000):
            piece = data[start : start + 5000]
            self.program.sendall(bytes([stream]) + len(piece).to_bytes(2, "little") + piece)

    def read_frame(self) -> bytes:
        length = int.from_bytes(self.exactly(2), "little")
        return self.exactly(length)

    def exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.program.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def off(self, record: bytes = b"@exit status=0") -> None:
        self.log.sendall(record + b"\n@off\n")


Behaviour = Callable[[Guest], None]


@contextmanager
def running(behaviour: Behaviour, ready: bool = True) -> Iterator[Machine]:
    """A machine whose guest is a thread. Its process only stands for QEMU's: killing it closes the channels."""
    log, log_far = socket.socketpair()
    program, program_far = socket.socketpair()
    process = subprocess.Popen(["sleep", "60"])
    machine = Machine(process, log, program, memory_file("messages", b""))

    def live() -> None:
        try:
            if ready:
                log_far.sendall(b"@ready\n")
            behaviour(Guest(log_far, program_far))
        except (OSError, EOFError):
            pass  # the machine was stopped
        finally:
            log_far.close()
            program_far.close()

    def watch() -> None:
        process.wait()
        for channel in (log_far, program_far):
            with suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)

    threads = [threading.Thread(target=live, daemon=True), threading.Thread(target=watch, daemon=True)]
    for thread in threads:
        thread.start()
    try:
        yield machine
    finally:
        process.kill()
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()
        log.close()
        program.close()
        os.close(machine.messages_fd)


@dataclass
class Result:
    session: Session
    output: bytes
    errors: bytes
    taken: int
    """Bytes of standard input that the session has read."""


def carry(
    tmp_path: Path, behaviour: Behaviour, given: bytes = b"", limits: Limits | None = None, ready: bool = True
) -> Result:
    """Run a guest with standard streams in files."""
    (tmp_path / "in").write_bytes(given)
    with (
        open(tmp_path / "in", "rb") as source,
        open(tmp_path / "out", "wb") as output,
        open(tmp_path / "err", "wb") as errors,
        running(behaviour, ready) as machine,
    ):
        current = Session(machine, limits or Limits(), (source.fileno(), output.fileno(), errors.fileno()))
        current.run()
        taken = os.lseek(source.fileno(), 0, os.SEEK_CUR)
    return Result(current, (tmp_path / "out").read_bytes(), (tmp_path / "err").read_bytes(), taken)


def echo(guest: Guest) -> None:
    """A program like cat."""
    while data := guest.read_frame():
        guest.print(data)
    guest.off()


@pytest.mark.parametrize("size", [0, 1, 4096, 3_000_000])
def test_bytes_go_through_unchanged_in_both_directions(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    result = carry(tmp_path, echo, data)
    assert result.output == data
    assert (result.session.ended, result.session.log.status) == (Ended.GUEST, 0)


def test_streams_are_kept_apart_and_the_log_is_shown_on_request(tmp_path: Path) -> None:
    def behaviour(guest: Guest) -> None:
        guest.log.sendall(b"[0.1] starting\n")
        guest.print(b"out")
        guest.print(b"err", stream=2)
        guest.off(b"@exit status=255")

    quiet = carry(tmp_path, behaviour)
    assert (quiet.output, quiet.errors, quiet.session.log.status) == (b"out", b"err", 255)
    shown = carry(tmp_path, behaviour, limits=Limits(log_to_stderr=True))
    assert shown.output == b"out"
    assert sorted(shown.errors.replace(b"err", b"").splitlines()) == [b"[0.1] starting"]


def test_a_program_that_never_reads_its_input_ends_all_the_same(tmp_path: Path) -> None:
    def behaviour(guest: Guest) -> None:
        guest.print(b"bye")
        time.sleep(0.5)
        guest.off(b"@exit status=3")

    result = carry(tmp_path, behaviour, os.urandom(4_000_000))
    assert (result.output, result.session.log.status) == (b"bye", 3)
    assert result.taken <= 1_000_000  # what the session and the socket hold


def test_writing_everything_before_reading_anything_does_not_deadlock(tmp_path: Path) -> None:
    def behaviour(guest: Guest) -> None:
        guest.print(b"x" * 3_000_000)
        echo(guest)

    given = os.urandom(1_000_000)
    assert carry(tmp_path, behaviour, given).output == b"x" * 3_000_000 + given


def test_a_reader_that_goes_away_stops_the_machine(tmp_path: Path) -> None:
    def behaviour(guest: Guest) -> None:
        while True:
            guest.print(b"y\n" * 1000)

    reader, writer = os.pipe()
    with running(behaviour) as machine, open(os.devnull, "rb") as nothing:
        current = Session(machine, Limits(), (nothing.fileno(), writer, 2))
        threading.Timer(0.2, os.close, [reader]).start()
        current.run()
        assert machine.process.wait(5) != 0
    os.close(writer)
    assert current.ended is Ended.OUTPUT_CLOSED


def test_a_slow_reader_holds_the_program_up_instead_of_filling_memory(tmp_path: Path) -> None:
    sent = 0

    def behaviour(guest: Guest) -> None:
        nonlocal sent
        for _ in range(200):
            guest.print(b"z" * 50_000)
            sent += 50_000
        guest.off()

    reader, writer = os.pipe()
    received = bytearray()

    def read_slowly() -> None:
        time.sleep(0.4)
        assert sent < 5_000_000
        while data := os.read(reader, 1 << 20):
            received.extend(data)

    thread = threading.Thread(target=read_slowly)
    with running(behaviour) as machine, open(os.devnull, "rb") as nothing:
        thread.start()
        Session(machine, Limits(), (nothing.fileno(), writer, 2)).run()
    os.close(writer)
    thread.join(10)
    os.close(reader)
    assert len(received) == 10_000_000


def test_when_the_time_is_up_the_kernel_is_told(tmp_path: Path) -> None:
    def behaviour(guest: Guest) -> None:
        command = guest.log.recv(1)
        assert command == b"T"
        guest.print(b"last words")
        guest.off(b"@fault number=9 kind=timed-out ip=0x400000")

    start = time.monotonic()
    result = carry(tmp_path, behaviour, limits=Limits(seconds=0.3))
    assert 0.3 <= time.monotonic() - start < session.GRACE
    assert (result.session.ended, result.output) == (Ended.TIME, b"last words")
    assert result.session.log.fault is not None


def test_a_kernel_that_does_not_answer_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "GRACE", 0.3)
    start = time.monotonic()
    ended = 0.0

    def behaviour(guest: Guest) -> None:
        nonlocal ended
        assert guest.log.recv(1) == b"T"
        guest.log.recv(1)  # nothing comes; the channel closes when the machine is stopped
        ended = time.monotonic()

    result = carry(tmp_path, behaviour, limits=Limits(seconds=0.1))
    assert 0.3 < ended - start < 5
    assert result.session.ended is Ended.TIME
    assert result.session.log.fault is None


def test_ctrl_c_becomes_the_interrupt_command(tmp_path: Path) -> None:
    def behaviour(guest: Guest) -> None:
        assert guest.read_frame() == b""  # the session is running and has its handlers
        os.kill(os.getpid(), signal.SIGINT)
        assert guest.log.recv(1) == b"I"
        guest.off(b"@fault number=2 kind=interrupted ip=0x400000")

    before = signal.getsignal(signal.SIGINT)
    result = carry(tmp_path, behaviour)
    assert result.session.ended is Ended.INTERRUPT
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    def behaviour(guest: Guest) -> None:
        guest.read_frame()
        os.kill(os.getpid(), signal.SIGHUP)
        guest.print(b"still here")
        guest.off()

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        result = carry(tmp_path, behaviour)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (result.session.ended, result.output) == (Ended.GUEST, b"still here")


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    def behaviour(guest: Guest) -> None:
        guest.read_frame()
        os.kill(os.getpid(), signal.SIGINT)
        guest.log.recv(1)
        os.kill(os.getpid(), signal.SIGINT)
        guest.log.recv(1)

    start = time.monotonic()
    assert carry(tmp_path, behaviour).session.ended is Ended.INTERRUPT
    assert time.monotonic() - start < session.GRACE


def test_termination_ends_the_machine(tmp_path: Path) -> None:
    def behaviour(guest: Guest) -> None:
        guest.read_frame()
        os.kill(os.getpid(), signal.SIGTERM)
        guest.log.recv(1)

    current = carry(tmp_path, behaviour).session
    assert (current.ended, current.signal) == (Ended.TERMINATED, signal.SIGTERM)


def test_a_guest_that_breaks_the_protocol_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="console protocol"):
        carry(tmp_path, lambda guest: guest.program.sendall(b"\x07\0\0"))


def test_input_that_cannot_be_read_is_reported_and_ends(tmp_path: Path) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)
    with open(tmp_path / "err", "wb") as errors, running(echo) as machine:
        current = Session(machine, Limits(), (directory, 1, errors.fileno()))
        current.run()
    os.close(directory)
    assert current.log.status == 0
    assert b"cannot read standard input: Is a directory" in (tmp_path / "err").read_bytes()


def test_output_that_cannot_be_written_is_an_error() -> None:
    with (
        open("/dev/full", "wb") as full,
        open(os.devnull, "rb") as nothing,
        running(lambda guest: guest.print(b"x")) as machine,
        pytest.raises(ToolError, match="cannot write standard output: No space left"),
    ):
        Session(machine, Limits(), (nothing.fileno(), full.fileno(), 2)).run()


def test_input_waits_until_the_kernel_is_ready(tmp_path: Path) -> None:
    seen: list[bytes] = []

    def behaviour(guest: Guest) -> None:
        guest.program.settimeout(0.3)
        with pytest.raises(TimeoutError):
            guest.program.recv(1)
        guest.log.sendall(b"@ready\n")
        seen.append(guest.read_frame())
        guest.off()

    carry(tmp_path, behaviour, b"abc", ready=False)
    assert seen == [b"abc"]


def test_input_frames_stop_after_the_end_of_file(tmp_path: Path) -> None:
    seen: list[bytes] = []

    def behaviour(guest: Guest) -> None:
        seen.append(guest.read_frame())
        seen.append(guest.read_frame())
        guest.program.settimeout(0.2)
        with pytest.raises(TimeoutError):
            guest.program.recv(1)
        guest.off()

    carry(tmp_path, behaviour, b"abc")
    assert seen == [b"abc", b""]
    assert frames.END_OF_INPUT == b"\0\0"


def test_a_machine_that_starts_again_by_itself_is_stopped(tmp_path: Path) -> None:
    def crash(guest: Guest) -> None:
        guest.log.sendall(b"@ready\n")
        guest.exactly(1)  # until it is stopped

    result = carry(tmp_path, crash)
    assert result.session.log.lost and result.session.ended is Ended.GUEST


def test_a_frame_that_comes_after_the_record_of_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    carried: list[bytes] = []

    def restart(guest: Guest) -> None:
        guest.program.sendall(b"\x01\x09\x00half")
        # The log is another channel, and may be faster.
        while not carried:
            time.sleep(0.01)
        guest.log.sendall(b"@restart\n@ready\n")
        time.sleep(0.2)
        guest.program.sendall(b" and ")
        guest.print(b"half")
        guest.off()

    class Watched(frames.Decoder):
        def feed(self, data: bytes) -> list[tuple[int, bytes]]:
            carried.append(data)
            return list(super().feed(data))

    monkeypatch.setattr(frames, "Decoder", Watched)
    result = carry(tmp_path, restart)
    assert result.output == b"half and half" and result.session.log.restarts == 1
