"""Interrupts

An interrupt is a line bound to a notification.
"""

from __future__ import annotations

from cloudos.abi import devices, initial
from cloudos.abi.objects import Rights
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
    TIMED_OUT,
    WOULD_BLOCK,
    WRONG_KIND,
    attempt,
    notification,
    settle,
    weaker,
)

MACHINE = U64(initial.DEVICE)
LINES = U64(devices.LINES)
EDGE = U64(0)
LEVEL = U64(devices.LEVEL)
FREE_LINE = U64(9)

_create = attempt("interrupt_create")
_bind = attempt("interrupt_bind")
_acknowledge = attempt("interrupt_acknowledge")
_wait = attempt("notification_wait")
_close = attempt("handle_close")


def _ports(first: U64, length: U64) -> U64:
    return system.device_create(MACHINE, QUOTA, U64(devices.PORTS), first, length)


def _interrupt(flags: U64) -> U64:
    return system.interrupt_create(MACHINE, QUOTA, FREE_LINE, flags)


def _is_bound(interrupt: U64) -> bool:
    return _acknowledge(interrupt) == 0


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
