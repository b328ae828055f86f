"""The real-time clock: every way in which it may show a time, and what is no time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudos.contracts.devices import Clock
from cloudos.contracts.logs import WARNING, Log
from cloudos.drivers.rtc import main
from cloudos.drivers.rtc.chip import RealTimeClock
from cloudos.drivers.rtc.kept import TOLERANCE, Kept, continued
from cloudos.lang import U64, Slice
from cloudos.sdk import local_calls, models
from cloudos.sdk.devices import Ports
from cloudos.sdk.service import server
from tests.unit.drivers.chips import PORTS, DeviceModel, Nothing

DAYS = st.datetimes(datetime(1970, 1, 1), datetime(2099, 12, 31, 23, 59, 59))


class ModelRtc:
    """An MC146818 with the century register of PCs. `updating`: how often register A says UIP."""

    def __init__(self, now: datetime, binary: bool = False, by_24: bool = True, century: bool = True) -> None:
        self.binary, self.by_24, self.century = binary, by_24, century
        self.now = now
        self.index = 0
        self.updating = 0
        self.valid = True
        self.next: datetime | None = None
        self.reads = 0

    def code(self, value: int) -> int:
        return value if self.binary else value // 10 << 4 | value % 10

    def hour(self) -> int:
        hour = self.now.hour
        if self.by_24:
            return self.code(hour)
        return self.code((hour + 11) % 12 + 1) | (0x80 if hour >= 12 else 0)

    def read(self, offset: int) -> int:
        assert offset == 1
        if self.index == 0x0A:
            self.updating -= self.updating > 0
            return 0x26 | (0x80 if self.updating else 0)
        if self.index < 0x0A and self.next is not None:
            # The update falls between two registers.
            self.reads += 1
            if self.reads == 2:
                self.now, self.next = self.next, None
        now = self.now
        shown = {0: now.second, 2: now.minute, 7: now.day, 8: now.month, 9: now.year % 100}
        if self.index in shown:
            return self.code(shown[self.index])
        if self.index == 0x32:
            return self.code(now.year // 100) if self.century else 0
        flags = {0x04: self.hour(), 0x0B: 4 * self.binary | 2 * self.by_24, 0x0D: 0x80 * self.valid}
        return flags[self.index]

    def write(self, offset: int, value: int) -> None:
        assert offset == 0 and value < 0x80
        self.index = value


class StandingNow(DeviceModel):
    """Time passes with every look at the clock."""

    def clock_read(self) -> U64:
        self.now += 1000
        return U64(self.now)


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    local_calls.reset()
    models.install(models.SystemModel())


def read(chip: Any) -> int | None:
    models.install(StandingNow(chip))
    found = RealTimeClock(Ports(U64(PORTS))).read()
    return None if found is None else int(found)


def seconds(when: datetime) -> int:
    return int(when.replace(tzinfo=UTC).timestamp())


@given(DAYS, st.booleans(), st.booleans())
def test_every_mode_shows_the_time(when: datetime, binary: bool, by_24: bool) -> None:
    assert read(ModelRtc(when, binary, by_24)) == seconds(when)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2069, 12, 31)))
def test_without_a_century(when: datetime) -> None:
    assert read(ModelRtc(when, century=False)) == seconds(when)


@pytest.mark.parametrize(("hour", "by_24"), [(0, False), (12, False), (11, False), (13, False), (23, True)])
def test_noon_and_midnight(hour: int, by_24: bool) -> None:
    when = datetime(2024, 2, 29, hour, 59, 59)
    assert read(ModelRtc(when, by_24=by_24)) == seconds(when)


def test_an_update_is_waited_for() -> None:
    chip = ModelRtc(datetime(2026, 1, 2, 3, 4, 5))
    chip.updating = 20
    assert read(chip) == seconds(chip.now)


def test_an_update_between_two_registers_is_noticed() -> None:
    chip = ModelRtc(datetime(2025, 12, 31, 23, 59, 59))
    chip.next = datetime(2026, 1, 1)
    assert read(chip) == seconds(datetime(2026, 1, 1))


def test_a_clock_that_never_ends_its_update() -> None:
    chip = ModelRtc(datetime(2026, 1, 1))
    chip.updating = 1 << 40
    assert read(chip) is None


def test_no_clock_and_an_empty_battery() -> None:
    assert read(Nothing()) is None
    chip = ModelRtc(datetime(2026, 1, 1))
    chip.valid = False
    assert read(chip) is None


@pytest.mark.parametrize(
    ("register", "value"), [(7, 0x32), (7, 0), (8, 0x13), (4, 0x24), (0, 0x60), (9, 0x9A), (2, 0xFF)]
)
def test_what_is_no_time(register: int, value: int) -> None:
    class Broken(ModelRtc):
        def read(self, offset: int) -> int:
            return value if self.index == register else super().read(offset)

    assert read(Broken(datetime(2026, 3, 4))) is None


class LogServer:
    def __init__(self) -> None:
        self.written: list[tuple[int, bytes]] = []

    def write(self, level: U64, text: Slice[Any]) -> None:
        self.written.append((int(level), bytes(int(byte) for byte in text)))

    def read(self, position: U64, level: U64, into: Slice[Any]) -> U64:
        return U64(0)


def run(chip: Any) -> tuple[int, LogServer]:
    """What the service says two seconds after it started, and the log."""
    system, log = DeviceModel(chip), LogServer()
    models.install(system)
    local_calls.install(8, server((Log, log)).__dispatch__)  # type: ignore[attr-defined]
    local_calls.install(7, main.serve.__dispatch__)  # type: ignore[attr-defined]
    system.now = 5_000_000_000
    main.set_time(RealTimeClock(Ports(U64(PORTS))), U64(8), U64(0))
    system.now += 2_000_000_000
    return int(Clock(U64(7)).now()), log


def test_time_goes_on_by_the_machines_clock() -> None:
    when = datetime(2026, 11, 28, 12)
    found, log = run(ModelRtc(when))
    assert found == (seconds(when) + 2) * 1_000_000_000
    assert log.written == []


def test_without_a_clock_time_counts_from_1970_and_the_log_says_so() -> None:
    # A clock with an empty battery.
    chip = ModelRtc(datetime(2026, 1, 1))
    chip.valid = False
    found, log = run(chip)
    # The machine was started seven seconds before.
    assert found == 7_000_000_000
    assert log.written == [(WARNING, b"the real-time clock shows no time: it counts from 1970-01-01")]


@given(st.integers(0, 2**64 - 1), st.integers(-TOLERANCE, TOLERANCE))
def test_a_later_life_goes_on_with_the_time_of_the_first(ahead: int, difference: int) -> None:
    kept = Kept()
    first = continued(kept, U64(ahead))
    assert first == ahead, "nothing was kept: what the chip shows"
    shown = min(max(ahead + difference, 0), 2**64 - 1)
    assert continued(kept, U64(shown)) == ahead
    assert continued(kept, U64(ahead)) == ahead


@pytest.mark.parametrize("damage", ["magic", "ahead", "check"])
def test_what_is_damaged_or_far_off_is_not_trusted(damage: str) -> None:
    kept = Kept()
    continued(kept, U64(10**18))
    setattr(kept, damage, getattr(kept, damage) ^ U64(4))
    assert continued(kept, U64(10**18 + 7)) == 10**18 + 7
    assert continued(kept, U64(10**18 + 7 + TOLERANCE + 1)) == 10**18 + 7 + TOLERANCE + 1
    # From then on it is sound again.
    assert continued(kept, U64(10**18 + 8 + TOLERANCE)) == 10**18 + 7 + TOLERANCE + 1
