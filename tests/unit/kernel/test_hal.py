"""Each architecture's modules are what the interface says. The assignments are checked by mypy, the names here."""

from __future__ import annotations

import pytest

from cloudos.abi import faults
from cloudos.kernel.hal import console, cpu, interface, interrupts, power, timer, trap, user_access
from cloudos.lang import U8, U64, data

TIMER: interface.Timer = timer
INTERRUPTS: interface.Interrupts = interrupts
CPU: interface.Cpu = cpu
CONSOLE: interface.Console = console
USER_ACCESS: interface.UserAccess = user_access
POWER: interface.Power = power


def test_functions_of_the_interface_exist() -> None:
    for module, protocol in (
        (TIMER, interface.Timer),
        (INTERRUPTS, interface.Interrupts),
        (CPU, interface.Cpu),
        (CONSOLE, interface.Console),
        (USER_ACCESS, interface.UserAccess),
        (POWER, interface.Power),
    ):
        for name in vars(protocol):
            assert name.startswith("_") or callable(getattr(module, name))


def trap_frame(vector: int) -> trap.UserFrame:
    frame = trap.UserFrame()
    frame.vector = U64(vector)
    return frame


@pytest.mark.parametrize(
    ("vector", "code", "name"),
    [
        (0, b"", b"divide-error"),
        (3, b"", b"breakpoint"),
        (6, b"\x0f\x0b", b"illegal-instruction"),
        (13, b"\xf4", b"privileged-instruction"),
        (13, b"\x66\xf3\x6c", b"privileged-instruction"),
        (13, b"\x0f\x30", b"privileged-instruction"),
        (13, b"\x0f\x22\xc0", b"privileged-instruction"),
        (13, b"\xcd\x80", b"privileged-instruction"),
        (13, b"\xec", b"privileged-instruction"),
        (13, b"\x48\x8b\x00", b"bad-address"),
        (13, b"\x0f", b"bad-address"),
        (13, b"\x66", b"bad-address"),
        (13, b"", b"bad-address"),
        (17, b"", b"alignment"),
        (19, b"", b"floating-point"),
    ],
)
def test_traps_say_what_the_program_did(vector: int, code: bytes, name: bytes) -> None:
    assert bytes(trap.user_fault(trap_frame(vector), data(code)).name) == name


def test_fault_numbers_are_the_signals_of_posix() -> None:
    import signal

    expected = {
        faults.INTERRUPTED: signal.SIGINT,
        faults.ILLEGAL_INSTRUCTION: signal.SIGILL,
        faults.PRIVILEGED_INSTRUCTION: signal.SIGILL,
        faults.BREAKPOINT: signal.SIGTRAP,
        faults.PANIC: signal.SIGABRT,
        faults.ALIGNMENT: signal.SIGBUS,
        faults.DIVIDE_ERROR: signal.SIGFPE,
        faults.TIMED_OUT: signal.SIGKILL,
        faults.STACK_OVERFLOW: signal.SIGSEGV,
    }
    assert {fault: int(fault.number) for fault in expected} == {f: int(s) for f, s in expected.items()}


def test_gates_are_sixteen_bytes() -> None:
    from cloudos.kernel.hal.x86_64.processor import TaskState
    from cloudos.lang import offset_of, size_of

    assert size_of(trap.Gate) == 16
    assert size_of(TaskState) == 104
    assert offset_of(TaskState, "interrupt_stacks") == 36
    assert offset_of(trap.TablePointer, "limit") == 6 and offset_of(trap.TablePointer, "base") == 8
    assert U8(0x8E) == trap.Gate().kind
