"""The driver of a virtio serial device over a model of the device, which walks the queues as OASIS virtio 1.2 says."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.contracts.devices import Serial
from cloudos.drivers.serial.line import SerialLine
from cloudos.drivers.virtio_console.port import LENGTH, PAGE, VirtioPort
from cloudos.lang import U8, U16, U32, U64, Array, Ptr, VirtAddr, current_address_space, data
from cloudos.sdk import local_calls, models
from cloudos.sdk.devices import Registers
from cloudos.sdk.service import server
from tests.unit.drivers.chips import INTERRUPT, DeviceModel, Nothing

HANDLE = 7
MEMORY = 0x7100_0000_0000
PHYSICAL = 0x4000_0000
WRITES = 2


class Clocked(DeviceModel):
    """Each look at the clock takes ten milliseconds."""

    time = 0

    def clock_read(self) -> U64:
        self.time += 10_000_000
        return U64(self.time)


class ModelDevice:
    """A serial device with port 1. `slow`: it does not look at its output queue until told."""

    def __init__(self) -> None:
        self.status = self.features = self.select = self.queue = self.pending = 0
        self.feature_words: dict[int, int] = {}
        self.places: dict[tuple[int, int], int] = {}
        self.ready: set[int] = set()
        self.seen: dict[int, int] = {}
        self.events: list[tuple[int, int, int]] = []
        self.sent = bytearray()
        self.waiting: deque[int] = deque()
        self.slow = False

    def read(self, offset: int) -> int:
        return {0x00: 0x7472_6976, 0x04: 2, 0x08: 3, 0x60: self.pending, 0x70: self.status}.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        if offset == 0x24:
            self.select = value
        elif offset == 0x20:
            self.feature_words[self.select] = value
        elif offset == 0x30:
            self.queue = value
        elif offset == 0x38:
            assert value == 8
        elif offset == 0x44:
            self.ready.add(self.queue)
        elif offset == 0x50:
            assert self.status == 15 and value in self.ready
            self.look(value)
        elif offset == 0x64:
            self.pending &= ~value
        elif offset == 0x70:
            self.status = value
        else:
            assert 0x80 <= offset < 0xA8
            self.places[self.queue, offset] = value

    def place(self, queue: int, register: int) -> int:
        """The driver's address of a part of a queue."""
        physical = self.places[queue, register] | self.places[queue, register + 4] << 32
        return physical - PHYSICAL + MEMORY

    def offered(self, queue: int) -> list[int]:
        """Descriptors that wait for the device."""
        ring = self.place(queue, 0x90)
        index = half(ring + 2)
        return [half(ring + 4 + at % 8 * 2) for at in range(self.seen.get(queue, 0), index)]

    def give_back(self, queue: int, descriptor: int, length: int) -> None:
        """Put a descriptor on the used ring, and interrupt if the driver wants that."""
        ring = self.place(queue, 0xA0)
        index = half(ring + 2)
        put(U32, ring + 4 + index % 8 * 8, descriptor)
        put(U32, ring + 8 + index % 8 * 8, length)
        put(U16, ring + 2, index + 1)
        self.seen[queue] = self.seen.get(queue, 0) + 1
        if half(self.place(queue, 0x90)) & 1 == 0:
            self.pending |= 1

    def buffer(self, queue: int, descriptor: int) -> tuple[int, int, int]:
        """Address, length and flags of a descriptor."""
        at = self.place(queue, 0x80) + 16 * descriptor
        return int(Ptr.at(U64, VirtAddr(at)).value) - PHYSICAL + MEMORY, word(at + 8), half(at + 12)

    def look(self, queue: int) -> None:
        """Do what a queue asks for."""
        if queue == 4:
            self.deliver()
        elif queue == 5 and self.slow:
            return
        else:
            for descriptor in self.offered(queue):
                address, length, flags = self.buffer(queue, descriptor)
                assert flags & WRITES == 0
                if queue == 3:
                    self.events.append((word(address), half(address + 4), half(address + 6)))
                else:
                    self.sent += bytes(int(Ptr.at(U8, VirtAddr(address + at)).value) for at in range(length))
                self.give_back(queue, descriptor, length)

    def come(self, content: bytes) -> None:
        """Bytes arrive from the host."""
        self.waiting.extend(content)
        self.deliver()

    def deliver(self) -> None:
        for descriptor in self.offered(4):
            if not self.waiting:
                return
            address, length, flags = self.buffer(4, descriptor)
            assert flags & WRITES
            count = min(length, len(self.waiting))
            for at in range(count):
                put(U8, address + at, self.waiting.popleft())
            self.give_back(4, descriptor, count)


def half(address: int) -> int:
    return int(Ptr.at(U16, VirtAddr(address)).value)


def word(address: int) -> int:
    return int(Ptr.at(U32, VirtAddr(address)).value)


def put(kind: type[U8] | type[U16] | type[U32], address: int, value: int) -> None:
    Ptr.at(kind, VirtAddr(address)).value = kind(value & (1 << kind.BITS) - 1)


class Bench:
    """A line over a device."""

    def __init__(self) -> None:
        self.device = ModelDevice()
        self.line = SerialLine[VirtioPort](VirtioPort(Registers()), U64(INTERRUPT))

    def start(self) -> bool:
        return self.line.chip.start(U64(MEMORY), U64(PHYSICAL))

    def interrupt(self) -> None:
        if self.device.pending:
            self.line.signalled(U64(1))
        assert not self.device.pending

    def read(self) -> bytes:
        into = Array[U8, Literal[4032]]()
        count = Serial(U64(HANDLE)).read(into.slice())
        return bytes(int(byte) for byte in into.slice()[0:count])


@contextmanager
def bench() -> Iterator[Bench]:
    """A device whose port is open."""
    with pytest.MonkeyPatch.context() as patch:
        made = Bench()
        patch.setattr(Registers, "read", lambda _, offset: U32(made.device.read(int(offset))))
        patch.setattr(Registers, "write", lambda _, offset, value: made.device.write(int(offset), int(value)))
        models.install(Clocked(Nothing()))
        local_calls.reset()
        local_calls.install(HANDLE, server((Serial, made.line)).__dispatch__)  # type: ignore[attr-defined]
        region = current_address_space().allocate(LENGTH, PAGE, address=MEMORY)
        region.data[:] = bytes(LENGTH)
        if region.shadows is not None:
            region.shadows.clear()
        for at in range(0, LENGTH, 8):
            Ptr.at(U64, VirtAddr(MEMORY + at)).value = U64(0)
        try:
            yield made
        finally:
            current_address_space().release(region)


def test_the_port_is_opened_as_the_standard_says() -> None:
    with bench() as made:
        assert made.line.chip.exists() and made.start()
        assert made.device.feature_words == {0: 2, 1: 1}
        assert made.device.events == [(0xFFFF_FFFF, 0, 1), (1, 3, 1), (1, 6, 1)]
        assert made.device.ready == {3, 4, 5}


def test_a_device_that_never_answers_is_given_up() -> None:
    with bench() as made:
        made.device.look = lambda queue: None  # type: ignore[method-assign]
        assert not made.start()


@settings(max_examples=15, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=700), max_size=8))
def test_all_bytes_come_in_order(pieces: list[bytes]) -> None:
    with bench() as made:
        assert made.start()
        got = b""
        for piece in pieces:
            made.device.come(piece)
            made.interrupt()
            got += made.read()
        assert got == b"".join(pieces)


def test_more_than_all_buffers_hold_waits_in_the_device() -> None:
    content = bytes(range(256)) * 40
    with bench() as made:
        assert made.start()
        made.device.come(content)
        assert len(made.device.waiting) == len(content) - 2 * PAGE
        made.line.chip.has_byte()
        got = bytearray()
        while made.line.chip.has_byte():
            got.append(int(made.line.chip.take()))
        assert bytes(got) == content


def test_what_is_written_is_sent_and_the_rest_when_the_device_has_room() -> None:
    with bench() as made:
        assert made.start()
        client = Serial(U64(HANDLE))
        assert client.write(data(b"first ")) == 6
        assert made.device.sent == b"first "
        made.device.slow = True
        assert client.write(data(b"second ")) == 7
        assert client.write(data(b"third")) == 5
        assert made.device.sent == b"first "
        assert client.unsent() == len(b"second third")
        made.device.slow = False
        made.device.look(5)
        assert made.device.sent == b"first second "
        made.interrupt()
        assert made.device.sent == b"first second third"
        assert client.unsent() == 0
