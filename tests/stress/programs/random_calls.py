"""System calls with random and half-valid arguments by the million, from a process without privileges, and a watcher.

The first process makes a process that makes random calls, and looks after it: a thread that is stuck is killed and
replaced, a process that has ended too. All the while the watcher's memory, handles, quota and messages must stay as
they are. The caller itself checks that errors are those that the calls declare.
Arguments: how many calls, the seed.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import layout, tags
from cloudos.abi.errors import BadArgument, BadHandle, BadState, PeerGone, TimedOut
from cloudos.abi.messages import MessageBuffer
from cloudos.abi.objects import MEMORY_ON_DEMAND, Kind
from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.lang import U8, U16, U32, U64, Array, Ptr, UserPtr, VirtAddr, code_address, place, struct, zeroed
from cloudos.sdk import List, Text, ipc, print, system
from cloudos.sdk.ipc import Message, call, receive, reply_and_receive, send
from cloudos.sdk.processes import Child, populate
from cloudos.sdk.threads import entry, start
from tests.stress.programs.support import (
    FREE_PAGES,
    PROCESS,
    QUOTA,
    SCHEDULE,
    Random,
    Usage,
    number,
    peek,
    poke,
    quota_used,
)

CALLS = len(SYSTEM_CALLS)
NUMBERS = {call.name: call.number for call in SYSTEM_CALLS}
# They end or stop the caller; often enough it happens.
RARE = ("process_exit", "process_panic", "process_kill", "thread_exit", "thread_kill", "thread_suspend",
        "device_reset")  # fmt: skip
# They may wait for ever.
WAITING = ("message_call", "message_send", "message_receive", "message_reply_receive", "notification_wait",
           "thread_sleep", "console_read")  # fmt: skip
BATCH = 32
POOL = 48
LABEL_COUNT = 0x00C0_FFEE
LABEL_WRONG = 0x0BAD_0BAD
BADGE = 77
PATIENCE = 200_000
CHILD_QUOTA = 1 << 20
# What a quota itself costs its parent.
QUOTA_BYTES = 128
SCRATCH = 0x3000_0000
SCRATCH_SIZE = 4 * 4096
CHILD_BUFFER = 0x3100_0000
PATTERN_PAGES = 16
# The caller's threads per process; then its handles and memory begin anew.
LIVES = 400


def _error_table() -> Array[U32, Literal[80]]:
    """For each call the errors that it may give, as bits; bit 0 is success. Narrow arguments may not fit."""
    table = Array[U32, Literal[80]]()
    for declared in SYSTEM_CALLS:
        allowed = 1
        for error in declared.raises:
            allowed |= 1 << error.code
        if any(kind in (U8, U16, U32) for kind in declared.parameters.values()):
            allowed |= 1 << BadArgument.code
        table[declared.number] = U32(allowed)
    return table


def _flags(names: tuple[str, ...]) -> Array[U8, Literal[80]]:
    table = Array[U8, Literal[80]]()
    for name in names:
        table[NUMBERS[name]] = U8(1)
    return table


# Where the handles stand that the caller is given.
SLOTS = {
    Kind.ENDPOINT: 3,
    Kind.QUOTA: 1,
    Kind.PROCESS: 2,
    Kind.NOTIFICATION: 4,
    Kind.SCHEDULE: 5,
    Kind.SPACE: 7,
    Kind.MEMORY: 8,
}
FIXED = 10


def _fitting_table(position: int) -> Array[U8, Literal[80]]:
    """For each call the place of a handle that fits its first or second argument; FIXED when there is none."""
    table = Array[U8, Literal[80]]()
    for declared in SYSTEM_CALLS:
        name = list(declared.parameters)[position] if position < len(declared.parameters) else ""
        needs = declared.needs.get(name)
        table[declared.number] = U8(SLOTS.get(needs.kind, FIXED) if needs else FIXED)
    return table


def _places() -> Array[U64, Literal[32]]:
    """Addresses and numbers at which something begins or ends."""
    table = Array[U64, Literal[32]]()
    for index, value in enumerate((
        0, 1, 7, 4095, 4096, layout.USER_START, layout.PROGRAM_START, SCRATCH, SCRATCH + 8, SCRATCH + 4096,
        SCRATCH + SCRATCH_SIZE - 4, SCRATCH + SCRATCH_SIZE, CHILD_BUFFER, layout.BUNDLE_START, layout.HEAP_START,
        layout.HEAP_START + 4096, layout.HEAP_END, layout.STACK_TOP - 4096, layout.USER_END, layout.USER_END - 1,
        1 << 47, 0xFFFF_8000_0000_0000, 0xFFFF_8000_0010_0000, 0xFFFF_FFFF_8010_0000, (1 << 64) - 4096, (1 << 64) - 1,
        1 << 32, (1 << 32) - 1, 0x7FFF_FFFF_FFFF_FFFF, 255, 128, 0xFFFF_FF00_0000_0000,
    )):  # fmt: skip
        table[index] = U64(value)
    return table


ALLOWED = _error_table()
IS_RARE = _flags(RARE)
IS_WAITING = _flags(WAITING)
FITS_FIRST = _fitting_table(0)
FITS_SECOND = _fitting_table(1)
PLACES = _places()


# The caller


@struct
class Caller:
    """What the process that makes the calls knows."""

    random: Random = zeroed()
    handles: Array[U64, Literal[48]] = zeroed()
    count: U64 = U64(0)
    report: U64 = U64(0)
    has_buffer: bool = False
    message: Message = zeroed()

    def handle(self) -> U64:
        """One that was given or made, or one near to it."""
        if self.random.below(U64(8)) == 0:
            return U64(1) << 32 | self.random.below(U64(64))
        return self.handles[self.random.below(U64(POOL))]

    def bits(self) -> U64:
        """A number of few or many bits."""
        shift = self.random.below(U64(64))
        return self.random.next() >> shift

    def argument(self) -> U64:
        """What somebody might try."""
        kind = self.random.below(U64(8))
        if kind < 3:
            return self.handle()
        if kind == 3:
            return self.random.below(U64(16))
        if kind < 6:
            return PLACES[self.random.below(U64(32))]
        if kind == 6:
            return self.bits()
        return PLACES[self.random.below(U64(32))] ^ U64(1) << self.random.below(U64(64))

    def number(self) -> U64:
        """Of a call; a few are none."""
        while True:
            chosen = self.random.below(U64(CALLS + 1))
            if chosen == CALLS:
                return chosen if self.random.below(U64(2)) == 0 else self.bits() + CALLS
            if IS_RARE[chosen] == 0 or self.random.below(U64(64)) == 0:
                return chosen

    def seldom(self) -> bool:
        """Once in 32 times."""
        return self.random.below(U64(32)) == 0

    def draw(self, chosen: U64) -> U64:
        """The registers of a call; the first argument."""
        message = self.message
        message.tag = self.argument()
        for index in U64.range(8):
            message.words[index] = self.argument()
        message.reply = self.argument()
        if chosen >= CALLS:
            return self.argument()
        if FITS_SECOND[chosen] != FIXED and self.random.below(U64(2)) == 0:
            message.tag = self.handles[U64(FITS_SECOND[chosen])]
        if not self.seldom():
            self.restrain(chosen)
        if chosen == NUMBERS["thread_sleep"] or chosen == NUMBERS["memory_map"]:
            return self.bits() if self.seldom() else self.random.below(U64(1 << 16))
        if (chosen == NUMBERS["message_send"] or chosen == NUMBERS["message_call"]) and self.random.below(U64(2)) == 0:
            # The watcher's.
            return self.handles[0]
        if chosen == NUMBERS["thread_create"]:
            # In another process that it has made, a thread would outlive it, and nobody could name it any more.
            return self.handles[2]
        if FITS_FIRST[chosen] != FIXED and self.random.below(U64(4)) != 0:
            return self.handles[U64(FITS_FIRST[chosen])]
        return self.argument() if self.random.below(U64(4)) == 0 else self.handle()

    def restrain(self, chosen: U64) -> None:
        """Mostly messages are short and do not wait, and memory is little: so that there are many calls."""
        message = self.message
        if IS_WAITING[chosen] == 1:
            message.tag = self.random.next() & 0xFFFF_FFFF_0000_00FF | tags.DEADLINE
            if self.random.below(U64(2)) == 0:
                message.tag = message.tag & 0xFFFF_FFFF_FFFF_FF07
            if chosen == NUMBERS["notification_wait"]:
                message.tag = U64(0)
        if chosen == NUMBERS["memory_create"]:
            message.tag = self.random.below(16) * 4096
        if chosen == NUMBERS["memory_create_paged"]:
            message.words[0] = self.random.below(16) * 4096
        if self.has_buffer and self.random.below(U64(4)) == 0:
            buffer = Ptr.at(MessageBuffer, VirtAddr(CHILD_BUFFER)).value
            buffer.handles[self.random.below(U64(4))] = self.handle()
            buffer.moves = U32.truncate(self.random.next())

    def step(self) -> None:
        """One call."""
        chosen = self.number()
        first = self.draw(chosen)
        error = ipc.enter(Ptr.to(self.message).address, chosen, first)
        self.count = self.count + 1
        allowed = U32(1 << 6) if chosen >= CALLS else ALLOWED[chosen]
        if error > 31 or allowed >> U32(error) & 1 == 0:
            self.tell(U64(LABEL_WRONG), chosen, error)
        if error == 0 and chosen < CALLS and self.random.below(U64(4)) == 0:
            self.handles[FIXED + self.random.below(U64(POOL - FIXED))] = self.message.words[0]

    def tell(self, label: U64, first: U64, second: U64) -> None:
        """Report to the watcher."""
        message = Message()
        message.set(label, U64(2))
        message.words[0] = first
        message.words[1] = second
        send(self.report, message)


CALLER = place(Caller())


def make_calls(seed: U64) -> None:
    """The first word of the scratch memory is where to report, the next are handles."""
    CALLER.random.seed(seed)
    CALLER.report = peek(U64(SCRATCH))
    for index in U64.range(POOL):
        if index < FIXED or CALLER.handles[index] == 0:
            CALLER.handles[index] = peek(U64(SCRATCH) + 8 + index % FIXED * 8)
    CALLER.has_buffer = False
    try:
        system.thread_set_buffer(U64(CHILD_BUFFER))
        CALLER.has_buffer = True
    except (BadArgument, BadState):
        pass
    while True:
        for _ in U64.range(BATCH):
            CALLER.step()
        CALLER.tell(U64(LABEL_COUNT), U64(BATCH), U64(0))


# The watcher


def shape_of(handle: U64) -> U64:
    """Kind and rights; not whether others were derived from it, as every process that is given one changes that."""
    return system.handle_inspect(handle) & 0xFF_FFFF_FFFF


@struct
class Watcher:
    """What must stay as it is, and what is counted."""

    random: Random = zeroed()
    pattern: U64 = U64(0)
    handles: Array[U64, Literal[8]] = zeroed()
    shapes: Array[U64, Literal[8]] = zeroed()
    inbox: U64 = U64(0)
    report: U64 = U64(0)
    echo: U64 = U64(0)
    buffer: Ptr[MessageBuffer] = zeroed()
    quota: U64 = U64(0)
    child: Child = zeroed()
    schedule: U64 = U64(0)
    seed: U64 = U64(0)
    calls: U64 = U64(0)
    lives: U64 = U64(0)
    processes: U64 = U64(0)
    letters: U64 = U64(0)
    handles_got: U64 = U64(0)
    faults: U64 = U64(0)

    def begin(self) -> None:
        """Fill the memory, make the handles, start the process that echoes."""
        self.pattern = system.memory_map(U64(PATTERN_PAGES * 4096))
        for offset in U64.range(0, PATTERN_PAGES * 4096, 8):
            poke(self.pattern + offset, value_at(offset))
        page = FREE_PAGES.take()
        system.thread_set_buffer(page)
        self.buffer = Ptr.at(MessageBuffer, VirtAddr(page))
        self.inbox = system.endpoint_create(QUOTA)
        self.report = system.endpoint_create(QUOTA)
        self.echo = system.endpoint_create(QUOTA)
        start(code_address(echo), self.echo)
        start(code_address(read_letters), self.inbox)
        self.handles[0] = PROCESS
        self.handles[1] = QUOTA
        self.handles[2] = SCHEDULE
        self.handles[3] = self.inbox
        self.handles[4] = self.report
        self.handles[5] = self.echo
        self.handles[6] = system.notification_create(QUOTA)
        self.handles[7] = system.handle_derive(self.handles[6], U64(512 | 1), U64(12345))
        for index in U64.range(8):
            self.shapes[index] = shape_of(self.handles[index])

    def new_process(self) -> None:
        """A caller with a small quota of its own, and handles of some kinds."""
        self.quota = system.quota_create(QUOTA, U64(CHILD_QUOTA))
        self.child.make(self.quota)
        process = self.child.process
        self.schedule = system.schedule_create(QUOTA, U64(100), U64(10_000_000), U64(10_000_000))
        given = Array[U64, Literal[11]]()
        given[0] = system.process_install(process, self.report, U64(128), U64(BADGE))
        given[1] = system.process_install(process, self.inbox, U64(128 | 16384 | 7), U64(BADGE))
        given[2] = system.process_install(process, self.quota, U64(0), U64(0))
        given[3] = system.process_install(process, process, U64(0), U64(0))
        own = system.endpoint_create(self.quota)
        given[4] = system.process_install(process, own, U64(0), U64(0))
        signals = system.notification_create(self.quota)
        given[5] = system.process_install(process, signals, U64(0), U64(0))
        given[6] = system.process_install(process, self.schedule, U64(4096 | 2048 | 7), U64(0))
        given[7] = system.process_install(process, self.handles[6], U64(512), U64(3))
        space = system.process_space(process)
        given[8] = system.process_install(process, space, U64(0), U64(0))
        memory = system.memory_create(self.quota, U64(8 * 4096), U64(MEMORY_ON_DEMAND))
        given[9] = system.process_install(process, memory, U64(0), U64(0))
        paged = system.memory_create_paged(self.quota, own, U64(4 * 4096))
        given[10] = system.process_install(process, paged, U64(0), U64(0))
        system.handle_close(space)
        system.handle_close(memory)
        system.handle_close(paged)
        system.handle_close(own)
        system.handle_close(signals)
        source = UserPtr.at(U8, Ptr.to(given).address.value)
        populate(process, U64(SCRATCH), source, U64(88), U64(SCRATCH_SIZE), U64(3))
        self.processes = self.processes + 1
        self.lives = U64(0)
        self.seed = self.random.next()
        self.child.start_on(code_address(make_calls), self.seed, self.schedule)

    def new_thread(self) -> bool:
        """Replace the thread that made the calls; whether that can be done."""
        try:
            system.thread_kill(self.child.thread)
        except PeerGone:
            pass
        system.handle_close(self.child.thread)
        system.handle_close(self.schedule)
        # The caller may have changed it.
        self.schedule = system.schedule_create(QUOTA, U64(100), U64(10_000_000), U64(10_000_000))
        self.lives = self.lives + 1
        self.seed = self.random.next()
        top = U64(layout.STACK_TOP) - 4096
        begin = code_address(entry).value
        error, self.child.thread = system.enter(
            U64(NUMBERS["thread_create"]), self.child.process, self.schedule, begin, top, self.seed, U64(0)
        )
        if error != 0:
            self.child.thread = U64(0)
            return False
        error, _ = system.enter(U64(NUMBERS["thread_start"]), self.child.thread, U64(0), U64(0), U64(0), U64(0), U64(0))
        return error == 0 and self.lives < LIVES

    def end_process(self) -> None:
        """All of the caller goes."""
        try:
            system.process_kill(self.child.process)
        except BadState:
            pass
        if self.child.thread != 0:
            system.handle_close(self.child.thread)
        # What it has made lives from its quota and is named by its handles only.
        system.handle_revoke(self.quota)
        system.handle_close(self.child.process)
        system.handle_close(self.schedule)
        system.handle_close(self.quota)
        self.child.thread = U64(0)

    def watch(self) -> bool:
        """Wait for a report; whether one came in time."""
        message = Message()
        message.tag = U64(tags.DEADLINE)
        self.buffer.value.deadline = system.clock_read() + PATIENCE
        try:
            receive(self.report, message)
        except TimedOut:
            return False
        assert message.badge == BADGE, "a report comes from somebody else"
        if message.reply != 0:
            # The caller has found the handle: it calls, or lets its faults be told here, which ends it.
            close(message.reply)
            return True
        if message.label == LABEL_WRONG:
            print(f"call {message.words[0]} gave the error {message.words[1]}")
        assert message.label != LABEL_WRONG, "a call gave an error that it does not declare"
        if message.label == LABEL_COUNT:
            self.calls = self.calls + message.words[0]
        return True

    def check(self) -> None:
        """Memory, handles and messages are as they were."""
        base = self.pattern + self.random.below(U64(PATTERN_PAGES)) * 4096
        for offset in U64.range(0, 4096, 64):
            assert peek(base + offset) == value_at(base + offset - self.pattern), "the watcher's memory has changed"
        for index in U64.range(8):
            assert shape_of(self.handles[index]) == self.shapes[index], "a handle has changed"
        message = Message()
        message.set(U64(5), U64(8))
        first = self.random.next()
        for index in U64.range(8):
            message.words[index] = first ^ index
        call(self.echo, message)
        for index in U64.range(8):
            assert message.words[index] == ~(first ^ index), "an answer has changed"

    def check_memory(self) -> None:
        """All of it."""
        for offset in U64.range(0, PATTERN_PAGES * 4096, 8):
            assert peek(self.pattern + offset) == value_at(offset), "the watcher's memory has changed"


WATCHER = place(Watcher())


def close(handle: U64) -> None:
    """Close what the caller has sent: it may have revoked it, or its call may be over."""
    try:
        system.handle_close(handle)
    except BadHandle:
        pass


def value_at(offset: U64) -> U64:
    """What the watcher's memory holds."""
    return offset.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5EC2_E75E_C2E7_5EC2


def echo(endpoint: U64) -> None:
    """Answer with all bits turned."""
    message = Message()
    receive(endpoint, message)
    while True:
        for index in U64.range(8):
            message.words[index] = ~message.words[index]
        reply_and_receive(endpoint, message)


def read_letters(inbox: U64) -> None:
    """Take what the caller sends: close the handles that come with it, answer calls, end what has a fault."""
    page = FREE_PAGES.take()
    system.thread_set_buffer(page)
    buffer = Ptr.at(MessageBuffer, VirtAddr(page)).value
    message = Message()
    while True:
        message.tag = U64(0)
        receive(inbox, message)
        assert message.badge == BADGE, "a letter comes from somebody else"
        WATCHER.letters = WATCHER.letters + 1
        if message.is_from_kernel:
            assert message.label == tags.LABEL_FAULT, "a letter comes from the kernel"
            WATCHER.faults = WATCHER.faults + 1
            message.set(U64(tags.FAULT_KILL), U64(0))
        count = message.tag >> tags.HANDLES_SHIFT & tags.HANDLES_MASK
        for index in U64.range(count):
            WATCHER.handles_got = WATCHER.handles_got + 1
            close(buffer.handles[index])
        if message.reply != 0:
            message.tag = message.tag >> tags.LABEL_SHIFT << tags.LABEL_SHIFT | 8
            ipc.enter(Ptr.to(message).address, U64(NUMBERS["message_reply"]), message.reply)


def one_process(wanted: U64) -> None:
    """The life of one caller."""
    WATCHER.new_process()
    goes_on = True
    while goes_on and WATCHER.calls < wanted:
        in_time = WATCHER.watch()
        if not in_time:
            goes_on = system.process_inspect(WATCHER.child.process) == 0 and WATCHER.new_thread()
        WATCHER.check()
    WATCHER.end_process()
    WATCHER.check_memory()


def main(args: List[Text]) -> None:
    wanted = number(args, U64(1), U64(1000))
    WATCHER.random.seed(number(args, U64(2), U64(1)))
    WATCHER.begin()
    # Memory that was never touched costs nothing yet.
    while WATCHER.processes < 8:
        one_process(WATCHER.calls + 2000)
    WATCHER.calls = U64(0)
    before = quota_used()
    usage = Usage()
    usage.read(QUOTA)
    limit = usage.limit
    orphans = U64(0)
    while WATCHER.calls < wanted:
        one_process(wanted)
        kept = quota_used() - before
        # A process that holds a handle to itself lives for ever: its quota as a whole, and nothing else, stays away.
        assert kept % (CHILD_QUOTA + QUOTA_BYTES) == 0, "a caller is gone, but not what it used"
        before = before + kept
        orphans = orphans + kept // (CHILD_QUOTA + QUOTA_BYTES)
    usage.read(QUOTA)
    assert usage.limit == limit, "the quota has changed"
    print("")
    print(f"calls {WATCHER.calls}")
    print(f"processes {WATCHER.processes}")
    print(f"letters {WATCHER.letters}")
    print(f"handles {WATCHER.handles_got}")
    print(f"orphans {orphans}")
    print(f"faults {WATCHER.faults}")
