"""Drivers whose device is malicious: registers say anything, and memory shared with it changes at every look.

The virtio console, the 16550, the PL011 and the real-time clock. A driver may lose bytes or give the device up, but it
ends what it does, touches no other memory, and does not panic.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import Any, Literal
from unittest import mock

from cloudos.contracts.devices import Serial
from cloudos.contracts.errors import ServiceError
from cloudos.drivers.pl011.uart import UartPl011
from cloudos.drivers.rtc.chip import RealTimeClock
from cloudos.drivers.serial.line import SerialLine
from cloudos.drivers.serial16550.uart import Uart16550
from cloudos.drivers.virtio_console.port import LENGTH, PAGE, VirtioPort
from cloudos.lang import U8, U32, U64, Array, Region, current_address_space
from cloudos.sdk import local_calls, models
from cloudos.sdk.devices import Ports, Registers
from cloudos.sdk.service import server
from tests.fuzz.services import literal
from tests.fuzz.target import Feed
from tests.unit.drivers.chips import INTERRUPT, PORTS, DeviceModel, Nothing

HANDLE = 7
MEMORY = 0x7300_0000_0000
PHYSICAL = 0x4000_0000
SPACING = 512
# Where the device writes: the used rings of the three queues, and the input buffers.
USED = range(8 * 16 + 4 + 16 + 4, 8 * 16 + 4 + 16 + 4 + 4 + 8 * 8)
STEPS = 12
MORE = 400
LATEST = 1 << 33


class Over(BaseException):
    """The input has nothing more to say: a driver may ask a chip of bytes for hours."""


class Chip:
    """Registers of a device that answers what the input says; when that has ended, 0 for a while."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.more = MORE

    def read(self, size: int = 1) -> int:
        if not self.feed.left:
            self.more -= 1
            if self.more == 0:
                raise Over
        return self.feed.number(size)


class Clocked(DeviceModel):
    """Each look at the clock takes ten milliseconds."""

    def clock_read(self) -> U64:
        self.now += 10_000_000
        return U64(self.now)


class Shared(Region):
    """Memory that the device changes before the driver reads it."""

    feed: Feed

    def read(self, offset: int, size: int) -> int:
        if self.feed.left and offset < 3 * SPACING and offset % SPACING in USED and self.feed.odds(3):
            value = self.feed.number()
            self.write(offset, size, value if value < 200 else self.feed.number(4))
        return super().read(offset, size)


def fuzz(data: bytes) -> None:
    """Let one driver work."""
    feed = Feed(data)
    form = feed.number() & 3
    chip = Chip(feed)
    models.install(Clocked(Nothing()))
    local_calls.reset()
    try:
        with registers(chip, 2 if form == 2 else 1), suppress(Over):
            (virtio, uart, other_uart, clock)[form](feed)
    finally:
        local_calls.reset()
        models.install(models.SystemModel())


def registers(chip: Chip, size: int) -> ExitStack:
    """`Registers` and `Ports` that say what the chip says, in so many bytes."""
    stack = ExitStack()
    no_effect: dict[str, Any] = {name: lambda *arguments: None for name in ("write", "write_u8")}
    stack.enter_context(
        mock.patch.multiple(Registers, read=lambda _, offset: U32(chip.read(size)), write=no_effect["write"])
    )
    stack.enter_context(
        mock.patch.multiple(Ports, read_u8=lambda _, offset: U8(chip.read()), write_u8=no_effect["write_u8"])
    )
    return stack


def uart(feed: Feed) -> None:
    """The 16550."""
    chip = Uart16550(Ports(U64(PORTS)))
    chip.exists()
    chip.start(U64(115_200))
    work(SerialLine[Uart16550](chip, U64(INTERRUPT)), feed)


def other_uart(feed: Feed) -> None:
    """The PL011."""
    chip = UartPl011(Registers())
    chip.exists()
    chip.start(U64(24_000_000), U64(115_200))
    work(SerialLine[UartPl011](chip, U64(INTERRUPT)), feed)


def clock(feed: Feed) -> None:
    """The real-time clock."""
    seconds = RealTimeClock(Ports(U64(PORTS))).read()
    assert seconds is None or seconds < LATEST


def virtio(feed: Feed) -> None:
    """The virtio console, with memory that it shares."""
    space = current_address_space()
    region = Shared(LENGTH, PAGE)
    region.feed = feed
    space.map(region, MEMORY)
    try:
        port = VirtioPort(Registers())
        port.exists()
        line = SerialLine[VirtioPort](port, U64(INTERRUPT))
        if line.chip.start(U64(MEMORY), U64(PHYSICAL)):
            work(line, feed)
    finally:
        space.release(region)


def work(line: Any, feed: Feed) -> None:
    """Interrupts, and calls of a client."""
    local_calls.install(HANDLE, server((Serial, line)).__dispatch__)  # type: ignore[attr-defined]
    client = Serial(U64(HANDLE))
    client.watch(U64(0x33))
    into = Array[U8, Literal[64]]()
    for _ in range(STEPS):
        form = feed.number()
        if form & 3 == 0:
            assert client.write(literal(bytes(form))) <= form
        elif form & 3 == 1:
            with suppress(ServiceError):
                assert client.read(into.slice()[0 : form & 63]) <= 63
        else:
            line.signalled(U64(1))
