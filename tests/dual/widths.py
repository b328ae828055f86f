"""The text of a test program with every operation of one integer type, the same for all eight types."""

from __future__ import annotations

TYPES = ("U8", "U16", "U32", "U64", "I8", "I16", "I32", "I64")

HEAD = '''\
"""Every operation of T."""

from __future__ import annotations

from typing import Literal

from cloudos.lang import I8, I16, I32, I64, U8, U16, U32, U64, Array, Ptr, struct, zeroed


@struct
class Holder:
    before: U8 = U8(0)
    value: T = T(0)
    after: U8 = U8(0)
    items: Array[T, Literal[5]] = zeroed()


HOLDER = Holder()


def through_memory(a: T, b: T) -> tuple[T, T, U8, U8]:
    HOLDER.before = U8(1)
    HOLDER.after = U8(2)
    HOLDER.value = a
    HOLDER.items[3] = b
    Ptr.to(HOLDER.items).cast(T).offset(1).value = a
    return HOLDER.value, HOLDER.items[3], HOLDER.before, HOLDER.after


def neighbours_stay(a: T, b: T) -> tuple[T, T, T]:
    HOLDER.items[1] = b
    HOLDER.items[3] = b
    HOLDER.items[2] = a
    return HOLDER.items[1], HOLDER.items[2], HOLDER.items[3]


def parameters(a: T, b: T) -> T:
    return _identity(a) ^ _identity(b)


def _identity(a: T) -> T:
    return a


def default_parameter(a: T) -> T:
    return _default() ^ _default(a)


def _default(a: T = T(MAX)) -> T:
    return a


def comparisons(a: T, b: T) -> tuple[bool, bool, bool, bool, bool, bool]:
    return a < b, a <= b, a == b, a != b, a > b, a >= b


def comparisons_with_constants(a: T) -> tuple[bool, bool, bool, bool, bool]:
    return a < 100, a == MAX, a >= MIN + 1, 3 < a, 5 != a


def constants() -> tuple[T, T, T]:
    return T(MAX), T(MIN), T(0x2A)


def constants_left(a: T) -> T:
    return 100 - a


def constant_add(a: T) -> T:
    return a + 1


def constant_sub(a: T) -> T:
    return a - 100


def constant_mul(a: T) -> T:
    return 3 * a


def constant_divide(a: T) -> T:
    return a // 7


def constant_remainder(a: T) -> T:
    return a % 10


def constant_power_of_two(a: T) -> tuple[T, T]:
    return a // 8, a % 8


def constant_dividend(a: T) -> tuple[T, T]:
    return 100 // a, 100 % a


def constant_shift(a: T) -> T:
    return (a << 2) ^ (a >> 3)


def constant_mask(a: T) -> T:
    return a & 0x3C | 3 ^ a


def expression(a: T, b: T, c: T) -> T:
    return (a + b * c) // (b - c) % (a | 1)


def augmented(a: T, b: T) -> T:
    x = a
    x += b
    x //= 3
    x *= 2
    x -= b
    x ^= a
    x <<= 1
    return x


def augmented_in_memory(a: T, b: T) -> T:
    HOLDER.value = a
    HOLDER.value -= b
    HOLDER.items[2] = HOLDER.value
    HOLDER.items[2] *= b
    return HOLDER.items[2]


def from_bool(a: bool) -> T:
    return T(a)


def smaller(a: T, b: T) -> tuple[T, T]:
    return min(a, b), max(a, b)


def smaller_with_constants(a: T) -> tuple[T, T]:
    return min(a, 50), max(a, 50)


def invert(a: T) -> T:
    return ~a


def wrapping_negation(a: T) -> T:
    return a.wrapping_neg()


def counts(a: T) -> tuple[U32, U32, U32]:
    return a.leading_zeros(), a.trailing_zeros(), a.count_ones()


def swapped_bytes(a: T) -> T:
    return a.swap_bytes()


def hashed(a: T) -> U64:
    return a.hash()


def literals() -> tuple[int_literals]:
    return literal_values


def ranges(a: T, b: T) -> U64:
    total = U64(0)
    rounds = U64(0)
    for i in T.range(a, b, STEP):
        total = total.wrapping_mul(31).wrapping_add(U64.truncate(i))
        rounds += 1
        if rounds > 40:
            break
    return total
'''

BINARY = {
    "add": "a + b",
    "subtract": "a - b",
    "multiply": "a * b",
    "divide": "a // b",
    "remainder": "a % b",
    "bit_and": "a & b",
    "bit_or": "a | b",
    "bit_xor": "a ^ b",
    "wrapping_add": "a.wrapping_add(b)",
    "wrapping_sub": "a.wrapping_sub(b)",
    "wrapping_mul": "a.wrapping_mul(b)",
    "saturating_add": "a.saturating_add(b)",
    "saturating_sub": "a.saturating_sub(b)",
    "saturating_mul": "a.saturating_mul(b)",
}

COUNTED = {
    "shift_left": "a << {n}",
    "shift_right": "a >> {n}",
    "wrapping_shl": "a.wrapping_shl({n})",
    "rotate_left": "a.rotate_left({n})",
    "rotate_right": "a.rotate_right({n})",
}


def limits(name: str) -> tuple[int, int]:
    """Smallest and largest value of the type."""
    bits = int(name[1:])
    return (0, 2**bits - 1) if name[0] == "U" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def operations(name: str) -> str:
    """The functions for binary operators, shifts and conversions."""
    parts = [f"\n\ndef {key}(a: T, b: T) -> T:\n    return {text}\n" for key, text in BINARY.items()]
    for key, text in COUNTED.items():
        # Any count, and counts that mostly fit.
        parts.append(f"\n\ndef {key}_any(a: T, n: T) -> T:\n    return {text.format(n='n')}\n")
        parts.append(f"\n\ndef {key}(a: T, n: T) -> T:\n    return {text.format(n=f'n % {int(name[1:])}')}\n")
        parts.append(f"\n\ndef {key}_constant(a: T) -> T:\n    return {text.format(n=int(name[1:]) - 1)}\n")
    parts.append("\n\ndef bit(a: T, n: T) -> bool:\n    return a.bit(n)\n")
    if name[0] == "I":
        parts.append("\n\ndef negate(a: T) -> T:\n    return -a\n")
    for to in TYPES:
        parts.append(f"\n\ndef to_{to.lower()}(a: T) -> {to}:\n    return {to}(a)\n")
        parts.append(f"\n\ndef truncate_to_{to.lower()}(a: T) -> {to}:\n    return {to}.truncate(a)\n")
        parts.append(
            f"\n\ndef there_and_back_{to.lower()}(a: T, b: T) -> T:\n"
            f"    return T.truncate({to}.truncate(a).wrapping_add({to}.truncate(b)))\n"
        )
    return "".join(parts)


def program_text(name: str) -> str:
    """The whole program for one type."""
    low, high = limits(name)
    literals = (0, 1, high, high // 3, low, low // 5)
    text = HEAD.replace("int_literals", ", ".join(["T"] * len(literals)))
    text = text.replace("literal_values", ", ".join(f"T({value})" for value in literals))
    text = (text + operations(name)).replace("MAX", str(high)).replace("MIN + 1", str(low + 1)).replace("MIN", str(low))
    words = text.replace("STEP", str(max(1, high // 30)))
    for before in (" ", "(", "[", "\n"):
        for after in ("(", ",", ")", "]", ":", "\n", ".", " "):
            words = words.replace(f"{before}T{after}", f"{before}{name}{after}")
    return words
