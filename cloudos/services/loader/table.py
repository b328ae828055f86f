"""The programs: what each was given, whether it runs, and how it ended."""

from __future__ import annotations

from cloudos.lang import U64, managed
from cloudos.sdk import transport
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.text import Text
from cloudos.sdk.spawn import NewProcess

NEW = 0
RUNNING = 1
ENDED = 2


@managed
class Entry:
    """One program."""

    number: U64
    # Badge of the session that made it.
    owner: U64
    group: U64
    state: U64
    name: Text
    made: NewProcess | None
    process: U64
    # The handle to it from which those of all others are derived.
    kept: U64
    quota: U64
    # Handles to streams that are closed with it.
    streams: List[U64]
    # Calls that wait for its end; and those that wait for its end or its being stopped.
    waiting: List[U64]
    watching: List[U64]
    # Signal of the notification that tells its end.
    slot: U64
    # Bytes of arguments and environment so far.
    given: U64
    status: U64
    # The signal that it was ended with, or 0.
    signal: U64
    since: U64
    has_files: bool
    # Whoever made it is not interested any more.
    closed: bool
    # The signals that are told to a notification in place of ending it.
    mask: U64 = U64(0)
    bell: U64 = U64(0)
    # Its first thread; the signal that stopped that, or 0.
    thread: U64 = U64(0)
    stopped: U64 = U64(0)
    # Bytes of memory, and handles, that it and what it starts may have; 0: no limit.
    most_memory: U64 = U64(0)
    most_handles: U64 = U64(0)

    @property
    def word(self) -> str:
        """Its state, for listings."""
        if self.state == RUNNING:
            return "running" if self.stopped == 0 else "stopped"
        return "ended" if self.state == ENDED else "new"

    def drop(self) -> None:
        """The handle that was kept goes with it."""
        transport.close(self.kept)


def stricter(limit: U64, other: U64) -> U64:
    """The lower of two limits, of which 0 is none."""
    return max(limit, other) if limit == 0 or other == 0 else min(limit, other)


def new_entry(number: U64, owner: U64, name: Text, made: NewProcess, kept: U64, quota: U64) -> Entry:
    """A program that has not started."""
    none = U64(0)
    return Entry(
        number,
        owner,
        none,
        U64(NEW),
        name,
        made,
        made.process,
        kept,
        quota,
        List[U64](),
        List[U64](),
        List[U64](),
        none,
        none,
        none,
        none,
        none,
        False,
        False,
    )
