"""A person at a terminal: a serial port, its driver and the console service in the machine, against a model of what
the person sees."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boot.harness import PATIENCE, ROOT
from tests.unit.services.terminal_model import Terminal

PROGRAM = ROOT / "tests" / "boot" / "programs" / "terminal.py"
RUN = """
import sys
from cloudos.host import cli, machine
plain = machine.command
port = sys.argv[1]
added = ["-chardev", f"socket,id=third,path={port},server=on,wait=on"]
added += ["-device", "isa-serial,chardev=third,index=2,iobase=0x3e8,irq=5"]
machine.command = lambda *given: [*plain(*given), *added]
sys.argv = ["cloudos", "run", "--bare", "--timeout", "100", "--memory", "64M", sys.argv[2]]
sys.exit(cli.main())
"""
SHOWN = 20.0
"""Seconds until the screen shows what it has to."""


class Person:
    """Types, and waits until the screen shows something."""

    def __init__(self, path: Path) -> None:
        line = [sys.executable, "-c", RUN, str(path), str(PROGRAM)]
        self.guest = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.terminal = Terminal()
        self.port = socket.socket(socket.AF_UNIX)
        self.port.settimeout(0.05)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.port.connect(str(path))
                return
            except OSError:
                if time.monotonic() > end or self.guest.poll() is not None:
                    self.guest.kill()
                    raise AssertionError(self.guest.communicate()[0].decode()) from None
                time.sleep(0.05)

    def type(self, keys: bytes) -> None:
        self.port.sendall(keys)

    def look(self) -> bool:
        """Let the terminal show what came; whether something did."""
        try:
            content = self.port.recv(65536)
        except TimeoutError:
            return False
        self.terminal.feed(content)
        if self.terminal.answers:
            self.port.sendall(self.terminal.answers)
            self.terminal.answers.clear()
        return content != b""

    def see(self, *last: str) -> None:
        """Wait until these are the last rows of the screen that are not empty."""
        end = time.monotonic() + SHOWN
        while self.terminal.text().split("\n")[-len(last) :] != list(last):
            if not self.look() and (time.monotonic() > end or self.guest.poll() is not None):
                self.guest.kill()
                rest = self.guest.communicate()[0].decode()
                raise AssertionError(f"{list(last)} is not at the end of\n{self.terminal.text()}\n{rest}")


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    made = Person(tmp_path / "port")
    yield made
    made.guest.kill()
    made.guest.wait()
    made.port.close()


@pytest.mark.one_architecture("a serial port of PCs; test_interactive.py has the console of others")
def test_a_person_at_a_terminal(person: Person) -> None:
    person.see("$")
    person.type(b"sizE\x7fe\r")
    person.see("$ size", "$")
    person.type(b"ab\x1b[Dx")
    person.see("$ axb")
    person.type(b"\x15\t")
    person.see("$ completed")
    person.type(b"\x03")
    person.see("$ completed^C", "$")
    person.type(b"lines\rone\rtw\x7fhree\r")
    person.see("$ lines", "one", "got one", "three", "got three")
    person.type(b"partial")
    person.see("got three", "partial")
    person.type(b"\x03")
    person.see("partial^C", "interrupted", "$")
    person.type(b"\x1b[A\r\x04")
    person.see("$ lines", "end of file", "$")
    person.type(b"raw\r")
    person.see("$ raw", "raw")
    person.type(b"\x03a\x1b[Aq")
    person.see("raw", "^a^[Aq", "$")
    person.type(b"flood\r")
    person.see("." * 79, "." * 79, "$")
    person.type(b"second\r")
    person.see("$ second", "$")
    person.type(b"\x1d2")
    person.see("$ second", "$", "[session 2]", "hello from two")
    person.type(b"\x1d1")
    person.see("[session 1]", "$")
    person.type(b"restart\r")
    person.see("$ restart", "$")
    person.type(b"nothing\r")
    person.see("$ nothing", "no such command: nothing", "$")
    person.type(b"\x04")
    person.see("$ bye")
    output = person.guest.communicate()[0].decode().splitlines()
    # What the tool itself says comes first.
    assert output[-2:] == ["80 x 24", "end"]
