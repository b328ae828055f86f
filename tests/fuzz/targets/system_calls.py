"""The kernel on the simulated machine: the first process makes the system calls that the input says.

Threads, processes and handlers that it makes draw from the same input, so the input is the whole history. After each
entry of the kernel every structure must be sound (tests/sim/invariants.py); errors must be declared; and at the end,
when the machine has been switched off, no frame may be lost (tests/sim/accounting.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cloudos.abi import initial, layout, tags
from cloudos.abi.errors import BadSystemCall
from cloudos.abi.objects import ALL_RIGHTS_BITS, Kind
from cloudos.abi.system_calls import SYSTEM_CALLS, SystemCall
from cloudos.lang import U8, U32
from tests.fuzz.target import Feed
from tests.sim import programs
from tests.sim.accounting import check_frames
from tests.sim.harness import MB, simulation
from tests.sim.invariants import check
from tests.sim.world import board, machine, user

MOST_CALLS = 200
FRAMES_EVERY = 32
MEMORY = 2 * MB
BUFFER = programs.BUFFERS
FIRST = {
    initial.PROCESS: Kind.PROCESS, initial.THREAD: Kind.THREAD, initial.QUOTA: Kind.QUOTA,
    initial.SCHEDULE: Kind.SCHEDULE, initial.POLICY: Kind.POLICY, initial.AUDIT: Kind.AUDIT,
    initial.SPACE: Kind.SPACE, initial.DEVICE: Kind.DEVICE, initial.BUNDLE: Kind.MEMORY,
}  # fmt: skip
PLACES = (
    0, 1, 4095, 4096, 8192, user.entry_of(0), user.entry_of(1), user.READ_ONLY, user.SCRATCH, user.SCRATCH + 64,
    user.SCRATCH + user.SCRATCH_SIZE - 4, BUFFER, BUFFER + 4096, layout.BUNDLE_START, layout.HEAP_START,
    layout.HEAP_START + 4096, layout.HEAP_END, layout.STACK_TOP, layout.STACK_TOP - 4096, layout.USER_END - 4096,
    layout.USER_END, 1 << 47, board.DIRECT_BASE, board.DIRECT_BASE + MB, board.KERNEL_BASE, (1 << 64) - 4096,
    (1 << 64) - 1, 1 << 63, 1 << 32, programs.WINDOW, 2, 3, 5, 7, 16, 48, 64, 100, 255, 256, 1 << 20, 1 << 21,
    1000, 100_000, 1_000_000, ALL_RIGHTS_BITS, ALL_RIGHTS_BITS - 1, (1 << 64) - 8, 12288, 0x60, 0x3F8,
)  # fmt: skip
MAKING = {call.name: Kind[call.name.split("_")[0].upper()] for call in SYSTEM_CALLS if call.name.endswith("_create")}
MAKING |= {"memory_create_paged": Kind.MEMORY, "memory_clone": Kind.MEMORY, "process_space": Kind.SPACE}
ENDING = (user.NUMBERS["process_exit"], user.NUMBERS["process_panic"])
KERNEL_PANIC = "@kernel-panic"


@dataclass
class World:
    """What the threads share, outside of the machine: the input, and the handles that came of it."""

    feed: Feed
    made: int = 0
    handles: dict[int, int] = field(default_factory=lambda: dict(FIRST))
    last: str = ""

    def going(self) -> bool:
        """Whether the input says more."""
        return self.feed.left > 0 and self.made < MOST_CALLS

    def of_kind(self, kind: int) -> int:
        """A handle of a kind, 0 when there is none."""
        known = [handle for handle, found in self.handles.items() if found == kind]
        return int(self.feed.choose(known)) if known else 0

    def argument(self) -> int:
        """Any number: a handle, a place, a small number, eight bytes."""
        form = self.feed.number()
        if form < 96 and self.handles:
            return list(self.handles)[form % len(self.handles)]
        if form < 192:
            return PLACES[form % len(PLACES)]
        if form < 224:
            return self.feed.number()
        if form < 248:
            return self.feed.number(2) << 12
        return self.feed.number(8)

    def fitting(self, call: SystemCall, name: str) -> int:
        """What the declaration wants for a parameter, three times of four."""
        if self.feed.odds(4):
            return self.argument()
        if name in call.needs:
            return self.of_kind(call.needs[name].kind)
        if name == "handle":
            return int(self.feed.choose(list(self.handles) or [0]))
        if name == "tag":
            return self.tag()
        return self.argument()

    def tag(self) -> int:
        """The tag of a message."""
        shape = self.feed.number()
        length = (0, 8, 4032, 4033)[shape >> 2 & 3]
        flags = tags.DEADLINE if shape & 16 else 0
        return flags | (shape & 3) << tags.HANDLES_SHIFT | length << tags.BYTES_SHIFT | (shape >> 5)

    def call(self) -> user.Call:
        """The next call."""
        number = self.feed.below(len(SYSTEM_CALLS) + 1)
        if number == len(SYSTEM_CALLS):
            return user.Call(self.feed.number(8) | len(SYSTEM_CALLS) << 1, (self.argument(),))
        declared = SYSTEM_CALLS[number]
        arguments = tuple(self.fitting(declared, name) for name in declared.parameters)
        words = tuple(self.argument() for _ in range(self.feed.below(3))) if declared.is_message else ()
        reply = self.of_kind(Kind.REPLY) if declared.is_message else 0
        return user.Call(number, arguments, words, reply)

    def buffer(self) -> bytes:
        """What stands at the start of a message buffer: a deadline, handles, which of them are moved."""
        deadline = (0, 1, 1 << 40, (1 << 64) - 1)[self.feed.below(4)]
        numbers = [deadline, *(self.argument() for _ in range(4))]
        return b"".join(number.to_bytes(8, "little") for number in numbers) + bytes([self.feed.number() & 15, 0, 0, 0])

    def note(self, call: user.Call, reply: user.Reply) -> None:
        """The error is one that may come; remember what came."""
        if call.number >= len(SYSTEM_CALLS):
            assert reply.error == BadSystemCall.code, call
            return
        declared = SYSTEM_CALLS[call.number]
        allowed = {0, *(error.code for error in declared.raises)}
        assert reply.error in allowed or is_narrow(declared, call), f"{declared.name} raised {reply.error}: {call}"
        if reply.error:
            return
        if declared.name in MAKING:
            self.handles[reply.value] = MAKING[declared.name]
        elif declared.name == "handle_derive":
            self.handles[reply.value] = self.handles.get(call.arguments[0], 0)
        elif declared.name == "handle_close":
            self.handles.pop(call.arguments[0], None)
        elif declared.is_message and reply.reply:
            self.handles[reply.reply] = Kind.REPLY


def is_narrow(declared: SystemCall, call: user.Call) -> bool:
    """Whether an argument does not fit the type that its declaration says: that is BadArgument for all."""
    kinds = list(declared.parameters.values())
    return any(kind in (U8, U32) and value > kind.MAX for kind, value in zip(kinds, call.arguments, strict=False))


def worker_of(world: World) -> user.UserFunction:
    """The code of every thread: calls, reads and writes, as the input says."""

    def worker(argument: int, _: int) -> user.UserCode:
        place = BUFFER + world.feed.below(2) * layout.PAGE_SIZE
        buffered = (yield user.call("thread_set_buffer", place)).error == 0
        while world.going():
            form = world.feed.number()
            if buffered and form & 3 == 1:
                yield user.Write(place, world.buffer())
            elif form & 31 == 2:
                yield user.Read(world.argument() & ~7, 8)
            elif form & 31 == 6:
                yield user.Write(world.argument() & ~7, b"\xa5" * 8)
            call = world.call()
            world.made += 1
            world.last = f"{call}"
            world.note(call, (yield call))
        return None

    return worker


def first_of(world: World) -> user.UserFunction:
    """The first process: a worker too, and at the end the machine is switched off by its exit."""

    def first(bundle: int, length: int) -> user.UserCode:
        if bundle != layout.BUNDLE_START:
            return (yield from worker_of(world)(bundle, length))
        yield from worker_of(world)(bundle, length)
        for _ in range(4):
            yield user.call("thread_sleep", 1_000_000)
        return 0

    return first


def watch_of(frames: Callable[[machine.Simulation], None]) -> Callable[[machine.Simulation], None]:
    """What is looked at after each entry of the kernel."""
    count = 0

    def watch(simulation: machine.Simulation) -> None:
        nonlocal count
        count += 1
        found = check(simulation)
        # Tables of a space that is being taken apart still show what was given back.
        if count % FRAMES_EVERY == 0 and not found.pending:
            frames(simulation)

    return watch


def fuzz(data: bytes) -> None:
    """Run one history."""
    feed = Feed(data)
    seed = feed.number()
    world = World(feed)
    functions = (first_of(world), worker_of(world))
    made = simulation(*functions, seed=seed, memory=MEMORY, after_entry=watch_of(check_frames))
    try:
        log = made.run().log
    except board.Stuck:
        # All of its threads wait for each other, or for nobody.
        return
    except BaseException as error:
        error.add_note(f"after {world.made} calls; the last: {world.last}")
        raise
    assert KERNEL_PANIC not in log, log
