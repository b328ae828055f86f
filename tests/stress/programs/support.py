"""What the programs share: numbers from a seed, arguments, what is used of the machine's quota."""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial
from cloudos.lang import U8, U64, Array, Ptr, UserPtr, VirtAddr, place, struct
from cloudos.sdk import List, Text, system

QUOTA = U64(initial.QUOTA)
PROCESS = U64(initial.PROCESS)
SCHEDULE = U64(initial.SCHEDULE)
MILLISECOND = 1_000_000
NEVER = U64(0xFFFF_FFFF_FFFF_FFFF)
PAGE = 4096
# Milliseconds after which nothing more is expected to change.
QUIET = 8


@struct
class Random:
    """xorshift64*: Vigna, An experimental exploration of Marsaglia's xorshift generators (2016). Never zero."""

    state: U64 = U64(1)

    def seed(self, value: U64) -> None:
        """Begin anew; any number will do."""
        self.state = value.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1
        self.next()

    def next(self) -> U64:
        """64 bits."""
        state = self.state
        state = state ^ (state >> 12)
        state = state ^ (state & 0x7F_FFFF_FFFF) << 25
        state = state ^ (state >> 27)
        self.state = state
        return state.wrapping_mul(0x2545_F491_4F6C_DD1D)

    def below(self, limit: U64 | int) -> U64:
        """A number below `limit`, which is not large."""
        return (self.next() >> 32) % limit


def number(args: List[Text], index: U64, otherwise: U64) -> U64:
    """An argument of the program."""
    if index >= args.length:
        return otherwise
    return U64(args[index].to_integer())


@struct
class Usage:
    """Of a quota, in bytes."""

    used: U64 = U64(0)
    limit: U64 = U64(0)

    def read(self, quota: U64) -> None:
        """Ask the kernel."""
        numbers = Array[U64, Literal[2]]()
        system.quota_inspect(quota, UserPtr.at(U8, Ptr.to(numbers).address.value))
        self.used = numbers[0]
        self.limit = numbers[1]


def quota_used() -> U64:
    """Bytes used of the first process's quota, after what ended has been taken apart: for some time nothing changes."""
    usage = Usage()
    same = U64(0)
    while same < QUIET:
        system.thread_sleep(U64(MILLISECOND))
        before = usage.used
        usage.read(QUOTA)
        same = same + 1 if usage.used == before else U64(0)
    return usage.used


@struct
class FreePages:
    """Pages for message buffers, far from where memory is mapped."""

    next: U64 = U64(0x2000_0000_0000)

    def take(self) -> U64:
        """The address of a page that nobody has used."""
        self.next = self.next + PAGE
        return self.next


FREE_PAGES = place(FreePages())


def peek(address: U64) -> U64:
    return Ptr.at(U64, VirtAddr(address)).value


def poke(address: U64, value: U64) -> None:
    Ptr.at(U64, VirtAddr(address)).value = value
