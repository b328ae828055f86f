"""How far the time of day is ahead of the machine's clock, kept across crashes: the chip shows whole seconds only, and
to read it anew would set the time back by up to one."""

from __future__ import annotations

from cloudos.abi.errors import BadArgument, BadHandle, Denied, OutOfMemory, QuotaExceeded, WrongKind
from cloudos.lang import U64, Ptr, VirtAddr, struct
from cloudos.sdk.memory import PAGE, READ, WRITE, Memory

MAGIC = int.from_bytes(b"rtc\x00\x00\x00\x00\x01", "little")
TOLERANCE = 2_000_000_000  # nanoseconds between what was kept and what the chip shows: more is not of this clock


@struct
class Kept:
    """Trusted if the three agree."""

    magic: U64 = U64(0)
    ahead: U64 = U64(0)
    check: U64 = U64(0)

    def is_sound(self) -> bool:
        """Whether it was written to its end."""
        return self.magic == MAGIC and self.check == ~self.ahead

    def keep(self, ahead: U64) -> None:
        """Write it, in an order in which a crash in between leaves what does not agree."""
        self.check = U64(0)
        self.ahead = ahead
        self.magic = U64(MAGIC)
        self.check = ~ahead


def continued(kept: Kept, ahead: U64) -> U64:
    """What was kept, if it is sound and within `TOLERANCE` of `ahead`, which the chip shows; otherwise that. Keeps it.

    Both are nanoseconds.
    """
    result = ahead
    if kept.is_sound():
        difference = max(kept.ahead, ahead) - min(kept.ahead, ahead)
        if difference <= TOLERANCE:
            result = kept.ahead
    kept.keep(result)
    return result


def continued_in(state: U64, ahead: U64) -> U64:
    """`continued` with what the memory object `state` holds; `ahead` when there is none (0), or it cannot be mapped."""
    if state == 0:
        return ahead
    try:
        address = Memory(state).map(U64(0), U64(PAGE), U64(READ | WRITE))
    except (BadArgument, BadHandle, Denied, OutOfMemory, QuotaExceeded, WrongKind):
        return ahead
    return continued(Ptr.at(Kept, VirtAddr(address)).value, ahead)
