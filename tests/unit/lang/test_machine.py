"""Marks and declarations that the compiler reads, errors, panics, generated functions."""

from __future__ import annotations

import traceback
from typing import Any, Literal, NoReturn

import pytest

import cloudos.lang as lang
from cloudos.lang import (
    GENERATED,
    U8,
    U64,
    Array,
    Assembly,
    Error,
    LinkerSymbol,
    Panic,
    PanicKind,
    ProgramImage,
    Template,
    UserPtr,
    VirtAddr,
    code_address,
    comptime,
    error_name,
    exported,
    external,
    function_at,
    generate,
    interpreted,
    machine,
    no_return,
    panic,
    panic_kind_of,
    place,
    unreachable,
)
from tests.unit.lang.faults import panics

ENTRY = Assembly("entry", x86_64="_start: call {main}", symbols={"main": panic})


@machine(x86_64=Template("in %[port], %[result]", result="=a", inputs={"port": "Nd"}))
def read_port(port: U64) -> U8:
    """The model."""
    return U8.truncate(port)


def test_every_public_name_exists() -> None:
    assert sorted(lang.__all__) == sorted(set(lang.__all__))
    for name in lang.__all__:
        assert getattr(lang, name) is not None


def test_templates() -> None:
    assert read_port(U64(0x123)) == 0x23
    template = read_port.__machine__["x86_64"]  # type: ignore[attr-defined]
    assert (template.text, template.result, template.volatile) == ("in %[port], %[result]", "=a", True)
    assert "aarch64" not in read_port.__machine__  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="no parameter q"):
        machine(x86_64=Template("", inputs={"q": "r"}))(lambda port: port)


def test_marks() -> None:
    @external(ENTRY, "_start")
    def start() -> NoReturn:
        unreachable()

    @exported("cloudos_thing")
    @no_return
    def stop() -> NoReturn:
        panic("stopped")

    marks: Any = start
    assert (marks.__external__.assembly, marks.__external__.symbol) == (ENTRY, "_start")
    other: Any = stop
    assert other.__exported__ == "cloudos_thing" and other.__no_return__
    constant: Any = comptime(lambda: 3)
    model: Any = interpreted(lambda: 3)
    assert constant.__comptime__ and model.__interpreted__
    assert panic.__intrinsic__ == "panic"  # type: ignore[attr-defined]
    assert U64.__add__.__intrinsic__ == "integer.add"  # type: ignore[attr-defined]
    assert U64.wrapping_add.__intrinsic__ == "integer.wrapping_add"  # type: ignore[attr-defined]
    with panics(PanicKind.EXPLICIT):
        stop()
    with panics(PanicKind.UNREACHABLE):
        start()


def test_linker_symbols_and_code_addresses() -> None:
    symbol = LinkerSymbol("kernel_end")
    with pytest.raises(LookupError, match="kernel_end"):
        symbol.address
    symbol.model = VirtAddr(0x1000)
    assert symbol.address == VirtAddr(0x1000)
    assert code_address(read_port) == code_address(read_port)
    assert code_address(read_port) != code_address(panic)
    assert function_at(code_address(panic)) is panic
    with pytest.raises(LookupError):
        function_at(VirtAddr(1))


def test_placement() -> None:
    table: Any = place(Array[U64, Literal[2]](), section=".boot", symbol="boot_table")
    assert (table._region.placement.section, table._region.placement.symbol) == (".boot", "boot_table")
    assert ProgramImage((panic,), (ENTRY,)).entry_symbol == "_start"


def test_errors() -> None:
    class NotThere(Error):
        code = 17

    class NoFile(NotThere):
        pass

    class Other(Error):
        pass

    assert NotThere().code == 17 and NoFile.code == 17 and str(NoFile()) == "NoFile"
    assert Other.code >= 0x8000 and Other.code == Other().code and "code" not in vars(Other)
    with pytest.raises(TypeError):
        NotThere("payload")  # type: ignore[call-arg]
    for wrong in (0, 65536, "1", True):
        with pytest.raises(TypeError, match="must be an int constant"):
            type("Wrong", (Error,), {"code": wrong})


def test_error_name() -> None:
    class Missing(Error):
        pass

    try:
        raise Missing
    except Error:
        assert error_name() == "Missing"
    with pytest.raises(RuntimeError):
        error_name()


def test_panics_are_not_exceptions() -> None:
    with pytest.raises(Panic):
        try:
            panic("bug")
        except Exception:
            pytest.fail("a panic was caught as an Exception")
    assert panic_kind_of(AssertionError()) == PanicKind.ASSERTION
    assert panic_kind_of(Panic(PanicKind.INDEX)) == PanicKind.INDEX
    assert panic_kind_of(ValueError()) is None


def test_generated_functions() -> None:
    source = "def double(x: U64) -> U64:\n    return x + x\n"
    function = generate(source, "double", {"U64": U64})
    assert function(U64(4)) == 8
    assert GENERATED[function.__code__.co_filename] == source
    with pytest.raises(Panic) as caught:
        function(U64(2**63))
    assert "return x + x" in "".join(traceback.format_tb(caught.tb))
    with pytest.raises(KeyError):
        generate("x = 1", "double", {})
    with pytest.raises(SyntaxError):
        generate("def (", "double", {})


def test_user_pointers_are_numbers() -> None:
    pointer = UserPtr.at(U8, U64(0x1234))
    assert pointer.address == 0x1234
    wrong: Any = pointer
    for name in ("value", "offset", "cast"):
        assert not hasattr(wrong, name)
