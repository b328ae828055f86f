"""F32 and F64."""

from __future__ import annotations

from cloudos.lang import F32, F64, I8, I32, I64, U8, U32, U64


def arithmetic(a: F64, b: F64) -> tuple[F64, F64, F64, F64]:
    return a + b, a - b, a * b, a / b


def arithmetic_single(a: F32, b: F32) -> tuple[F32, F32, F32, F32]:
    return a + b, a - b, a * b, a / b


def comparisons(a: F64, b: F64) -> tuple[bool, bool, bool, bool, bool, bool]:
    return a < b, a <= b, a == b, a != b, a > b, a >= b


def comparisons_single(a: F32, b: F32) -> tuple[bool, bool, bool]:
    return a < b, a == b, a >= b


def unary(a: F64, b: F32) -> tuple[F64, F32]:
    return -a, -b


def roots(a: F64, b: F32) -> tuple[F64, F32]:
    return a.sqrt(), b.sqrt()


def floors(a: F64, b: F32) -> tuple[F64, F32]:
    return a.floor(), b.floor()


def nan_tests(a: F64, b: F32) -> tuple[bool, bool, bool]:
    return a.is_nan(), b.is_nan(), (a / F64(0.0)).is_nan()


def to_integer(a: F64) -> I64:
    return a.truncate_to(I64)


def to_unsigned(a: F64) -> U64:
    return a.truncate_to(U64)


def to_small(a: F64) -> I8:
    return a.truncate_to(I8)


def single_to_integer(a: F32) -> U32:
    return a.truncate_to(U32)


def from_integers(a: U64, b: I64, c: U8) -> tuple[F64, F64, F32, F32]:
    return F64(a), F64(b), F32(c), F32(a)


def widen_and_narrow(a: F32, b: F64) -> tuple[F64, F32]:
    return F64(a), F32(b)


def constants(a: F64) -> F64:
    return a * 2.0 + F64(0.1) - F64(1) / 3.0


def bits(a: F64, b: F32) -> tuple[U64, U32]:
    return (F64(0.0) if a.is_nan() else a).bits(), (F32(0.0) if b.is_nan() else b).bits()


def from_bits(a: U64) -> bool:
    return F64.from_bits(a).is_nan()


def horner(a: I32, n: U8) -> F64:
    x = F64(a) / 1024.0
    total = F64(0.0)
    for i in U8.range(n % 20):
        total = total * x + F64(i)
    return total


def augmented(a: F64) -> F64:
    x = a
    x += 1.5
    x *= 0.5
    x -= a
    x /= 3.0
    return x


def smaller(a: F64, b: F64) -> tuple[F64, F64]:
    return min(a, b), max(a, b)


def negative_zero() -> tuple[F64, bool]:
    zero = -F64(0.0)
    return F64(1.0) / zero, zero == 0.0
