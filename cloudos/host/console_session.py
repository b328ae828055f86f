"""A session with a machine's console: bytes go between a terminal, or a script, and the serial port of the guest.

The guest is a system image, whose first process is init. What that prints (the boot log) comes over the program
channel and counts as part of the log. Input is held until the guest has shown something on the console: what a serial
port gets before its driver has set it up is lost. The same holds again when the machine restarts itself.
"""

from __future__ import annotations

import os
import re
import select
import signal
import termios
import time
import tty
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from cloudos.host import frames
from cloudos.host.machine import Machine
from cloudos.host.session import INPUT_AHEAD, OUTPUT_AHEAD, Ended, Limits, Session, receive

END_OF_INPUT = b"\x04"
"""What a terminal makes of the end of input: Ctrl-D."""

ESCAPE = 0x1D
ESCAPES = 3
ESCAPE_SECONDS = 1.0
"""Ctrl-], so many times within so many seconds, stops a machine whose guest does not listen any more."""


class ConsoleSession(Session):
    """Carries the console until the machine is off; then `ended`, `log` and `boot_log` tell what happened."""

    def __init__(self, machine: Machine, limits: Limits, standard: tuple[int, int, int] = (0, 1, 2)) -> None:
        super().__init__(machine, limits, standard)
        assert machine.console is not None, "the machine was started without a console"
        self.console = machine.console
        self.console.setblocking(False)
        self.console_open = True
        self.listening = False
        self.to_console = b""
        self.raw = False
        self.escapes: deque[float] = deque(maxlen=ESCAPES)
        # The program channel has no input here.
        self.to_program = frames.END_OF_INPUT

    def run(self) -> None:
        """Carry bytes until the machine is off; a terminal as standard input is in raw mode meanwhile.

        Raises ToolError when output fails.
        """
        with raw_terminal(self.input_fd) as self.raw:
            super().run()

    def going(self) -> bool:
        """Whether anything can still be carried."""
        return self.console_open or super().going()

    def interests(self, wake: int) -> dict[int, int]:
        """What to wait for; standard input is the console's."""
        wanted = super().interests(wake)
        wanted.pop(self.input_fd, None)
        if not self.console_open:
            return wanted
        events = select.POLLIN if self.output_size < OUTPUT_AHEAD else 0
        events |= select.POLLOUT if self.to_console and self.listening else 0
        if events:
            wanted[self.console.fileno()] = events
        if self.input_open and len(self.to_console) < INPUT_AHEAD:
            wanted[self.input_fd] = select.POLLIN
        return wanted

    def serve(self, ready: dict[int, int], wake: int) -> None:
        """Carry what can be carried."""
        if self.console_open and self.console.fileno() in ready:
            self.read_console()
            if self.listening:
                self.to_console = self.send(self.console, self.to_console)
        if self.console_open and self.input_open and self.input_fd in ready:
            self.read_input()
        ready.pop(self.input_fd, None)
        super().serve(ready, wake)

    def read_console(self) -> None:
        """Take what the guest shows."""
        if self.output_size >= OUTPUT_AHEAD:
            return
        data = receive(self.console)
        if data == b"":
            self.console_open = False
        elif data:
            # What is shown after a restart comes later than the record of it.
            if self.log_open:
                self.read_log()
            if self.program_open:
                self.read_program()
            self.listening = True
            self.show(data)

    def restarted(self) -> None:
        """Until the new system shows something, nobody listens."""
        super().restarted()
        self.listening = False

    def show(self, data: bytes) -> None:
        """What the guest shows is for standard output."""
        self.emit(self.output_fd, data)

    def read_input(self) -> None:
        """Take standard input for the console, as it is. Its end is Ctrl-D."""
        try:
            data = os.read(self.input_fd, INPUT_AHEAD)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        self.to_console += data or END_OF_INPUT
        self.input_open = bool(data)
        if self.raw:
            self.note_escapes(data)

    def note_escapes(self, data: bytes) -> None:
        """Stop the machine when the user asks for it."""
        for byte in data:
            if byte != ESCAPE:
                self.escapes.clear()
                continue
            self.escapes.append(time.monotonic())
            if len(self.escapes) == ESCAPES and self.escapes[-1] - self.escapes[0] <= ESCAPE_SECONDS:
                self.ended, self.signal = Ended.TERMINATED, signal.SIGTERM
                self.abandon()

    def emit(self, descriptor: int, data: bytes) -> None:
        """Queue bytes. The log needs carriage returns on a terminal in raw mode."""
        if descriptor == self.error_fd and self.raw:
            data = data.replace(b"\n", b"\r\n")
        super().emit(descriptor, data)

    def take(self, stream: int, payload: bytes) -> None:
        """All that init prints is the boot log."""
        self.note_boot(payload)


class Script(ConsoleSession):
    """A console that a test types on. Everything shown is in `transcript`.

    `expect` and `finish` carry bytes, `type` only queues them. `counted.console` makes one.
    """

    def __init__(self, machine: Machine, seconds: float) -> None:
        super().__init__(machine, Limits(seconds), (-1, -1, -1))
        self.input_open = False
        self.transcript = bytearray()
        self.seen = 0
        machine.log.setblocking(False)
        machine.program.setblocking(False)
        self.never, self.never_far = os.pipe()

    def close(self) -> None:
        """Give back what the script itself has opened."""
        os.close(self.never)
        os.close(self.never_far)

    def show(self, data: bytes) -> None:
        """What the guest shows is kept."""
        self.transcript += data

    def emit(self, descriptor: int, data: bytes) -> None:
        """Nothing is for standard streams."""

    def type(self, data: bytes) -> None:
        """Keys that the guest gets when it listens."""
        self.to_console += data

    def expect(self, pattern: bytes, seconds: float = 30.0) -> re.Match[bytes]:
        """Wait until the regular expression matches in what was shown since the last match.

        `seconds` of real time. Raises AssertionError, with all that was shown, when it does not or the machine is off.
        """
        compiled = re.compile(pattern, re.DOTALL)
        end = time.monotonic() + seconds
        while True:
            found = compiled.search(self.transcript, self.seen)
            if found:
                self.seen = found.end()
                return found
            if not self.step(end):
                raise AssertionError(f"{pattern!r} was not shown; {self.account()}")

    def finish(self, seconds: float = 30.0) -> int | None:
        """Wait until the machine is off; the exit status that the kernel told, None when there was none.

        Raises AssertionError when it is still on after `seconds`.
        """
        end = time.monotonic() + seconds
        while self.step(end):
            pass
        if self.going():
            raise AssertionError(f"the machine is still on; {self.account()}")
        return self.log.status

    def step(self, end: float) -> bool:
        """Carry once; False when the time is up or the machine is off."""
        if not self.going() or time.monotonic() >= end:
            return False
        ready = self.wait(self.never, end)
        if ready is None:
            return False
        self.serve(ready, self.never)
        return True

    def account(self) -> str:
        """All that is known, for failures."""
        boot, kernel = "\n".join(self.boot_log), "\n".join(self.log.lines)
        status = "on" if self.going() else f"off with status {self.log.status}"
        return f"the machine is {status}; shown:\n{bytes(self.transcript)!r}\nboot log:\n{boot}\nkernel:\n{kernel}"


@contextmanager
def raw_terminal(descriptor: int) -> Iterator[bool]:
    """Put a terminal into raw mode, and back on every way out; False when it is no terminal."""
    if not os.isatty(descriptor):
        yield False
        return
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor, termios.TCSADRAIN)
        yield True
    finally:
        with suppress(termios.error):  # the terminal itself may be gone
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
