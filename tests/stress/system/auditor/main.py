"""Reads the audit service's record as it grows, until it says that a process has ended.

It prints how many refusals there are in it of which process, how many of others, how many records there were no room
for, and whether the chain is sound.
"""

from __future__ import annotations

from typing import Literal

from cloudos.contracts.audits import Audit
from cloudos.lang import U8, U64, Array, place, struct, zeroed
from cloudos.sdk import Map, Text, print, system
from cloudos.sdk.component import held

PAUSE = 5_000_000  # nanoseconds


@struct
class Room:
    """What a record is read into."""

    bytes: Array[U8, Literal[1024]] = zeroed()


ROOM = place(Room())


def main() -> U8:
    """Status 0 when the chain is sound."""
    audit = Audit(held("audit"))
    refusals = Map[Text, U64]()
    position, lost = U64(0), U64(0)
    ended = Text("")
    while ended.length == 0:
        count = audit.read(position, ROOM.bytes.slice())
        if count == 0:
            system.thread_sleep(U64(PAUSE))
            continue
        words = Text.from_bytes(ROOM.bytes.slice()[0:count]).split(" ")
        position = U64(words[0].to_integer()) + 1
        subject = words[4]
        if words[2].equals("REFUSED"):
            refusals[subject] = refusals.get(subject, U64(0)) + 1
        elif words[2].equals("LOST"):
            lost += 1
        elif words[2].equals("PROCESS_ENDED"):
            ended = Text.from_bytes(ROOM.bytes.slice()[0:count])
    print(f"ended {ended}")
    for name, number in refusals.items():
        print(f"refusals {name} {number}")
    total, sound = audit.verify()
    print(f"lost {lost} records {total} sound {sound}")
    return U8(0) if total == sound else U8(1)
