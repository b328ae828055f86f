"""How often a processor was alone in the kernel, or kept one other out, and for how long: in a kernel that is built to
count.

Import is build time: CLOUDOS_KERNEL_COUNTS=1 makes such a kernel, which also asserts where a processor must be alone.
The ordinary one has nothing of it. The table is put on the log when the machine is switched off.
"""

from __future__ import annotations

import os
from typing import Literal

from cloudos.kernel import log
from cloudos.kernel.hal import timer
from cloudos.lang import U64, Array, data, place, struct, zeroed

COUNTED = os.environ.get("CLOUDOS_KERNEL_COUNTS") == "1"
# Reasons: the numbers of system calls, and these.
CALLS = 96
FAULT, INTERRUPT, DEADLINE, TIME, IDLE, CLEANUP, TAG = range(CALLS, CALLS + 7)


@struct
class Reason:
    """`longest` in nanoseconds, from the moment when no other processor was in the kernel any more. `visits`: how often
    one other was kept out; of two at once, one may be lost."""

    count: U64
    longest: U64
    visits: U64


@struct
class Counters:
    """`reason` and `since`: of the processor that is alone now."""

    reason: U64 = U64(0)
    since: U64 = U64(0)
    of: Array[Reason, Literal[128]] = zeroed()


COUNTERS = place(Counters())


def closed(reason: U64) -> None:
    """A processor is alone from here on."""
    COUNTERS.reason = reason
    COUNTERS.since = timer.now()
    entry = COUNTERS.of[reason]
    entry.count = entry.count + 1


def visited(reason: U64) -> None:
    """A processor keeps one other out from here on."""
    entry = COUNTERS.of[reason]
    entry.visits = entry.visits + 1


def opened() -> None:
    """It leaves the kernel. The boot is not counted."""
    if COUNTERS.since != 0:
        entry = COUNTERS.of[COUNTERS.reason]
        entry.longest = max(entry.longest, timer.now() - COUNTERS.since)


def report() -> None:
    """A line for each reason that there was."""
    for reason in U64.range(128):
        entry = COUNTERS.of[reason]
        if entry.count != 0 or entry.visits != 0:
            log.text(data(b"alone reason="))
            log.number(reason, U64(10), U64(1))
            log.text(data(b" count="))
            log.number(entry.count, U64(10), U64(1))
            log.text(data(b" longest="))
            log.number(entry.longest, U64(10), U64(1))
            log.text(data(b" visits="))
            log.number(entry.visits, U64(10), U64(1))
            log.record(data(b""))
