"""The kernel log: lines for people, `[seconds.micros] text`, and records for the host tool, which begin with `@`."""

from __future__ import annotations

from cloudos.kernel.hal import console, timer
from cloudos.lang import U64, write_text

NANOSECONDS_PER_SECOND = 1_000_000_000


def line(text: str) -> None:
    """Write one line with the time."""
    time = timer.now()
    seconds = time // NANOSECONDS_PER_SECOND
    micros = time % NANOSECONDS_PER_SECOND // 1000
    write_text(console.LOG_PORT, f"[{seconds}.{micros:06}] ")
    record(text)


def record(text: str) -> None:
    """Write one line as it is."""
    write_text(console.LOG_PORT, text)
    write_text(console.LOG_PORT, "\n")


def text(text: str) -> None:
    """Write a part of a line."""
    write_text(console.LOG_PORT, text)


def frame(ip: U64) -> None:
    """Write the record of one frame of a backtrace."""
    text("@frame")
    address("ip", ip)
    record("")


def address(name: str, value: U64) -> None:
    """Write ` name=0x…`, a part of a record."""
    write_text(console.LOG_PORT, f" {name}={value:#x}")
