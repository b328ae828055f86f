"""System calls from one declaration: dispatch and reference page agree with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudos.abi import reference
from cloudos.abi.errors import BadArgument, BadSystemCall, numbered
from cloudos.abi.system_calls import SYSTEM_CALLS, system_call
from cloudos.kernel import dispatch
from cloudos.kernel.hal import trap
from cloudos.lang import U64

ROOT = Path(__file__).resolve().parents[3]


def frame(number: int, *arguments: int) -> trap.SystemCallFrame:
    values = [U64(value) for value in (number, *arguments, *[0] * (10 - len(arguments)))]
    return trap.SystemCallFrame(*values)


def test_numbers_never_change() -> None:
    """A number is part of the interface to programs that were built long ago: append, do not reorder."""
    assert [call.name for call in SYSTEM_CALLS][:9] == [
        "system_null", "process_exit", "process_panic", "console_write", "console_read", "memory_map",
        "memory_unmap", "clock_read", "thread_sleep",
    ]  # fmt: skip
    assert [(code, error.__name__) for code, error in numbered()][:6] == [
        (1, "BadAddress"), (2, "BadArgument"), (3, "OutOfMemory"), (4, "NotFound"), (5, "Denied"),
        (6, "BadSystemCall"),
    ]  # fmt: skip


def test_every_declaration_has_an_implementation_with_the_same_parameters() -> None:
    for call in SYSTEM_CALLS:
        implementation = dispatch.implementation_of(call)
        declared = call.function.__annotations__
        assert implementation.__annotations__ == declared, call.name


def test_the_reference_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "system-calls.md").read_text() == reference.render()


def test_dispatch_returns_value_or_error() -> None:
    null = frame(0)
    dispatch.dispatch(null)
    assert null.number == 0 and null.argument2 == 0
    for number in (len(SYSTEM_CALLS), 1 << 63):
        unknown = frame(number, 1, 2, 3)
        dispatch.dispatch(unknown)
        assert unknown.number == BadSystemCall.code


def test_arguments_that_do_not_fit_are_refused() -> None:
    too_wide = frame(1, 256)
    dispatch.dispatch(too_wide)
    assert too_wide.number == BadArgument.code
    wrong_stream = frame(3, 3, 0x1000, 1)
    dispatch.dispatch(wrong_stream)
    assert wrong_stream.number == BadArgument.code
    kernel_address = frame(3, 1, 0xFFFF_FFFF_8010_0000, 1)
    dispatch.dispatch(kernel_address)
    assert kernel_address.number == 1


def test_declarations_are_checked() -> None:
    with pytest.raises(ValueError, match="without gaps"):
        system_call(number=77)(lambda: None)
