"""What one processor takes away while others use it: pages, mappings, access, handles, processes.

Children write to memory that is shown to them, and call servers, on whatever processors there are. Each round takes
something from one of them, makes anew whoever ended by that, and then fills fresh memory of its own with a pattern:
whoever still wrote through a translation that should be gone would write into that. Before the memory is given back its
pattern is looked at again. Children have a lower priority, so that rounds do not wait for them. When all rounds are
over the quota has what it had before. Arguments: how many rounds, the seed. Needs two processors at least.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial
from cloudos.abi.errors import BadHandle, Cancelled, PeerGone, SystemCallError, TimedOut
from cloudos.abi.objects import ALL_RIGHTS_BITS, MEMORY_ON_DEMAND
from cloudos.lang import U8, U64, Array, code_address, place, struct, zeroed
from cloudos.sdk import List, Text, print, system
from cloudos.sdk.ipc import Message, call, receive, reply_and_receive
from cloudos.sdk.memory import READ, WRITE, Memory
from cloudos.sdk.processes import Child
from cloudos.sdk.threads import start
from tests.stress.programs.support import PAGE, QUOTA, Random, number, peek, poke, quota_used

CHILDREN = 6  # half of them write to memory, the others call
PAGES = 16
LENGTH = PAGES * PAGE
SHOWN_AT = U64(0x5000_0000_0000)
MARK = 0xC0DE_0000_0000
OWN_BLOCKS = 8
TURN = U64(10_000_000)  # nanoseconds
OWN_LENGTH = U64(4 * PAGE)
FOREIGN = 9
"""The exit status of a child that has read what it never wrote."""
WRONG_ANSWER = 10
KILLED, FAULTED = 128 + 9, 128 + 11


@struct
class Slot:
    """A child, what was given to it, and the handle from which the one that it calls through was derived."""

    child: Child = zeroed()
    space: U64 = U64(0)
    memory: Memory = zeroed()
    origin: U64 = U64(0)


@struct
class State:
    """Of the first process. `filled`: addresses of its own memory, 0 where there is none."""

    random: Random = zeroed()
    slots: Array[Slot, Literal[6]] = zeroed()
    filled: Array[U64, Literal[8]] = zeroed()
    endpoint: U64 = U64(0)
    bell: U64 = U64(0)
    # Of the children: whoever takes something away comes first.
    schedule: U64 = U64(0)
    ended: Array[U64, Literal[3]] = zeroed()


STATE = place(State())


# What children do


def write(argument: U64) -> None:
    """Write marks and read them again: they stay, or are zero when the page was taken away meanwhile."""
    while True:
        for index in U64.range(PAGES):
            poke(SHOWN_AT + index * PAGE, MARK + index)
            found = peek(SHOWN_AT + index * PAGE)
            if found != 0 and found != MARK + index:
                system.process_exit(U8(FOREIGN))


def ask(endpoint: U64) -> None:
    """Call until that is not possible any more."""
    message = Message()
    value = U64(0)
    while True:
        message.set(U64(7), U64(1))
        message.words[0] = value
        try:
            call(endpoint, message)
        except (BadHandle, Cancelled, PeerGone):
            return
        if message.words[0] != value * 3 + 1:
            system.process_exit(U8(WRONG_ANSWER))
        value = (value + 1) % 1000


def serve(endpoint: U64) -> None:
    message = Message()
    receive(endpoint, message)
    while True:
        message.words[0] = message.words[0] * 3 + 1
        try:
            reply_and_receive(endpoint, message)
        except SystemCallError:
            # Its caller has ended.
            receive(endpoint, message)


# What a round takes away


def begin(index: U64) -> None:
    """Make the child of a slot."""
    slot = STATE.slots[index]
    slot.child.make(QUOTA)
    if index % 2 == 0:
        slot.space = system.process_space(slot.child.process)
        slot.memory.create(QUOTA, U64(LENGTH), U64(MEMORY_ON_DEMAND))
        slot.memory.map_at(slot.space, SHOWN_AT, U64(0), U64(LENGTH), U64(READ | WRITE))
        slot.child.start_on(code_address(write), U64(0), STATE.schedule)
    else:
        slot.origin = system.handle_derive(STATE.endpoint, U64(ALL_RIGHTS_BITS), U64(0))
        handle = system.process_install(slot.child.process, slot.origin, U64(0), index)
        slot.child.start_on(code_address(ask), handle, STATE.schedule)


def finish(index: U64) -> None:
    """Give back what the child of a slot has left, once it has ended, and look at how."""
    slot = STATE.slots[index]
    slot.child.wait()
    status = system.process_inspect(slot.child.process) & 0xFF
    if status == 0:
        STATE.ended[0] = STATE.ended[0] + 1
    elif status == KILLED:
        STATE.ended[1] = STATE.ended[1] + 1
    else:
        assert status == FAULTED, "a child has seen what it must not see"
        STATE.ended[2] = STATE.ended[2] + 1
    system.handle_close(slot.child.thread)
    system.handle_close(slot.child.process)
    if index % 2 == 0:
        system.handle_close(slot.space)
        slot.memory.close()
    else:
        system.handle_close(slot.origin)


def take_from_writer(index: U64) -> None:
    """Its pages, its mapping, or the right to write. It may not notice that it was without the last two."""
    slot = STATE.slots[index]
    first = STATE.random.below(PAGES)
    length = (1 + STATE.random.below(PAGES - first)) * PAGE
    way = STATE.random.below(4)
    try:
        if way == 0:
            system.space_unmap(slot.space, SHOWN_AT + first * PAGE, length)
            wait_a_little()
            slot.memory.map_at(slot.space, SHOWN_AT + first * PAGE, first * PAGE, length, U64(READ | WRITE))
        elif way == 1:
            system.space_protect(slot.space, SHOWN_AT + first * PAGE, length, U64(READ))
            wait_a_little()
            system.space_protect(slot.space, SHOWN_AT + first * PAGE, length, U64(READ | WRITE))
        else:
            slot.memory.discard(first * PAGE, length)
    except PeerGone:
        # It has ended since the last time that it was looked at.
        assert way < 2, "memory has ended with its user"


def take(index: U64) -> None:
    """Something of the child in a slot, or all of it."""
    slot = STATE.slots[index]
    way = STATE.random.below(8)
    if way == 0:
        system.process_kill(slot.child.process)
    elif way == 1:
        system.thread_suspend(slot.child.thread)
        wait_a_little()
        system.thread_start(slot.child.thread)
    elif index % 2 == 0:
        take_from_writer(index)
    elif way < 5:
        system.handle_revoke(slot.origin)


def wait_a_little() -> None:
    """Some microseconds, asleep or not."""
    if STATE.random.below(4) != 0:
        for _ in U64.range(STATE.random.below(500)):
            pass
        return
    try:
        system.notification_wait(STATE.bell, system.clock_read() + STATE.random.below(50_000))
    except TimedOut:
        pass


def use_own_memory(index: U64) -> None:
    """Fill fresh memory; of that which is given back look at the pattern."""
    if STATE.filled[index] != 0:
        check(STATE.filled[index])
        system.memory_unmap(STATE.filled[index], OWN_LENGTH)
    address = system.memory_map(OWN_LENGTH)
    for offset in U64.range(0, OWN_LENGTH, 512):
        assert peek(address + offset) == 0, "fresh memory is not zero"
        poke(address + offset, address + offset)
    STATE.filled[index] = address


def check(address: U64) -> None:
    for offset in U64.range(0, OWN_LENGTH, 512):
        assert peek(address + offset) == address + offset, "somebody has written into memory of the first process"


def play(rounds: U64) -> None:
    """All rounds, from no children to no children."""
    for index in U64.range(CHILDREN):
        begin(index)
    for count in U64.range(rounds):
        index = STATE.random.below(CHILDREN)
        try:
            take(index)
        except SystemCallError:
            # Threads and handles of a child that has ended do nothing any more.
            assert system.process_inspect(STATE.slots[index].child.process) != 0, "refused, and nobody has ended"
        use_own_memory(count % OWN_BLOCKS)
        for other in U64.range(CHILDREN):
            if system.process_inspect(STATE.slots[other].child.process) != 0:
                finish(other)
                begin(other)
    for index in U64.range(CHILDREN):
        system.process_kill(STATE.slots[index].child.process)
        finish(index)
    for index in U64.range(OWN_BLOCKS):
        if STATE.filled[index] != 0:
            check(STATE.filled[index])
            system.memory_unmap(STATE.filled[index], OWN_LENGTH)
            STATE.filled[index] = U64(0)


def main(args: List[Text]) -> U8:
    STATE.random.seed(number(args, U64(2), U64(1)))
    STATE.endpoint = system.endpoint_create(QUOTA)
    STATE.bell = system.notification_create(QUOTA)
    STATE.schedule = system.schedule_create(QUOTA, U64(initial.PRIORITY - 1), TURN, TURN)
    for _ in U64.range(2):
        start(code_address(serve), STATE.endpoint)
    play(U64(20))
    before = quota_used()
    play(number(args, U64(1), U64(100)))
    after = quota_used()
    print(f"left {STATE.ended[0]}\nkilled {STATE.ended[1]}\nfaulted {STATE.ended[2]}")
    print(f"before {before}\nafter {after}")
    return U8(0) if before == after else U8(1)
