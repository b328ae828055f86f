"""What a run of the simulated machine gave."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

OUTPUT = 1
ERRORS = 2


@dataclass(frozen=True)
class Run:
    """`log` is all that the kernel wrote, `channel` the frames of the program channel, `time` the clock at the end."""

    log: str
    channel: bytes
    time: int
    entries: int

    @cached_property
    def streams(self) -> dict[int, bytes]:
        """What was written to each stream."""
        pieces: dict[int, list[bytes]] = {OUTPUT: [], ERRORS: []}
        position = 0
        while position < len(self.channel):
            stream = self.channel[position]
            length = int.from_bytes(self.channel[position + 1 : position + 3], "little")
            pieces[stream].append(self.channel[position + 3 : position + 3 + length])
            position += 3 + length
        return {stream: b"".join(parts) for stream, parts in pieces.items()}

    @property
    def output(self) -> str:
        """Standard output as text."""
        return self.streams[OUTPUT].decode()

    def records(self, name: str) -> list[str]:
        """The texts of all records `@name text`."""
        lines = [line.partition(" ") for line in self.log.splitlines()]
        return [text for word, _, text in lines if word == f"@{name}"]

    def record(self, name: str) -> str:
        """The text of the only such record."""
        found = self.records(name)
        assert len(found) == 1, f"{len(found)} records @{name}:\n{self.log}"
        return found[0]
