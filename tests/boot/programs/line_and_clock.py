"""A component that echoes what comes on a serial line, in capital letters, and says the year at the end of a line."""

from __future__ import annotations

from typing import Literal

from cloudos.contracts.devices import Clock, Serial
from cloudos.contracts.errors import ServiceGone
from cloudos.lang import U8, U64, Array, Slice, data
from cloudos.sdk import Text, system
from cloudos.sdk.component import held

YEAR = 31_556_952 * 1_000_000_000  # nanoseconds, of the Gregorian calendar on average


def say(line: Serial, text: Slice[U8]) -> None:
    """Write all of it. Raises ServiceGone."""
    written = U64(0)
    while written < text.length:
        written += line.write(text[written : text.length])


def main() -> U8:
    """9 when a line has been echoed, 1 when a driver has gone."""
    line, clock = Serial(held("line")), Clock(held("clock"))
    buffer = Array[U8, Literal[256]]()
    try:
        say(line, data(b"ready\n"))
        while True:
            count = line.read(buffer.slice())
            for index in U64.range(count):
                byte = buffer[index]
                if byte == 10:
                    say(line, Text(f" {U64(1970) + clock.now() // YEAR}\n").content)
                    while line.unsent() > 0:
                        system.thread_yield()
                    return U8(9)
                buffer[index] = byte - 32 if 97 <= byte <= 122 else byte
                say(line, buffer.slice()[index : index + 1])
    except ServiceGone:
        return U8(1)
