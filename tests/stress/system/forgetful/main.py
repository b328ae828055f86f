"""Makes pipes until it gets no more, tells how many, and ends without closing them; again and again.

The reading end of one is published: heir/main.py waits at it for what never comes.
"""

from __future__ import annotations

from cloudos.abi.errors import Denied, NotFound, QuotaExceeded
from cloudos.contracts.names import Names
from cloudos.contracts.pipes import Pipes
from cloudos.lang import U8, U64
from cloudos.sdk import Text, print, system
from cloudos.sdk.component import held

BEFORE = 50_000_000  # nanoseconds: others make theirs first
KEPT = 150_000_000  # nanoseconds that it keeps what it made
LIVES = 64
STREAM = 1  # the contract's number


def take_back() -> U64:
    """Withdraw what the life before published, as a published end is held; the number of this life."""
    names = Names(held("names"))
    for life in U64.range(LIVES):
        name = Text(f"end{life}")
        try:
            names.withdraw(name.content)
            return life + 1
        except (NotFound, Denied):
            pass
    return U64(0)


def main() -> U8:
    """Status 1: it is started again."""
    system.thread_sleep(U64(BEFORE))
    life = take_back()
    pipes = Pipes(held("pipes"))
    first, _ = pipes.make()
    count = U64(1)
    try:
        while count < 1000:
            pipes.make()
            count += 1
    except QuotaExceeded:
        print(f"forgetful {count}")
    name = Text(f"end{life}")
    Names(held("names")).publish(name.content, U64(STREAM), first)
    system.thread_sleep(U64(KEPT))
    return U8(1)
