"""Tests of the tests: faults planted into the compiler must be noticed by the three-way comparison.

A fault is either a change of the C text on its way to clang or a replaced function of the lowering pass. The control
test runs the same functions without a fault.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cloudos.compiler import build as back_end
from cloudos.compiler import tree
from cloudos.compiler.build import Unit
from cloudos.compiler.host_library import Value
from cloudos.compiler.lower import expressions
from cloudos.compiler.lower.builder import Builder
from tests.dual.comparison import CALLS, Comparison, Disagreement, load_text
from tests.dual.harness import Function, argument_strategy
from tests.dual.widths import program_text


@dataclass(frozen=True)
class Fault:
    """`old` becomes `new` in every C unit; the function named `function` of `program` must then disagree."""

    name: str
    program: str
    function: str
    old: str
    new: str


FAULTS = [
    Fault(
        "no bounds check",
        "memory",
        "array_index",
        "if (UNLIKELY(index >= length)) PANIC(INDEX, site);",
        "",
    ),
    Fault("bounds check off by one", "memory", "slice_parameter_index", "index >= length", "index > length"),
    Fault("no check of slice bounds", "memory", "slice_of_array", "from > to || to > s.length", "0"),
    Fault("slice starts at its parent", "memory", "slice_of_slice", "from * element_size", "0 * element_size"),
    Fault("wrong sign extension", "I8", "to_i64", "i64 conv_i8_i64(i8 value, u32 site) { return (i64)value", ""),
    Fault("no overflow check", "U32", "add", "__builtin_add_overflow(a, b, &r)", "(r = a + b, 0)"),
    Fault("no overflow check in 8 bits", "I8", "multiply", "__builtin_mul_overflow(a, b, &r)", "(r = a * b, 0)"),
    Fault("division truncates", "I32", "divide", "q - (r && (r < 0) != (b < 0))", "q"),
    Fault("remainder truncates", "I64", "remainder", "r && (r < 0) != (b < 0) ? r + b : r", "r"),
    Fault("no check of division by zero", "U8", "divide", "if (UNLIKELY(!b)) PANIC(DIVIDE_BY_ZERO, site);", "b |= !b;"),
    Fault("logical shift of signed", "I16", "shift_right", "return (i16)(a >> n);", "return (i16)((u16)a >> n);"),
    Fault("shift loses bits", "U64", "shift_left", "(u64)(r >> n) != a", "0"),
    Fault("narrowing unchecked", "U64", "to_u8", "(u64)(u8)value != value", "0"),
    Fault("sign unchecked", "I32", "to_u32", "if (UNLIKELY(value < 0)) PANIC(LOSSY_CONVERSION, site); ", ""),
    Fault("wrong line", "U8", "add", "#define PANIC_AT(word) cloudos_panic(word)", "WRONG_LINE"),
    Fault("wrong kind of panic", "U8", "subtract", "#define PANIC_OVERFLOW 2", "#define PANIC_OVERFLOW 5"),
    Fault("memory not released", "managed_objects", "create", "cloudos_live--;", ""),
]
REPLACED = {
    "wrong sign extension": "i64 conv_i8_i64(i8 value, u32 site) { return (i64)(u8)value",
    "wrong line": "#define PANIC_AT(word) cloudos_panic((word) + 1)",
}


def functions(program: str, names: list[str], directory: Path) -> list[Function]:
    """The named functions of a test program or of the program made for an integer type."""
    if program[0] in "UI" and program[1:].isdigit():
        module = load_text(f"planted_{program.lower()}", program_text(program), directory)
    else:
        module = importlib.import_module(f"tests.dual.programs.{program}")
    return [getattr(module, name) for name in names]


def compare(chosen: list[Function], directory: Path) -> None:
    """What the suite does with these functions."""
    comparison = Comparison(chosen, directory)
    for function in chosen:

        @settings(
            max_examples=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
            database=None,
        )
        @given(st.lists(argument_strategy(function), min_size=CALLS, max_size=CALLS))
        def run(batch: list[tuple[Value, ...]]) -> None:
            for arguments in batch:
                comparison.check(function, arguments)  # noqa: B023

        run()


def plant(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> list[str]:
    """Change the C text of every unit; the names of the units that were changed are added to the returned list."""
    real = back_end.compile_unit
    changed: list[str] = []

    def compile_changed(unit: Unit, flags: tuple[str, ...], cache: Path) -> Path:
        if old in unit.source:
            changed.append(unit.name)
        return real(Unit(unit.name, unit.source.replace(old, new)), flags, cache)

    monkeypatch.setattr(back_end, "compile_unit", compile_changed)
    return changed


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_fault_in_the_emitted_text_is_caught(fault: Fault, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    changed = plant(monkeypatch, fault.old, REPLACED.get(fault.name, fault.new))
    chosen = functions(fault.program, [fault.function], tmp_path)
    with pytest.raises(Disagreement):
        compare(chosen, tmp_path)
    assert changed, "the text to be changed no longer occurs: the fault was not planted"


def _right_first(builder: Builder, node: tree.Binary) -> str:
    """Binary operators that evaluate their right operand first; it is then read from where it was kept."""
    kept = builder.compute(node.right.type, node.line, "{0}", expressions.value(builder, node.right))
    real = expressions.HANDLERS[tree.Local]
    expressions.HANDLERS[tree.Local] = lambda made, local: kept if local.name == "planted" else real(made, local)
    try:
        right = tree.Local(node.right.type, "planted", line=node.line)
        return ORIGINAL_BINARY(builder, tree.Binary(node.type, node.op, node.left, right, line=node.line))
    finally:
        expressions.HANDLERS[tree.Local] = real


def _both_sides(builder: Builder, node: tree.Logic) -> str:
    """`and` and `or` that evaluate both sides."""
    left, right = expressions.value(builder, node.left), expressions.value(builder, node.right)
    return builder.compute(node.type, node.line, f"{{0}} {'&' if node.op == 'and' else '|'} {{1}}", left, right)


ORIGINAL_BINARY: Callable[[Builder, tree.Binary], str] = expressions.HANDLERS[tree.Binary]


@pytest.mark.parametrize(
    ("node", "handler", "function"),
    [
        (tree.Binary, _right_first, "binary"),
        (tree.Binary, _right_first, "panic_on_the_left_first"),
        (tree.Logic, _both_sides, "logic"),
    ],
    ids=["swapped evaluation order", "swapped order shown by panics", "no short circuit"],
)
def test_fault_in_lowering_is_caught(
    node: type, handler: Callable[..., str], function: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(expressions.HANDLERS, node, handler)
    with pytest.raises(Disagreement):
        compare(functions("order", [function], tmp_path), tmp_path)


def test_ignored_errors_are_caught(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Builder, "check_error", lambda builder, line: None)
    with pytest.raises(Disagreement):
        compare(functions("errors", ["with_finally"], tmp_path), tmp_path)


def test_functions_of_the_faults_agree_without_a_fault(tmp_path: Path) -> None:
    programs = {fault.program for fault in FAULTS}
    for program in sorted(programs):
        names = sorted({fault.function for fault in FAULTS if fault.program == program})
        compare(functions(program, names, tmp_path), tmp_path / program)
    compare(functions("order", ["binary", "logic"], tmp_path), tmp_path / "order")
    compare(functions("errors", ["caught", "with_finally"], tmp_path), tmp_path / "errors")
