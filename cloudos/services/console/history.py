"""The lines of a session that are remembered."""

from __future__ import annotations

from cloudos.lang import U8, U64, Slice, managed
from cloudos.sdk.collections.bytes import Bytes
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.slices import find_bytes

LONGEST = 200  # lines,
MOST_BYTES = 16384  # and bytes of them


@managed
class History:
    """Lines, the oldest first."""

    lines: List[Bytes]
    bytes: U64

    def remember(self, line: Slice[U8]) -> None:
        """Add a line, unless it is empty or the same as the last one; beyond 200, or 16 KB, the oldest go."""
        if line.length == 0 or (self.lines.length > 0 and self.lines[self.lines.length - 1].content.equals(line)):
            return
        self.bytes += line.length
        self.lines.append(Bytes(line))
        while self.lines.length > LONGEST or self.bytes > MOST_BYTES:
            self.bytes -= self.lines.remove_at(U64(0)).length

    def search(self, wanted: Slice[U8], before: U64) -> U64 | None:
        """The newest line older than number `before` that contains `wanted`; None when there is none."""
        at = min(before, self.lines.length)
        while at > 0:
            at -= 1
            if find_bytes(self.lines[at].content, wanted, U64(0)) is not None:
                return at
        return None


def new_history() -> History:
    """A history without lines."""
    return History(List[Bytes](), U64(0))
