"""System calls from one declaration: dispatch and reference page agree with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest

from cloudos.abi import reference
from cloudos.abi.errors import BadArgument, BadHandle, BadSystemCall, numbered
from cloudos.abi.objects import Kind, Rights
from cloudos.abi.system_calls import SYSTEM_CALLS, Needs, SystemCall, system_call
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
        special = promised == "NoReturn" or call.is_message or call.name == "thread_yield"
        assert returned == promised or special, call.name
        if call.is_message:
            assert list(implemented.values()) == ["Ptr[Capability]", "trap.UserFrame"], call.name
            continue
        assert len(implemented) == len(declared), call.name
        for (name, kind), given in zip(declared.items(), implemented.values(), strict=True):
            assert given.startswith("Ptr[") if name in call.needs else given == kind, call.name


def test_no_handle_reaches_an_implementation_unchecked() -> None:
    """Each handle that is declared is looked up, with its kind and right, before the implementation is called."""
    for call in SYSTEM_CALLS:
        first, second = dispatch.NEEDS[call.number * 2], dispatch.NEEDS[call.number * 2 + 1]
        wanted = [call.needs.get(name) for name in (*call.parameters, "", "")[:2]]
        for found, needs in zip((first, second), wanted, strict=True):
            named = (Kind(found & 15), Rights(1 << int(found >> 4))) if found != 0 else None
            assert named == (needs and (needs.kind, needs.rights)), call.name
    text = dispatch.dispatch_source()
    for name in ("first = look_up_needed(frame.argument0, ", "second = look_up_needed(frame.argument1, "):
        assert text.index(name) < text.index("match")


def test_the_fast_path_looks_up_what_the_declaration_says(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[tuple[U64, Kind, Rights]] = []

    def look_up(handle: U64, kind: Kind, rights: Rights) -> Any:
        looked_up.append((handle, kind, rights))
        raise BadHandle

    monkeypatch.setattr(dispatch, "look_up_here", look_up)
    monkeypatch.setattr(dispatch, "dispatch", lambda frame: False)
    for call in SYSTEM_CALLS:
        if call.name in dispatch.FAST:
            (needs,) = call.needs.values()
            assert not dispatch.other_call(frame(call.number, 7, 1))
            assert looked_up.pop() == (U64(7), needs.kind, needs.rights), call.name
            # With more than words it is the dispatch's.
            assert not dispatch.other_call(frame(call.number, 7, 16)) and not looked_up


def test_a_handle_with_other_needs_than_the_table_has_room_for_is_refused() -> None:
    def late(a: U64, b: U64, c: Annotated[U64, Needs(Kind.QUOTA, Rights.READ)]) -> None:
        """A third handle."""

    def two(a: Annotated[U64, Needs(Kind.QUOTA, Rights.READ | Rights.WRITE)]) -> None:
        """Two rights."""

    with pytest.raises(ValueError, match="handles come first"):
        dispatch.needs_of(SystemCall(0, resolved(late), ()))
    with pytest.raises(ValueError, match="exactly one right"):
        dispatch.needs_of(SystemCall(0, resolved(two), ()))


def resolved(function: Any) -> Any:
    """With annotations that are no texts: those of a nested function cannot be looked up."""
    names = {"U64": U64, "Annotated": Annotated, "Needs": Needs, "Kind": Kind, "Rights": Rights, "None": None}
    function.__annotations__ = {name: eval(note, names) for name, note in function.__annotations__.items()}
    return function


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
    wrong_stream = frame(3, 4, 0x1000, 1)
    dispatch.system_call(wrong_stream)
    assert wrong_stream.rax == BadArgument.code


def test_declarations_are_checked() -> None:
    with pytest.raises(ValueError, match="without gaps"):
        system_call(number=77)(lambda: None)
