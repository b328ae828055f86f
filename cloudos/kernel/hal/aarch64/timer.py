"""Time and alarms from the generic timer, the virtual one: Arm Architecture Reference Manual (DDI 0487), D12."""

from __future__ import annotations

from cloudos.kernel.hal.aarch64 import cpu
from cloudos.lang import U64, fast, never_inlined, place, struct

ONE = 1 << 32
NANOSECONDS = 1_000_000_000


@struct
class Clock:
    """`period`: nanoseconds per count, `frequency`: counts per nanosecond, both with 32 fractional bits.

    `base`: the count at the start. The manual wants at most 1 GHz, with which no product is too large.
    """

    period: U64 = U64(0)
    base: U64 = U64(0)
    # Where alarms count from: one later, so that none comes early for want of a fraction.
    alarm_base: U64 = U64(0)
    frequency: U64 = U64(0)


CLOCK = place(Clock())


def start() -> None:
    """Begin to count."""
    frequency = cpu.counter_frequency()
    CLOCK.period = U64(NANOSECONDS * ONE) // frequency
    CLOCK.frequency = (frequency << 32) // NANOSECONDS
    CLOCK.base = cpu.cycle_counter()
    CLOCK.alarm_base = CLOCK.base + 1
    handle_interrupt()


@fast
def now() -> U64:
    """Nanoseconds since `start`; never goes back."""
    return cpu.scale(cpu.cycle_counter().wrapping_sub(CLOCK.base), CLOCK.period)


@never_inlined
def set_alarm(deadline: U64) -> None:
    """Interrupt once at `deadline`, as `now` counts; at once when that is past. A far one may come early."""
    cpu.set_timer(CLOCK.alarm_base.saturating_add(cpu.scale(deadline, CLOCK.frequency)))
    cpu.control_timer(U64(1))


def handle_interrupt() -> None:
    """The timer's interrupt: it lasts until the timer is off. An alarm that never comes would not do in its place:
    QEMU, counting instructions, goes there as fast as it can when nobody has anything else to do."""
    cpu.control_timer(U64(0))
