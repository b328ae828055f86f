"""`Counter`: how often each text occurs."""

from __future__ import annotations

from cloudos.lang import U8, U32, U64, Slice, managed, struct
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.map import Map, mark_of
from cloudos.sdk.collections.slices import hash_bytes
from cloudos.sdk.collections.text import Text

SLACK = 1000  # candidates that may wait beyond the best ones before they are sorted in


@managed
class Tally:
    """A text and how often it occurred."""

    text: Text
    count: U64


@struct
class MostCommonFirst:
    """Higher counts first, then byte order."""

    def less(self, left: Tally, right: Tally) -> bool:
        if left.count != right.count:
            return left.count > right.count
        return left.text < right.text


@managed
class Counter:
    """A `Map` from text to count that is fed with bytes: a text that was seen before costs no memory."""

    counts: Map[Text, U64]

    def __init__(self) -> None:
        self.counts = Map[Text, U64]()

    @property
    def length(self) -> U64:
        """How many different texts were counted."""
        return self.counts.length

    def add(self, content: Slice[U8]) -> None:
        """Count one more occurrence of these bytes as a text."""
        mark = mark_of(hash_bytes(content))
        position = self.locate(content, mark)
        if position is None:
            self.counts.add_entry(Text.from_bytes(content), mark, U64(1))
        else:
            self.counts.entry_values[position] += 1

    def __getitem__(self, text: Text) -> U64:
        """How often the text occurred; 0 for one never seen."""
        return self.counts.get(text, U64(0))

    def locate(self, content: Slice[U8], mark: U32) -> U64 | None:
        """`Map.locate`, for bytes that are no `Text` yet."""
        map = self.counts
        if map.length == 0:
            return None
        mask = map.index.length - 1
        slot = U64(mark) & mask
        while map.index[slot] != 0:
            position = U64(map.index[slot] - 1)
            if map.hashes[position] == mark and map.entry_keys[position].content.equals(content):
                return position
            slot = (slot + 1) & mask
        return None

    def most_common(self, limit: U64) -> List[Tally]:
        """The `limit` most frequent texts, or all; the most frequent first, equally frequent ones in byte order."""
        best = List[Tally]()
        if limit == 0:
            return best
        order = MostCommonFirst()
        room = limit.saturating_mul(2).saturating_add(SLACK)
        worst = Tally(Text(""), U64(0))  # until `limit` candidates are sorted, everything comes before it
        counts = self.counts
        for i in U64.range(counts.used):  # nothing is ever removed: there are no holes
            count = counts.entry_values[i]
            if count > worst.count or (count == worst.count and counts.entry_keys[i] < worst.text):
                best.append(Tally(counts.entry_keys[i], count))
                if best.length == room:
                    best.sort_by(order)
                    best.truncate(limit)
                    worst = best[limit - 1]
        best.sort_by(order)
        best.truncate(min(limit, best.length))
        return best
