"""Random system calls with random arguments, by a process without privileges.

The first process makes a child, gives it handles, and replaces it when it has ended; the child's thread makes random
calls. Threads that block are killed. After each call: the kernel lives, the error is one that the declaration lists,
the translations agree with the page tables; after some, and at the end, every frame is accounted for. The first
process's memory is as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from cloudos.abi import devices, initial, layout
from cloudos.abi.errors import BadSystemCall
from cloudos.abi.system_calls import SYSTEM_CALLS
from tests.sim import programs
from tests.sim.accounting import FRAMES, check_frames
from tests.sim.harness import MB, simulation
from tests.sim.world import board, machine, user

RUNS = 40
CALLS = 250
CHECK_EVERY = 50
# Bytes for a new child.
ENOUGH = 1 << 19
PATIENCE_NS = 3_000_000
SECRET = b"the first process's own affair. " * 64
CONTROLLER, WORKER = 0, 1

# They end the process, and making a new one takes long.
RARE = (user.NUMBERS["process_exit"], user.NUMBERS["process_panic"], user.NUMBERS["process_kill"])

PLACES = (
    0, 1, 7, 8, 4095, 4096, 8192, layout.USER_START, user.entry_of(0), user.READ_ONLY, user.SCRATCH,
    user.SCRATCH + user.SCRATCH_SIZE - 4, user.SCRATCH + 4096, layout.BUNDLE_START, layout.HEAP_START,
    layout.HEAP_START + 4096, layout.HEAP_END, layout.STACK_TOP - 4096, layout.USER_END, layout.USER_END - 1,
    1 << 47, board.DIRECT_BASE, board.DIRECT_BASE + 2 * MB, board.KERNEL_BASE, (1 << 64) - 4096, (1 << 64) - 1,
    1 << 32, (1 << 32) - 1, 255, 256, 128, 0xFFFF_FFFF_8000_1000,
)  # fmt: skip


@dataclass
class Chaos:
    """The state of one run, in the test's own world."""

    random: Random
    made: int = 0
    handles: list[int] = field(default_factory=list)
    errors: set[tuple[str, int]] = field(default_factory=set)
    last: str = ""

    def argument(self) -> int:
        """A number that somebody might try."""
        kind = self.random.randrange(8)
        if kind < 3 and self.handles:
            return self.random.choice(self.handles)
        if kind < 6:
            return self.random.choice(PLACES)
        if kind == 6:
            return self.random.getrandbits(self.random.choice((3, 8, 13, 21, 32, 64)))
        return self.random.choice(PLACES) ^ (1 << self.random.randrange(64))

    def call(self) -> user.Call:
        """A random system call; a few have numbers that there are not."""
        number = self.random.randrange(len(SYSTEM_CALLS) + 1)
        while number in RARE and self.random.random() < 0.8:
            number = self.random.randrange(len(SYSTEM_CALLS) + 1)
        number = self.random.getrandbits(64) if number == len(SYSTEM_CALLS) else number
        arguments = tuple(self.argument() for _ in range(6))
        words = tuple(self.argument() for _ in range(4))
        return user.Call(number, arguments, words, self.argument())

    def check(self, call: user.Call, reply: user.Reply) -> None:
        """The error is one that may come."""
        self.made += 1
        if call.number >= len(SYSTEM_CALLS):
            assert reply.error == BadSystemCall.code, call
            return
        declared = SYSTEM_CALLS[call.number]
        assert reply.error in {0, *(error.code for error in declared.raises)} or narrow(declared, call), (
            f"{declared.name}{call.arguments} gave the error {reply.error}, which it does not declare"
        )
        self.errors.add((declared.name, reply.error))
        if reply.error == 0 and declared.name.endswith("_create"):
            self.handles.append(reply.value)


def narrow(declared: object, call: user.Call) -> bool:
    """Whether an argument does not fit the type that its declaration says: that is BadArgument for all."""
    from cloudos.lang import U8, U32

    kinds = list(declared.parameters.values())  # type: ignore[attr-defined]
    return any(kind in (U8, U32) and value > kind.MAX for kind, value in zip(kinds, call.arguments, strict=False))


def worker_of(chaos: Chaos, calls: int) -> user.UserFunction:
    """The child's code: make calls until there were enough, then wait to be ended."""

    def worker(argument: int, _: int) -> user.UserCode:
        while chaos.made < calls:
            call = chaos.call()
            chaos.last = f"{call}"
            chaos.made += 1
            reply = yield call
            chaos.made -= 1
            chaos.check(call, reply)
        while True:
            yield from programs.sleep(1 << 40)

    return worker


def new_child(chaos: Chaos, own: list[int]) -> programs.Steps:
    """A process with a handle of every kind, of which it can destroy all."""
    child = yield from programs.new_process(2)
    yield from user.succeed("process_set_fault_endpoint", child, own[1])
    chaos.handles = []
    for handle in (child, *own):
        chaos.handles.append((yield from programs.install(child, handle)))
    return child


def let_it_work(chaos: Chaos, child: int, calls: int) -> user.UserCode:
    """Run a thread of the child until it makes no calls any more. Its schedule is new: it may have spoiled others."""
    schedule = yield from programs.new_schedule(100)
    reply = yield user.call("thread_create", child, schedule, user.entry_of(WORKER), programs.STACK, 0)
    if reply.error or (yield user.call("thread_start", reply.value)).error:
        # It used up its memory, or has ended just now.
        yield user.call("process_kill", child)
    else:
        before = -1
        while chaos.made != before and chaos.made < calls:
            before = chaos.made
            yield from programs.sleep(PATIENCE_NS)
        yield user.call("thread_kill", reply.value)
        yield from user.succeed("handle_close", reply.value)
    yield from user.succeed("handle_close", schedule)
    return None


def controller_of(chaos: Chaos, calls: int) -> user.UserFunction:
    """The first process's code."""

    def controller(bundle: int, length: int) -> user.UserCode:
        yield user.Write(user.SCRATCH, SECRET)
        own = [(yield from programs.new_notification()), (yield from programs.new_endpoint())]
        own.append((yield from programs.new_schedule(100, 500_000, 1_000_000)))
        machine, quota = initial.DEVICE, initial.QUOTA
        own.append((yield from user.succeed("device_create", machine, quota, devices.LINES, 8, 4)))
        own.append((yield from user.succeed("device_create", machine, quota, devices.PORTS, 0x500, 8)))
        own.append((yield from user.succeed("interrupt_create", machine, quota, 9, devices.LEVEL)))
        child = yield from new_child(chaos, own)
        while chaos.made < calls:
            if (yield from user.succeed("process_inspect", child)):
                yield from user.succeed("handle_close", child)
                yield from programs.sleep(PATIENCE_NS)
                if int(FRAMES.FRAMES.available) * 4096 < ENOUGH:
                    # Grandchildren live on: the child had the machine's quota to make them from.
                    return 0
                child = yield from new_child(chaos, own)
            yield from let_it_work(chaos, child, calls)
        yield user.call("process_kill", child)
        yield from programs.sleep(PATIENCE_NS)
        assert (yield user.Read(user.SCRATCH, len(SECRET))) == SECRET
        return 0

    return controller


# Seeds do not become simpler by becoming smaller.
@settings(max_examples=RUNS, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(st.integers(0, 1 << 32))
def test_random_calls_harm_nobody(seed: int) -> None:
    chaos = Chaos(Random(seed))
    count = 0

    def check(simulation: machine.Simulation) -> None:
        nonlocal count
        count += 1
        if count % CHECK_EVERY == 0:
            check_frames(simulation)

    made = simulation(controller_of(chaos, CALLS), worker_of(chaos, CALLS), seed=seed, memory=4 * MB, after_entry=check)
    try:
        log = made.run().log
    except BaseException as error:
        error.add_note(f"last call: {chaos.last}")
        raise
    assert "@exit status=0" in log and "@kernel-panic" not in log, log
