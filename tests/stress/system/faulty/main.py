"""A driver that faults: another kind of fault in each life, by a counter in the memory that it keeps.

Each life counts its kind in that memory before it faults, and the watchdog (watchdog/main.py) ends the lives that would
never end by themselves. Life 100 and so on says on the boot log how many there were of each kind, so that what is
claimed to have happened has.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial, tags
from cloudos.abi.errors import BadArgument, OutOfMemory
from cloudos.abi.objects import Rights
from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.contracts.files import Files
from cloudos.contracts.logs import Log
from cloudos.contracts.pipes import Pipes
from cloudos.contracts.streams import Stream
from cloudos.contracts.supervisor import Supervisor
from cloudos.lang import (
    U8,
    U32,
    U64,
    Array,
    Assembly,
    Ptr,
    VirtAddr,
    external,
    new_slice,
    panic,
    place,
    struct,
    zeroed,
)
from cloudos.sdk import Text, ipc, print, system, transport
from cloudos.sdk.component import held
from cloudos.sdk.contract import declaration
from cloudos.sdk.ipc import Message
from cloudos.sdk.memory import READ, WRITE, Memory
from cloudos.sdk.system import enter

KINDS = 12
WRITES, READS, JUMPS, DIVIDES, PRIVILEGED, PANICS, GARBAGE, MEMORY, STACK, LOOPS, HANDLES, EXITS = range(KINDS)
# Of 50 lives, one loops and one makes handles until there are no more: those take long.
SELDOM = 50
TELL_EVERY = 100
MESSAGES = 20
PATIENCE = 200_000  # nanoseconds that a message of garbage may wait for its answer
CALL, SEND = (next(one.number for one in SYSTEM_CALLS if one.name == name) for name in ("message_call", "message_send"))
CREATE = next(one.number for one in SYSTEM_CALLS if one.name == "endpoint_create")
DERIVE = next(one.number for one in SYSTEM_CALLS if one.name == "handle_derive")
CONTRACTS = 20  # numbers of contracts are below
STREAM, FILES, PIPES, LOG, SUPERVISOR = (declaration(one).number for one in (Stream, Files, Pipes, Log, Supervisor))
MISSING = 0x3000_0000
KERNEL = 0xFFFF_8000_0000_0000

CODE = Assembly(
    "faulty",
    x86_64="""
.text
.globl faulty_jump, faulty_divide, faulty_halt
faulty_jump:
  jmp *%rdi
faulty_divide:
  xorl %ecx, %ecx
  movl $1, %eax
  cltd
  divl %ecx
  ret
faulty_halt:
  hlt
  ret
""",
    # Its division by zero is 0; what stops a processor in a calculation is a breakpoint.
    aarch64="""
.text
.globl faulty_jump, faulty_divide, faulty_halt
faulty_jump:
  br x0
faulty_divide:
  brk #0
  ret
faulty_halt:
  wfi
  ret
""",
)


@external(CODE, "faulty_jump")
def jump(address: U64) -> None:
    """Go on at an address."""
    raise NotImplementedError


@external(CODE, "faulty_divide")
def divide() -> None:
    """The processor's division by zero, where that is a fault."""
    raise NotImplementedError


@external(CODE, "faulty_halt")
def halt() -> None:
    """An instruction that only the kernel may use."""
    raise NotImplementedError


@struct
class Kept:
    """What is kept across lives: how many there were, how many of each kind, and the state of the random numbers."""

    lives: U64 = U64(0)
    kinds: Array[U64, Literal[12]] = zeroed()
    random: U64 = U64(0)
    # Answers to garbage that succeeded, and those that were errors; and handles that were made in the latest such life.
    taken: U64 = U64(0)
    refused: U64 = U64(0)
    handles: U64 = U64(0)


def below(kept: Kept, limit: U64) -> U64:
    """A random number: xorshift64 (Marsaglia, 2003)."""
    x = kept.random
    x = x ^ x.wrapping_shl(13)
    x = x ^ x >> 7
    x = x ^ x.wrapping_shl(17)
    kept.random = x
    return (x >> 11) % limit


def remember() -> Kept:
    """The memory that is kept. Panics when there is none."""
    memory = Memory()
    memory.handle = held("state")
    kept = Ptr.at(Kept, VirtAddr(memory.map(U64(0), U64(4096), U64(READ | WRITE)))).value
    if kept.random == 0:
        kept.random = U64(0x9E37_79B9_7F4A_7C15)
    return kept


def kind_of(life: U64) -> U64:
    """What a life does."""
    if life % SELDOM == 17:
        return U64(LOOPS)
    if life % SELDOM == 42:
        return U64(HANDLES)
    usual = life % 10
    return U64(EXITS) if usual == 9 else usual


def label_for(kept: Kept, name: str) -> U64:
    """An operation that the service has, more often than by chance."""
    chosen = below(kept, U64(8))
    if chosen == 0:
        return below(kept, U64(1) << 32)
    if chosen == 1:
        return below(kept, U64(CONTRACTS)) << 16 | below(kept, U64(16))
    text = Text(name)
    contract = U64(STREAM)
    if text.equals("log"):
        contract = U64(LOG)
    elif text.equals("pipes"):
        contract = U64(PIPES)
    elif text.equals("files") and chosen < 6:
        contract = U64(FILES)
    elif text.equals("stdout") and chosen < 5:
        # What stands behind init's stream is also the supervisor: 6 is the end of the machine.
        contract = U64(SUPERVISOR)
    return contract << 16 | below(kept, U64(11))


def garbage(kept: Kept, name: str, own: U64) -> None:
    """One message of anything to a service. What its answer brings is this component's to lose."""
    message = Message()
    page = transport.buffer()
    for index in U64.range(tags.WORDS):
        message.words[index] = below(kept, U64(1) << below(kept, U64(64)))
    length = below(kept, U64(65)) if below(kept, U64(8)) != 0 else below(kept, U64(tags.MAXIMUM_BYTES + 1))
    for index in U64.range(length):
        page.data[index] = U8.truncate(below(kept, U64(256)))
    if below(kept, U64(2)) == 0:
        message.words[below(kept, U64(3))] = length
    handles = below(kept, U64(5)) if below(kept, U64(3)) == 0 else U64(0)
    for index in U64.range(4):
        page.handles[index] = own
    page.moves = U32(0)
    label = label_for(kept, name)
    counts = handles << tags.HANDLES_SHIFT | length << tags.BYTES_SHIFT | below(kept, U64(9))
    message.tag = label << tags.LABEL_SHIFT | counts | tags.DEADLINE
    page.deadline = system.clock_read() + PATIENCE
    number = U64(CALL) if below(kept, U64(4)) != 0 else U64(SEND)
    error = ipc.enter(Ptr.to(message).address, number, held(name))
    if error == 0 and message.tag >> tags.LABEL_SHIFT == 0:
        kept.taken += 1
    else:
        kept.refused += 1


def new_endpoint() -> U64:
    """An endpoint, for messages with handles; 0 when there can be none."""
    error, made = enter(U64(CREATE), U64(initial.QUOTA), U64(0), U64(0), U64(0), U64(0), U64(0))
    return made if error == 0 else U64(0)


def send_garbage(kept: Kept) -> None:
    """Messages to every service that is held."""
    own = new_endpoint()
    for _ in U64.range(MESSAGES):
        chosen = below(kept, U64(4))
        if chosen == 0:
            garbage(kept, "files", own)
        elif chosen == 1:
            garbage(kept, "log", own)
        elif chosen == 2:
            garbage(kept, "pipes", own)
        else:
            garbage(kept, "stdout", own)


def take_all_memory() -> None:
    """Take memory until the quota has none, and then what the heap cannot have: that is a panic."""
    try:
        while True:
            system.memory_map(U64(16384))
    except (OutOfMemory, BadArgument):
        pass
    try:
        while True:
            system.memory_map(U64(4096))
    except (OutOfMemory, BadArgument):
        pass
    while True:
        new_slice(U8, U64(65536))


def take_all_handles(kept: Kept) -> None:
    """Endpoints and weaker handles to one until the quota or the table has no more room."""
    error, first = enter(U64(CREATE), U64(initial.QUOTA), U64(0), U64(0), U64(0), U64(0), U64(0))
    count = U64(0)
    while error == 0:
        number = U64(CREATE) if count % 2 == 0 else U64(DERIVE)
        argument = U64(initial.QUOTA) if count % 2 == 0 else first
        error, _ = enter(number, argument, U64(Rights.SEND), U64(0), U64(0), U64(0), U64(0))
        count += 1
    kept.handles = count


@struct
class Large:
    """A piece of the stack."""

    bytes: Array[U8, Literal[4096]] = zeroed()


def descend(depth: U64) -> U64:
    """Use up the stack."""
    large = Large()
    large.bytes[depth % 4096] = U8(1)
    return descend(depth + 1) + U64(large.bytes[depth % 4000])


def misbehave(kept: Kept, kind: U64) -> None:
    """Do what is wrong."""
    if kind == WRITES:
        Ptr.at(U64, VirtAddr(U64(MISSING))).value = U64(1)
    elif kind == READS:
        kept.taken += Ptr.at(U64, VirtAddr(U64(KERNEL))).value
    elif kind == JUMPS:
        # Data is not code, and what is not there is neither.
        jump(Ptr.to(LARGE).address.value if kept.lives % 20 < 10 else U64(MISSING))
    elif kind == DIVIDES:
        divide()
    elif kind == PRIVILEGED:
        halt()
    elif kind == PANICS:
        panic("this driver has a bug")
    elif kind == MEMORY:
        take_all_memory()
    elif kind == STACK:
        descend(U64(0))
    elif kind == HANDLES:
        take_all_handles(kept)
    elif kind == GARBAGE:
        send_garbage(kept)
    elif kind == LOOPS:
        while True:
            kept.random = kept.random.wrapping_add(U64(2))


LARGE = place(Large())


def tell(kept: Kept) -> None:
    """How many lives there were, and how many of each kind."""
    print(f"lives {kept.lives}")
    for kind in U64.range(KINDS):
        print(f"kind {kind} {kept.kinds[kind]}")
    print(f"garbage {kept.taken} {kept.refused} handles {kept.handles}")


def main() -> U8:
    """One life. What does not fault by itself ends with an error."""
    kept = remember()
    kept.lives += 1
    kind = kind_of(kept.lives)
    kept.kinds[kind] += 1
    if kept.lives % TELL_EVERY == 0:
        tell(kept)
    misbehave(kept, kind)
    Ptr.at(U64, VirtAddr(U64(MISSING))).value = U64(1)
    return U8(1)
