"""Time from the time stamp counter, alarms from the local APIC's timer.

The time stamp counter's frequency is found by comparison with the APIC timer, which QEMU and KVM run at exactly 1 GHz
(KVM: arch/x86/kvm/lapic.h, APIC_BUS_CYCLE_NS; QEMU: hw/intc/apic.c). Nobody waits for that: until CALIBRATION_NS have
passed, or an alarm is wanted, the APIC timer itself is the clock. An alarm that is wanted before the comparison would
be exact begins a round of SHORTEST_ROUND counts, whose interrupt is that alarm: in the first two milliseconds alarms
may come late. A round that is over interrupts before the next one is, so that none is missed. On another hypervisor the
APIC timer is measured against the PIT first.
"""

from __future__ import annotations

from cloudos.kernel.hal.x86_64 import cpu, interrupts
from cloudos.kernel.hal.x86_64.vectors import VECTOR_TIMER
from cloudos.lang import U8, U16, U32, U64, fast, never_inlined, place, struct

REGISTER_TIMER = 0x320
REGISTER_INITIAL_COUNT = 0x380
REGISTER_CURRENT_COUNT = 0x390
REGISTER_DIVIDE = 0x3E0
DIVIDE_BY_1 = 0b1011
MASKED = 1 << 16
MODE_PERIODIC = 1 << 17
MODE_DEADLINE = 2 << 17
MSR_DEADLINE = 0x6E0
FEATURE_DEADLINE = 24
LARGEST_COUNT = 0xFFFF_FFFF
CALIBRATION_NS = 10_000_000
SHORTEST_CALIBRATION_NS = 1_000_000
# In counts: the same on QEMU and KVM, longer elsewhere.
SHORTEST_ROUND = 1_000_000
ONE = 1 << 32
CPUID_HYPERVISOR = 0x4000_0000
# First four letters of "TCGTCGTCGTCG" and "KVMKVMKVM".
SIGNATURE_TCG = 0x5447_4354
SIGNATURE_KVM = 0x4B4D_564B

PIT_FREQUENCY = 1_193_182
PIT_CHANNEL_2 = 0x42
PIT_COMMAND = 0x43
PIT_GATE = 0x61
PIT_TICKS = 11_932
PIT_PATIENCE = 10_000_000


@struct
class Clock:
    """Factors have 32 fractional bits."""

    # Nanoseconds per count of the APIC timer.
    apic_period: U64 = U64(0)
    # Nanoseconds per cycle, and cycles per nanosecond; 0 until known.
    cycle_period: U64 = U64(0)
    frequency: U64 = U64(0)
    # Cycle counter and time at the same moment; before the comparison, the time when the round began.
    base_cycles: U64 = U64(0)
    base_time: U64 = U64(0)
    # Counts of the round, and the latest time that was read while it was the clock.
    round: U64 = U64(0)
    latest: U64 = U64(0)
    has_deadline: bool = False


CLOCK = place(Clock())


def start() -> None:
    """Begin to count."""
    _, signature, _, _ = cpu.cpuid(U32(CPUID_HYPERVISOR), U32(0))
    _, _, features, _ = cpu.cpuid(U32(1), U32(0))
    CLOCK.has_deadline = features.bit(FEATURE_DEADLINE)
    CLOCK.apic_period = U64(ONE)
    CLOCK.round = U64(LARGEST_COUNT)
    start_local()
    interrupts.apic_write(U32(REGISTER_TIMER), U32(MODE_PERIODIC | VECTOR_TIMER))
    interrupts.apic_write(U32(REGISTER_INITIAL_COUNT), U32(LARGEST_COUNT))
    if signature != SIGNATURE_TCG and signature != SIGNATURE_KVM:
        CLOCK.apic_period = _measure_apic_period()
    CLOCK.base_cycles = cpu.cycle_counter()


def start_local() -> None:
    """Prepare the alarm of this processor."""
    interrupts.apic_write(U32(REGISTER_DIVIDE), U32(DIVIDE_BY_1))


def settle() -> None:
    """Wait until the time stamp counter is the clock: the APIC timer of another processor cannot be read."""
    while CLOCK.cycle_period == 0:
        # The first that comes late enough compares the counters; nothing else is lost by an early alarm.
        set_alarm(U64(LARGEST_COUNT))


def _elapsed() -> U64:
    """Nanoseconds since `start`, as the APIC timer counts, while its round lasts."""
    count = U64(interrupts.apic_read(U32(REGISTER_CURRENT_COUNT)))
    return CLOCK.base_time + cpu.scale(CLOCK.round.wrapping_sub(count), CLOCK.apic_period)


def _begin_round() -> None:
    """Have an interrupt as soon as the two counters can be compared."""
    CLOCK.base_time = _elapsed()
    CLOCK.round = U64(SHORTEST_ROUND)
    interrupts.apic_write(U32(REGISTER_INITIAL_COUNT), U32(SHORTEST_ROUND))


def _measure_apic_period() -> U64:
    """Count APIC ticks while channel 2 of the PIT counts 10 ms, then start the APIC timer anew."""
    gate = cpu.port_read_u8(U16(PIT_GATE)) & 0xFC
    cpu.port_write_u8(U16(PIT_GATE), gate | 1)
    # Channel 2, both bytes, mode 0: the output goes high when the count is over.
    cpu.port_write_u8(U16(PIT_COMMAND), U8(0xB0))
    cpu.port_write_u8(U16(PIT_CHANNEL_2), U8(PIT_TICKS & 0xFF))
    cpu.port_write_u8(U16(PIT_CHANNEL_2), U8(PIT_TICKS >> 8))
    interrupts.apic_write(U32(REGISTER_INITIAL_COUNT), U32(LARGEST_COUNT))
    # On a machine without a PIT the count would never be over.
    patience = U64(PIT_PATIENCE)
    while cpu.port_read_u8(U16(PIT_GATE)) & 0x20 == 0 and patience > 0:
        patience = patience - 1
        cpu.pause()
    ticks = U64(LARGEST_COUNT) - U64(interrupts.apic_read(U32(REGISTER_CURRENT_COUNT)))
    interrupts.apic_write(U32(REGISTER_INITIAL_COUNT), U32(LARGEST_COUNT))
    return U64(PIT_TICKS * 1_000_000_000 // PIT_FREQUENCY) * ONE // max(ticks, U64(1))


def _calibrate(rounds: U64) -> None:
    """Compare the two counters over the time since start. `rounds` that are over are not in `base_time` yet."""
    elapsed = _elapsed()
    elapsed = elapsed + cpu.scale(rounds * CLOCK.round, CLOCK.apic_period)
    cycles = cpu.cycle_counter()
    interrupts.apic_write(U32(REGISTER_TIMER), U32(MASKED | VECTOR_TIMER))
    passed = max(cycles.wrapping_sub(CLOCK.base_cycles), U64(1))
    CLOCK.base_cycles = cycles
    CLOCK.base_time = elapsed
    # Room for the 32 fractional bits.
    while passed >= ONE or elapsed >= ONE:
        passed = passed >> 1
        elapsed = elapsed >> 1
    CLOCK.cycle_period = max(elapsed * ONE // passed, U64(1))
    CLOCK.frequency = passed * ONE // max(elapsed, U64(1))


def handle_interrupt() -> None:
    """The timer's interrupt: an alarm that is over, or the end of the first round."""
    if CLOCK.cycle_period == 0:
        _calibrate(U64(1))


@fast
def now() -> U64:
    """Nanoseconds since `start`; never goes back."""
    if CLOCK.cycle_period == 0:
        elapsed = _elapsed()
        # The time goes back when a round is over whose interrupt has not come yet.
        is_over = elapsed < CLOCK.latest
        CLOCK.latest = elapsed
        if elapsed < CALIBRATION_NS and not is_over:
            return elapsed
        _calibrate(U64(1) if is_over else U64(0))
    passed = cpu.cycle_counter().wrapping_sub(CLOCK.base_cycles)
    return CLOCK.base_time + cpu.scale(passed, CLOCK.cycle_period)


@never_inlined
def set_alarm(deadline: U64) -> None:
    """Interrupt once at `deadline`, as `now` counts; at once when that is past. A far one may come early."""
    time = now()
    if CLOCK.cycle_period == 0:
        if time < SHORTEST_CALIBRATION_NS:
            if CLOCK.round == LARGEST_COUNT:
                _begin_round()
            return
        _calibrate(U64(0))
    wait = max(deadline, time + 1) - time
    if CLOCK.has_deadline:
        interrupts.apic_write(U32(REGISTER_TIMER), U32(MODE_DEADLINE | VECTOR_TIMER))
        target = cpu.cycle_counter() + cpu.scale(min(wait, U64(1 << 40)), CLOCK.frequency)
        cpu.msr_write(U32(MSR_DEADLINE), target)
    else:
        interrupts.apic_write(U32(REGISTER_TIMER), U32(VECTOR_TIMER))
        count = min(wait, U64(1 << 31)) * ONE // CLOCK.apic_period
        interrupts.apic_write(U32(REGISTER_INITIAL_COUNT), U32(min(count, U64(LARGEST_COUNT))))
