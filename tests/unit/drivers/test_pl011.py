"""The driver of the PL011 over a model of its registers."""

from __future__ import annotations

from collections import deque
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.contracts.devices import Serial
from cloudos.drivers.pl011.uart import UartPl011, divisor_of
from cloudos.drivers.serial.line import SerialLine
from cloudos.lang import U8, U32, U64, Array, data
from cloudos.sdk import local_calls, models
from cloudos.sdk.devices import Registers
from cloudos.sdk.service import server
from tests.unit.drivers.chips import INTERRUPT, NOTIFICATION, DeviceModel, Nothing

HANDLE = 7
DEPTH = 16


class ModelPl011:
    """A PL011 by its manual: two FIFOs, interrupts that begin when a level is passed and last until cleared."""

    def __init__(self) -> None:
        self.fifo: deque[int] = deque()
        self.sending: deque[int] = deque()
        self.sent = bytearray()
        self.raw = 0
        self.overrun = False
        self.values = dict.fromkeys((0x24, 0x28, 0x2C, 0x30, 0x34, 0x38), 0)
        self.order: list[tuple[int, int]] = []

    def come(self, content: bytes) -> None:
        for byte in content:
            if len(self.fifo) == DEPTH:
                self.overrun, self.raw = True, self.raw | 1 << 10
                continue
            self.fifo.append(byte)
            if len(self.fifo) == DEPTH // 2:
                self.raw |= 1 << 4
        if self.fifo:
            self.raw |= 1 << 6

    def go(self, count: int = DEPTH) -> None:
        for _ in range(min(count, len(self.sending))):
            self.sent.append(self.sending.popleft())
            if len(self.sending) == DEPTH // 2:
                self.raw |= 1 << 5

    @property
    def interrupts(self) -> bool:
        return self.raw & self.values[0x38] != 0

    def read(self, offset: int) -> int:
        if offset == 0x00:
            value = self.fifo.popleft() | (1 << 11 if self.overrun else 0)
            self.overrun = False
            if not self.fifo:
                self.raw &= ~(1 << 6 | 1 << 4)
            return value
        if offset == 0x18:
            full, busy = len(self.sending) == DEPTH, len(self.sending) > 0
            return (0 if self.fifo else 1 << 4) | full << 5 | busy << 3
        if offset == 0x40:
            return self.raw & self.values[0x38]
        return {0xFE0: 0x11, 0xFE4: 0x10}.get(offset, self.values.get(offset, 0))

    def write(self, offset: int, value: int) -> None:
        self.order.append((offset, value))
        if offset == 0x00:
            assert len(self.sending) < DEPTH, "a byte is written into a full FIFO"
            self.sending.append(value)
        elif offset == 0x44:
            self.raw &= ~value
        else:
            assert offset in self.values
            self.values[offset] = value


class Bench:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.chip = ModelPl011()
        monkeypatch.setattr(Registers, "read", lambda _, offset: U32(self.chip.read(int(offset))))
        monkeypatch.setattr(Registers, "write", lambda _, offset, value: self.chip.write(int(offset), int(value)))
        models.install(DeviceModel(Nothing()))
        local_calls.reset()
        self.line = SerialLine[UartPl011](UartPl011(Registers()), U64(INTERRUPT))
        self.line.chip.start(U64(24_000_000), U64(115_200))
        local_calls.install(HANDLE, server((Serial, self.line)).__dispatch__)  # type: ignore[attr-defined]
        self.client = Serial(U64(HANDLE))

    def interrupt(self) -> None:
        if self.chip.interrupts:
            self.line.signalled(U64(1))
        assert not self.chip.interrupts

    def read(self, room: int = 4032) -> bytes:
        into = Array[U8, Literal[4032]]()
        count = self.client.read(into.slice()[0:room])
        return bytes(int(byte) for byte in into.slice()[0:count])


def test_it_is_programmed_while_it_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    chip = Bench(monkeypatch).chip
    written = [offset for offset, _ in chip.order]
    assert chip.order[0] == (0x30, 0)
    assert written[-1] == 0x30
    assert written.index(0x24) < written.index(0x28) < written.index(0x2C)
    assert chip.values[0x30] & 0x301 == 0x301
    assert chip.values[0x2C] == 0x70


def test_the_rate_of_the_firmware_can_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.chip.order.clear()
    bench.line.chip.start(U64(0), U64(0))
    assert not {0x24, 0x28} & {offset for offset, _ in bench.chip.order}


def test_the_example_of_the_manual() -> None:
    """DDI 0183, 3.3.6: 230,400 baud of 4 MHz are 1 and 5/64."""
    assert divisor_of(U64(4_000_000), U64(230_400)) == 64 + 5


@given(st.integers(1_000_000, 100_000_000), st.integers(300, 60_000))
def test_divisors_are_as_near_as_they_can_be(clock: int, baud: int) -> None:
    exact = clock * 64 / (16 * baud)
    found = int(divisor_of(U64(clock), U64(baud)))
    assert abs(found - exact) <= 0.5 + 1e-6 or found in (64, 0xFFFF << 6)


def test_the_chip_is_known_by_its_part_number(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    assert bench.line.chip.exists()
    monkeypatch.setattr(Registers, "read", lambda _, offset: U32(0xFFFF_FFFF))
    assert not bench.line.chip.exists()


def test_bytes_come_and_overruns_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    reader = local_calls.background(bench.read)
    bench.chip.come(b"a")
    bench.interrupt()
    assert reader.result() == b"a"
    bench.client.watch(U64(NOTIFICATION))
    bench.chip.come(bytes(20))
    bench.interrupt()
    assert len(bench.read()) == 16
    assert bench.line.chip.overruns == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=100), st.integers(1, 16)), max_size=20))
def test_everything_that_is_written_leaves_in_order(steps: list[tuple[bytes, int]]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        bench = Bench(monkeypatch)
        written = bytearray()
        for text, count in steps:
            written += text[: int(bench.client.write(data(text)))]
            bench.chip.go(count)
            bench.interrupt()
        while bench.chip.sending:
            bench.chip.go()
            bench.interrupt()
        assert bytes(bench.chip.sent) == bytes(written)
        assert bench.chip.values[0x38] & 1 << 5 == 0


def test_what_has_not_left_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    assert bench.client.unsent() == 0
    assert bench.client.write(data(b"x" * 50)) == 50
    assert bench.client.unsent() == 50 - DEPTH + 1, "the chip says only that there is something"
    while bench.chip.sending:
        assert bench.client.unsent() > 0
        bench.chip.go()
        bench.interrupt()
    assert bench.client.unsent() == 0 and len(bench.chip.sent) == 50
