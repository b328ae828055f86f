"""How long the kernel keeps an urgent thread waiting, in instructions.

The first thread waits again and again for a deadline, while a less urgent one computes or makes the kernel work. When
that one computes it says how long ago its last instruction was; when the kernel works, how late the counter is read
after the deadline is the way from the timer's interrupt to the thread, and the time for which interrupts were off.
"""

from __future__ import annotations

from bench.counter import cycles
from cloudos.abi import devices, initial
from cloudos.abi.errors import Denied, TimedOut, WouldBlock
from cloudos.abi.messages import NEVER
from cloudos.abi.objects import ALL_RIGHTS_BITS
from cloudos.lang import U8, U64, Atomic, Order, VirtAddr, code_address, place, struct
from cloudos.sdk import print, system
from cloudos.sdk.devices import Line, Ports
from cloudos.sdk.processes import Child
from cloudos.sdk.threads import start_on

MILLISECOND = 1_000_000
DESCENDANTS = 10_000


@struct
class Shared:
    """Between the two threads."""

    done: U64 = U64(0)
    woken: U64 = U64(0)
    seed: U64 = U64(1)
    # When the computing thread was last seen computing.
    seen: Atomic[U64] = Atomic(U64(0))


SHARED = place(Shared())


def random(limit: U64) -> U64:
    """A number below `limit`: Knuth's linear congruential generator (MMIX)."""
    SHARED.seed = SHARED.seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407)
    return (SHARED.seed >> 33) % limit


def lateness(never: U64) -> U64:
    """Wait for a deadline some thousand instructions ahead; how late it was noticed.

    The clock, which is a few dozen parts per million slower, is read after the counter: it is never too small.
    """
    counter = cycles()
    ahead = 2_000 + random(U64(10_000))
    deadline = system.clock_read() + ahead
    try:
        system.notification_wait(never, deadline)
    except (TimedOut, WouldBlock):
        pass
    SHARED.woken = cycles()
    return SHARED.woken - counter - ahead


def longest(never: U64) -> U64:
    """The longest lateness until the other thread has done its work."""
    worst = U64(0)
    while SHARED.done == 0:
        worst = max(worst, lateness(never))
    return worst


def spin(argument: U64) -> None:
    """Compute in user mode, and say when."""
    while True:
        SHARED.seen.store(cycles(), Order.RELAXED)


def answer(never: U64) -> U64:
    """From the last that the computing thread did before an interrupt to the thread that waited for it."""
    lateness(never)
    return SHARED.woken - SHARED.seen.load(Order.RELAXED)


def device_answer(timer: Ports, line: Line) -> U64:
    """The same for the interrupt of a device: the interval timer, which is line 2 (Intel 8254 data sheet, mode 0)."""
    timer.write_u8(U64(3), U8(0x30))
    timer.write_u8(U64(0), U8(5 + random(U64(20))))
    timer.write_u8(U64(0), U8(0))
    line.wait(U64(NEVER))
    SHARED.woken = cycles()
    return SHARED.woken - SHARED.seen.load(Order.RELAXED)


def device_answers(timer: Ports, quota: U64) -> None:
    """Print the average. Raises what `Line.open` does."""
    line = Line()
    line.open(U64(initial.DEVICE), quota, U64(2), U64(0))
    total = U64(0)
    for _ in U64.range(500):
        total = total + device_answer(timer, line)
    line.close()
    print(f"device_interrupt_to_driver {total // 500}")


def revoke(handle: U64) -> None:
    system.handle_revoke(handle)
    SHARED.done = U64(1)


def work(schedule: U64) -> None:
    """What keeps the kernel busy for long, so often that more shows no longer wait. What it starts is not urgent."""
    quota = U64(initial.QUOTA)
    for _ in U64.range(160):
        address = system.memory_map(U64(1 << 20))
        system.memory_unmap(address, U64(1 << 20))
        child = Child()
        child.make(quota)
        child.start_on(code_address(nothing), U64(0), schedule)
        system.thread_sleep(U64(MILLISECOND))
        system.handle_close(child.thread)
        system.handle_close(child.process)
        small = system.quota_create(quota, U64(64 << 10))
        system.handle_close(small)
    SHARED.done = U64(1)


def nothing(argument: U64) -> None:
    """A thread that ends at once."""


def less_urgent(function: VirtAddr, argument: U64, schedule: U64) -> U64:
    """Start a thread that runs while the first one waits."""
    SHARED.done = U64(0)
    return start_on(function, argument, schedule)


def main() -> None:
    quota = U64(initial.QUOTA)
    period = U64(10 * MILLISECOND)
    schedule = system.schedule_create(quota, U64(initial.PRIORITY - 1), period, period)
    never = system.notification_create(quota)
    # The clock is exact some time after the start.
    system.thread_sleep(U64(50 * MILLISECOND))
    spinner = less_urgent(code_address(spin), U64(3), schedule)
    total = U64(0)
    for _ in U64.range(500):
        total = total + answer(never)
    print(f"interrupt_to_handler {total // 500}")
    try:
        timer = Ports(system.device_create(U64(initial.DEVICE), quota, U64(devices.PORTS), U64(0x40), U64(4)))
        device_answers(timer, quota)
    except Denied:
        pass  # a machine without I/O ports
    system.thread_kill(spinner)
    parent = system.notification_create(quota)
    for _ in U64.range(DESCENDANTS):
        system.handle_derive(parent, U64(ALL_RIGHTS_BITS), U64(0))
    less_urgent(code_address(revoke), parent, schedule)
    print(f"revoke_10000_longest_step {longest(never)}")
    less_urgent(code_address(work), schedule, schedule)
    print(f"longest_interrupts_off {longest(never)}")
