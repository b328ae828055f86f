"""Processors that are in the kernel at the same time touch different memory: looked at with every access.

Whoever comes into the kernel comes after all that was done by those who had the words that it takes
(`hal/shared/lock.py`): its own, one other's, or all. Two accesses to one word of memory, of which one writes, must be
in such an order; if they are not the run fails, in whatever order they really came. So a missing look at who something
belongs to is found without the bad moment. The bad moments come too: others go on after some of the writes. The data of
a processor must not be touched by others at all, unless they keep it out.

The order is kept in clocks, one for each processor and each of its words: how far a processor has come, as far as
another one can know. Sources: Mattern, Virtual Time and Global States of Distributed Systems (1989); Flanagan, Freund,
FastTrack (PLDI 2009).
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from cloudos.lang import Atomic, Order, Region, offset_of, size_of
from tests.sim.inventory import LIVE
from tests.sim.world import KERNEL, board, kernel_module, machine

VISITING, HOME = 1, 4
CALLERS = 3
INTERLEAVED = 0.05
"""How often others go on after a write."""

PLACEMENT, WAITING = kernel_module("sched.placement"), kernel_module("objects.waiting")
CAPABILITIES = kernel_module("security.capabilities")
DISPATCH, REGIONS = kernel_module("dispatch"), kernel_module("memory.regions")
INSIDE, STATE = (getattr(kernel_module("hal.simulated.processor"), name) for name in ("Inside", "State"))
REQUESTS, SCHEDULER = kernel_module("sched.requests"), kernel_module("sched.scheduler")
OWN, PROCESSOR = REQUESTS.OWN, kernel_module("sched.processor").Processor
PAGE, SIZE, REACHED = 4096, int(size_of(PROCESSOR)), int(offset_of(PROCESSOR, "current"))
RUN_QUEUE = kernel_module("sched.run_queue").RunQueue
INSIDE_OFFSET = int(offset_of(STATE, "inside"))
SCHEDULE, BUDGET = kernel_module("objects.schedule").Schedule, kernel_module("sched.budget").Budget
GUESSES = (
    (PLACEMENT, "_load"),
    (PLACEMENT, "longest"),
    (WAITING, "is_ours"),
    (WAITING, "are_at_hand"),
    (WAITING, "has_our_time"),
    (WAITING, "_receives"),
    (DISPATCH, "lookup"),
    (DISPATCH, "names_now"),
    (CAPABILITIES, "names_now"),
    (CAPABILITIES, "lookup"),
    (CAPABILITIES, "find"),
    (REGIONS, "at"),
    (REQUESTS, "_ask_others"),
)
"""They look at what may belong to others, and what they find need not be true any more. What is looked up in a table is
used by who has the object's word; who takes it out of the table has that too. Regions change while one is alone: which
one a space remembers as found last does not matter. Who begins to use page tables says so before it looks at them,
and who changes them looks after that who uses them."""

BELONGS = int(offset_of(kernel_module("objects.header").Header, "home"))
"""To whom an object belongs, whoever asks that needs to know only whether it is he; nobody else makes it be him."""

FRAMES, AUDIT = kernel_module("memory.frames"), kernel_module("security.audit")
FREE_BELONG, RING_BELONGS = int(offset_of(FRAMES.FrameAllocator, "home")), int(offset_of(AUDIT.Ring, "home"))
"""The same of free frames, and of what is on record."""

LEFT = int(offset_of(SCHEDULE, "budget") + offset_of(BUDGET, "left"))
"""What is left of a turn is counted by all processors that run on a schedule, and may be counted wrongly."""


THREAD = kernel_module("objects.thread").Thread
RANK, REPLY = int(offset_of(THREAD, "timer_rank")), int(offset_of(THREAD, "reply")) + BELONGS
"""Whether a thread has a deadline, who serves its call may ask: only who is alone, or has the server, lets it pass. And
to whom its reply belongs, as of objects."""


class Shared(AssertionError):
    """Two processors touch the same memory at the same time."""


class Clocks:
    """What each processor, and who takes a word, comes after: of each processor, its turns in the kernel."""

    def __init__(self, simulated: machine.Simulation) -> None:
        self.board = simulated.board
        count = len(self.board.processors)
        self.of = [[int(one == other) for other in range(count)] for one in range(count)]
        self.words = [[0] * count for _ in range(count)]
        self.sent = [[0] * count for _ in range(count)]
        # By place: how many users a frame has.
        self.users: dict[int, list[int]] = defaultdict(lambda: [0] * count)

    def whose(self, part: Any, offset: int) -> int:
        """The number of the processor in whose data this part stands at an offset."""
        data = int(PLACEMENT.Ptr.to(part).address.value) - offset
        return next((one.number for one in self.board.processors if one.data == data), 0)

    def of_words(self, inside: Any) -> list[int]:
        """What a processor's words say."""
        return self.words[self.whose(inside, INSIDE_OFFSET)]

    def take(self, clock: list[int]) -> None:
        """The processor that runs comes after this."""
        own = self.of[self.board.processor.number]
        own[:] = map(max, own, clock)

    def give(self, clock: list[int]) -> None:
        """Who takes this next comes after all that the processor that runs has done."""
        number = self.board.processor.number
        clock[:] = map(max, clock, self.of[number])
        self.of[number][number] += 1


class Watch:
    """What was touched: at which turn of which processor, and from which line. Reads since the last write, by all."""

    def __init__(self, simulated: machine.Simulation) -> None:
        self.board = simulated.board
        self.clocks = Clocks(simulated)
        self.regions = {id(self.board.memory), *(id(region) for region in KERNEL.static_regions())}
        self.writes: dict[tuple[int, int], tuple[int, int, str]] = {}
        self.reads: dict[tuple[int, int], dict[int, tuple[int, str]]] = {}
        # By page of a region: in the data of which processor it is, which begins at an offset.
        self.pages: dict[tuple[int, int], tuple[int, int]] = {}
        # Of each processor, in how many functions it is whose accesses are not looked at. Others may go on meanwhile.
        self.silent = [0] * len(self.board.processors)
        # Without being alone, and of these, with one other processor kept out.
        self.accesses = 0
        self.visiting = 0

    def look(self, region: Region, offset: int, write: bool) -> None:
        """One access of the processor that runs. Who is alone comes after all and before all."""
        processor = self.board.processor
        number = processor.number
        if processor.mode not in (VISITING, HOME) or self.silent[number] or id(region) not in self.regions:
            return
        self.accesses += 1
        self.visiting += processor.mode == VISITING
        own = self.clocks.of[number]
        key = (id(region), offset)
        if not self.pages:
            self.find_pages()
        whose = self.whose(region, offset)
        if whose not in (None, number) and (processor.mode == HOME or not self.is_kept_out(whose)):
            raise Shared(f"processor {number} in {place()}, in the data of {whose}")
        last = self.writes.get(key)
        if last is not None and own[last[0]] < last[1] and not self.may_be_shared(region, offset, write):
            raise Shared(f"processor {last[0]} in {last[2]}, then {number} in {place()}")
        if write:
            for other, (turn, where) in self.reads.pop(key, {}).items():
                if own[other] < turn and not self.may_be_shared(region, offset, False):
                    raise Shared(f"processor {other} in {where}, then {number} in {place()}")
            self.writes[key] = (number, own[number], place())
            if self.board.random.random() < INTERLEAVED:
                self.board.interleave()
        else:
            readers = self.reads.setdefault(key, {})
            if readers.get(number, (0, ""))[0] != own[number]:
                readers[number] = (own[number], place())

    def whose(self, region: Region, offset: int) -> int | None:
        """The processor in whose data this is, but for how it is reached."""
        pages = self.pages.get((id(region), offset // PAGE))
        return None if pages is None or offset - pages[1] < REACHED else pages[0]

    def find_pages(self) -> None:
        """Note where the data of processors is, once they have started."""
        for processor in self.board.processors:
            memory, start = self.board.memory, processor.data - board.DIRECT_BASE
            if start < 0:
                memory, start = next(one for one in KERNEL.static_regions() if one.address == processor.data), 0
            for page in range(start // PAGE, (start + SIZE - 1) // PAGE + 1):
                self.pages[id(memory), page] = (processor.number, start)

    def is_kept_out(self, number: int | None) -> bool:
        """Whether the processor that runs, which visits, visits this one."""
        numbers = self.silently(lambda: [int(own.value.line.number) for own in kept()])()
        return number in numbers

    def may_be_shared(self, region: Region, offset: int, write: bool) -> bool:
        """Whether this is what is left of a turn; or is only read, and to whom an object belongs or a thread's rank."""
        allocator = FRAMES.FRAMES
        if region is allocator._region:
            return not write and offset == allocator._offset + FREE_BELONG
        if region is AUDIT.RING._region:
            return not write and offset == AUDIT.RING._offset + RING_BELONGS
        if region is not self.board.memory:
            return False
        objects = LIVE.get(self.board, set())
        address = board.DIRECT_BASE + offset
        guessed = (BELONGS, RANK, REPLY)
        return address - LEFT in objects or (not write and any(address - place in objects for place in guessed))

    def looks_at_users(self, count: Any, order: Order, changes: bool) -> None:
        """How many users a frame has was read or changed: who lets go of it has done so after all that it did there."""
        processor = self.board.processor
        is_count = count._region is self.board.memory and (id(count._region), count._offset // PAGE) not in self.pages
        if not is_count or processor.mode not in (VISITING, HOME):
            return
        clock = self.clocks.users[count._offset]
        if order != Order.RELAXED:
            self.clocks.take(clock)
            if changes:
                self.clocks.give(clock)
        if changes and self.board.random.random() < INTERLEAVED:
            self.board.interleave()

    def silently(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, what it touches not being looked at."""

        def call(*arguments: Any) -> Any:
            number = self.board.processor.number
            self.silent[number] += 1
            try:
                return function(*arguments)
            finally:
                self.silent[number] -= 1

        return call


def kept() -> Iterator[Any]:
    """Those whose words the processor that runs has taken."""
    own = OWN.line.kept
    while not own.is_null():
        yield own
        own = own.value.line.after


def place() -> str:
    """Where in the kernel the access is, and who called that."""
    frame: Any = sys._getframe(2)
    names: list[str] = []
    while frame is not None and len(names) < CALLERS:
        if "/lang/" not in frame.f_code.co_filename and frame.f_code.co_filename != __file__:
            names.append(f"{frame.f_code.co_name}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join(names)


@contextmanager
def replaced(owner: Any, name: str, instead: Any) -> Iterator[None]:
    """Another function in place of one."""
    original = getattr(owner, name)
    setattr(owner, name, instead)
    try:
        yield
    finally:
        setattr(owner, name, original)


def changes_of_words(watch: Watch) -> list[tuple[Any, str, Any]]:
    """What is replaced so that clocks know who takes and gives back which words."""
    clocks = watch.clocks

    def taking(name: str) -> Any:
        function = watch.silently(getattr(INSIDE, name))

        def call(self: Any) -> bool:
            done: bool = function(self)
            if done:
                clocks.take(clocks.of_words(self))
            return done

        return call

    def giving(name: str) -> Any:
        function = watch.silently(getattr(INSIDE, name))

        def call(self: Any) -> None:
            clocks.give(clocks.of_words(self))
            function(self)

        return call

    is_inside = watch.silently(INSIDE.is_inside.fget)

    def waiting(self: Any) -> bool:
        inside: bool = is_inside(self)
        if not inside:
            clocks.take(clocks.of_words(self))
        return inside

    changes: list[tuple[Any, str, Any]] = [(INSIDE, name, taking(name)) for name in ("try_enter", "try_take")]
    changes += [(INSIDE, name, giving(name)) for name in ("give", "leave")]
    return [*changes, (INSIDE, "is_inside", property(waiting))]


def of_users(watch: Watch, name: str) -> Any:
    """An operation on how many users a frame has."""
    function = getattr(Atomic, name)

    def call(self: Any, *arguments: Any) -> Any:
        result = function(self, *arguments)
        order = arguments[-1] if arguments and isinstance(arguments[-1], Order) else Order.SEQ_CST
        watch.looks_at_users(self, order, name != "load")
        return result

    return call


def check_is_queued(queue: Any, thread: Any) -> None:
    """A thread that is taken out of a run queue is in it."""
    one = queue.queues[int(thread.value.priority)].first
    while not one.is_null() and one != thread:
        one = one.value.queue_next
    assert one == thread, "a thread is taken out of a queue in which it is not"


def check_nothing_is_sent() -> None:
    """Whoever is alone finds every thread that is ready in a queue."""
    own = REQUESTS.ALL.first
    while not own.is_null():
        assert own.value.line.sent.load() == 0, "a thread is ready, and in no queue"
        own = own.value.line.next


def changes_of_sending(watch: Watch) -> list[tuple[Any, str, Any]]:
    """What is replaced so that clocks know of threads that are sent, and none is on its way when somebody is alone."""
    send, take_in, exclude, clocks = PLACEMENT._send, PLACEMENT.take_in, SCHEDULER.exclude, watch.clocks
    remove = RUN_QUEUE.remove

    def sending(thread: Any, processor: Any) -> None:
        clocks.give(clocks.sent[clocks.whose(processor, 0)])
        watch.silently(send)(thread, processor)

    def taking_in(processor: Any) -> None:
        clocks.take(clocks.sent[clocks.whose(processor, 0)])
        take_in(processor)

    def excluding(*arguments: Any) -> None:
        exclude(*arguments)
        watch.silently(check_nothing_is_sent)()

    def removing(self: Any, thread: Any) -> None:
        watch.silently(check_is_queued)(self, thread)
        remove(self, thread)

    changes: list[tuple[Any, str, Any]] = [(PLACEMENT, "_send", sending), (PLACEMENT, "take_in", taking_in)]
    return [*changes, (SCHEDULER, "exclude", excluding), (RUN_QUEUE, "remove", removing)]


def changes_of(watch: Watch, simulated: machine.Simulation) -> list[tuple[Any, str, Any]]:
    """What is replaced so that a watch sees all accesses, but for those that are as they should be."""
    read, write, shadowed = Region.read, Region.write, Region.write_shadowed

    def looked_read(self: Region, offset: int, size: int) -> int:
        watch.look(self, offset, False)
        return read(self, offset, size)

    def looked_write(self: Region, offset: int, size: int, value: int) -> None:
        before = self.data[offset : offset + size]
        write(self, offset, size, value)
        # What is written again, such as a home, is only looked at.
        watch.look(self, offset, self.data[offset : offset + size] != before)

    def whole_shadowed(self: Region, offset: int, raw: int, value: Any) -> None:
        watch.silently(shadowed)(self, offset, raw, value)
        watch.look(self, offset, True)

    changes: list[tuple[Any, str, Any]] = [(Region, "read", looked_read), (Region, "write", looked_write)]
    changes.append((Region, "write_shadowed", whole_shadowed))
    changes += changes_of_words(watch)
    changes += changes_of_sending(watch)
    changes += [(Atomic, name, watch.silently(getattr(Atomic, name))) for name in ("_get", "_set")]
    changes += [(Atomic, name, of_users(watch, name)) for name in ("load", "fetch_add", "fetch_sub")]
    changes += [(owner, name, watch.silently(getattr(owner, name))) for owner, name in GUESSES]
    # The machine's own looks.
    changes.append((simulated, "check_translations", watch.silently(simulated.check_translations)))
    if simulated.after_entry is not None:
        changes.append((simulated, "after_entry", watch.silently(simulated.after_entry)))
    return changes


@contextmanager
def watched(simulated: machine.Simulation) -> Iterator[Watch]:
    """Look at all accesses of a machine that is switched on."""
    watch = Watch(simulated)
    plain = [region for region in (*KERNEL.static_regions(), simulated.board.memory) if region.plain]
    with ExitStack() as stack:
        for owner, name, instead in changes_of(watch, simulated):
            stack.enter_context(replaced(owner, name, instead))
        for region in plain:
            region.plain = False
        try:
            yield watch
        finally:
            for region in plain:
                region.plain = True
