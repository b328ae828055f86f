"""The state of the simulated machine: memory, processor registers, clock, devices, and what the outside will do.

There is one machine at a time, `current()`; `machine.Simulation` makes a new one for each boot. Everything random is
drawn from `random`, so that a seed fixes the whole run. What the hardware does is written in plain Python; only what
the generic kernel sees has the types of `cloudos.lang`.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from cloudos.kernel.hal.shared.lock import ALONE, OUTSIDE
from cloudos.lang import Region

DIRECT_BASE = 0xFFFF_8000_0000_0000
# Static data and local variables of the kernel get addresses from here on.
KERNEL_BASE = 0xFFFF_9000_0000_0000
PAGE = 4096
# Below: where a real machine has its firmware.
MEMORY_START = 1 << 20
KERNEL_IMAGE = PAGE

# Page table entries. They differ from x86's on purpose: a table is at `entry & FRAME`, execution is allowed by a bit.
PRESENT = 1
WRITE = 2
USER = 4
EXECUTE = 8
DEVICE = 16
LEAF = 32
FRAME = 0x000F_FFFF_FFFF_F000
# Of page tables, usually.
LEVELS = 4

# Lines of the interrupt controller.
LINES = 24

# Nanoseconds, 292 years: no run goes on beyond. The clock has 64 bits.
LAST_TIME = 1 << 63


class PoweredOff(BaseException):
    """The kernel switched the machine off."""


class Reset(PoweredOff):
    """The kernel reset the machine."""


class Stuck(BaseException):
    """The processor sleeps, and nothing will ever wake it, or not before LAST_TIME."""


class UserMode(BaseException):
    """The end of the boot: from here on, user code runs."""


@dataclass
class Access:
    """What an instruction wants of memory."""

    write: bool = False
    execute: bool = False


@dataclass(frozen=True)
class Denied:
    """Why the translation of an address failed. `present`: it is mapped, but not for this."""

    address: int
    present: bool
    access: Access


@dataclass
class Line:
    """An input of the interrupt controller. `sent`: of a level-triggered one, until the interrupt has been ended."""

    is_open: bool = False
    is_level: bool = False
    signal: bool = False
    sent: bool = False


class PortDevice(Protocol):
    """Something that answers at I/O ports. Offsets count from its first port; `width` is in bytes."""

    def read(self, offset: int, width: int) -> int: ...

    def write(self, offset: int, width: int, value: int) -> None: ...


@dataclass(order=True)
class Event:
    """Something from outside, at a time in nanoseconds."""

    time: int
    order: int
    action: Callable[[Board], None] = field(compare=False)


class Processor:
    """The registers of a processor. `data`: address of what the kernel keeps for it; `asleep`: until an interrupt."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.data = 0
        self.alarm: int | None = None
        self.root = 0
        self.translations: dict[int, tuple[int, int, int]] = {}
        self.fault_address = 0
        self.vectors = 0
        self.pending: deque[str] = deque()
        # Interrupts being handled.
        self.in_service: list[str] = []
        self.asleep = False
        # Whether it is in the kernel, and what it may touch: see `hal/shared/lock.py`.
        self.mode = ALONE if number == 0 else OUTSIDE
        # Whether it wanted to keep out one more, and somebody else does.
        self.was_refused = False
        # Whether it executes anything yet.
        self.started = number == 0

    def interrupt(self, kind: str) -> None:
        """Something wants its attention."""
        if kind not in self.pending:
            self.pending.append(kind)


def _of_processor(name: str) -> Any:
    """A register of the processor that runs."""
    return property(
        lambda self: getattr(self.processor, name), lambda self, value: setattr(self.processor, name, value)
    )


class Board:
    """All that the machine is, and what will happen to it. Times are in nanoseconds since it was switched on.

    Processors take turns: `interleave` lets another one go on, usually chosen at random. `levels`: of page tables, 4
    or 5.
    """

    alarm = _of_processor("alarm")
    root = _of_processor("root")
    translations = _of_processor("translations")
    fault_address = _of_processor("fault_address")
    vectors = _of_processor("vectors")
    pending = _of_processor("pending")
    in_service = _of_processor("in_service")

    def __init__(self, memory: Region, seed: int = 0, processors: int = 1, levels: int = LEVELS) -> None:
        self.memory = memory
        self.levels = levels
        self.random = Random(seed)
        self.clock = 0
        self.processors = [Processor(number) for number in range(processors)]
        self.processor = self.processors[0]
        self.are_several = False
        self.start_processor: Callable[[int], None] = lambda _: None
        self.switch: Callable[[Processor], None] = lambda _: None
        # Which of those goes on that are able to, see `interleave`.
        self.choose: Callable[[list[Processor], bool], Processor] = lambda able, _waits: self.random.choice(able)
        self.module = (0, 0)
        # Where each node's memory begins and ends.
        self.nodes = [(0, memory.size)]
        self.log = bytearray()
        self.commands: deque[int] = deque()
        self.output = bytearray()
        self.input = bytearray()
        # Until when the host has not taken all output.
        self.busy_until = 0
        self.lines = [Line() for _ in range(LINES)]
        self.port_devices: dict[range, PortDevice] = {}
        # How often an alarm comes early, and the host takes its time.
        self.early_alarms = 0.1
        self.slow_host = 0.2
        self.deliver: Callable[[str], None] = lambda _: None
        self.fault_in_kernel: Callable[[int, Denied], bool] = lambda _address, _why: False
        # Memory of user code that is not in the machine's, where user code is what runs under CPython: by address and
        # length, with the offset in it.
        self.private_memory: Callable[[int, int], tuple[Region, int] | None] = lambda _address, _length: None
        self._events: list[Event] = []
        self._order = itertools.count()

    def at(self, time: int, action: Callable[[Board], None]) -> None:
        """Have something happen at a time, or as soon as possible when that is past."""
        heapq.heappush(self._events, Event(time, next(self._order), action))

    def advance(self, duration: int) -> None:
        """Let time pass: the alarm and outside events that are due become pending interrupts."""
        self.clock += duration
        while self._events and self._events[0].time <= self.clock:
            heapq.heappop(self._events).action(self)
        for processor in self.processors:
            if processor.alarm is not None and processor.alarm <= self.clock:
                processor.alarm = None
                processor.pending.append("timer")

    def interleave(self, waits: bool = False) -> None:
        """Let another processor go on, or this one; when all sleep, jump to the next thing that happens.

        `waits`: this one waits for something that another one does.
        """
        if not self.are_several:
            return
        while True:
            able = [one for one in self.processors if one.started and (one.pending or not one.asleep)]
            if able:
                break
            self.advance_to_event()
        chosen = self.choose(able, waits)
        if chosen is not self.processor:
            self.switch(chosen)

    def advance_to_event(self) -> None:
        """Sleep: jump to the next thing that happens. Raises Stuck when there is none."""
        times = [self._events[0].time] if self._events else []
        times += [processor.alarm for processor in self.processors if processor.alarm is not None]
        if not times or min(times) > LAST_TIME:
            raise Stuck("the processor waits for an interrupt that will never come")
        self.advance(max(min(times) - self.clock, 0))

    def send_command(self, command: int) -> None:
        """The host sends a byte on the console."""
        self.commands.append(command)
        self.processors[0].pending.append("console")

    def send_input(self, data: bytes) -> None:
        """The host sends bytes on the program channel."""
        self.input += data
        self.processors[0].pending.append("channel")

    def set_line(self, number: int, signal: bool) -> None:
        """A device's signal begins or ends. A masked line that is not level-triggered forgets that it began."""
        line = self.lines[number]
        began = signal and not line.signal
        line.signal = signal
        if line.is_level:
            self._service(number)
        elif began and line.is_open:
            self._send(number)

    def pulse_line(self, number: int) -> None:
        """A signal that begins and ends."""
        self.set_line(number, True)
        self.set_line(number, False)

    def configure_line(self, number: int, is_level: bool, is_open: bool) -> None:
        """The kernel opens or masks a line. What was sent already still arrives."""
        line = self.lines[number]
        line.is_level, line.is_open = is_level, is_open
        self._service(number)

    def end_interrupt(self) -> None:
        """The kernel ends the interrupt being handled."""
        assert self.in_service, "acknowledged an interrupt that is not being handled"
        kind, _, number = self.in_service.pop().partition(" ")
        if kind == "line":
            self.lines[int(number)].sent = False
            self._service(int(number))

    def _service(self, number: int) -> None:
        line = self.lines[number]
        if line.is_level and line.signal and line.is_open and not line.sent:
            line.sent = True
            self._send(number)

    def _send(self, number: int) -> None:
        self.processors[0].interrupt(f"line {number}")

    def port_device(self, port: int) -> tuple[PortDevice | None, int]:
        """What answers at a port, and the offset there."""
        for ports, device in self.port_devices.items():
            if port in ports:
                return device, port - ports.start
        return None, 0

    def invalidate(self, address: int) -> None:
        """Forget the translations of the page that holds an address, of whatever size it was."""
        number = address // PAGE
        self.translations = {
            page: found for page, found in self.translations.items() if page >> 9 * found[2] != number >> 9 * found[2]
        }

    @property
    def half(self) -> int:
        """The size of either half of the addresses: user addresses are below, the kernel's as far from the end."""
        return 1 << (11 + 9 * self.levels)

    # Translation, as the processor's own page table walk does it.

    def walk(self, address: int, root: int | None = None) -> tuple[int, int] | None:
        """Last entry and its level for an address, from the tables in memory; None where nothing is mapped."""
        table = self.root if root is None else root
        for level in reversed(range(self.levels)):
            entry = self.memory.read(table + 8 * (address >> (12 + 9 * level) & 511), 8)
            if not entry & PRESENT:
                return None
            if entry & LEAF:
                return entry, level
            table = entry & FRAME
        raise AssertionError(f"the last table for {address:#x} has an entry that is not a leaf")

    def translate(self, address: int, access: Access) -> int | Denied:
        """The physical address for an access in user mode. Uses a translation buffer, as real processors do."""
        page = address // PAGE
        known = self.processor.translations
        cached = known.get(page)
        if cached is None or not _allows(cached[0], access):
            found = self.walk(address)
            if found is None:
                return Denied(address, False, access)
            entry, level = found
            if not _allows(entry, access):
                return Denied(address, True, access)
            base = (entry & FRAME) + (address & ((PAGE << 9 * level) - 1)) // PAGE * PAGE
            cached = known[page] = (entry, base, level)
        return cached[1] + address % PAGE


def _allows(entry: int, access: Access) -> bool:
    if not entry & USER or (access.write and not entry & WRITE):
        return False
    return not access.execute or bool(entry & EXECUTE)


_boards: list[Board] = []


def current() -> Board:
    """The machine that is switched on. LookupError when none is."""
    if not _boards:
        raise LookupError("no simulated machine is switched on")
    return _boards[-1]


def running() -> Board | None:
    """The machine that is switched on, if one is."""
    return _boards[-1] if _boards else None


def switch_on(board: Board) -> None:
    """Make this the current machine."""
    _boards.append(board)


def switch_off(board: Board) -> None:
    """The opposite of `switch_on`."""
    _boards.remove(board)
