"""Uses the smaller services round after round, with a pause, while they are killed: see killer/main.py.

names: publish, find and withdraw. policy: ask what is allowed. console: its window, and a few bytes on it. rtc: the
time, which never goes back. entropy: random bytes, never the same twice. audit: a record. A call that fails fails with
ServiceGone; names that are gone with the service that kept them are NotFound. Anything else ends this component with
status 1.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import NotFound
from cloudos.abi.objects import ALL_OPERATIONS
from cloudos.contracts.audits import Audit
from cloudos.contracts.console import Console
from cloudos.contracts.devices import Clock, Entropy
from cloudos.contracts.errors import Exists, ServiceGone
from cloudos.contracts.names import Names
from cloudos.contracts.policies import Policies
from cloudos.contracts.streams import Stream
from cloudos.lang import U8, U64, Array, data, place, struct, zeroed
from cloudos.sdk import print, system, transport
from cloudos.sdk.component import held

PAUSE = 1_000_000  # nanoseconds
TOLD = 50  # rounds: of so many a line is printed
KINDS = 6


@struct
class Room:
    """What is read, and what was read before."""

    bytes: Array[U8, Literal[1100]] = zeroed()
    random: Array[U8, Literal[32]] = zeroed()
    before: Array[U8, Literal[32]] = zeroed()
    time: U64 = U64(0)


ROOM = place(Room())


def use_names() -> None:
    """One round. Raises ServiceGone."""
    names = Names(held("names"))
    name = data(b"load")
    try:
        names.publish(name, U64(5), held("console"))
    except Exists:
        # The round before ended in the middle.
        pass
    try:
        assert names.contract_of(name) == 5, "another contract than was published"
        handle = names.look_up(name)
        transport.close(handle)
        names.withdraw(name)
    except NotFound:
        # The service was killed in between.
        raise ServiceGone


def use_policy() -> None:
    """One round. Raises ServiceGone."""
    assert Policies(held("policy")).allowed(U64(0), U64(0)) == ALL_OPERATIONS, "without a policy all is allowed"


def use_console() -> None:
    """One round. Raises ServiceGone."""
    columns, rows = Console(held("console")).window()
    assert columns > 0 and rows > 0, "a window has rows"
    text = data(b"load\r\n")
    assert Stream(held("console")).write(text) == text.length, "a part was not taken"


def use_clock() -> None:
    """One round. Raises ServiceGone."""
    now = Clock(held("clock")).now()
    assert now >= ROOM.time, "time goes back"
    ROOM.time = now


def use_entropy() -> None:
    """One round. Raises ServiceGone."""
    into = ROOM.random.slice()
    assert Entropy(held("entropy")).fill(into) == into.length, "less than was asked for"
    assert not into.equals(ROOM.before.slice()), "the same bytes again"
    ROOM.before.slice().copy_from(into)


def use_audit() -> None:
    """One round. Raises ServiceGone."""
    Audit(held("audit")).read(U64(1), ROOM.bytes.slice())


def use(kind: U64) -> None:
    """One round with a service. Raises ServiceGone."""
    if kind == 0:
        use_names()
    elif kind == 1:
        use_policy()
    elif kind == 2:
        use_console()
    elif kind == 3:
        use_clock()
    elif kind == 4:
        use_entropy()
    else:
        use_audit()


def main() -> U8:
    """For ever."""
    rounds, failures = U64(0), U64(0)
    while True:
        for kind in U64.range(KINDS):
            try:
                use(kind)
            except ServiceGone:
                failures += 1
        rounds += 1
        if rounds % TOLD == 0:
            print(f"others {rounds} {failures}")
        system.thread_sleep(U64(PAUSE))
