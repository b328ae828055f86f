"""`cloudos bench --against linux`: our rows beside those of Linux, with the ratios to reach.

Both systems run in the same emulator on a machine with the same memory, and count instructions in the same way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

from cloudos.host import bench, debian, linux, qemu

UNMITIGATED = "mitigations=off"
"""The kernel parameter of the second measurement: without what guards against faults of processors."""


@dataclass(frozen=True)
class Pair:
    """Which row of ours is compared with which of Linux'; how many times ours must be smaller, 0 for no such target."""

    measure: str
    ours: str
    linux: str
    target: int = 0


PAIRS = (
    Pair("null call, getppid", "null_system_call", "null_system_call", 5),
    Pair("round trip, pipe", "round_trip", "pipe_round_trip", 25),
    Pair("boot to user", "boot_to_user", "boot_to_user", 20),
    Pair("round trip 4 KB, pipe", "round_trip_4_kb", "pipe_round_trip_4_kb"),
    Pair("wake-ups, eventfd", "notification_round_trip_other_space", "eventfd_round_trip"),
    Pair("wake-ups, futex", "notification_round_trip_other_space", "futex_round_trip_other_space"),
    Pair("wake-ups of threads, futex", "notification_round_trip_same_space", "futex_round_trip_same_space"),
    Pair("signal to oneself, SIGUSR1", "notification_signal_and_wait", "signal_delivery"),
    Pair("timer to thread", "interrupt_to_handler", "interrupt_to_handler"),
    Pair("switch of threads, yield", "thread_switch_same_space", "thread_switch_same_space"),
    Pair("switch of processes, yield", "thread_switch_other_space", "thread_switch_other_space"),
    Pair("thread, clone and join", "thread_create_destroy", "thread_create_join"),
    Pair("process, fork and wait", "program_run", "fork_exit_wait"),
    Pair("process, fork, exec, wait", "program_run", "fork_exec_exit_wait"),
    Pair("fault, new page", "page_fault_anonymous", "page_fault_anonymous"),
    Pair("fault, copy on write", "page_fault_copy_on_write", "page_fault_copy_on_write"),
    Pair("fault, shared page", "page_fault_shared", "page_fault_shared"),
    Pair("map, unmap 1 page", "map_unmap_1_page", "map_unmap_1_page"),
    Pair("map, unmap 512 pages", "map_unmap_512_pages", "map_unmap_512_pages"),
    Pair("map, write, unmap 1 page", "map_touch_unmap_1_page", "map_touch_unmap_1_page"),
    Pair("map, write, unmap 512 pages", "map_touch_unmap_512_pages", "map_touch_unmap_512_pages"),
    Pair("derive a handle, dup", "handle_derive", "dup"),
    Pair("close a handle, close", "handle_close", "close"),
    Pair("memory used, bytes", "memory_used", "memory_used"),
)


@dataclass(frozen=True)
class Compared:
    """One line of the table. `ratio` is Linux' number by ours; `plain` that of Linux without mitigations; `target` the
    ratio to reach, and whether it was."""

    measure: str
    cloudos: int
    linux: int
    ratio: float
    plain: int | None
    target: str


@dataclass
class Comparison:
    """Everything that was measured on both systems."""

    arch: str
    linux_version: str
    qemu_version: str
    memory_mb: int = linux.MEMORY_MB
    rows: list[Compared] = field(default_factory=list)

    @property
    def met(self) -> bool:
        """Whether every ratio that is a target was reached."""
        return all("missed" not in row.target for row in self.rows)

    def as_json(self) -> str:
        """The object that docs/benchmarks.md describes."""
        return json.dumps(asdict(self), indent=2) + "\n"


def measure(arch: str) -> Comparison:
    """Run both systems. Raises ToolError, and what compiling the programs raises."""
    kernel = debian.kernel(arch)
    ours = own_numbers(arch)
    theirs = with_memory_used(linux.numbers(arch, kernel))
    unmitigated = with_memory_used(linux.numbers(arch, kernel, UNMITIGATED))
    found = Comparison(arch, f"{kernel.package} {kernel.version}", qemu.require(arch).version)
    found.rows = list(compared(ours, theirs, unmitigated))
    return found


def own_numbers(arch: str) -> dict[str, int]:
    """Our rows, on machines with as much memory as Linux gets."""
    memory = linux.MEMORY_MB << 20
    found: dict[str, int] = {}
    for name in bench.TIMED:
        found |= bench.numbers(bench.program(name), arch, memory)
    return found | {"memory_used": bench.memory_used(arch, memory)}


def with_memory_used(theirs: Mapping[str, int]) -> dict[str, int]:
    """Linux' rows, with what is not free when its first program begins."""
    return {**theirs, "memory_used": (linux.MEMORY_MB << 20) - theirs["memory_free"]}


def compared(ours: Mapping[str, int], theirs: Mapping[str, int], unmitigated: Mapping[str, int]) -> Iterator[Compared]:
    """A row for each pair that both systems have."""
    for pair in PAIRS:
        if pair.ours in ours and pair.linux in theirs:
            ratio = round(theirs[pair.linux] / ours[pair.ours], 1)
            verdict = ""
            if pair.target:
                # Not the rounded ratio: 4.96 is less than 5.
                reached = theirs[pair.linux] >= pair.target * ours[pair.ours]
                verdict = f"{pair.target}: {'met' if reached else 'missed'}"
            yield Compared(
                pair.measure, ours[pair.ours], theirs[pair.linux], ratio, unmitigated.get(pair.linux), verdict
            )
