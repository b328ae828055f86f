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


def frame(number: int, *arguments: int) -> trap.UserFrame:
    made = trap.UserFrame()
    made.rax = U64(number)
    for register, value in zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), arguments, strict=False):
        setattr(made, register, U64(value))
    return made


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
        implemented = dict(dispatch.implementation_of(call).__annotations__)
        declared = dict(call.function.__annotations__)
        # A call that does not return to its caller returns to the scheduler; messages answer through the frame.
        returned, promised = implemented.pop("return"), declared.pop("return")
        special = promised == "NoReturn" or call.is_message or call.name in dispatch.SWITCHING
        assert returned == promised or special, call.name
        if call.is_message:
            assert list(implemented.values()) == ["Ptr[Capability]", "trap.UserFrame"], call.name
            continue
        assert len(implemented) == len(declared), call.name
        for (name, kind), given in zip(declared.items(), implemented.values(), strict=True):
            assert given.startswith("Ptr[") if name in call.needs else given == kind, call.name


def test_no_handle_reaches_an_implementation_unchecked() -> None:
    """Each handle that is declared is looked up, with its kind and rights, before the implementation is called."""
    for call in SYSTEM_CALLS:
        text = dispatch.fast_source(call) if call.name in dispatch.FAST else "\n".join(dispatch.branch(call))
        for name, needs in call.needs.items():
            assert text.index(f"{name} = look_up") < text.rindex(f"{call.name}("), call.name
            assert f"Kind.{needs.kind.name}" in text
            assert all(f"Rights.{right.name}" in text for right in needs.rights)


def test_the_reference_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "system-calls.md").read_text() == reference.render()


def test_dispatch_returns_value_or_error() -> None:
    null = frame(0)
    dispatch.system_call(null)
    assert null.rax == 0 and null.rdx == 0
    for number in (len(SYSTEM_CALLS), 1 << 63):
        unknown = frame(number, 1, 2, 3)
        dispatch.system_call(unknown)
        assert unknown.rax == BadSystemCall.code


def test_arguments_that_do_not_fit_are_refused() -> None:
    too_wide = frame(1, 256)
    dispatch.system_call(too_wide)
    assert too_wide.rax == BadArgument.code
    wrong_stream = frame(3, 3, 0x1000, 1)
    dispatch.system_call(wrong_stream)
    assert wrong_stream.rax == BadArgument.code
    kernel_address = frame(3, 1, 0xFFFF_FFFF_8010_0000, 1)
    dispatch.system_call(kernel_address)
    assert kernel_address.rax == 1


def test_declarations_are_checked() -> None:
    with pytest.raises(ValueError, match="without gaps"):
        system_call(number=77)(lambda: None)
