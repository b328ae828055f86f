"""How many records each component may write: a token bucket for each badge, in a table of fixed size."""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U64, Array, struct, zeroed

COST = 5_000_000  # nanoseconds that one record takes from the credit: 200 records a second
BURST = 400  # records
BUCKETS = 64


@struct
class Bucket:
    """A component's credit, in nanoseconds, as it was at `since`; records dropped and not yet reported."""

    badge: U64 = U64(0)
    since: U64 = U64(0)
    credit: U64 = U64(0)
    dropped: U64 = U64(0)
    used: bool = False

    def refill(self, now: U64) -> None:
        """Add what the time since the last look is worth."""
        gained = now.saturating_sub(self.since)
        self.credit = min(self.credit.saturating_add(gained), U64(COST * BURST))
        self.since = now

    def spend(self) -> bool:
        """Take a record's worth; False when there is less."""
        if self.credit < COST:
            return False
        self.credit -= COST
        return True


@struct
class Limits:
    """All buckets. A new badge takes the place of the one that was quiet for longest."""

    buckets: Array[Bucket, Literal[64]] = zeroed()

    def bucket(self, badge: U64, now: U64) -> Bucket:
        """The bucket of a badge, refilled; a new one is full.

        What the bucket that makes place had dropped is forgotten: call `victim` before to report it.
        """
        for i in U64.range(BUCKETS):
            found = self.buckets[i]
            if found.used and found.badge == badge:
                found.refill(now)
                return found
        place = self.victim()
        self.buckets[place] = Bucket(badge, now, U64(COST * BURST), U64(0), True)
        return self.buckets[place]

    def knows(self, badge: U64) -> bool:
        """Whether the badge has a bucket."""
        for i in U64.range(BUCKETS):
            if self.buckets[i].used and self.buckets[i].badge == badge:
                return True
        return False

    def victim(self) -> U64:
        """The place that a new badge will take: a free one, or that of who was quiet for longest."""
        best = U64(0)
        for i in U64.range(BUCKETS):
            if not self.buckets[i].used:
                return i
            if self.buckets[i].since < self.buckets[best].since:
                best = i
        return best
