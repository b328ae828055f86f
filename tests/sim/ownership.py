"""Processors that are in the kernel at the same time touch different memory: looked at with every access.

While a processor is in the kernel without being alone there, each word that it reads or writes is its own until
the next time that one is alone. If another processor touches the same word before, and either of them writes, the run
fails, in whatever order they really came: so a missing look at who something belongs to is found without the bad
moment. The bad moments come too: others go on after some of the writes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from cloudos.lang import Atomic, Region, offset_of, size_of
from tests.sim.inventory import LIVE
from tests.sim.world import KERNEL, board, kernel_module, machine

HOME = 2
CALLERS = 3
INTERLEAVED = 0.05
"""How often others go on after a write."""

SCHEDULER, WAITING = kernel_module("sched.scheduler"), kernel_module("objects.waiting")
SCHEDULE, BUDGET = kernel_module("objects.schedule").Schedule, kernel_module("sched.budget").Budget
THREAD = kernel_module("objects.thread").Thread
GUESSES = (
    (SCHEDULER, "_load"),
    (SCHEDULER, "_longest"),
    (WAITING, "is_ours"),
    (WAITING, "has_our_time"),
    (WAITING, "_receives"),
)
"""They look at what may belong to others, and what they find need not be true any more."""

LEFT = int(offset_of(SCHEDULE, "budget") + offset_of(BUDGET, "left"))
"""What is left of a turn is counted by all processors that run on a schedule, and may be counted wrongly."""


class Shared(AssertionError):
    """Two processors touch the same memory at the same time."""


class Watch:
    """What was touched since a processor was alone: by whom, whether by a write, and from which line."""

    def __init__(self, simulated: machine.Simulation) -> None:
        self.board = simulated.board
        self.regions = {id(self.board.memory), *(id(region) for region in KERNEL.static_regions())}
        self.touched: dict[tuple[int, int], tuple[int, bool, str]] = {}
        self.turn = 0
        self.silent = 0
        self.home_accesses = 0

    def look(self, region: Region, offset: int, write: bool) -> None:
        """One access of the processor that runs."""
        processor = self.board.processor
        if processor.mode != HOME or self.silent or id(region) not in self.regions:
            return
        self.home_accesses += 1
        if self.board.turns_alone != self.turn:
            self.turn = self.board.turns_alone
            self.touched.clear()
        key = (id(region), offset)
        before = self.touched.get(key)
        if before is None or (before[0] == processor.number and write > before[1]):
            self.touched[key] = (processor.number, write, place())
        elif before[0] != processor.number and (write or before[1]) and not self.may_be_shared(region, offset):
            raise Shared(f"processor {before[0]} in {before[2]}, then {processor.number} in {place()}")
        if write and self.board.random.random() < INTERLEAVED:
            self.board.interleave()

    def may_be_shared(self, region: Region, offset: int) -> bool:
        """Whether this is what is left of a turn."""
        return region is self.board.memory and board.DIRECT_BASE + offset - LEFT in LIVE.get(self.board, set())

    def silently(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, what it touches not being looked at."""

        def call(*arguments: Any) -> Any:
            self.silent += 1
            try:
                return function(*arguments)
            finally:
                self.silent -= 1

        return call

    def hand_over_sent(self, processor: Any) -> None:
        """Threads that were sent belong to who takes them in."""
        first = int(processor.line.sent.load())
        while first:
            start = first - board.DIRECT_BASE
            for offset in range(start, start + int(size_of(THREAD))):
                self.touched.pop((id(self.board.memory), offset), None)
            thread = SCHEDULER.Ptr.at(THREAD, SCHEDULER.VirtAddr(first)).value
            first = self.silently(lambda thread: int(thread.queue_next.address.value))(thread)


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


def changes_of(watch: Watch, simulated: machine.Simulation) -> list[tuple[Any, str, Any]]:
    """What is replaced so that a watch sees all accesses, but for those that are as they should be."""
    read, write, shadowed, take_in = Region.read, Region.write, Region.write_shadowed, SCHEDULER.take_in

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

    def handing_over(processor: Any) -> None:
        watch.hand_over_sent(processor)
        take_in(processor)

    changes: list[tuple[Any, str, Any]] = [(Region, "read", looked_read), (Region, "write", looked_write)]
    changes += [(Region, "write_shadowed", whole_shadowed), (SCHEDULER, "take_in", handing_over)]
    changes += [(Atomic, name, watch.silently(getattr(Atomic, name))) for name in ("_get", "_set")]
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
    plain = [region for region in KERNEL.static_regions() if region.plain]
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
