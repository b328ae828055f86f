"""The clock and its alarms on x86_64, with a model of the APIC timer and of the time stamp counter."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from cloudos.kernel.hal.x86_64 import cpu, interrupts, timer
from cloudos.kernel.hal.x86_64.timer import CLOCK, LARGEST_COUNT, ONE
from cloudos.lang import U32, U64

ACCESS_NS = 20
FREQUENCY = 3
FIELDS = ("apic_period", "cycle_period", "frequency", "base_cycles", "base_time", "round", "latest", "has_deadline")
MILLISECOND = 1_000_000


class Apic:
    """The local APIC's timer at 1 GHz; every access takes time."""

    def __init__(self) -> None:
        self.time = 0
        self.accesses = 0
        self.mode = 0
        self.initial = 0
        self.begun = 0
        # When the interrupts that are still to come were, or will be, raised.
        self.raised: int | None = None

    def pass_time(self, duration: int) -> None:
        self.time += duration
        end = self.begun + self.initial
        if self.initial and self.time >= end:
            if not self.mode & timer.MASKED:
                self.raised = end
            if self.mode & timer.MODE_PERIODIC:
                self.begun += (self.time - self.begun) // self.initial * self.initial
            else:
                self.initial = 0

    def read(self, register: U32) -> U32:
        self.access()
        assert register == timer.REGISTER_CURRENT_COUNT
        return U32(self.begun + self.initial - self.time if self.initial else 0)

    def write(self, register: U32, value: U32) -> None:
        self.access()
        if register == timer.REGISTER_TIMER:
            self.mode = int(value)
        elif register == timer.REGISTER_INITIAL_COUNT:
            self.initial, self.begun = int(value), self.time

    def access(self) -> None:
        self.accesses += 1
        self.pass_time(ACCESS_NS)

    def cycles(self) -> U64:
        return U64(12_345 + self.time * FREQUENCY)


@pytest.fixture
def apic(monkeypatch: pytest.MonkeyPatch) -> Iterator[Apic]:
    before = [getattr(CLOCK, name) for name in FIELDS]
    made = Apic()
    monkeypatch.setattr(interrupts, "apic_read", made.read)
    monkeypatch.setattr(interrupts, "apic_write", made.write)
    monkeypatch.setattr(cpu, "cycle_counter", made.cycles)
    signature = U32(timer.SIGNATURE_TCG)
    monkeypatch.setattr(cpu, "cpuid", lambda leaf, subleaf: (U32(0), signature, U32(0), U32(0)))
    CLOCK.apic_period, CLOCK.cycle_period, CLOCK.base_time = U64(ONE), U64(0), U64(0)
    CLOCK.round, CLOCK.latest = U64(LARGEST_COUNT), U64(0)
    timer.start()
    yield made
    for name, value in zip(FIELDS, before, strict=True):
        setattr(CLOCK, name, value)


@pytest.mark.parametrize("seed", range(40))
def test_the_clock_is_right_and_never_goes_back(apic: Apic, seed: int) -> None:
    """Whenever it is read, alarms are set and interrupts are taken, at most 10 microseconds late."""
    random = Random(seed)
    offset = apic.time
    latest = 0
    for _ in range(3_000):
        apic.pass_time(random.randrange(1, 10_000 if random.random() < 0.1 else 300))
        if apic.raised is not None and apic.time - apic.raised > 9_000 * random.random():
            apic.raised = None
            timer.handle_interrupt()
        if random.random() < 0.02:
            timer.set_alarm(U64(latest + random.randrange(2 * MILLISECOND)))
        if random.random() < 0.3:
            now = int(timer.now())
            assert now >= latest, "went back"
            latest = now
            # Behind by a round at most, while the interrupt at its end is on its way and nothing was read in it.
            assert -1.2 * MILLISECOND < now - (apic.time - offset) < 1_000
    assert CLOCK.cycle_period != 0
    assert abs(int(timer.now()) - (apic.time - offset)) < apic.time // 500, "the comparison was wrong"


@pytest.mark.parametrize("at", (0, 10, 500_000, 999_000, 1_000_000, 3_000_000))
def test_nobody_waits_for_the_clock(apic: Apic, at: int) -> None:
    """Setting an alarm takes a few accesses at any time; it comes, late only in the first two milliseconds."""
    apic.pass_time(at)
    deadline = int(timer.now()) + 5_000
    before = apic.accesses
    timer.set_alarm(U64(deadline))
    assert apic.accesses - before < 10
    apic.pass_time(5_000 if at >= MILLISECOND else 2 * MILLISECOND)
    apic.pass_time(10 * ACCESS_NS)
    assert apic.raised is not None


def test_a_second_alarm_does_not_begin_the_round_anew(apic: Apic) -> None:
    timer.set_alarm(U64(10_000))
    begun = apic.begun
    apic.pass_time(300_000)
    timer.set_alarm(U64(5_000))
    assert apic.begun == begun and CLOCK.cycle_period == 0
    apic.pass_time(700_000)
    timer.handle_interrupt()
    assert abs(int(timer.now()) - apic.time) < 3_000


def test_the_clock_is_right_when_it_is_first_looked_at_late(apic: Apic) -> None:
    # More cycles of the counter than 32 bits hold.
    apic.pass_time(2_000 * MILLISECOND)
    first, then = int(timer.now()), apic.time
    apic.pass_time(100 * MILLISECOND)
    passed = apic.time - then
    assert abs(int(timer.now()) - first - passed) < passed // 1000 + 10 * ACCESS_NS
