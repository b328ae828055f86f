"""Budgets: how much of each period may be used, replenished sporadically.

What is used at one time comes back one period later, so that in no window of a period more than the budget is used.
Up to eight pieces of used time are remembered; when there are more, the newest are joined and come back together with
the last, that is later than they could. Sources: Sprunt, Sha, Lehoczky, Aperiodic Task Scheduling for Hard-Real-Time
Systems (1989); Stanovich and others, Defects of the POSIX Sporadic Server and How to Correct Them (2010).
"""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U64, Array, Atomic, Order, inlined, never_inlined, struct, zeroed

PIECES = 8


@struct
class Piece:
    """`amount` nanoseconds that come back at `time`."""

    time: U64
    amount: U64


@struct
class Budget:
    """All times in nanoseconds. `left` may be used now; the pieces, oldest first, begin at `first`."""

    limit: U64 = U64(0)
    period: U64 = U64(0)
    left: U64 = U64(0)
    # Used beyond what was left, or where that could not be changed; paid from what comes back, which then comes back
    # another period later. All processors add to it.
    owed: Atomic[U64] = Atomic(U64(0))
    first: U64 = U64(0)
    count: U64 = U64(0)
    pieces: Array[Piece, Literal[8]] = zeroed()

    def set(self, limit: U64, period: U64) -> None:
        """Begin anew with a full budget."""
        self.limit = limit
        self.period = period
        self.left = limit
        self.owed.store(0, Order.RELAXED)
        self.first = U64(0)
        self.count = U64(0)

    @property
    def is_limited(self) -> bool:
        """Whether it can be exhausted for longer than a moment."""
        return self.limit < self.period

    @inlined
    def charge_turn(self, used: U64) -> bool:
        """Use so much of a budget that is not limited. Whether that was the end of a turn.

        Several processors may do that at once: what one of them counts may be forgotten, and a turn be longer.
        """
        left = self.left
        if used < left:
            self.left = left.wrapping_sub(used)
            return False
        self.left = self.limit
        return True

    def charge(self, start: U64, end: U64) -> bool:
        """Use [start, end). The timer is not exact and system calls are not interrupted: what is used beyond the budget
        is owed.

        Whether that was the end of a turn, after which others of the same priority come first.
        """
        used = end - start
        if not self.is_limited:
            return self.charge_turn(used)
        paid = min(used, self.left)
        self.left = self.left - paid
        self.owe(used - paid)
        if paid > 0:
            self._remember(start, paid)
        return self.left == 0

    def owe(self, used: U64) -> None:
        """So much was used that is not taken from what is left."""
        self.owed.fetch_add(used, Order.RELAXED)

    def _remember(self, start: U64, amount: U64) -> None:
        if self.count == PIECES:
            newest = self.pieces[(self.first + self.count - 1) % PIECES]
            newest.amount = newest.amount + amount
            newest.time = start.saturating_add(self.period)
            return
        self.pieces[(self.first + self.count) % PIECES] = Piece(start.saturating_add(self.period), amount)
        self.count = self.count + 1

    @never_inlined
    def replenish(self, now: U64) -> None:
        """Take back what is due."""
        while self.count > 0 and self.pieces[self.first].time <= now:
            amount = self.pieces[self.first].amount
            paid = min(amount, self.owed.load(Order.RELAXED))
            self.owed.fetch_sub(paid, Order.RELAXED)
            self.left = self.left + (amount - paid)
            self.first = (self.first + 1) % PIECES
            self.count = self.count - 1
            if paid > 0:
                self._remember(now, paid)

    @property
    def next_time(self) -> U64:
        """When the next piece comes back, while one is outstanding."""
        return self.pieces[self.first].time
