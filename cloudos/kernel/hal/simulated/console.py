"""The log, the host's commands and the program channel: queues that the test reads and fills."""

from __future__ import annotations

from typing import Literal

from cloudos.kernel.hal.interface import FrameSource
from cloudos.kernel.hal.simulated import board
from cloudos.lang import U8, U64, Array, Slice, place, struct, zeroed
from cloudos.lang import data as constant

BUFFER_SIZE = 4096
# Nanoseconds that a slow host takes.
SLOWEST_HOST = 50_000


class LogPort:
    """A Sink that appends to the machine's log."""

    def write(self, data: Slice[U8]) -> None:
        """Append."""
        board.current().log += bytes(data)


@struct
class Input:
    """Bytes taken from the channel, and how many of them are still to be consumed."""

    first: U64 = U64(0)
    count: U64 = U64(0)
    buffer: Array[U8, Literal[4096]] = zeroed()


LOG_PORT = LogPort()
INPUT = place(Input())


def start() -> None:
    """The log can be written from the beginning."""


def read_command() -> U8:
    """Next command byte of the host, 0 when there is none."""
    commands = board.current().commands
    return U8(commands.popleft()) if commands else U8(0)


def start_channel(frames: FrameSource) -> None:
    """The channel is always there."""


def channel_write(data: Slice[U8]) -> None:
    """Send; the host takes a while, as often as `slow_host` says."""
    machine = board.current()
    assert channel_is_idle(), "written to the channel before it was idle"
    machine.output += bytes(data)
    if machine.random.random() < machine.slow_host:
        machine.busy_until = machine.clock + machine.random.randint(1, SLOWEST_HOST)


def channel_is_idle() -> bool:
    """Whether all that was written has been taken by the host."""
    machine = board.current()
    return machine.busy_until <= machine.clock


def channel_peek() -> Slice[U8]:
    """Input that has arrived and not been consumed, in pieces of random sizes."""
    machine = board.current()
    if INPUT.count == 0 and machine.input:
        size = machine.random.randint(1, min(len(machine.input), BUFFER_SIZE))
        INPUT.buffer.slice()[0:size].copy_from(constant(bytes(machine.input[:size])))
        del machine.input[:size]
        INPUT.first = U64(0)
        INPUT.count = U64(size)
    return INPUT.buffer.slice()[INPUT.first : INPUT.first + INPUT.count]


def channel_consume(length: U64) -> None:
    """Forget the first bytes that `channel_peek` showed."""
    INPUT.first = INPUT.first + length
    INPUT.count = INPUT.count - length


def channel_interrupt() -> None:
    """The channel's interrupt came: input is found by looking."""


def drain() -> None:
    """Wait until the host has all that was written."""
    machine = board.current()
    machine.advance(max(machine.busy_until - machine.clock, 0))
