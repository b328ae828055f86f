"""Budgets: how much of each period may be used, replenished sporadically.

What is used at one time comes back one period later, so that in no window of a period more than the budget is used.
Up to eight pieces of used time are remembered; when there are more, the newest are joined and come back together with
the last, that is later than they could. Sources: Sprunt, Sha, Lehoczky, Aperiodic Task Scheduling for Hard-Real-Time
Systems (1989); Stanovich and others, Defects of the POSIX Sporadic Server and How to Correct Them (2010).
"""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U64, Array, fast, inlined, never_inlined, struct, zeroed

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
    first: U64 = U64(0)
    count: U64 = U64(0)
    pieces: Array[Piece, Literal[8]] = zeroed()

    def set(self, limit: U64, period: U64) -> None:
        """Begin anew with a full budget."""
        self.limit = limit
        self.period = period
        self.left = limit
        self.first = U64(0)
        self.count = U64(0)

    @property
    def is_limited(self) -> bool:
        """Whether it can be exhausted for longer than a moment."""
        return self.limit < self.period

    @fast
    def charge(self, start: U64, end: U64) -> bool:
        """Use [start, end). Use beyond what is left is forgiven: the timer is not exact.

        Whether that was the end of a turn, after which others of the same priority come first.
        """
        amount = min(end - start, self.left)
        self.left = self.left - amount
        if not self.is_limited:
            if self.left > 0:
                return False
            self.left = self.limit
            return True
        if amount > 0:
            self._remember(start, amount)
        return self.left == 0

    def _remember(self, start: U64, amount: U64) -> None:
        if self.count == PIECES:
            newest = self.pieces[(self.first + self.count - 1) % PIECES]
            newest.amount = newest.amount + amount
            newest.time = start.saturating_add(self.period)
            return
        self.pieces[(self.first + self.count) % PIECES] = Piece(start.saturating_add(self.period), amount)
        self.count = self.count + 1

    @inlined
    def replenish(self, now: U64) -> None:
        """Take back what is due."""
        if self.count > 0:
            self._replenish(now)

    @never_inlined
    def _replenish(self, now: U64) -> None:
        while self.count > 0 and self.pieces[self.first].time <= now:
            self.left = self.left + self.pieces[self.first].amount
            self.first = (self.first + 1) % PIECES
            self.count = self.count - 1

    @property
    def next_time(self) -> U64:
        """When the next piece comes back, while one is outstanding."""
        return self.pieces[self.first].time
