"""The prelude's operations against Python's own integers: all pairs for 8 bits, Hypothesis for the rest."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cloudos.compiler.build import Unit, build
from cloudos.compiler.host_library import (
    HOST_SUPPORT_NAME,
    HOST_SUPPORT_SOURCE,
    Entry,
    HostLibrary,
    Outcome,
    Panicked,
    Returned,
)
from cloudos.compiler.prelude import INTEGERS, PRELUDE
from cloudos.compiler.targets import host_target

SITE = 0x0001_0007


class Fails(Exception):
    """What a reference raises where the prelude must panic; the argument is the kind."""


def limits(name: str) -> tuple[int, int]:
    bits, signed = INTEGERS[name]
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


def wrap(name: str, value: int) -> int:
    bits, signed = INTEGERS[name]
    value &= (1 << bits) - 1
    return value - (1 << bits) if signed and value >> bits - 1 else value


def fit(name: str, value: int, kind: str = "OVERFLOW") -> int:
    low, high = limits(name)
    if not low <= value <= high:
        raise Fails(kind)
    return value


def clamp(name: str, value: int) -> int:
    low, high = limits(name)
    return min(max(value, low), high)


def count(name: str, value: int) -> int:
    if not 0 <= value < INTEGERS[name][0]:
        raise Fails("BAD_SHIFT")
    return value


def divisor(value: int) -> int:
    if value == 0:
        raise Fails("DIVIDE_BY_ZERO")
    return value


def rotate(name: str, value: int, places: int) -> int:
    bits = INTEGERS[name][0]
    pattern = value & ((1 << bits) - 1)
    places %= bits
    return wrap(name, pattern << places | pattern >> (bits - places))


def unsigned(name: str, value: int) -> int:
    return value & ((1 << INTEGERS[name][0]) - 1)


Reference = Callable[[str, int, int], int]

CHECKED: dict[str, Reference] = {
    "add": lambda t, a, b: fit(t, a + b),
    "sub": lambda t, a, b: fit(t, a - b),
    "mul": lambda t, a, b: fit(t, a * b),
    "floordiv": lambda t, a, b: fit(t, a // divisor(b)),
    "mod": lambda t, a, b: a % divisor(b),
    "shl": lambda t, a, b: fit(t, a << count(t, b)),
    "shr": lambda t, a, b: a >> count(t, b),
    "wrapping_shl": lambda t, a, b: wrap(t, a << count(t, b)),
    "bit": lambda t, a, b: unsigned(t, a) >> count(t, b) & 1,
}

PLAIN: dict[str, Reference] = {
    "wrapping_add": lambda t, a, b: wrap(t, a + b),
    "wrapping_sub": lambda t, a, b: wrap(t, a - b),
    "wrapping_mul": lambda t, a, b: wrap(t, a * b),
    "saturating_add": lambda t, a, b: clamp(t, a + b),
    "saturating_sub": lambda t, a, b: clamp(t, a - b),
    "saturating_mul": lambda t, a, b: clamp(t, a * b),
    "rotl": rotate,
    "rotr": lambda t, a, b: rotate(t, a, -b),
    "min": lambda t, a, b: min(a, b),
    "max": lambda t, a, b: max(a, b),
}

SINGLE: dict[str, Callable[[str, int], int]] = {
    "wrapping_neg": lambda t, a: wrap(t, -a),
    "clz": lambda t, a: INTEGERS[t][0] - unsigned(t, a).bit_length(),
    "ctz": lambda t, a: (unsigned(t, a) & -unsigned(t, a)).bit_length() - 1 if a else INTEGERS[t][0],
    "popcount": lambda t, a: unsigned(t, a).bit_count(),
    "bswap": lambda t, a: wrap(t, int.from_bytes(unsigned(t, a).to_bytes(INTEGERS[t][0] // 8, "big"), "little")),
}


def sources() -> tuple[str, dict[object, Entry]]:
    """One entry per operation and type."""
    text = ['__asm__(".pushsection cloudos_files,\\"\\"\\n.asciz \\"zero\\"\\n.asciz \\"one\\"\\n.popsection\\n");\n']
    entries: dict[object, Entry] = {}

    def add(key: str, call: str, arguments: tuple[str, ...], result: str) -> None:
        text.append(f"u32 entry_{key}(const u64 *a, u64 *r) {{ *r = (u64){call}; return 0; }}\n")
        entries[key] = Entry(f"entry_{key}", arguments, (result,))

    for name, (_, signed) in INTEGERS.items():
        pair = f"({name})a[0], ({name})a[1]"
        for operation in CHECKED:
            result = "u8" if operation == "bit" else name
            add(f"{operation}_{name}", f"{operation}_{name}({pair}, {SITE})", (name, name), result)
        for operation in PLAIN:
            add(f"{operation}_{name}", f"{operation}_{name}({pair})", (name, name), name)
        for operation in SINGLE:
            result = name if operation in ("wrapping_neg", "bswap") else "u32"
            add(f"{operation}_{name}", f"{operation}_{name}(({name})a[0])", (name,), result)
        if signed:
            add(f"neg_{name}", f"neg_{name}(({name})a[0], {SITE})", (name,), name)
        for to in INTEGERS:
            add(f"conv_{name}_{to}", f"conv_{name}_{to}(({name})a[0], {SITE})", (name,), to)
        for real in ("f32", "f64"):
            call = f"truncate_{real}_{name}(from_bits_{real}((u{real[1:]})a[0]), {SITE})"
            add(f"truncate_{real}_{name}", call, (real,), name)
    for real in ("f32", "f64"):
        for operation in ("floor", "sqrt"):
            call = f"bits_{real}({operation}_{real}(from_bits_{real}((u{real[1:]})a[0])))"
            add(f"{operation}_{real}", call, (real,), real)
    add("index", f"index_check(a[0], a[1], {SITE})", ("u64", "u64"), "u64")
    add("cut", f"slice_cut((slice_t){{(void *)4096, a[0]}}, a[1], a[2], 8, {SITE}).pointer", ("u64",) * 3, "u64")
    add("nonnull", f"nonnull((void *)a[0], {SITE})", ("u64",), "u64")
    return "".join(text), entries


@pytest.fixture(scope="module", params=["0", "2"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> HostLibrary:
    directory = tmp_path_factory.mktemp("prelude")
    text, entries = sources()
    units = [Unit("prelude_test", PRELUDE + text), Unit(HOST_SUPPORT_NAME, PRELUDE + HOST_SUPPORT_SOURCE)]
    path = build(units, host_target(), output=directory / "p.so", optimize=request.param, cache=directory / "cache")
    return HostLibrary(path, entries)


def expected(reference: Callable[..., int], *arguments: object) -> Outcome:
    try:
        return Returned((reference(*arguments),))
    except Fails as failure:
        return Panicked(failure.args[0], "one", SITE & 0xFFFF)


def edge_values(name: str) -> st.SearchStrategy[int]:
    low, high = limits(name)
    near = [v for e in range(INTEGERS[name][0]) for v in (1 << e, -(1 << e), (1 << e) - 1) if low <= v <= high]
    return (
        st.integers(low, high)
        | st.sampled_from([low, low + 1, 0, 1, high - 1, high, *near])
        | st.integers(0, 70).map(lambda v: min(v, high))
    )


@pytest.mark.parametrize("name", ["u8", "i8"])
def test_every_pair_of_eight_bits(library: HostLibrary, name: str) -> None:
    low, high = limits(name)
    for operation, reference in {**CHECKED, **PLAIN}.items():
        key = f"{operation}_{name}"
        # All of one operand against the interesting half of the other keeps this at a few seconds.
        others = range(low, high + 1) if operation in ("floordiv", "mod", "shl") else range(low, high + 1, 3)
        for a in range(low, high + 1):
            for b in others:
                assert library.call(key, a, b) == expected(reference, name, a, b), (key, a, b)


@pytest.mark.parametrize("name", list(INTEGERS))
def test_two_operands(library: HostLibrary, name: str) -> None:
    @settings(max_examples=300, deadline=None)
    @given(edge_values(name), edge_values(name))
    @example(limits(name)[0], limits(name)[1])
    @example(limits(name)[0], wrap(name, -1))
    def compare(a: int, b: int) -> None:
        for operation, reference in {**CHECKED, **PLAIN}.items():
            assert library.call(f"{operation}_{name}", a, b) == expected(reference, name, a, b), operation

    compare()


@pytest.mark.parametrize("name", list(INTEGERS))
def test_one_operand_and_conversions(library: HostLibrary, name: str) -> None:
    @settings(max_examples=300, deadline=None)
    @given(edge_values(name))
    def compare(a: int) -> None:
        for operation, reference in SINGLE.items():
            assert library.call(f"{operation}_{name}", a) == expected(reference, name, a), operation
        for to in INTEGERS:
            assert library.call(f"conv_{name}_{to}", a) == expected(fit, to, a, "LOSSY_CONVERSION"), to
        if INTEGERS[name][1]:
            assert library.call(f"neg_{name}", a) == expected(fit, name, -a)

    compare()


def truncated(name: str, value: float) -> int:
    if math.isnan(value) or math.isinf(value):
        raise Fails("LOSSY_CONVERSION")
    return fit(name, math.trunc(value), "LOSSY_CONVERSION")


@pytest.mark.parametrize("real", ["f32", "f64"])
def test_floats(library: HostLibrary, real: str) -> None:
    width: Literal[32, 64] = 32 if real == "f32" else 64
    limit = st.sampled_from([float(sign * 2**e) for e in (7, 8, 15, 16, 31, 32, 52, 53, 63, 64) for sign in (1, -1)])
    near = st.tuples(limit, st.sampled_from([-1.5, -1.0, -0.5, 0.0, 0.5, 1.0])).map(
        lambda p: float(struct.unpack("<f", struct.pack("<f", sum(p)))[0]) if width == 32 else sum(p)
    )

    @settings(max_examples=600, deadline=None)
    @given(st.floats(width=width) | near)
    def compare(value: float) -> None:
        for name in INTEGERS:
            assert library.call(f"truncate_{real}_{name}", value) == expected(truncated, name, value), name
        whole = library.call(f"floor_{real}", value)
        assert isinstance(whole, Returned)
        if math.isfinite(value):
            assert whole.values[0] == math.floor(value)
            assert math.copysign(1, float(whole.values[0])) == math.copysign(1, value)
        else:
            assert repr(whole.values[0]) == repr(value)
        if value >= 0 and width == 64:
            assert library.call(f"sqrt_{real}", value) == Returned((math.sqrt(value),))

    compare()


def test_bounds(library: HostLibrary) -> None:
    index_panic = Panicked("INDEX", "one", 7)
    assert library.call("index", 4, 5) == Returned((4,))
    assert library.call("index", 5, 5) == index_panic
    assert library.call("index", 2**64 - 1, 5) == index_panic
    assert library.call("cut", 8, 2, 8) == Returned((4096 + 16,))
    assert library.call("cut", 8, 8, 8) == Returned((4096 + 64,))
    assert library.call("cut", 8, 3, 2) == index_panic
    assert library.call("cut", 8, 0, 9) == index_panic
    assert library.call("nonnull", 16) == Returned((16,))
    assert library.call("nonnull", 0) == Panicked("NULL", "one", 7)


def test_the_reference_can_fail(tmp_path: Path) -> None:
    """A prelude whose signed division truncates is told apart from the real one."""
    text, entries = sources()
    broken = PRELUDE.replace("q - (r && (r < 0) != (b < 0))", "q")
    assert broken != PRELUDE
    units = [Unit("broken", broken + text), Unit(HOST_SUPPORT_NAME, PRELUDE + HOST_SUPPORT_SOURCE)]
    library = HostLibrary(build(units, host_target(), output=tmp_path / "b.so", cache=tmp_path / "cache"), entries)
    assert library.call("floordiv_i32", -7, 2) != expected(CHECKED["floordiv"], "i32", -7, 2)
