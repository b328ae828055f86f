"""Carries bytes between the user and a running guest until the guest ends, the time is up, or the user stops it.

One loop over `poll`, no threads. Everything is bounded: what the program prints is read only as fast as our
standard output takes it, and our standard input is read only as fast as the program takes it, so that either
side may be slow, huge, or never read at all without a deadlock and without filling memory.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import stat
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum

from cloudos.host import frames
from cloudos.host.errors import ToolError
from cloudos.host.machine import Machine
from cloudos.host.records import Log

LONGEST_WAIT = 3_600_000
"""Milliseconds of one wait; `poll` takes an int of C, less than 25 days."""

INPUT_AHEAD = 64 * 1024
"""Bytes of standard input held for the program at most."""

OUTPUT_AHEAD = 1 << 20
"""Bytes of output held for a slow reader at most."""

KEPT_BOOT_LINES = 50

CHUNK = 64 * 1024
PIPE_CHUNK = 4096
"""A pipe that `poll` calls writable takes this many bytes without blocking (PIPE_BUF, pipe(7))."""

GRACE = 3.0
"""Seconds that the kernel has to end the program in order after a command; then the machine is stopped."""

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""Signals that end a session in order."""

END_COMMAND = b"T"
INTERRUPT_COMMAND = b"I"


class Ended(Enum):
    """What ended the session."""

    GUEST = "the guest stopped by itself"
    TIME = "the time was up"
    INTERRUPT = "the user interrupted it"
    OUTPUT_CLOSED = "nobody reads standard output any more"
    TERMINATED = "the tool was told to end"


@dataclass
class Limits:
    """`seconds` that the program may run (None: for ever); `log_to_stderr` shows the kernel's messages."""

    seconds: float | None = None
    log_to_stderr: bool = False


class Session:
    """One run of one machine. Use `run()` once; then `ended`, `log` and `boot_log` tell what happened."""

    def __init__(self, machine: Machine, limits: Limits, standard: tuple[int, int, int] = (0, 1, 2)) -> None:
        self.machine = machine
        self.limits = limits
        self.input_fd, self.output_fd, self.error_fd = standard
        self.log = Log()
        self.ended = Ended.GUEST
        self.signal = 0
        self.decoder = frames.Decoder()
        self.boot_log: deque[str] = deque(maxlen=KEPT_BOOT_LINES)
        self.boot_line = b""
        self.commands = b""
        self.to_program = b""
        self.input_open = True
        self.output: deque[tuple[int, memoryview]] = deque()
        self.output_size = 0
        self.deadline = None if limits.seconds is None else time.monotonic() + limits.seconds
        self.final: float | None = None
        self.log_open = self.program_open = True

    def run(self) -> None:
        """Carry bytes until the guest is gone and all it printed is written. Raises ToolError when output fails."""
        self.machine.log.setblocking(False)
        self.machine.program.setblocking(False)
        with signals() as wake:
            while self.going():
                ready = self.wait(wake)
                if ready is None:
                    self.machine.kill()
                    break
                self.serve(ready, wake)

    def going(self) -> bool:
        """Whether anything can still be carried."""
        return bool(self.log_open or self.program_open or self.output)

    def wait(self, wake: int, until: float | None = None) -> dict[int, int] | None:
        """The descriptors that can be served now, none at `until`; None when the last deadline has passed."""
        now = time.monotonic()
        if self.deadline is not None and now >= self.deadline:
            self.stop(Ended.TIME, END_COMMAND)
        if self.final is not None and now >= self.final:
            return None
        limits = [moment for moment in (self.deadline, self.final, until) if moment is not None]
        patience = None if not limits else min(max(0.0, min(limits) - now) * 1000 + 1, LONGEST_WAIT)
        poll = select.poll()
        for descriptor, events in self.interests(wake).items():
            poll.register(descriptor, events)
        return dict(poll.poll(patience))

    def interests(self, wake: int) -> dict[int, int]:
        """What to wait for on each descriptor, from what may be carried now."""
        wanted = {wake: select.POLLIN}
        if self.log_open:
            wanted[self.machine.log.fileno()] = select.POLLIN | (select.POLLOUT if self.commands else 0)
        if self.program_open:
            # What a serial port gets before the kernel has set it up is lost.
            events = select.POLLOUT if self.to_program and self.log.ready else 0
            if self.output_size < OUTPUT_AHEAD:
                events |= select.POLLIN
            if events:
                wanted[self.machine.program.fileno()] = events
            if self.input_open and len(self.to_program) < INPUT_AHEAD:
                wanted[self.input_fd] = select.POLLIN
        if self.output:
            wanted[self.output[0][0]] = select.POLLOUT
        return wanted

    def serve(self, ready: dict[int, int], wake: int) -> None:
        """Carry what can be carried."""
        log, program = self.machine.log, self.machine.program
        if wake in ready:
            self.handle_signals(wake)
        if self.log_open and log.fileno() in ready:
            self.commands = self.send(log, self.commands)
            self.read_log()
        if self.program_open and program.fileno() in ready:
            if self.log.ready:
                self.to_program = self.send(program, self.to_program)
            self.read_program()
        if self.program_open and self.input_open and self.input_fd in ready:
            self.read_input()
        if self.output and self.output[0][0] in ready:
            self.write_output()

    def stop(self, reason: Ended, command: bytes) -> None:
        """Ask the kernel to end the program; the machine itself is stopped GRACE seconds later."""
        self.ended = reason
        self.commands += command
        self.deadline = None
        self.final = time.monotonic() + GRACE
        self.input_open = False

    def handle_signals(self, wake: int) -> None:
        """Ctrl-C asks the kernel to end the program, a second one stops the machine; other signals do so at once."""
        for number in os.read(wake, 64):
            if number == signal.SIGINT and self.ended not in (Ended.INTERRUPT, Ended.TERMINATED):
                self.stop(Ended.INTERRUPT, INTERRUPT_COMMAND)
            elif number in ENDING:
                if number != signal.SIGINT:
                    self.ended, self.signal = Ended.TERMINATED, number
                self.abandon()

    def abandon(self) -> None:
        """Stop the machine and forget what it still had to say."""
        self.machine.kill()
        self.output.clear()
        self.output_size = 0
        self.final = time.monotonic()

    def send(self, channel: socket.socket, data: bytes) -> bytes:
        """Send what the channel takes; the result is the rest."""
        if not data:
            return data
        try:
            return data[channel.send(data[:CHUNK]) :]
        except BlockingIOError:
            return data
        except (BrokenPipeError, ConnectionResetError):
            return b""  # the guest is gone; reading will show it

    def read_log(self) -> None:
        """Take what the kernel says."""
        data = receive(self.machine.log)
        if data == b"":
            self.log_open = False
        self.note_log(data or b"")

    def note_log(self, data: bytes) -> None:
        """What the kernel says, on the log or as a stream of the program channel."""
        before = self.log.restarts
        for message in self.log.feed(data):
            if self.limits.log_to_stderr:
                self.emit(self.error_fd, message.encode() + b"\n")
        if self.log.restarts != before:
            self.restarted()
        if self.log.lost:
            self.machine.kill()

    def restarted(self) -> None:
        """The machine begins anew. What the program channel still holds of the time before are whole frames: the
        kernel waits until they are sent."""

    def read_program(self) -> None:
        """Take what the program prints. Raises ToolError when the guest breaks the protocol."""
        if self.output_size >= OUTPUT_AHEAD:
            return
        data = receive(self.machine.program)
        if data == b"":
            self.program_open = False
        try:
            for stream, payload in self.decoder.feed(data or b""):
                if stream == frames.LOG:
                    self.note_log(payload)
                else:
                    self.take(stream, payload)
        except frames.FrameError as error:
            raise ToolError(f"the guest broke the console protocol: {error}") from error

    def take(self, stream: int, payload: bytes) -> None:
        """What the guest printed on one of the streams of frames.py."""
        if stream == frames.BOOT_LOG:
            self.note_boot(payload)
        else:
            self.emit(self.output_fd if stream == frames.OUTPUT else self.error_fd, payload)

    def note_boot(self, payload: bytes) -> None:
        """Keep the last lines of the boot log, and show them where the log is shown."""
        *lines, self.boot_line = (self.boot_line + payload).split(b"\n")
        self.boot_log.extend(line.decode(errors="replace") for line in lines)
        if self.limits.log_to_stderr:
            self.emit(self.error_fd, payload)

    def emit(self, descriptor: int, data: bytes) -> None:
        """Queue bytes for one of our own standard streams."""
        if data:
            self.output.append((descriptor, memoryview(data)))
            self.output_size += len(data)

    def read_input(self) -> None:
        """Take standard input for the program; its end, or a failure to read it, is the program's end of file."""
        try:
            data = os.read(self.input_fd, INPUT_AHEAD)
        except InterruptedError:
            return
        except OSError as error:
            self.emit(self.error_fd, f"cloudos: cannot read standard input: {error.strerror}\n".encode())
            data = b""
        if data:
            self.to_program += frames.encode_input(data)
        else:
            self.to_program += frames.END_OF_INPUT
            self.input_open = False

    def write_output(self) -> None:
        """Write the oldest output. A reader that went away ends the run. Raises ToolError for other failures."""
        descriptor, data = self.output.popleft()
        size = PIPE_CHUNK if may_block(descriptor) else len(data)
        try:
            written = os.write(descriptor, data[:size])
        except (BlockingIOError, InterruptedError):
            written = 0
        except OSError as error:
            self.output_failed(descriptor, error)
            return
        self.output_size -= written
        if written < len(data):
            self.output.appendleft((descriptor, data[written:]))

    def output_failed(self, descriptor: int, error: OSError) -> None:
        """One of our standard streams cannot be written to."""
        kept = [(target, data) for target, data in self.output if target != descriptor]
        self.output = deque(kept)
        self.output_size = sum(len(data) for _, data in kept)
        if descriptor != self.output_fd:
            return  # nowhere left to complain to
        if error.errno != errno.EPIPE:
            raise ToolError(f"cannot write standard output: {error.strerror}")
        self.ended = Ended.OUTPUT_CLOSED
        self.abandon()


def receive(channel: socket.socket) -> bytes | None:
    """What has arrived: b"" when the guest is gone, None when nothing is there yet."""
    try:
        return channel.recv(CHUNK)
    except BlockingIOError:
        return None
    except ConnectionResetError:
        return b""


def may_block(descriptor: int) -> bool:
    """Whether a large write may block though `poll` says writable: true of all but regular files."""
    return not stat.S_ISREG(os.fstat(descriptor).st_mode)


def repair_standard_streams() -> None:
    """Open the null device for standard streams that were closed: no socket of ours may take their numbers."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    # Python has None for such streams, and print(file=None) would send messages to the other one.
    null = open(os.devnull, "r+")  # noqa: SIM115 - as long as the process
    sys.stdin, sys.stdout, sys.stderr = sys.stdin or null, sys.stdout or null, sys.stderr or null


@contextmanager
def signals() -> Iterator[int]:
    """A descriptor on which the numbers of the signals in ENDING arrive, one byte each.

    Those that are ignored stay ignored, as they are for a job in the background or under nohup.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    before = {number: signal.getsignal(number) for number in ENDING}
    taken = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    try:
        previous = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in taken:
            signal.signal(number, lambda *_: None)
        try:
            yield reader
        finally:
            for number, handler in taken.items():
                with suppress(TypeError):  # a handler not set from Python reads as None
                    signal.signal(number, handler)
            signal.set_wakeup_fd(previous)
    finally:
        os.close(reader)
        os.close(writer)
