"""The driver of the 16550 over a model of the chip: nothing is lost, doubled or out of order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.contracts.devices import RECEIVED, ROOM, Serial
from cloudos.contracts.errors import ServiceGone
from cloudos.drivers.serial.line import SerialLine
from cloudos.drivers.serial16550.uart import FIFO, Uart16550
from cloudos.lang import U8, U64, Array, data
from cloudos.sdk import local_calls, models
from cloudos.sdk.devices import Ports
from cloudos.sdk.service import CALLER, Later, server
from tests.unit.drivers.chips import INTERRUPT, NOTIFICATION, PORTS, DeviceModel, Model16550, Nothing

HANDLE = 7


class Bench:
    """A driver, its chip and its client."""

    def __init__(self) -> None:
        self.chip = Model16550()
        self.system = DeviceModel(self.chip)
        models.install(self.system)
        local_calls.reset()
        self.line = SerialLine[Uart16550](Uart16550(Ports(U64(PORTS))), U64(INTERRUPT))
        self.line.chip.start(U64(115_200))
        local_calls.install(HANDLE, server((Serial, self.line)).__dispatch__)  # type: ignore[attr-defined]
        self.client = Serial(U64(HANDLE))

    def interrupt(self) -> None:
        """Let the driver handle interrupts until there is none."""
        for _ in range(3):
            if not self.chip.interrupts:
                return
            self.line.signalled(U64(1))
        assert not self.chip.interrupts, "the line stays active: no further edge would come"

    def read(self, room: int = 4032) -> bytes:
        into = Array[U8, Literal[4032]]()
        count = self.client.read(into.slice()[0:room])
        return bytes(int(byte) for byte in into.slice()[0:count])

    def write(self, content: bytes) -> int:
        return int(self.client.write(data(content)))


@pytest.fixture
def bench() -> Iterator[Bench]:
    yield Bench()
    local_calls.reset()
    models.install(models.SystemModel())


def test_it_is_set_up_as_the_data_sheet_says(bench: Bench) -> None:
    assert bench.chip.divisor == 1
    assert bench.chip.lcr == 3
    assert bench.chip.fcr & 0xC1 == 0x81
    assert bench.chip.ier == 5
    assert bench.chip.mcr & 8


@pytest.mark.parametrize(("baud", "divisor"), [(9600, 12), (300, 384), (115_200, 1), (1_000_000, 1), (50, 2304)])
def test_the_divisor(bench: Bench, baud: int, divisor: int) -> None:
    bench.line.chip.start(U64(baud))
    assert bench.chip.divisor == divisor


def test_a_chip_is_told_from_nothing(bench: Bench) -> None:
    assert bench.line.chip.exists()
    models.install(DeviceModel(Nothing()))
    assert not bench.line.chip.exists()


def test_a_reader_waits_for_bytes(bench: Bench) -> None:
    reader = local_calls.background(bench.read)
    assert reader.waits
    bench.chip.come(b"hello")
    bench.interrupt()
    assert reader.result() == b"hello"
    assert bench.system.acknowledged == 1


def test_bytes_that_cannot_be_delivered_stay(bench: Bench) -> None:
    bench.line.reader, bench.line.wanted = U64(12345), U64(100)  # a caller that has ended
    bench.chip.come(b"kept")
    bench.interrupt()
    assert bench.read() == b"kept"


def test_bytes_for_who_asked_and_gave_up_stay(bench: Bench) -> None:
    bench.chip.come(b"kept")
    bench.interrupt()
    CALLER.reply = U64(12345)  # a caller whose patience ended before it was its turn
    into = Array[U8, Literal[4032]]()
    with pytest.raises(Later):
        bench.line.read(into.slice())
    assert bench.read() == b"kept"
    assert bench.read(0) == b""


def test_a_reader_gets_no_more_than_it_has_room_for(bench: Bench) -> None:
    reader = local_calls.background(lambda: bench.read(3))
    bench.chip.come(b"abcdef")
    bench.interrupt()
    assert reader.result() == b"abc"
    assert bench.read(100) == b"def"


def test_a_second_reader_ends_the_wait_of_the_first(bench: Bench) -> None:
    first = local_calls.background(bench.read)
    second = local_calls.background(bench.read)
    with pytest.raises(ServiceGone):
        first.result()
    bench.chip.come(b"x")
    bench.interrupt()
    assert second.result() == b"x"


def test_a_watch_makes_reading_immediate(bench: Bench) -> None:
    bench.client.watch(U64(NOTIFICATION))
    assert bench.read() == b""
    bench.chip.come(b"ab")
    bench.interrupt()
    assert bench.system.signals == [(NOTIFICATION, RECEIVED)]
    assert bench.read() == b"ab"


def test_a_watch_tells_of_bytes_that_were_there(bench: Bench) -> None:
    bench.chip.come(b"early")
    bench.interrupt()
    bench.client.watch(U64(NOTIFICATION))
    assert bench.system.signals == [(NOTIFICATION, RECEIVED)]


def test_a_new_watch_replaces_the_old_one_and_ends_a_wait(bench: Bench) -> None:
    reader = local_calls.background(bench.read)
    bench.client.watch(U64(60))
    assert reader.result() == b""
    bench.client.watch(U64(61))
    assert bench.system.closed == [60]


def test_what_the_ring_cannot_hold_is_counted(bench: Bench) -> None:
    for _ in range(300):
        bench.chip.come(bytes(16))
        bench.interrupt()
    assert bench.line.received.lost == 300 * 16 - 4096
    assert len(bench.read()) == 4032


def test_an_overrun_of_the_chip_is_counted(bench: Bench) -> None:
    bench.chip.come(bytes(20))
    bench.interrupt()
    assert bench.line.chip.overruns == 1
    assert len(bench.read()) == 16


def test_writing_goes_in_bursts_of_a_fifo(bench: Bench) -> None:
    text = bytes(range(100))
    assert bench.write(text) == 100
    assert len(bench.chip.sending) == 16
    while bench.chip.sending:
        bench.chip.go()
        bench.interrupt()
    assert bytes(bench.chip.sent) == text
    assert bench.chip.ier & 2 == 0


def test_a_dead_line_holds_nobody_up(bench: Bench) -> None:
    bench.client.watch(U64(NOTIFICATION))
    assert bench.write(bytes(4000)) == 4000
    assert bench.write(bytes(4000)) == 4096 + 16 - 4000
    assert bench.write(bytes(10)) == 0
    bench.interrupt()
    assert bench.system.signals == []


def test_room_is_told(bench: Bench) -> None:
    bench.client.watch(U64(NOTIFICATION))
    bench.write(bytes(4000))
    assert bench.write(bytes(4000)) < 4000
    for _ in range(100):
        bench.chip.go()
        bench.interrupt()
    assert bench.system.signals == []
    for _ in range(100):
        bench.chip.go()
        bench.interrupt()
    assert bench.system.signals == [(NOTIFICATION, ROOM)]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("come"), st.binary(max_size=16)),
        st.tuples(st.just("write"), st.binary(max_size=200)),
        st.tuples(st.just("read"), st.integers(1, 100)),
        st.tuples(st.just("go"), st.integers(1, 16)),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_both_directions_keep_every_byte_in_order(steps: list[tuple[str, bytes | int]]) -> None:
    bench = Bench()
    bench.client.watch(U64(NOTIFICATION))
    came, read, written = bytearray(), bytearray(), bytearray()
    for what, value in steps:
        if isinstance(value, bytes) and what == "come":
            bench.chip.come(value)
            came += value
        elif isinstance(value, bytes):
            written += value[: bench.write(value)]
        elif what == "read":
            read += bench.read(value)
        else:
            bench.chip.go(value)
        bench.interrupt()
    while bench.chip.sending:
        bench.chip.go()
        bench.interrupt()
    assert bytes(read + bench.read()) == bytes(came)
    assert bytes(bench.chip.sent) == bytes(written)


def test_what_has_not_left_is_counted(bench: Bench) -> None:
    assert bench.client.unsent() == 0
    assert bench.write(b"x" * 50) == 50
    assert bench.client.unsent() == 50 - FIFO + 1, "the chip says only that there is something"
    while bench.chip.sending:
        assert bench.client.unsent() > 0
        bench.chip.go()
        bench.interrupt()
    assert bench.client.unsent() == 0 and len(bench.chip.sent) == 50
