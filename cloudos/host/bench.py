"""`cloudos bench`: what the kernel costs, in instructions and bytes, the same in every run.

The programs of `bench/` run on a machine whose time counts instructions, and print a key and a number per line. Keys
are those of docs/benchmarks.md, which says what each contains. What cannot be measured is absent.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cloudos.host import boot_times, counted, image, qemu, size, state
from cloudos.host.errors import ToolError

MEMORY_MB = 64
"""Of the machine on which instructions are counted."""

LARGE_MEMORY_MB = 256
"""Of the machine on which the part of memory is measured that programs can have."""

TIMED = ("microkernel.py", "messages.py", "pages.py", "objects.py", "latency.py")
SEVERAL = ("microkernel.py", "messages.py", "pages.py", "objects.py")
"""Of these, those that run with several processors too: in `latency.py` two threads have to share one."""

PAIRS, PAIRS_BATCHES, PAIRS_MEMORY = "pairs.py", "4", 256 << 20
"""The program whose pairs exchange messages, each on a processor of its own."""

APART = (
    "boot_to_user",
    "thread_switch_same_space",
    "thread_switch_other_space",
    "message_send",
    "thread_create_destroy",
)
"""Numbers that say nothing where the other thread runs on another processor, or the start waits for one."""

LARGEST_KB, STEP_KB = 8 << 10, 64
GREETING = "Hello, world!"


@dataclass
class Report:
    """One run of all benchmarks; numbers that could not be measured are None or not there."""

    arch: str
    qemu: str = ""
    processors: int = 1
    memory_mb: int = MEMORY_MB
    bytes: dict[str, int] = field(default_factory=dict)
    instructions: dict[str, int] = field(default_factory=dict)
    smallest_memory_kb: int | None = None
    memory_overhead_percent: float | None = None

    def as_object(self) -> dict[str, Any]:
        """The object that is documented, without what is None."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    def as_json(self) -> str:
        """The same as text."""
        return json.dumps(self.as_object(), indent=2) + "\n"


@dataclass(frozen=True)
class Row:
    """One line of the table, under the name that it has in the JSON object."""

    measure: str
    value: str
    unit: str


def measure(arch: str) -> Report:
    """Run everything. Raises ToolError when a benchmark does not end in order, and what the compiler raises."""
    report = Report(arch, qemu.require(arch).version)
    report.bytes["kernel"], _ = size.verdict(size.measure(image.build_kernel(arch)))
    report.bytes["memory_used"] = memory_used(arch, MEMORY_MB << 20)
    for name in TIMED:
        report.instructions |= numbers(program(name), arch)
    report.instructions |= boot_times.measure(arch)
    report.instructions["boot_to_user_4_gb"] = numbers(program(TIMED[0]), arch, 4 << 30)["boot_to_user"]
    used = memory_used(arch, LARGE_MEMORY_MB << 20)
    report.memory_overhead_percent = round(100 * used / (LARGE_MEMORY_MB << 20), 3)
    report.smallest_memory_kb = smallest_memory(arch)
    return report


def measure_several(arch: str, processors: int) -> Report:
    """What can be measured with several processors. QEMU runs them in turns, and counts what all of them execute.

    Raises as `measure` does.
    """
    report = Report(arch, qemu.require(arch).version, processors)
    report.bytes["kernel"], _ = size.verdict(size.measure(image.build_kernel(arch)))
    for name in SEVERAL:
        found = numbers(program(name), arch, processors=processors)
        report.instructions |= {key: value for key, value in found.items() if key not in APART}
    report.instructions |= numbers(program(PAIRS), arch, PAIRS_MEMORY, processors, str(processors), PAIRS_BATCHES)
    return report


def memory_used(arch: str, memory: int) -> int:
    """How much of a machine's `memory` a program cannot have; both in bytes."""
    return memory - numbers(program("memory.py"), arch, memory)["bytes"]


def program(name: str) -> Path:
    """A benchmark of this checkout. Raises ToolError when there is none."""
    path = state.ROOT / "bench" / name
    if not path.exists():
        raise ToolError("benchmarks run from a checkout of the repository", "clone it and run bin/cloudos bench there")
    return path


def numbers(
    source: Path, arch: str, memory: int = MEMORY_MB << 20, processors: int = 1, *arguments: str
) -> dict[str, int]:
    """What a program of ours prints: a key and a number on each line. Raises ToolError when it fails."""
    outcome = counted.run(image.build(source, arch), *arguments, memory=memory, processors=processors, in_turns=True)
    if not outcome.in_order:
        log = "\n".join(outcome.log.lines[-5:])
        raise ToolError(f"{source.name} did not end in order ({outcome.ended.value})\n{outcome.errors}{log}")
    return {key: int(value) for key, value in (line.split() for line in outcome.output.splitlines())}


def smallest_memory(arch: str) -> int | None:
    """KB of the smallest machine that runs examples/hello.py, in steps of STEP_KB; None when LARGEST_KB do not."""
    built = image.build(state.ROOT / "examples" / "hello.py", arch)
    too_little, enough = 0, LARGEST_KB
    if not greets(built, enough):
        return None
    while enough - too_little > STEP_KB:
        middle = (too_little + enough) // 2 // STEP_KB * STEP_KB
        if greets(built, middle):
            enough = middle
        else:
            too_little = middle
    return enough


def greets(built: image.Image, kilobytes: int) -> bool:
    """Whether a machine of that size runs it."""
    outcome = counted.run(built, memory=kilobytes << 10, seconds=5, processors=1)
    return outcome.in_order and GREETING in outcome.output


def rows(report: Report) -> list[Row]:
    """The report as a table."""
    table = [Row(f"bytes.{key}", f"{value:,}", "bytes") for key, value in report.bytes.items()]
    table += [Row(key, f"{value:,}", "instructions") for key, value in report.instructions.items()]
    if report.smallest_memory_kb is not None:
        table.append(Row("smallest_memory_kb", f"{report.smallest_memory_kb:,}", "KB"))
    if report.memory_overhead_percent is not None:
        table.append(Row("memory_overhead_percent", f"{report.memory_overhead_percent:g}", "%"))
    return table
