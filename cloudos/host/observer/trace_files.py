"""A trace as text, and as a file for chrome://tracing and ui.perfetto.dev.

Format of the latter: "Trace Event Format", https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from cloudos.host.observer.tracing import MESSAGE, SCHEDULE, Entry, Thread

PROCESSOR = 0
"""Number of the process in the file under which it stands who ran."""
PER_MICROSECOND = 1000
"""Instructions; the file's times are microseconds, and the machine's clock counts one instruction as a nanosecond."""


def text(entries: Iterable[Entry]) -> Iterator[str]:
    """One line for each entry: when it began, its kind, whose it is, what it was and how many instructions it took."""
    for entry in entries:
        whose = "" if entry.thread is None or entry.kind in (MESSAGE, SCHEDULE) else f"{entry.thread}: "
        length = "not over" if entry.end is None else f"+{entry.end - entry.start:,}"
        yield f"{entry.start:>14,}  {entry.kind:<9} {whose}{entry.text}  [{length}]"


def chrome(entries: Iterable[Entry], end: int) -> str:
    """The JSON file: a track for each thread with its system calls and traps, one for the processor, arrows for
    messages. `end`: when the run was over."""
    events: list[dict[str, Any]] = []
    tracks = Tracks()
    for number, entry in enumerate(entries):
        if entry.kind == MESSAGE:
            events += arrow(entry, number, tracks)
            continue
        track = tracks.processor if entry.kind == SCHEDULE else tracks.of(entry.thread)
        stop = end if entry.end is None else entry.end
        name = entry.text if entry.kind == SCHEDULE else entry.text.partition("(")[0].partition(" at ")[0]
        events.append(
            {"name": name, "cat": entry.kind, "ph": "X", "ts": time(entry.start), "dur": time(stop - entry.start)}
            | track | {"args": {"what": entry.text, **entry.details}}
        )  # fmt: skip
    found = {"traceEvents": [*tracks.names(), *events], "displayTimeUnit": "ns"}
    return json.dumps(found, ensure_ascii=False, indent=0) + "\n"


def time(instructions: int) -> float:
    """Microseconds."""
    return instructions / PER_MICROSECOND


def arrow(entry: Entry, number: int, tracks: Tracks) -> Iterator[dict[str, Any]]:
    """A message: a mark where it came, and an arrow from the thread that sent it."""
    common = {"name": str(entry.details["operation"]), "cat": entry.kind}
    end = entry.start if entry.end is None else entry.end
    receiver = tracks.of(entry.other)
    yield common | {"ph": "i", "s": "t", "ts": time(end)} | receiver | {"args": {"what": entry.text, **entry.details}}
    if entry.thread is not None:
        yield common | {"ph": "s", "id": number, "ts": time(entry.start)} | tracks.of(entry.thread)
        yield common | {"ph": "f", "bp": "e", "id": number, "ts": time(end)} | receiver


class Tracks:
    """Numbers of processes and threads in the file, given out as they come up."""

    def __init__(self) -> None:
        self.known: dict[Thread, dict[str, int]] = {}
        self.processor = {"pid": PROCESSOR, "tid": PROCESSOR}

    def of(self, thread: Thread | None) -> dict[str, int]:
        """The track of a thread; without one the processor's."""
        if thread is None:
            return self.processor
        return self.known.setdefault(thread, {"pid": thread.process, "tid": len(self.known) + 1})

    def names(self) -> Iterator[dict[str, Any]]:
        """What tells the names of the tracks."""
        yield {"name": "process_name", "ph": "M", **self.processor, "args": {"name": "processor"}}
        for thread, track in self.known.items():
            yield {"name": "process_name", "ph": "M", **track, "args": {"name": thread.name}}
            yield {"name": "thread_name", "ph": "M", **track, "args": {"name": str(thread)}}
