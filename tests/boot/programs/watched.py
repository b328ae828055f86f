"""What tests of `profile` and `trace` watch: loops, calls and system calls of which is known how many there are."""

from __future__ import annotations

from cloudos.lang import U8, U64, never_inlined
from cloudos.sdk import InvalidNumber, List, Text, print, system


@never_inlined
def spin(state: U64, rounds: U64) -> U64:
    """Marsaglia's xorshift, so many times: nothing that a compiler can know beforehand."""
    for _ in U64.range(rounds):
        state = state ^ state >> 7  # the line that is counted
        state = state ^ (state & 0x7F_FFFF_FFFF_FFFF) << 9
    return state


@never_inlined
def fibonacci(n: U64) -> U64:
    """Calls itself twice."""
    if n < 2:
        return n
    return fibonacci(n - 1) + fibonacci(n - 2)


@never_inlined
def cross(times: U64) -> U64:
    """Null system calls."""
    total = U64(0)
    for _ in U64.range(times):
        total += system.system_null()
    return total


def main(args: List[Text]) -> U8:
    rounds = U64(0)
    try:
        rounds = U64(args[1].to_integer())
    except InvalidNumber:
        return U8(2)
    print(f"{spin(rounds + 1, rounds)} {fibonacci(U64(10))} {cross(U64(100))}")
    return U8(0)
