"""Devices and interrupts

A device is a part of the machine's ports, addresses and lines; an interrupt is a line bound to a notification.
"""

from __future__ import annotations

from cloudos.abi import devices, initial
from cloudos.abi.objects import Kind, Rights
from cloudos.lang import U8, U64, code_address, place
from cloudos.sdk import system
from cloudos.sdk.devices import Ports
from cloudos.sdk.threads import start_on
from tests.conformance.support import (
    BAD_ARGUMENT,
    BAD_HANDLE,
    BAD_STATE,
    BOARD,
    DENIED,
    MILLISECOND,
    NEVER,
    PROCESS,
    QUOTA,
    QUOTA_EXCEEDED,
    TIMED_OUT,
    WOULD_BLOCK,
    WRONG_KIND,
    attempt,
    notification,
    quota_used,
    settle,
    weaker,
)

MACHINE = U64(initial.DEVICE)
PORTS = U64(devices.PORTS)
MEMORY = U64(devices.MEMORY)
LINES = U64(devices.LINES)
EDGE = U64(0)
LEVEL = U64(devices.LEVEL)
# Where nothing answers.
FREE_PORT = U64(0x704)
FREE_LINE = U64(9)
FREE_ADDRESS = U64(0xFD00_0000)
MEGABYTE = U64(1 << 20)
# The first serial port, which is the kernel's log.
LOG_PORT = U64(0x3F8)
LOG_LINE = U64(4)

_divide = attempt("device_create")
_read = attempt("device_read")
_write = attempt("device_write")
_create = attempt("interrupt_create")
_bind = attempt("interrupt_bind")
_acknowledge = attempt("interrupt_acknowledge")
_wait = attempt("notification_wait")
_close = attempt("handle_close")


def _ports(first: U64, length: U64) -> U64:
    return system.device_create(MACHINE, QUOTA, PORTS, first, length)


def _interrupt(flags: U64) -> U64:
    return system.interrupt_create(MACHINE, QUOTA, FREE_LINE, flags)


def _is_bound(interrupt: U64) -> bool:
    return _acknowledge(interrupt) == 0


# Dividing


def a_part_of_the_machine_has_all_rights() -> None:
    """device_create gives a handle to a device with all rights."""
    handle = _ports(FREE_PORT, U64(4))
    assert system.handle_inspect(handle) & 0xFF == U64(Kind.DEVICE), "its kind"
    assert system.handle_inspect(handle) >> 8 == system.handle_inspect(QUOTA) >> 8, "its rights"
    system.handle_close(handle)


def a_part_can_be_divided_further() -> None:
    """A device can be made from any that contains it, up to all of it."""
    outer = _ports(FREE_PORT, U64(8))
    inner = system.device_create(outer, QUOTA, PORTS, FREE_PORT, U64(8))
    last = system.device_create(inner, QUOTA, PORTS, FREE_PORT + 7, U64(1))
    system.handle_close(outer)
    system.handle_close(inner)
    assert _read(last, U64(0), U64(1)) == 0, "it stays when what it was made from goes"
    system.handle_close(last)


def a_part_must_lie_in_its_source() -> None:
    """A device that begins before or ends behind its source is BadArgument."""
    outer = _ports(FREE_PORT, U64(8))
    assert _divide(outer, QUOTA, PORTS, FREE_PORT - 1, U64(2)) == BAD_ARGUMENT, "before"
    assert _divide(outer, QUOTA, PORTS, FREE_PORT + 7, U64(2)) == BAD_ARGUMENT, "behind"
    assert _divide(outer, QUOTA, PORTS, FREE_PORT + 9, U64(1)) == BAD_ARGUMENT, "beyond"
    assert _divide(outer, QUOTA, PORTS, FREE_PORT, NEVER) == BAD_ARGUMENT, "a length that would wrap around"
    assert _divide(MACHINE, QUOTA, PORTS, NEVER, U64(1)) == BAD_ARGUMENT, "beyond all numbers"
    system.handle_close(outer)


def a_part_is_not_empty() -> None:
    """A device of length 0 is BadArgument."""
    assert _divide(MACHINE, QUOTA, PORTS, FREE_PORT, U64(0)) == BAD_ARGUMENT, "nothing"


def a_part_is_of_the_same_resource() -> None:
    """From ports no lines or memory can be made; only the machine has all resources."""
    outer = _ports(U64(0), U64(16))
    assert _divide(outer, QUOTA, LINES, U64(9), U64(1)) == BAD_ARGUMENT, "lines"
    assert _divide(outer, QUOTA, MEMORY, U64(0), U64(4096)) == BAD_ARGUMENT, "memory"
    assert _create(outer, QUOTA, U64(9), EDGE) == BAD_ARGUMENT, "an interrupt"
    system.handle_close(outer)


def there_are_three_resources() -> None:
    """An unknown resource is BadArgument, and so is the machine as a part of itself."""
    assert _divide(MACHINE, QUOTA, U64(devices.MACHINE), U64(0), U64(1)) == BAD_ARGUMENT, "the machine"
    assert _divide(MACHINE, QUOTA, U64(4), U64(0), U64(1)) == BAD_ARGUMENT, "unknown"


def device_memory_is_whole_pages() -> None:
    """A device of memory begins and ends at multiples of 4096."""
    assert _divide(MACHINE, QUOTA, MEMORY, FREE_ADDRESS + 8, U64(4096)) == BAD_ARGUMENT, "its start"
    assert _divide(MACHINE, QUOTA, MEMORY, FREE_ADDRESS, U64(4095)) == BAD_ARGUMENT, "its length"
    handle = system.device_create(MACHINE, QUOTA, MEMORY, FREE_ADDRESS, U64(8192))
    system.handle_close(handle)


def the_machines_memory_is_no_device() -> None:
    """A range that contains memory of the machine is Denied."""
    assert _divide(MACHINE, QUOTA, MEMORY, MEGABYTE, U64(4096)) == DENIED, "memory"
    assert _divide(MACHINE, QUOTA, MEMORY, U64(0), MEGABYTE * 4096) == DENIED, "all of the first 4 GB"


def ports_of_the_kernel_are_kept() -> None:
    """A range that contains ports which the kernel itself uses is Denied."""
    assert _divide(MACHINE, QUOTA, PORTS, LOG_PORT, U64(1)) == DENIED, "the first"
    assert _divide(MACHINE, QUOTA, PORTS, LOG_PORT + 7, U64(1)) == DENIED, "the last"
    assert _divide(MACHINE, QUOTA, PORTS, LOG_PORT - 8, U64(32)) == DENIED, "all, and more"
    before = _ports(LOG_PORT - 1, U64(1))
    behind = _ports(LOG_PORT + 8, U64(1))
    system.handle_close(before)
    system.handle_close(behind)


def lines_of_the_kernel_are_kept() -> None:
    """A line that the kernel itself uses is Denied, to devices and interrupts."""
    assert _divide(MACHINE, QUOTA, LINES, LOG_LINE, U64(1)) == DENIED, "a device"
    assert _create(MACHINE, QUOTA, LOG_LINE, EDGE) == DENIED, "an interrupt"


def what_the_machine_lacks_is_denied() -> None:
    """Ports above 65,535 and lines that no controller has are Denied."""
    assert _divide(MACHINE, QUOTA, PORTS, U64(0xFFFF), U64(2)) == DENIED, "ports"
    assert _divide(MACHINE, QUOTA, LINES, U64(48), U64(1)) == DENIED, "lines"
    assert _create(MACHINE, QUOTA, U64(1) << 40, EDGE) == DENIED, "an interrupt"


def dividing_needs_allocate() -> None:
    """device_create and interrupt_create need ALLOCATE on the device."""
    weak = weaker(MACHINE, Rights.READ | Rights.WRITE)
    assert _divide(weak, QUOTA, PORTS, FREE_PORT, U64(1)) == DENIED, "a device"
    assert _create(weak, QUOTA, FREE_LINE, EDGE) == DENIED, "an interrupt"
    assert _divide(QUOTA, QUOTA, PORTS, FREE_PORT, U64(1)) == WRONG_KIND, "no device"
    system.handle_close(weak)


def devices_are_paid_for() -> None:
    """A device and an interrupt are charged to the quota, and given back when they go."""
    small = system.quota_create(QUOTA, U64(64))
    used = quota_used()
    assert _divide(MACHINE, small, PORTS, FREE_PORT, U64(1)) == QUOTA_EXCEEDED, "a device"
    assert _create(MACHINE, small, FREE_LINE, EDGE) == QUOTA_EXCEEDED, "an interrupt"
    device = _ports(FREE_PORT, U64(1))
    interrupt = _interrupt(EDGE)
    assert quota_used() > used, "both are charged"
    system.handle_close(device)
    system.handle_close(interrupt)
    assert quota_used() == used, "both are given back"
    system.handle_close(small)


# Ports


def a_port_where_nothing_answers_reads_as_ones() -> None:
    """Reading 1, 2 or 4 bytes gives a value of that width; where nothing answers, all bits are 1."""
    handle = _ports(FREE_PORT, U64(4))
    assert system.device_read(handle, U64(3), U64(1)) == 0xFF, "one byte"
    assert system.device_read(handle, U64(2), U64(2)) == 0xFFFF, "two"
    assert system.device_read(handle, U64(0), U64(4)) == 0xFFFF_FFFF, "four"
    system.handle_close(handle)


def ports_have_three_widths() -> None:
    """Any width but 1, 2 and 4 is BadArgument."""
    handle = _ports(FREE_PORT, U64(8))
    for width in U64.range(20):
        good = width == 1 or width == 2 or width == 4
        assert _read(handle, U64(0), width) == (U64(0) if good else U64(BAD_ARGUMENT)), "reading"
        assert _write(handle, U64(0), width, U64(0)) == (U64(0) if good else U64(BAD_ARGUMENT)), "writing"
    system.handle_close(handle)


def ports_are_aligned() -> None:
    """The number of a port must be a multiple of the width, wherever the device begins."""
    handle = _ports(FREE_PORT + 1, U64(7))
    assert _read(handle, U64(0), U64(2)) == BAD_ARGUMENT, "two bytes at an odd port"
    assert _read(handle, U64(1), U64(2)) == 0, "two bytes at an even port"
    assert _read(handle, U64(1), U64(4)) == BAD_ARGUMENT, "four bytes at an even port"
    assert _write(handle, U64(3), U64(4), U64(0)) == 0, "four bytes at a multiple of four"
    system.handle_close(handle)


def ports_outside_cannot_be_reached() -> None:
    """An access that does not lie in the device as a whole is BadArgument."""
    handle = _ports(FREE_PORT, U64(2))
    assert _read(handle, U64(2), U64(1)) == BAD_ARGUMENT, "behind"
    assert _read(handle, U64(0), U64(4)) == BAD_ARGUMENT, "half outside"
    assert _read(handle, NEVER, U64(1)) == BAD_ARGUMENT, "an offset that would wrap around"
    assert _write(handle, U64(2), U64(1), U64(0)) == BAD_ARGUMENT, "writing"
    assert _read(MACHINE, U64(0), U64(1)) == BAD_ARGUMENT, "the machine is no device of ports"
    system.handle_close(handle)


def what_is_written_fits_the_width() -> None:
    """A value that does not fit the width is BadArgument."""
    handle = _ports(FREE_PORT, U64(4))
    assert _write(handle, U64(0), U64(1), U64(0xFF)) == 0, "one byte"
    assert _write(handle, U64(0), U64(1), U64(0x100)) == BAD_ARGUMENT, "more than one"
    assert _write(handle, U64(0), U64(4), U64(0xFFFF_FFFF)) == 0, "four bytes"
    assert _write(handle, U64(0), U64(4), U64(1) << 32) == BAD_ARGUMENT, "more than four"
    system.handle_close(handle)


def only_ports_are_read_and_written() -> None:
    """device_read and device_write on lines or memory are BadArgument."""
    lines = system.device_create(MACHINE, QUOTA, LINES, FREE_LINE, U64(1))
    memory = system.device_create(MACHINE, QUOTA, MEMORY, FREE_ADDRESS, U64(4096))
    assert _read(lines, U64(0), U64(1)) == BAD_ARGUMENT, "lines"
    assert _write(memory, U64(0), U64(1), U64(0)) == BAD_ARGUMENT, "memory"
    system.handle_close(lines)
    system.handle_close(memory)


def ports_need_their_rights() -> None:
    """device_read needs READ, device_write needs WRITE."""
    handle = _ports(FREE_PORT, U64(1))
    readable = weaker(handle, Rights.READ)
    writable = weaker(handle, Rights.WRITE)
    assert _read(readable, U64(0), U64(1)) == 0 and _read(writable, U64(0), U64(1)) == DENIED, "reading"
    assert _write(writable, U64(0), U64(1), U64(0)) == 0, "writing"
    assert _write(readable, U64(0), U64(1), U64(0)) == DENIED, "writing without the right"
    system.handle_revoke(handle)
    assert _read(readable, U64(0), U64(1)) == BAD_HANDLE, "revoked"
    system.handle_close(handle)


# Lines


def a_line_has_one_interrupt() -> None:
    """A second interrupt object of a line is BadState, until the first has ended."""
    first = _interrupt(EDGE)
    assert _create(MACHINE, QUOTA, FREE_LINE, EDGE) == BAD_STATE, "while there is one"
    system.handle_close(first)
    second = _interrupt(LEVEL)
    system.handle_close(second)


def a_line_has_two_flags() -> None:
    """Unknown flags are BadArgument; level-triggered and active low may be combined."""
    assert _create(MACHINE, QUOTA, FREE_LINE, U64(4)) == BAD_ARGUMENT, "unknown"
    for flags in U64.range(4):
        system.handle_close(_interrupt(flags))


def a_device_of_lines_makes_only_their_interrupts() -> None:
    """From a device of lines, interrupts of these lines can be made."""
    lines = system.device_create(MACHINE, QUOTA, LINES, FREE_LINE, U64(2))
    assert _create(lines, QUOTA, FREE_LINE - 1, EDGE) == BAD_ARGUMENT, "the one before"
    assert _create(lines, QUOTA, FREE_LINE + 2, EDGE) == BAD_ARGUMENT, "the one behind"
    made = system.interrupt_create(lines, QUOTA, FREE_LINE + 1, EDGE)
    system.handle_close(lines)
    assert _bind(made, notification(), U64(1)) == 0, "it stays when the device goes"
    system.handle_close(made)


def a_new_interrupt_is_not_bound() -> None:
    """interrupt_acknowledge of an interrupt that is not bound is BadState."""
    made = _interrupt(EDGE)
    assert _acknowledge(made) == BAD_STATE, "not bound"
    system.interrupt_bind(made, notification(), U64(1))
    assert _acknowledge(made) == 0, "bound"
    system.handle_close(made)


def binding_no_bits_ends_the_binding() -> None:
    """interrupt_bind with 0 for the bits masks the line, and binds it to nothing."""
    made = _interrupt(EDGE)
    signals = notification()
    system.interrupt_bind(made, signals, U64(1))
    system.interrupt_bind(made, signals, U64(0))
    assert not _is_bound(made), "no longer"
    system.handle_close(made)


def binding_needs_rights_to_both() -> None:
    """interrupt_bind needs CONTROL on the interrupt and SIGNAL on the notification."""
    made = _interrupt(EDGE)
    signals = notification()
    weak = weaker(made, Rights.INSPECT)
    deaf = weaker(signals, Rights.WAIT)
    assert _bind(weak, signals, U64(1)) == DENIED, "the interrupt's"
    assert _acknowledge(weak) == DENIED, "acknowledging"
    assert _bind(made, deaf, U64(1)) == DENIED, "the notification's"
    assert _bind(made, QUOTA, U64(1)) == WRONG_KIND and _bind(signals, made, U64(1)) == WRONG_KIND, "other kinds"
    assert not _is_bound(made), "nothing has changed"
    system.handle_close(weak)
    system.handle_close(made)


def a_failed_binding_keeps_the_earlier_one() -> None:
    """An interrupt_bind that is refused leaves the binding as it was."""
    made = _interrupt(EDGE)
    signals = notification()
    system.interrupt_bind(made, signals, U64(1))
    assert _bind(made, U64(0), U64(1)) == BAD_HANDLE, "no notification"
    assert _is_bound(made), "still"
    system.handle_close(made)


def the_end_of_the_notification_ends_the_binding() -> None:
    """When the notification ends, the line is masked and bound to nothing; it can be bound to another."""
    made = _interrupt(EDGE)
    first = notification()
    system.interrupt_bind(made, first, U64(1))
    system.handle_close(first)
    assert not _is_bound(made), "gone with it"
    system.interrupt_bind(made, notification(), U64(1))
    assert _is_bound(made), "bound anew"
    system.handle_close(made)


def another_binding_outlives_the_notification() -> None:
    """The end of a notification that was bound before changes nothing."""
    made = _interrupt(EDGE)
    first = notification()
    second = notification()
    system.interrupt_bind(made, first, U64(1))
    system.interrupt_bind(made, second, U64(1))
    system.handle_close(first)
    assert _is_bound(made), "bound to the second"
    system.handle_close(made)


def revoking_ends_the_binding() -> None:
    """When a handle with CONTROL is revoked, the line is masked; whoever still has one may bind it again."""
    made = _interrupt(EDGE)
    drivers = system.process_install(PROCESS, made, U64(0), U64(0))
    system.interrupt_bind(drivers, notification(), U64(1))
    system.handle_revoke(made)
    assert _acknowledge(drivers) == BAD_HANDLE, "the driver's handle is gone"
    assert not _is_bound(made), "and the binding"
    assert _bind(made, notification(), U64(1)) == 0, "bound anew"
    system.handle_close(made)


def closing_a_handle_without_control_changes_nothing() -> None:
    """The binding stays when a handle goes that could not have made it."""
    made = _interrupt(EDGE)
    weak = weaker(made, Rights.INSPECT)
    system.interrupt_bind(made, notification(), U64(1))
    system.handle_close(weak)
    assert _is_bound(made), "still"
    system.handle_close(made)
    assert _close(made) == BAD_HANDLE, "closed"


# With the machine's interval timer (Intel 8254 data sheet), whose output is line 2 of the first controller: channel 0
# in mode 0 raises it once, some counts of 838 ns after it was set, and leaves it raised.

PIT_PORTS = U64(0x40)
PIT_LINE = U64(2)
PIT = place(Ports())
LATER = 2 * MILLISECOND


def _set_pit(high: U8) -> None:
    if PIT.handle == 0:
        PIT.handle = _ports(PIT_PORTS, U64(4))
    PIT.write_u8(U64(3), U8(0x30))
    PIT.write_u8(U64(0), U8(100))
    PIT.write_u8(U64(0), high)


def _start_pit() -> None:
    """Lower its output; it rises in 84 microseconds."""
    _set_pit(U8(0))


def _stop_pit() -> None:
    """Lower its output, for 54 milliseconds."""
    _set_pit(U8(0xFF))


def _later() -> U64:
    return system.clock_read() + LATER


def _pit(flags: U64, signals: U64) -> U64:
    """The timer's interrupt, bound to bit 3 of a notification."""
    made = system.interrupt_create(MACHINE, QUOTA, PIT_LINE, flags)
    system.interrupt_bind(made, signals, U64(8))
    return made


def an_interrupt_sets_its_bits() -> None:
    """When a bound line interrupts, the bits of its binding are set."""
    signals = notification()
    made = _pit(EDGE, signals)
    assert _wait(signals, U64(0)) == WOULD_BLOCK, "nothing yet"
    _start_pit()
    assert system.notification_wait(signals, _later()) == 8, "its bits"
    system.handle_close(made)


def an_edge_interrupts_again_without_acknowledgement() -> None:
    """A line that is not level-triggered stays open: each signal's beginning interrupts."""
    signals = notification()
    made = _pit(EDGE, signals)
    for _ in U64.range(3):
        _start_pit()
        assert system.notification_wait(signals, _later()) == 8, "again"
    system.handle_close(made)


def an_edge_interrupts_once() -> None:
    """A signal that lasts interrupts only when it begins."""
    signals = notification()
    made = _pit(EDGE, signals)
    _start_pit()
    system.notification_wait(signals, _later())
    system.interrupt_acknowledge(made)
    assert _wait(signals, _later()) == TIMED_OUT, "no second time"
    system.handle_close(made)


def a_level_is_masked_until_it_is_acknowledged() -> None:
    """A level-triggered line interrupts once, and again after interrupt_acknowledge while its signal lasts."""
    signals = notification()
    made = _pit(LEVEL, signals)
    _start_pit()
    assert system.notification_wait(signals, _later()) == 8, "the first"
    assert _wait(signals, _later()) == TIMED_OUT, "masked"
    for _ in U64.range(3):
        system.interrupt_acknowledge(made)
        assert system.notification_wait(signals, _later()) == 8, "the signal lasts"
    _stop_pit()
    system.interrupt_acknowledge(made)
    assert _wait(signals, _later()) == TIMED_OUT, "the signal has ended"
    system.handle_close(made)


def a_level_that_lasts_interrupts_when_it_is_bound() -> None:
    """Binding opens a level-triggered line: a signal that began before interrupts at once."""
    made = system.interrupt_create(MACHINE, QUOTA, PIT_LINE, LEVEL)
    _start_pit()
    settle()
    signals = notification()
    system.interrupt_bind(made, signals, U64(8))
    assert system.notification_wait(signals, _later()) == 8, "at once"
    _stop_pit()
    system.handle_close(made)


def an_interrupt_goes_where_it_is_bound_last() -> None:
    """A new binding takes the place of the earlier one."""
    first = notification()
    second = notification()
    made = _pit(EDGE, first)
    system.interrupt_bind(made, second, U64(2))
    _start_pit()
    assert system.notification_wait(second, _later()) == 2, "the new one"
    assert _wait(first, U64(0)) == WOULD_BLOCK, "not the old one"
    system.handle_close(made)


def a_line_that_is_not_bound_is_masked() -> None:
    """After the binding has ended nothing is signalled, and a signal that came meanwhile is lost to edges."""
    signals = notification()
    made = _pit(EDGE, signals)
    system.interrupt_bind(made, signals, U64(0))
    _start_pit()
    assert _wait(signals, _later()) == TIMED_OUT, "masked"
    system.interrupt_bind(made, signals, U64(8))
    assert _wait(signals, _later()) == TIMED_OUT, "lost"
    system.handle_close(made)


def revoking_silences_the_line() -> None:
    """When the driver's handle is revoked, its notification gets no more signals."""
    signals = notification()
    made = system.interrupt_create(MACHINE, QUOTA, PIT_LINE, EDGE)
    drivers = system.process_install(PROCESS, made, U64(0), U64(0))
    system.interrupt_bind(drivers, signals, U64(8))
    _start_pit()
    assert system.notification_wait(signals, _later()) == 8, "before"
    system.handle_revoke(made)
    _start_pit()
    assert _wait(signals, _later()) == TIMED_OUT, "after"
    system.handle_close(made)


def the_end_of_an_interrupt_silences_the_line() -> None:
    """When the interrupt object ends, its line is masked; one that is made later hears the line again."""
    signals = notification()
    system.handle_close(_pit(LEVEL, signals))
    _start_pit()
    assert _wait(signals, _later()) == TIMED_OUT, "masked"
    made = _pit(LEVEL, signals)
    assert system.notification_wait(signals, _later()) == 8, "heard again"
    _stop_pit()
    system.handle_close(made)


def _compute(argument: U64) -> None:
    _start_pit()
    while BOARD.count == 0:
        BOARD.cells[15] = system.clock_read()


def an_urgent_driver_runs_at_once() -> None:
    """The thread that waits for an interrupt takes the processor from a less urgent one that computes."""
    less = system.schedule_create(QUOTA, U64(initial.PRIORITY - 1), U64(MILLISECOND), U64(MILLISECOND))
    signals = notification()
    made = _pit(EDGE, signals)
    start_on(code_address(_compute), U64(0), less)
    assert system.notification_wait(signals, NEVER) == 8, "while the other computes"
    assert BOARD.cells[15] > 0, "it did compute"
    BOARD.note(U64(1))
    settle()
    system.handle_close(made)
