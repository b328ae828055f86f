"""Random system calls with random arguments, by a process without privileges.

The first process makes a child with two threads that make random calls, gives it a handle of every kind, and replaces
it when it has ended; threads that block are killed. Half of the arguments are what the declaration wants, so that calls
get far; the others are borders, handles of before, addresses of the kernel, anything. After each call: the kernel
lives, the error is one that the declaration lists, every structure of the kernel is as it must be (`invariants.py`).
A bystander, and the first process while it sleeps, keep their memory, registers and handles. Its seed repeats a
failure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from cloudos.abi import initial, layout, tags
from cloudos.abi.errors import BadSystemCall
from cloudos.abi.objects import ALL_RIGHTS_BITS, Kind
from cloudos.abi.system_calls import SYSTEM_CALLS, SystemCall
from cloudos.lang import U8, U32
from tests.sim import programs
from tests.sim.accounting import FRAMES, check_frames
from tests.sim.harness import MB, simulation
from tests.sim.invariants import check
from tests.sim.inventory import PROCESSOR, SHAPES, STATES, Inventory
from tests.sim.paging import check_isolation, frame_content, table_frames, user_pages
from tests.sim.sizes import LONG
from tests.sim.world import board, machine, user

# CLOUDOS_LONG_TESTS: 100,000 calls.
RUNS = 400 if LONG else 6
CALLS = 250
FRAMES_EVERY = 40
ISOLATION_EVERY = 20
# Bytes for a new child.
ENOUGH = 1 << 19
PATIENCE_NS = 3_000_000
SECRET = b"the first process's own affair. " * 64
CONTROLLER, WORKER, BYSTANDER, ECHO = 0, 1, 2, 3
MESSAGES = tuple(call.number for call in SYSTEM_CALLS if call.is_message)
BUFFER = programs.BUFFERS

# They end the process, and making a new one takes long.
ENDING = ("process_exit", "process_panic", "process_kill", "device_reset")
RARE = tuple(user.NUMBERS[name] for name in ENDING)

PLACES = (
    0, 1, 7, 8, 4095, 4096, 8192, layout.USER_START, user.entry_of(0), user.READ_ONLY, user.SCRATCH,
    user.SCRATCH + user.SCRATCH_SIZE - 4, user.SCRATCH + 4096, layout.BUNDLE_START, layout.HEAP_START,
    layout.HEAP_START + 4096, layout.HEAP_END, layout.STACK_TOP - 4096, layout.USER_END, layout.USER_END - 1,
    1 << 47, board.DIRECT_BASE, board.DIRECT_BASE + 2 * MB, board.KERNEL_BASE, (1 << 64) - 4096, (1 << 64) - 1,
    1 << 32, (1 << 32) - 1, 255, 256, 128, 0xFFFF_FFFF_8000_1000,
)  # fmt: skip
# What a number in a declaration may sensibly be.
SENSIBLE: dict[str, tuple[int, ...]] = {
    "address": (user.SCRATCH, BUFFER, BUFFER + 4096, layout.HEAP_START, layout.HEAP_START + 4096),
    "rights": (0, 1, 3, 7, ALL_RIGHTS_BITS, ALL_RIGHTS_BITS - 1), "badge": (0, 0, 5, 6), "label": (0, 1),
    "length": (0, 1, 16, 48, 4096, 8192, 3 * 4096, 1 << 21), "access": (1, 3, 3, 5, 7),
    "entry": (user.entry_of(WORKER),), "stack": (programs.STACK, 0), "stream": (1, 2), "limit": (1 << 12, 1 << 16),
    "priority": (0, 1, 99, 100, 101, 255), "budget_ns": (10_000, 500_000), "period_ns": (10_000, 1_000_000),
    "duration_ns": (0, 1000, 100_000), "deadline": (0, 1, 10_000_000, (1 << 64) - 1), "bits": (0, 1, 6, 1 << 63),
    "argument": (0, 1), "kind": (0, 1, 2), "offset": (0, 0, 4096, 8192), "source_offset": (0, 4096), "made": (0,),
}  # fmt: skip


MAKING = {call.name: Kind[call.name.split("_")[0].upper()] for call in SYSTEM_CALLS if call.name.endswith("_create")}
MAKING |= {"memory_create_paged": Kind.MEMORY, "memory_clone": Kind.MEMORY, "process_space": Kind.SPACE}


@dataclass
class Chaos:
    """The state of one run, in the test's own world."""

    random: Random
    calls: int = CALLS
    made: int = 0
    handles: dict[int, int] = field(default_factory=dict)
    stale: list[int] = field(default_factory=list)
    errors: set[tuple[str, int]] = field(default_factory=set)
    last: str = ""

    def argument(self) -> int:
        """A number that somebody might try."""
        kind = self.random.randrange(9)
        if kind < 3 and self.handles:
            return self.random.choice(list(self.handles))
        if kind < 6:
            return self.random.choice(PLACES)
        if kind == 6:
            return self.random.getrandbits(self.random.choice((3, 8, 13, 21, 32, 64)))
        if kind == 7 and self.stale:
            return self.random.choice(self.stale)
        return self.random.choice(PLACES) ^ (1 << self.random.randrange(64))

    def tag(self) -> int:
        """A message of this size, or any number."""
        handles, length = self.random.choice((0, 0, 1, 2, 4, 5)), self.random.choice((0, 0, 8, 4032, 4033))
        flags = self.random.choice((0, tags.DEADLINE, tags.DEADLINE, self.argument()))
        return flags | handles << tags.HANDLES_SHIFT | length << tags.BYTES_SHIFT

    def fitting(self, call: SystemCall, name: str) -> int:
        """What the declaration wants for a parameter."""
        if name in call.needs:
            known = [handle for handle, kind in self.handles.items() if kind == call.needs[name].kind]
            return self.random.choice(known) if known else self.argument()
        if name == "handle" and self.handles:
            return self.random.choice(list(self.handles))
        if name == "tag":
            return self.tag()
        return self.random.choice(SENSIBLE.get(name, (user.SCRATCH + 64,)))

    def call(self) -> user.Call:
        """A random system call; a few have numbers that there are not."""
        number = self.random.randrange(len(SYSTEM_CALLS) + 1)
        while number in RARE and self.random.random() < 0.8:
            number = self.random.randrange(len(SYSTEM_CALLS) + 1)
        if self.random.random() < 0.15:
            number = self.random.choice(MESSAGES)
        arguments = [self.argument() for _ in range(6)]
        if number < len(SYSTEM_CALLS) and self.random.random() < 0.6:
            declared = SYSTEM_CALLS[number]
            for index, name in enumerate(declared.parameters):
                if self.random.random() < 0.9:
                    arguments[index] = self.fitting(declared, name)
        number = self.random.getrandbits(64) if number == len(SYSTEM_CALLS) else number
        words = tuple(self.argument() for _ in range(4))
        replies = [handle for handle, kind in self.handles.items() if kind == Kind.REPLY]
        reply = self.random.choice(replies) if replies and self.random.random() < 0.5 else self.argument()
        return user.Call(number, tuple(arguments), words, reply)

    def buffer(self) -> bytes:
        """What stands at the start of a message buffer: a deadline, handles, which are moved."""
        numbers = [self.random.choice((0, 1, 1 << 62, (1 << 64) - 1)), *(self.argument() for _ in range(4))]
        return b"".join(number.to_bytes(8, "little") for number in numbers) + bytes(
            [self.random.getrandbits(4), 0, 0, 0]
        )

    def check(self, call: user.Call, reply: user.Reply) -> None:
        """The error is one that may come; remember what came."""
        if call.number >= len(SYSTEM_CALLS):
            assert reply.error == BadSystemCall.code, call
            return
        declared = SYSTEM_CALLS[call.number]
        assert reply.error in {0, *(error.code for error in declared.raises)} or narrow(declared, call), (
            f"{declared.name}{call.arguments} gave the error {reply.error}, which it does not declare"
        )
        self.errors.add((declared.name, reply.error))
        if reply.error:
            return
        if declared.name in MAKING:
            self.handles[reply.value] = MAKING[declared.name]
        elif declared.name == "handle_derive":
            self.handles[reply.value] = self.handles.get(call.arguments[0], 0)
        elif declared.name == "handle_close":
            self.handles.pop(call.arguments[0], None)
            self.stale.append(call.arguments[0])
        elif declared.is_message and reply.reply:
            self.handles[reply.reply] = Kind.REPLY


def narrow(declared: SystemCall, call: user.Call) -> bool:
    """Whether an argument does not fit the type that its declaration says: that is BadArgument for all."""
    kinds = list(declared.parameters.values())
    return any(kind in (U8, U32) and value > kind.MAX for kind, value in zip(kinds, call.arguments, strict=False))


def worker_of(chaos: Chaos) -> user.UserFunction:
    """The child's code: make calls until there were enough, then wait to be ended."""

    def worker(number: int, _: int) -> user.UserCode:
        place = BUFFER + number % 2 * layout.PAGE_SIZE
        buffered = (yield user.call("thread_set_buffer", place)).error == 0
        while chaos.made < chaos.calls:
            call = chaos.call()
            if buffered and chaos.random.random() < 0.3:
                yield user.Write(place, chaos.buffer())
            chaos.last = f"{call}"
            chaos.made += 1
            chaos.check(call, (yield call))
        while True:
            yield from programs.sleep(1 << 40)

    return worker


def echo_of(chaos: Chaos) -> user.UserFunction:
    """A server of the child's own: answers half of the calls, and leaves the others to the workers."""

    def echo(endpoint: int, _: int) -> user.UserCode:
        yield user.call("thread_set_buffer", BUFFER + 2 * layout.PAGE_SIZE)
        while True:
            reply: user.Reply = yield user.message("message_receive", endpoint)
            if reply.error:
                return None
            if reply.reply and chaos.random.random() < 0.5:
                yield user.message("message_reply", reply.reply)
            elif reply.reply:
                chaos.handles[reply.reply] = Kind.REPLY

    return echo


def bystander_of(watch: Watch) -> user.UserFunction:
    """Somebody who has nothing to do with it: memory, a message buffer, registers, handles, and a wait."""

    def bystander(endpoint: int, _: int) -> user.UserCode:
        if watch.witness is not None:
            return None
        yield user.Write(user.SCRATCH, SECRET)
        yield from user.succeed("thread_set_buffer", BUFFER)
        yield user.Write(BUFFER + 64, SECRET)
        yield user.Vector(0x5EC2E7)
        yield user.message("message_receive", endpoint)
        raise AssertionError("the bystander was woken")

    return bystander


class Witness:
    """What a process has: to be compared later."""

    def __init__(self, found: Inventory, process: int) -> None:
        self.memory = found.memory
        self.handles = {
            found.place_of(at)[1]: (slot["object"], slot["rights"], slot["badge"])
            for at, slot in found.slots[process].items()
            if slot["object"]
        }
        self.tables = table_frames(found.memory, found.root_of(process))
        pages = user_pages(found.memory, found.root_of(process))
        self.pages = {page: place for page, place in pages.items() if place[1] & board.WRITE}
        frames = {frame for frame, _ in self.pages.values()}
        self.content = {frame: frame_content(self.memory, frame) for frame in frames}
        # For a process in which nothing happens: also its page tables, its handles, its threads, byte by byte.
        self.all = {frame: frame_content(self.memory, frame) for frame in self.tables}
        self.all |= self.content | {chunk: frame_content(self.memory, chunk) for chunk in chunks(found, process)}
        self.threads = {at for at, thread in found.of_kind(Kind.THREAD).items() if thread["process"] == process}
        self.registers = {at: self.registers_of(at) for at in self.threads}

    def registers_of(self, thread: int) -> dict[str, int]:
        values = SHAPES[Kind.THREAD].read(self.memory, thread)
        return {name: value for name, value in values.items() if name.startswith(("frame.", "vectors."))}

    def check(self, other: Witness, what: str) -> None:
        """Memory and handles are as before."""
        assert other.handles == self.handles, f"handles of {what} changed"
        assert other.pages == self.pages and other.content == self.content, f"memory of {what} changed"

    def check_all(self, what: str) -> None:
        """Nothing at all has changed."""
        for frame, before in self.all.items():
            assert frame_content(self.memory, frame) == before, f"memory or handles of {what} changed"
        for thread, registers in self.registers.items():
            assert self.registers_of(thread) == registers, f"registers of {what} changed"


def chunks(found: Inventory, process: int) -> set[int]:
    """The frames with the handles of a process."""
    return {(at - board.DIRECT_BASE) // board.PAGE for at in found.slots[process]}


class Watch:
    """Looks at everything after each entry of the kernel."""

    def __init__(self) -> None:
        self.count = 0
        self.witness: Witness | None = None

    def begin(self, simulation: machine.Simulation, process: int) -> None:
        """The bystander waits: from here on nothing of it changes."""
        self.witness = Witness(Inventory(simulation), process)

    def __call__(self, simulation: machine.Simulation) -> None:
        found = check(simulation)
        self.count += 1
        if self.witness is not None:
            self.witness.check_all("a bystander")
        # Tables of a space that is being taken apart still show what was given back; nothing runs with them.
        if self.count % FRAMES_EVERY == 0 and not found.pending:
            check_frames(simulation)
        if self.count % ISOLATION_EVERY == 0:
            check_isolation(found)


def new_child(chaos: Chaos, own: dict[int, int]) -> programs.Steps:
    """A process with a handle of every kind, of which it can destroy all."""
    child = yield from programs.new_process(4)
    handler = next(handle for handle, kind in own.items() if kind == Kind.ENDPOINT)
    yield from user.succeed("process_set_fault_endpoint", child, handler)
    chaos.handles = {}
    chaos.stale = []
    space = yield from user.succeed("process_space", child)
    for handle, kind in ((child, int(Kind.PROCESS)), (space, int(Kind.SPACE)), *own.items()):
        chaos.handles[(yield from programs.install(child, handle))] = kind
    yield from user.succeed("handle_close", space)
    return child


def let_it_work(chaos: Chaos, child: int, rest: Callable[[], programs.Steps]) -> programs.Steps:
    """Run threads of the child until they make no calls any more. The schedule is new: it may have spoiled others."""
    schedule = yield from programs.new_schedule(100)
    threads = []
    endpoint = next((handle for handle, kind in chaos.handles.items() if kind == Kind.ENDPOINT), 0)
    for function, argument in ((ECHO, endpoint), (WORKER, 0), (WORKER, 1)):
        entry = user.entry_of(function)
        reply = yield user.call("thread_create", child, schedule, entry, programs.STACK, argument)
        if reply.error or (yield user.call("thread_start", reply.value)).error:
            # It used up its memory, or has ended just now.
            yield user.call("process_kill", child)
            break
        threads.append(reply.value)
    before = -1
    while chaos.made != before and chaos.made < chaos.calls:
        before = chaos.made
        yield from rest()
    for thread in threads:
        yield user.call("thread_kill", thread)
        yield from user.succeed("handle_close", thread)
    return (yield from user.succeed("handle_close", schedule))


def start_bystander(watch: Watch, simulation: Callable[[], machine.Simulation]) -> programs.Steps:
    """Make it, and let it come to its wait."""
    process = yield from programs.new_process(4)
    endpoint = yield from programs.new_endpoint()
    theirs = yield from programs.install(process, endpoint)
    for _ in range(5):
        yield from programs.install(process, endpoint, badge=77)
    thread = yield from programs.new_thread(BYSTANDER, theirs, process)
    yield from user.succeed("thread_start", thread)
    while True:
        yield from programs.sleep(PATIENCE_NS)
        found = Inventory(simulation())
        for values in found.of_kind(Kind.THREAD).values():
            if values["state"] == STATES.RECEIVING:
                watch.begin(simulation(), values["process"])
                return 0


def controller_of(chaos: Chaos, watch: Watch, simulation: Callable[[], machine.Simulation]) -> user.UserFunction:
    """The first process's code."""

    def rest() -> programs.Steps:
        """Sleep, and be as before."""
        own = int(PROCESSOR.current.value.process.address.value)
        before = Witness(Inventory(simulation()), own)
        yield from programs.sleep(PATIENCE_NS)
        before.check(Witness(Inventory(simulation()), own), "the first process")
        return 0

    def controller(bundle: int, length: int) -> user.UserCode:
        if bundle != layout.BUNDLE_START or watch.witness is not None:
            # A thread that the child made begins here.
            return None
        yield user.Write(user.SCRATCH, SECRET)
        yield from start_bystander(watch, simulation)
        own = {(yield from programs.new_notification()): int(Kind.NOTIFICATION)}
        own[(yield from programs.new_endpoint())] = Kind.ENDPOINT
        own[(yield from programs.new_schedule(100, 500_000, 1_000_000))] = Kind.SCHEDULE
        own[(yield from user.succeed("quota_create", initial.QUOTA, MB))] = Kind.QUOTA
        child = yield from new_child(chaos, own)
        while chaos.made < chaos.calls:
            if (yield from user.succeed("process_inspect", child)):
                yield from user.succeed("handle_close", child)
                yield from programs.sleep(PATIENCE_NS)
                if int(FRAMES.FRAMES.available) * 4096 < ENOUGH:
                    # Grandchildren live on.
                    return 0
                child = yield from new_child(chaos, own)
            yield from let_it_work(chaos, child, rest)
        yield user.call("process_kill", child)
        yield from programs.sleep(PATIENCE_NS)
        assert (yield user.Read(user.SCRATCH, len(SECRET))) == SECRET
        return 0

    return controller


def run_chaos(seed: int, calls: int = CALLS) -> Chaos:
    """One machine; what came of it."""
    chaos = Chaos(Random(seed), calls)
    watch = Watch()
    made: list[Any] = []
    functions = (controller_of(chaos, watch, lambda: made[0]), worker_of(chaos), bystander_of(watch), echo_of(chaos))
    made.append(simulation(*functions, seed=seed, memory=4 * MB, after_entry=watch))
    try:
        log = made[0].run().log
    except BaseException as error:
        error.add_note(f"last call: {chaos.last}")
        raise
    assert "@exit status=0" in log and "@kernel-panic" not in log, log
    return chaos


# Seeds do not become simpler by becoming smaller.
@settings(max_examples=RUNS, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(st.integers(0, 1 << 32))
def test_random_calls_harm_nobody(seed: int) -> None:
    run_chaos(seed)


def test_random_calls_get_far() -> None:
    """Nearly every call succeeds at times, and fails in most of the ways that it declares."""
    seen = set().union(*(run_chaos(seed).errors for seed in range(3)))
    succeeded = {name for name, error in seen if error == 0}
    assert len(succeeded) > 0.5 * len(SYSTEM_CALLS), sorted(succeeded)
    assert len(seen) > 2 * len(SYSTEM_CALLS)
