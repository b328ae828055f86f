"""A component that was given nothing but a way to write, and tries to reach everything.

It makes every system call with every handle number up to 64 of the first generations that is not its own, with its own
handles where the manifest gives no right, and with addresses of others as arguments. It prints how many attempts there
were, how many were refused for want of a capability, and how many got somewhere, which must be none.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial
from cloudos.abi.errors import BadArgument, Denied, NotFound
from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.contracts.errors import ServiceError, ServiceGone
from cloudos.contracts.supervisor import Supervisor
from cloudos.lang import U8, U64, Array, data, place, struct, zeroed
from cloudos.sdk import List, Text, print, system
from cloudos.sdk.component import held, held_as, held_names
from cloudos.sdk.system import enter

HANDLES = 64
GENERATIONS = 3
BATCH = 64
PAUSE = 40_000_000  # nanoseconds: the audit service empties the kernel's ring meanwhile
DENIED_NUMBER, BAD_HANDLE, WRONG_KIND = 5, 7, 8
KERNEL = 0xFFFF_8000_0000_0000


def _takes_handle() -> Array[U8, Literal[80]]:
    """Of each call, whether its first argument is a handle: made while building."""
    table = Array[U8, Literal[80]]()
    for call in SYSTEM_CALLS:
        names = list(call.parameters)
        first = names[0] if names else ""
        message = call.name.startswith("message_")
        table[call.number] = U8(1 if not message and (first in call.needs or first == "handle") else 0)
    return table


def _takes_address() -> Array[U8, Literal[80]]:
    """Of each call without a handle, which argument is an address, from 1; 0 for none."""
    table = Array[U8, Literal[80]]()
    for call in SYSTEM_CALLS:
        for index, kind in enumerate(call.parameters.values()):
            if "UserPtr" in str(kind) and call.name not in ("process_panic",) and index < 2 and not call.needs:
                table[call.number] = U8(index + 1)
    return table


TAKES_HANDLE = _takes_handle()
TAKES_ADDRESS = _takes_address()
CALLS = len(SYSTEM_CALLS)


@struct
class Tally:
    """What came of it."""

    attempts: U64 = U64(0)
    refused: U64 = U64(0)
    reached: U64 = U64(0)
    # Call and handle of what was reached first.
    call: U64 = U64(0)
    handle: U64 = U64(0)

    def note(self, error: U64, call: U64, handle: U64) -> None:
        """One attempt."""
        self.attempts += 1
        if error == DENIED_NUMBER or error == BAD_HANDLE or error == WRONG_KIND:
            self.refused += 1
        elif error == 0:
            self.reached += 1
            self.call = call
            self.handle = handle
        if self.attempts % BATCH == 0:
            system.thread_sleep(U64(PAUSE))


@struct
class Room:
    """What calls may write to."""

    bytes: Array[U8, Literal[4096]] = zeroed()


TALLY = place(Tally())
ROOM = place(Room())


def is_own(handle: U64) -> bool:
    """Whether the component was given this handle, by the manifest or because every process has it."""
    if handle >> 32 == 1 and handle & 0xFFFF_FFFF <= 7:
        return True
    for name in held_names():
        if held_as(name.content) == handle:
            return True
    return False


def try_foreign_handles() -> None:
    """Every call with every handle that is not the component's."""
    address = ROOM.bytes.slice().pointer.address.value
    one = U64(1)
    for number in U64.range(CALLS):
        if TAKES_HANDLE[number] == 0:
            continue
        print(f"call {number} {TALLY.attempts} {system.clock_read()}")
        for index in U64.range(HANDLES):
            for generation in U64.range(GENERATIONS):
                handle = generation << 32 | index
                if not is_own(handle):
                    error, _ = enter(number, handle, U64(initial.QUOTA), address, address, one, one)
                    TALLY.note(error, number, handle)


def try_addresses() -> None:
    """Calls that take addresses, with those of the kernel and those where nothing is."""
    for number in U64.range(CALLS):
        place = U64(TAKES_ADDRESS[number])
        if place == 0:
            continue
        for shift in U64.range(12, 47):
            for base in U64.range(2):
                address = U64(KERNEL) * base + (U64(1) << shift)
                first = address if place == 1 else U64(1)
                second = address if place == 2 else U64(64)
                error, _ = enter(number, first, second, U64(64), U64(0), U64(0), U64(0))
                TALLY.note(error, number, address)


def try_own_handles() -> None:
    """What was given may not be used for more than it was given for: `stdout` can be called, and nothing else."""
    given = held("stdout")
    for number in U64.range(CALLS):
        kind_of_use = TAKES_HANDLE[number] != 0
        # Looking at a handle, copying it more weakly and giving it up are everybody's; the last would end the output.
        if kind_of_use and number != INSPECT and number != DERIVE and number != CLOSE:
            error, _ = enter(number, given, given, U64(0), U64(0), U64(0), U64(0))
            TALLY.note(error, number, given)


def try_supervisor() -> None:
    """The stream is init's, which supervises with the same endpoint: nothing of that may be had."""
    supervisor = Supervisor(held("stdout"))
    name = data(b"files")
    for attempt in U64.range(4):
        TALLY.attempts += 1
        try:
            if attempt == 0:
                supervisor.stop(name)
            elif attempt == 1:
                supervisor.restart(name)
            elif attempt == 2:
                supervisor.list(U64(0), ROOM.bytes.slice()[0:4000])
            else:
                supervisor.memory()
            TALLY.reached += 1
        except (Denied, ServiceGone):
            TALLY.refused += 1
        except (NotFound, BadArgument, ServiceError):
            pass


INSPECT = next(call.number for call in SYSTEM_CALLS if call.name == "handle_inspect")
DERIVE = next(call.number for call in SYSTEM_CALLS if call.name == "handle_derive")
CLOSE = next(call.number for call in SYSTEM_CALLS if call.name == "handle_close")


def main(arguments: List[Text]) -> U8:
    """Status 0 when nothing was reached."""
    try_foreign_handles()
    try_own_handles()
    try_supervisor()
    refused = TALLY.refused
    try_addresses()
    print(f"attempts {TALLY.attempts} refused {refused} reached {TALLY.reached}")
    if TALLY.reached != 0:
        print(f"reached by call {TALLY.call} with {TALLY.handle:#x}")
    return U8(0) if TALLY.reached == 0 else U8(1)
