"""The tool's side of the plugin: compile it, share an arena with it, and read what it has written there."""

from __future__ import annotations

import functools
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from cloudos.host import image, state
from cloudos.host.apart import apart
from cloudos.host.errors import ToolError
from cloudos.host.machine import Observed, memory_file
from cloudos.host.observer import arena
from cloudos.host.observer.arena import Arena
from cloudos.lang import offset_of, size_of

PAGE = 4096
KERNEL_BASE = 0xFFFF_FFFF_8000_0000
"""What the kernel is linked at, on each architecture."""
DIRECT_BASE = 0xFFFF_8000_0000_0000
"""Where the kernel sees physical memory (kernel/hal/shared/direct.py)."""
HIGH_HALF = 1 << 63

EARLY = {"x86_64": (KERNEL_BASE + 0x100000, 0x100000, 0), "aarch64": (0x4011_0000, 0x4011_0000, 0x4000_0000)}
"""By architecture: an address of early instructions, what it is physically, and where memory begins: the kernel of
x86_64 is loaded at 1 MB; on `virt` the kernel begins at its physical address, which is TEXT_OFFSET from there."""
EARLY_SIZE = 0x1000

NEEDED = ("kernel_system_call", "kernel_user_trap", "kernel_end", "processor")
"""Symbols of the kernel that the plugin looks at."""

TABLES = {
    "blocks": (arena.BLOCKS, size_of(arena.Block)),
    "instructions": (arena.INSTRUCTIONS, 8),
    "nodes": (arena.NODES, size_of(arena.Node)),
    "counters": (arena.COUNTERS, size_of(arena.Counter)),
    "tasks": (arena.TASKS, size_of(arena.Task)),
    "events": (arena.EVENTS, size_of(arena.Event)),
    "node_index": (arena.NODE_INDEX, 4),
    "counter_index": (arena.COUNTER_INDEX, 4),
}
"""Entries and bytes of an entry."""

BLOCK = struct.Struct("<QIIQB15xQ")
NODE = struct.Struct("<I4xQ")
COUNTER = struct.Struct("<III4xQ")
EVENT = struct.Struct("<B7xQQQ20Q")
FORMATS = {"blocks": BLOCK, "nodes": NODE, "counters": COUNTER, "events": EVENT}
assert all(form.size <= TABLES[name][1] for name, form in FORMATS.items())


@dataclass(frozen=True)
class Block:
    """Instructions that follow each other: their addresses, FNV-1a of their code."""

    addresses: tuple[int, ...]
    digest: int


@dataclass(frozen=True)
class Count:
    """`count` times the first `executed` instructions of a block were executed, called from a node of the tree."""

    node: int
    block: Block
    executed: int
    count: int


@dataclass(frozen=True)
class Event:
    """Something that happened; `time` in instructions. See `arena.Seen` and `tracing.py`."""

    kind: arena.Seen
    thread: int
    owner: int
    time: int
    values: tuple[int, ...]


@dataclass(frozen=True)
class Record:
    """What a run left: counts, the tree of calls (parent and site of each node by its number; 0 is none), events, and
    what found no room."""

    counts: tuple[Count, ...]
    nodes: tuple[tuple[int, int], ...]
    events: tuple[Event, ...]
    executed: int
    lost: dict[str, int]


def library(architecture: str) -> Path:
    """The plugin for guests of an architecture, compiled for this machine. Raises ToolError, CompileError."""
    output = state.directory() / "build" / f"observer-{architecture}.so"
    if not image.up_to_date(output.with_suffix(".sources.json"), architecture, output):
        apart(compile_library, architecture, output)
    return output


def compile_library(architecture: str, output: Path) -> None:
    """In a process of its own: which kernel's declarations the plugin reads is decided when they are imported."""
    os.environ["CLOUDOS_ARCHITECTURE"] = architecture
    state.use_cache()

    def work() -> None:
        from cloudos.compiler import api

        api.compile_library(import_module("cloudos.host.observer.plugin").IMAGE, output)

    image.compiled(output, architecture, work)


@dataclass
class Watch:
    """An arena and the plugin that is to write into it."""

    observed: Observed
    view: mmap.mmap

    def field(self, name: str) -> int:
        """A field of the header."""
        return int.from_bytes(self.view[offset_of(Arena, name) : offset_of(Arena, name) + 8], "little")

    def put(self, name: str, value: int) -> None:
        """Write a field of the header."""
        at = offset_of(Arena, name)
        self.view[at : at + 8] = value.to_bytes(8, "little")

    def table(self, name: str) -> Iterator[Any]:
        """The entries of a table that are in use, as `FORMATS` has them."""
        start, size = self.field(f"{name}_at"), TABLES[name][1]
        form = FORMATS[name]
        # A number is counted up also when there is no room.
        for index in range(min(self.field(name), TABLES[name][0])):
            yield form.unpack_from(self.view, start + index * size)

    def reached(self) -> set[int]:
        """The addresses of instructions of all blocks that were executed, where `only_lines` was asked for."""
        found: set[int] = set()
        start = self.field("instructions_at")
        for _, first, count, _, _, executed in self.table("blocks"):
            if executed:
                found.update(struct.unpack_from(f"<{count}Q", self.view, start + 8 * first))
        return found

    def record(self) -> Record:
        """What was seen. Raises ToolError when nothing was: the plugin did not run, or failed."""
        if self.field("panic"):
            site = self.field("panic")
            raise ToolError(f"the plugin failed at file {site >> 16 & 0xFFF} line {site & 0xFFFF}", "report this")
        if not self.field("executed"):
            raise ToolError(
                "nothing was counted: QEMU did not take the plugin", "it has to be version 7.2 to 8.2, with plugins"
            )
        start = self.field("instructions_at")
        count = min(self.field("instructions"), arena.INSTRUCTIONS)
        addresses = struct.unpack_from(f"<{count}Q", self.view, start)
        blocks = [Block(addresses[first : first + n], digest) for _, first, n, digest, *_ in self.table("blocks")]
        counts = [
            Count(node, blocks[block], executed or len(blocks[block].addresses), times)
            for node, block, executed, times in self.table("counters")
            if times
        ]
        events = [
            Event(arena.Seen(kind), thread, owner, time, tuple(values))
            for kind, thread, owner, time, *values in self.table("events")
        ]
        lost = {name: self.field(f"lost_{name}") for name in ("blocks", "nodes", "counts", "events")}
        return Record(tuple(counts), tuple(self.table("nodes")), tuple(events), self.field("executed"), lost)


@contextmanager
def watch(
    kernel: Path, architecture: str, memory: int, *, traced: bool = False, only_lines: bool = False
) -> Iterator[Watch]:
    """An arena for one run of `kernel` on a machine with so many bytes of memory; `traced`: with events.

    `only_lines`: nothing but what `reached` gives, on a machine of any number of processors. Else it must have one.

    Raises ToolError, CompileError.
    """
    plugin = library(architecture)
    at, places = PAGE, {}
    for name, (count, size) in TABLES.items():
        places[name] = at
        at += -(-count * size // PAGE) * PAGE
    descriptor = memory_file("arena", b"")
    try:
        os.ftruncate(descriptor, at)
        with mmap.mmap(descriptor, at) as view:
            made = Watch(Observed(plugin, descriptor), view)
            configure(made, kernel, architecture, memory)
            made.put("size", at)
            made.put("traced", int(traced))
            made.put("only_lines", int(only_lines))
            for name, place in places.items():
                made.put(f"{name}_at", place)
            yield made
    finally:
        os.close(descriptor)


def configure(made: Watch, kernel: Path, architecture: str, memory: int) -> None:
    """Write what the plugin must know of the guest."""
    known = symbols(kernel)
    missing = [name for name in NEEDED if name not in known]
    if missing:
        raise ToolError(f"the kernel has no symbols {', '.join(missing)}", "please report this as a defect")
    anchor, physical, start = EARLY[architecture]
    values = {
        "magic": arena.MAGIC,
        "memory_start": start,
        "memory_size": memory,
        "anchor_start": anchor,
        "anchor_end": anchor + EARLY_SIZE,
        "anchor_physical": physical,
        "kernel_base": KERNEL_BASE,
        "kernel_size": known["kernel_end"] - KERNEL_BASE,
        "direct_base": DIRECT_BASE,
        "processor": known["processor"],
        "system_call": known["kernel_system_call"],
        "user_trap": known["kernel_user_trap"],
        "coding": list(EARLY).index(architecture),
    }
    # Entry 0 of each of these stands for none.
    values |= dict.fromkeys(("blocks", "instructions", "nodes", "counters", "tasks"), 1)
    for name, value in values.items():
        made.put(name, value)


@functools.cache
def symbols(path: Path) -> dict[str, int]:
    """The addresses of an ELF file's symbols."""
    from elftools.elf.elffile import ELFFile

    with path.open("rb") as file:
        table: Any = ELFFile(file).get_section_by_name(".symtab")
        return {symbol.name: symbol["st_value"] for symbol in table.iter_symbols() if symbol.name}
