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
    # Calls that wait for its end.
    waiting: List[U64]
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

    def drop(self) -> None:
        """The handle that was kept goes with it."""
        transport.close(self.kept)
