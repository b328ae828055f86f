"""Before the machine ends: what was shown on a terminal must have left it."""

from __future__ import annotations

from cloudos.contracts.console import Console
from cloudos.contracts.errors import ServiceError
from cloudos.lang import U64
from cloudos.sdk import system

PAUSE = 1_000_000  # nanoseconds between two looks
PATIENCE = 10_000_000_000  # nanoseconds


def let_leave(terminal: U64) -> None:
    """Wait until all that was written to a terminal, by anybody, has left the machine; for ten seconds at most.

    `terminal`: handle of a `Console`; with 0, or one that does not know, nothing is waited for. A driver has bytes that
    the device has not taken yet when its service has answered, and who stops components does not wait for that.
    """
    end = system.clock_read() + PATIENCE
    while terminal != 0 and system.clock_read() < end:
        try:
            if Console(terminal).unsent() == 0:
                return
        except ServiceError:
            return
        system.thread_sleep(U64(PAUSE))
