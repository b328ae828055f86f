"""Branches, loops and boolean logic."""

from __future__ import annotations

from cloudos.lang import I64, U8, U32, U64, IntEnum, enum, panic, struct, unreachable


@enum(U8)
class Shape(IntEnum):
    DOT = 0
    LINE = 1
    SQUARE = 4


@struct
class Counter:
    calls: U32 = U32(0)

    def seen(self, answer: bool) -> bool:
        self.calls = self.calls.wrapping_add(1)
        return answer


COUNTER = Counter()


def branches(a: U8, b: U8) -> U8:
    if a < b:
        return U8(1)
    if a == b:
        return U8(2)
    if a > 200:
        result = U8(3)
    else:
        result = U8(4)
    return result


def nested_branches(a: U8, b: bool) -> U8:
    result = U8(0)
    if a >= 10:
        if b:
            result = U8(1)
        elif a != 77:
            result = U8(2)
    else:
        result = a
    return result


def while_loop(n: U8) -> U64:
    total = U64(0)
    left = U64(n)
    while left > 0:
        total += left
        left -= 1
    return total


def while_else(n: U8, stop: U8) -> U64:
    i = U64(0)
    while i < U64(n):
        if i == U64(stop):
            break
        i += 1
    else:
        i += 1000
    return i


def while_true(n: U8) -> U8:
    i = U8(0)
    while True:
        if i >= n // 2:
            return i
        i += 1


def continue_in_while(n: U8) -> U64:
    i = U8(0)
    total = U64(0)
    while i < n:
        i += 1
        if i % 3 == 0:
            continue
        total += U64(i)
    return total


def for_stop(n: U8) -> U64:
    total = U64(0)
    for i in U64.range(U64(n)):
        total += i * i
    return total


def for_start_stop(a: U8, b: U8) -> U64:
    total = U64(0)
    for i in U8.range(a, b):
        total = total * 3 % 1000003 + U64(i)
    return total


def for_step(a: U8, b: U8) -> U64:
    total = U64(0)
    for i in U8.range(a, b, 7):
        total = total * 31 % 1000003 + U64(i)
    return total


def for_to_the_last_value(a: U8) -> U64:
    """The end of the type is no obstacle: the variable never passes it."""
    total = U64(0)
    for i in U8.range(a, 255):
        total += U64(i)
    for j in U8.range(250, 255, 4):
        total += U64(j)
    return total


def for_constants() -> U32:
    total = U32(0)
    for i in U32.range(3, 10):
        total = total * 10 % 99991 + i
    return total


def for_negative(n: U8) -> I64:
    total = I64(0)
    for i in I64.range(-5, I64(n) - 10):
        total += i
    return total


def for_else(n: U8, stop: U8) -> U64:
    for i in U8.range(n):
        if i == stop:
            result = U64(i)
            break
    else:
        result = U64(999)
    return result


def nested_loops(a: U8, b: U8) -> U64:
    found = U64(0)
    for i in U64.range(U64(a % 12)):
        for j in U64.range(U64(b % 12)):
            if j > i:
                break
            if (i + j) % 3 == 0:
                continue
            found += i * 100 + j
        else:
            found += 7
    return found


def loop_variable_after(n: U8) -> U64:
    last = U64(77)
    for i in U64.range(U64(n)):
        last = i
    return last


def changing_the_bound(n: U8) -> U64:
    """The bound of a range is read once."""
    bound = U64(n % 20)
    rounds = U64(0)
    for _ in U64.range(bound):
        bound += 1
        rounds += 1
    return rounds * 1000 + bound


def assigning_the_loop_variable(n: U8) -> U64:
    total = U64(0)
    for i in U64.range(U64(n % 20)):
        i += 3
        total += i
    return total


def conditional_expression(a: U8, b: U8) -> U8:
    return a - b if a > b else b - a


def nested_conditional(a: U8) -> U8:
    return U8(1) if a < 10 else U8(2) if a < 100 else U8(3)


def chained(a: U8, b: U8, c: U8) -> bool:
    return a < b <= c != a


def logic(a: bool, b: bool, c: bool) -> bool:
    return (a and not b) or (b and c) or not (a or c)


def short_circuit(a: bool, b: bool) -> U32:
    COUNTER.calls = U32(0)
    result = (COUNTER.seen(a) and COUNTER.seen(b)) or COUNTER.seen(a != b)
    return COUNTER.calls * 2 + U32(result)


def short_circuit_guards(a: U8, b: U8) -> bool:
    return b != 0 and a // b > 2


def chained_evaluates_once(a: U8, b: U8) -> U32:
    COUNTER.calls = U32(0)
    inside = U8(0) <= _counted(a) < b
    return COUNTER.calls * 2 + U32(inside)


def _counted(a: U8) -> U8:
    COUNTER.calls += 1
    return a


def bool_equality(a: bool, b: bool) -> bool:
    return (a == b) != (b == a) or (a != b)


def match_enum(a: U8) -> U8:
    shape = Shape(a)
    match shape:
        case Shape.DOT:
            return U8(10)
        case Shape.LINE | Shape.SQUARE:
            result = U8(20)
    return result


def match_integer(a: U8) -> U32:
    match a:
        case 0:
            return U32(1)
        case 1 | 2 | 3:
            return U32(2)
        case 200:
            result = U32(3)
        case _:
            result = U32(a)
    return result + 1000


def match_without_default(a: U8) -> U32:
    result = U32(5)
    match a:
        case 7:
            result = U32(6)
        case 8:
            result += 2
    return result


def match_in_loop(n: U8) -> U32:
    total = U32(0)
    for i in U8.range(n):
        match i:
            case 3:
                continue
            case 9:
                break
            case _:
                total += U32(i)
    return total


def assertion(a: U8) -> U8:
    assert a != 3
    assert a < 250, "too large"
    return a


def explicit_panic(a: U8) -> U8:
    if a > 100:
        panic("a is too large")
    return a


def not_reached(a: U8) -> U8:
    if a < 100:
        return a
    if a < 200:
        return U8(0)
    unreachable()


def nothing(a: U8) -> None:
    if a > 5:
        return
    assert a != 2


def recursion(n: U8) -> U64:
    return _fibonacci(U64(n % 15))


def _fibonacci(n: U64) -> U64:
    if n < 2:
        return n
    return _fibonacci(n - 1) + _fibonacci(n - 2)


def mutual_recursion(n: U8) -> bool:
    return _even(n)


def _even(n: U8) -> bool:
    return True if n == 0 else _odd(n - 1)


def _odd(n: U8) -> bool:
    return False if n == 0 else _even(n - 1)


def swap(a: U8, b: U8) -> tuple[U8, U8]:
    a, b = b, a
    return a, b


def rotate_three(a: U8, b: U8, c: U8) -> tuple[U8, U8, U8]:
    a, b, c = c, a, b
    return a, b, c


def tuple_call(a: U8, b: U8) -> U32:
    quotient, remainder = _divide(a, b)
    return U32(quotient) * 256 + U32(remainder)


def _divide(a: U8, b: U8) -> tuple[U8, U8]:
    return a // b, a % b


def annotated_locals(a: U8) -> U64:
    big: U64 = U64(a) * 1000
    small: U8
    if a > 3:
        small = a - 3
    else:
        small = U8(9)
    return big + U64(small)


def augmented(a: U32, b: U8) -> U32:
    x = a
    x ^= 0x5555_5555
    x |= U32(b)
    x &= 0x00FF_FFFF
    x >>= 3
    x <<= 2
    x //= 3
    x %= 100_000
    x *= 7
    x -= 1
    return x
