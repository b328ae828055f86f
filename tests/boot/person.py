"""A person at `cloudos shell`: a real pseudo-terminal of 80 x 24, keys, and a model of what the screen shows."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable

from tests.boot.harness import LAUNCHER
from tests.unit.services.terminal_model import Terminal

COLUMNS, ROWS = 80, 24
PATIENCE = 60.0
PROMPT = "cloudos:/$"


class Person:
    """Types on a terminal in front of `cloudos shell`, and waits until the screen shows something."""

    def __init__(self, *options: str) -> None:
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        line = [str(LAUNCHER), "shell", "--timeout", "240", *options]
        self.guest = subprocess.Popen(line, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.terminal = Terminal(COLUMNS, ROWS)
        self.decoder = codecs.getincrementaldecoder("utf-8")()

    def close(self) -> None:
        """Stop the tool and give back the terminal."""
        self.guest.kill()
        self.guest.wait()
        os.close(self.ours)

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.ours, keys)

    def look(self, seconds: float = 0.05) -> bool:
        """Let the screen show what came; whether something did. A terminal answers where its cursor is."""
        if not select.select([self.ours], [], [], seconds)[0]:
            return False
        try:
            content = os.read(self.ours, 65536)
        except OSError:  # the far end is gone
            return False
        self.terminal.feed(self.decoder.decode(content).encode())
        if self.terminal.answers:
            self.type(bytes(self.terminal.answers))
            self.terminal.answers.clear()
        return content != b""

    def rows(self) -> list[str]:
        """The rows of the screen up to the last that is not empty."""
        return self.terminal.text().split("\n")

    def until(self, seen: Callable[[], bool], wanted: object) -> None:
        """Wait until a condition holds. Raises AssertionError, with the screen, when it does not."""
        end = time.monotonic() + PATIENCE
        while not seen():
            if not self.look() and (time.monotonic() > end or self.guest.poll() is not None):
                at = (self.terminal.row, self.terminal.column)
                raise AssertionError(f"{wanted} is not shown by\n{self.terminal.text()}\ncursor at {at}")

    def see(self, *last: str, column: int | None = None) -> None:
        """Wait until these are the last rows that are not empty, and the cursor is in the column if one is named."""
        wanted = list(last) if column is None else [*last, f"with the cursor in column {column}"]
        self.until(lambda: self.rows()[-len(last) :] == list(last) and column in (None, self.terminal.column), wanted)

    def see_match(self, pattern: str) -> re.Match[str]:
        """Wait until a regular expression matches somewhere in the text of the screen."""
        found: list[re.Match[str]] = []

        def matches() -> bool:
            found.extend(re.finditer(pattern, self.terminal.text(), re.MULTILINE))
            return bool(found)

        self.until(matches, repr(pattern))
        return found[-1]

    def run(self, command: str, *output: str) -> None:
        """Type a command at the prompt of `/`; its output is to be these rows, and the prompt is to come back."""
        self.type(command.encode() + b"\r")
        self.see(f"{PROMPT} {command}", *output, PROMPT)

    def fresh(self) -> None:
        """An empty screen with a prompt."""
        self.type(b"clear\r")
        self.until(lambda: self.rows() == [PROMPT], "a prompt alone")

    def ended(self, seconds: float = 30.0) -> int:
        """Wait for the end of the machine; the exit status of the tool."""
        end = time.monotonic() + seconds
        while self.guest.poll() is None and time.monotonic() < end:
            self.look()
        return self.guest.wait(timeout=1)
