"""Fills pipes until it gets no more, and lets many threads wait at them with all the bytes that fit into a message.

Each thread has a message buffer of its own, and counts how its write ended. The component keeps all that for ever.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial, tags
from cloudos.abi.errors import QuotaExceeded
from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.contracts.errors import NoSpace
from cloudos.contracts.pipes import Pipes
from cloudos.contracts.streams import Stream
from cloudos.lang import U8, U64, Array, Ptr, VirtAddr, code_address, place, struct, zeroed
from cloudos.sdk import print, system
from cloudos.sdk.component import held
from cloudos.sdk.ipc import Message, enter
from cloudos.sdk.threads import entry

THREADS = 160
STACK = 8192  # bytes
BUFFERS = 0x5000_0000_0000  # the message buffers, a free page between two
FULL = 16384  # bytes of a pipe
LENGTH = 4000  # bytes that a thread writes
WRITE = 1 << 16 | 2  # the label of Stream.write
CALL = next(call.number for call in SYSTEM_CALLS if call.name == "message_call")
MOST = 256  # pipes
LOOK = 1_000_000  # nanoseconds
SETTLED = 20  # looks without another outcome, after which all threads wait or have one
LONGEST = 20_000  # looks


@struct
class Crowd:
    """The writing ends, how many there are, and what threads said: numbers of errors, 0 while one waits."""

    ends: Array[U64, Literal[256]] = zeroed()
    count: U64 = U64(0)
    outcomes: Array[U64, Literal[160]] = zeroed()
    bytes: Array[U8, Literal[4000]] = zeroed()


CROWD = place(Crowd())


def wait_at_pipe(number: U64) -> None:
    """A thread: write to a full pipe."""
    system.thread_set_buffer(U64(BUFFERS) + number * 8192)
    message = Message()
    message.tag = U64(WRITE) << tags.LABEL_SHIFT | U64(LENGTH) << tags.BYTES_SHIFT | 1
    message.words[0] = U64(LENGTH)
    end = CROWD.ends[number % CROWD.count]
    error = enter(Ptr.to(message).address, U64(CALL), end)
    CROWD.outcomes[number] = error if error != 0 else message.label


def fill(writing: U64) -> None:
    """Write to a pipe what it holds."""
    for _ in U64.range(FULL // LENGTH):
        Stream(writing).write(CROWD.bytes.slice()[0:LENGTH])


def start(number: U64) -> None:
    """A thread with a small stack."""
    top = system.memory_map(U64(STACK)) + (STACK - 16)
    Ptr.at(U64, VirtAddr(top)).value = code_address(wait_at_pipe).value
    thread = system.thread_create(
        U64(initial.PROCESS), U64(initial.SCHEDULE), code_address(entry).value, top, number
    )  # fmt: skip
    system.thread_start(thread)


def outcomes() -> tuple[U64, U64]:
    """How many threads were refused, and how many have another outcome."""
    refused, other = U64(0), U64(0)
    for number in U64.range(THREADS):
        if CROWD.outcomes[number] == NoSpace.code:
            refused += 1
        elif CROWD.outcomes[number] != 0:
            other += 1
    return refused, other


def settled() -> tuple[U64, U64]:
    """The outcomes once they do not change any more."""
    refused, other = U64(0), U64(0)
    same = U64(0)
    for _ in U64.range(LONGEST):
        system.thread_sleep(U64(LOOK))
        now_refused, now_other = outcomes()
        same = same + 1 if now_refused == refused and now_other == other else U64(0)
        refused, other = now_refused, now_other
        if same >= SETTLED and refused != 0:
            break
    return refused, other


def main() -> U8:
    """For ever."""
    try:
        while CROWD.count < MOST:
            _, writing = Pipes(held("pipes")).make()
            fill(writing)
            CROWD.ends[CROWD.count] = writing
            CROWD.count += 1
    except QuotaExceeded:
        pass
    for number in U64.range(THREADS):
        start(number)
    refused, other = settled()
    print(f"crowd {CROWD.count} refused {refused} other {other}")
    while True:
        system.thread_sleep(U64(1_000_000_000))
