"""Where instructions went: from counts of blocks in a tree of call instructions to functions and lines of Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cloudos.host.observer.lines import Line, Lines
from cloudos.host.observer.processes import Process, roots
from cloudos.host.observer.watching import HIGH_HALF, KERNEL_BASE, Record

KERNEL, FIRMWARE, NOBODY, UNKNOWN = "kernel", "firmware", "boot and idle", "unknown"
MOST_DEPTH = 100
"""Calls of which the flame graph shows more are shown at the last one."""


@dataclass(frozen=True)
class Frame:
    """A function of a program, or of the kernel; for `file` "" a symbol."""

    binary: str
    file: str
    function: str


@dataclass(eq=False)
class Tree:
    """Functions that were called from a function; `own`: instructions of the function itself, called like this."""

    frame: Frame
    parent: Tree | None = None
    own: int = 0
    inner: dict[Frame, Tree] = field(default_factory=dict)
    depth: int = 0

    def child(self, frame: Frame) -> Tree:
        """The function called from here; this one when the tree is deep enough."""
        if self.depth >= MOST_DEPTH:
            return self
        if frame not in self.inner:
            self.inner[frame] = Tree(frame, self, depth=self.depth + 1)
        return self.inner[frame]

    def all(self) -> Iterator[Tree]:
        """This and everything below, callers first."""
        waiting = [self]
        while waiting:
            one = waiting.pop()
            yield one
            waiting.extend(one.inner.values())


@dataclass(frozen=True)
class FunctionCost:
    """Instructions of a function: `own`, and with what it calls."""

    frame: Frame
    own: int
    total: int


@dataclass(frozen=True)
class LineCost:
    """Instructions of a line, without what it calls."""

    frame: Frame
    line: int
    own: int


@dataclass(frozen=True)
class Profile:
    """What was selected of a run: `total` instructions, in a tree from the processes on, by line, and by process."""

    total: int
    tree: Tree
    lines: tuple[LineCost, ...]
    processes: dict[str, int]

    def functions(self) -> list[FunctionCost]:
        """All functions, those with most instructions of their own first."""
        own: Counter[Frame] = Counter()
        whole: Counter[Frame] = Counter()
        totals = totals_of(self.tree)
        for one in self.tree.all():
            if one.depth < 2:
                continue
            own[one.frame] += one.own
            if not is_inside_itself(one):
                whole[one.frame] += totals[one]
        costs = [FunctionCost(frame, own[frame], total) for frame, total in whole.items()]
        return sorted(costs, key=lambda cost: (-cost.own, -cost.total, cost.frame.file, cost.frame.function))


def is_inside_itself(tree: Tree) -> bool:
    """Whether a caller, at whatever distance, is the same function."""
    at = tree.parent
    while at is not None:
        if at.frame == tree.frame:
            return True
        at = at.parent
    return False


def totals_of(tree: Tree) -> dict[Tree, int]:
    """The instructions of each function with all that it calls."""
    found: dict[Tree, int] = defaultdict(int)
    for one in reversed(list(tree.all())):
        found[one] += one.own
        if one.parent is not None:
            found[one.parent] += found[one]
    return found


class Profiler:
    """Turns records into profiles. Source files of programs are looked for in `folders` too."""

    def __init__(self, record: Record, processes: dict[int, Process], kernel: Path, folders: tuple[Path, ...]) -> None:
        self.record = record
        self.processes = processes
        self.owners = roots(record)
        self.folders = folders
        self.kernel = kernel
        self.known: dict[Path, Lines] = {}
        self.stacks: dict[tuple[int, int], tuple[tuple[Frame, int], ...]] = {}

    def name(self, owner: int) -> str:
        """What a process is called."""
        return self.processes[owner].name if owner in self.processes else UNKNOWN if owner else NOBODY

    def select(self, wanted: Callable[[int, int], bool]) -> Profile:
        """The profile of all instructions for which `wanted(process, address)` holds.

        What is called by instructions that are left out begins at the process.
        """
        tree = Tree(Frame("", "", "all"))
        lines: Counter[tuple[Frame, int]] = Counter()
        processes: Counter[str] = Counter()
        places: dict[int, Tree] = {}
        for count in self.record.counts:
            owner = self.owners[count.node]
            if not wanted(owner, count.block.addresses[0]):
                continue
            place = self.place(count.node, tree, places, wanted)
            for address in count.block.addresses[: count.executed]:
                stack = self.stack(owner, address)
                at = place
                for frame, _ in stack:
                    at = at.child(frame)
                at.own += count.count
                lines[stack[-1]] += count.count
            processes[self.name(owner)] += count.executed * count.count
        costs = [LineCost(frame, line, own) for (frame, line), own in lines.items()]
        costs.sort(key=lambda cost: (-cost.own, cost.frame.file, cost.line))
        return Profile(sum(processes.values()), tree, tuple(costs), dict(processes.most_common()))

    def place(self, node: int, tree: Tree, places: dict[int, Tree], wanted: Callable[[int, int], bool]) -> Tree:
        """Where in the tree of functions a node of the tree of call instructions is."""
        path = []
        at = node
        while at and at not in places:
            path.append(at)
            at = self.record.nodes[at][0]
        for one in reversed(path):
            parent, site = self.record.nodes[one]
            owner = self.owners[one]
            if not parent:
                places[one] = tree.child(Frame("", "", self.name(owner)))
                continue
            found = places[parent]
            if site and wanted(owner, site):
                for frame, _ in self.stack(owner, site):
                    found = found.child(frame)
            places[one] = found
        return places[node]

    def stack(self, owner: int, address: int) -> tuple[tuple[Frame, int], ...]:
        """The function of an instruction with its line, and before it those that it was inlined into."""
        key = (0 if address >= HIGH_HALF else owner, address)
        if key not in self.stacks:
            binary, lines = self.resolve(owner, address)
            self.stacks[key] = tuple((Frame(binary, one.file, one.function), one.line) for one in reversed(lines))
        return self.stacks[key]

    def resolve(self, owner: int, address: int) -> tuple[str, tuple[Line, ...]]:
        """The program that an instruction is of, and its lines."""
        if address >= HIGH_HALF:
            return KERNEL, self.lines(self.kernel).at(address)
        if not owner:
            lines = self.lines(self.kernel)
            # The kernel's own first instructions run where it was loaded.
            if lines.symbols.is_code(address + KERNEL_BASE):
                return KERNEL, lines.at(address + KERNEL_BASE)
            return FIRMWARE, (Line("", 0, FIRMWARE),)
        process = self.processes.get(owner)
        if process is None or process.elf is None:
            return self.name(owner), (Line("", 0, UNKNOWN),)
        return process.name, self.lines(process.elf).at(address)

    def lines(self, elf: Path) -> Lines:
        """The lines of an ELF file, read once."""
        if elf not in self.known:
            self.known[elf] = Lines(elf, self.folders)
        return self.known[elf]
