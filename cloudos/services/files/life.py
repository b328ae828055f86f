"""Which life of the service this is, so that handles to streams of an earlier one are known as such."""

from __future__ import annotations

from cloudos.abi.errors import BadArgument, BadHandle, Denied, OutOfMemory, QuotaExceeded, WrongKind
from cloudos.lang import U64, Ptr, VirtAddr, struct
from cloudos.sdk import system
from cloudos.sdk.component import held
from cloudos.sdk.memory import PAGE, READ, WRITE, Memory
from cloudos.services.files.streams import LIVES

MAGIC = int.from_bytes(b"files\x00\x00\x01", "little")


@struct
class Kept:
    """What the service keeps across its own crashes: trusted if the three agree."""

    magic: U64
    life: U64
    check: U64


def next_life() -> U64:
    """A number below 2**30 that the previous lives did not have: kept in the memory `state`, or else by the clock."""
    state = held("state")
    by_clock = system.clock_read() // 1000 % LIVES
    if state == 0:
        return by_clock
    try:
        address = Memory(state).map(U64(0), U64(PAGE), U64(READ | WRITE))
    except (BadArgument, BadHandle, Denied, OutOfMemory, QuotaExceeded, WrongKind):
        return by_clock
    return count_life(Ptr.at(Kept, VirtAddr(address)).value, by_clock)


def count_life(kept: Kept, otherwise: U64) -> U64:
    """The number after the one that was kept, or `otherwise` when nothing was, or it is damaged; keeps it."""
    life = otherwise
    if kept.magic == MAGIC and kept.check == ~kept.life:
        life = (kept.life + 1) % LIVES
    # In this order a crash in between leaves what does not agree.
    kept.check = U64(0)
    kept.life = life
    kept.magic = U64(MAGIC)
    kept.check = ~life
    return life
