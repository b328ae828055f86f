"""The memory that the plugin in QEMU and the tool share: what to watch, and what was seen.

One block without a name, in which the tool writes the first fields and the plugin all others. The tables stand behind
the header, each at an offset that the header says; what is never touched takes no memory. Nothing is written at the
end of a run: however QEMU ends, all that was seen until then is there.
"""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U8, U32, U64, Array, Atomic, IntEnum, enum, struct, zeroed

MAGIC = 0x4352_4553_424F_4443
BLOCKS = 1 << 18
INSTRUCTIONS = 1 << 21
NODES = 1 << 20
COUNTERS = 1 << 21
TASKS = 1 << 12
EVENTS = 1 << 20
NODE_INDEX = 1 << 21
COUNTER_INDEX = 1 << 22
"""Entries of each table; of the last two, which find a node or a counter by what it stands for, powers of two."""


@enum(U8)
class Ending(IntEnum):
    """How a block of instructions ends."""

    OTHER = 0
    CALL = 1
    RETURN = 2


@enum(U8)
class Probe(IntEnum):
    """What the first instruction of a block is besides."""

    NONE = 0
    # Of the kernel's function for system calls, and of that for traps: registers are in the thread's frame.
    CALL = 1
    TRAP = 2


@enum(U8)
class Seen(IntEnum):
    """Kinds of events."""

    CALL = 1
    TRAP = 2
    # A thread goes on in user mode.
    RESUME = 3
    # No thread can run.
    IDLE = 4


@struct
class Arena:
    """The header. Addresses are the guest's."""

    magic: U64 = U64(MAGIC)
    size: U64 = U64(0)
    # Written by the tool.
    # Where physical memory begins, how long it is, and which addresses of early instructions are physical ones.
    memory_start: U64 = U64(0)
    memory_size: U64 = U64(0)
    anchor_start: U64 = U64(0)
    anchor_end: U64 = U64(0)
    anchor_physical: U64 = U64(0)
    # The kernel's: what it is linked at, its code, what it keeps for the first processor.
    kernel_base: U64 = U64(0)
    kernel_size: U64 = U64(0)
    direct_base: U64 = U64(0)
    processor: U64 = U64(0)
    system_call: U64 = U64(0)
    user_trap: U64 = U64(0)
    # 0: calls and returns are those of x86_64, 1: of AArch64.
    coding: U64 = U64(0)
    traced: U64 = U64(0)
    # Nothing is wanted but which blocks were executed, by whatever processor.
    only_lines: U64 = U64(0)
    blocks_at: U64 = U64(0)
    instructions_at: U64 = U64(0)
    nodes_at: U64 = U64(0)
    counters_at: U64 = U64(0)
    tasks_at: U64 = U64(0)
    events_at: U64 = U64(0)
    node_index_at: U64 = U64(0)
    counter_index_at: U64 = U64(0)
    # Written by the plugin. Entry 0 of each table stands for none.
    # Instructions begun.
    executed: U64 = U64(0)
    blocks: Atomic[U64] = Atomic(U64(1))
    instructions: Atomic[U64] = Atomic(U64(1))
    nodes: U64 = U64(1)
    counters: U64 = U64(1)
    tasks: U64 = U64(1)
    events: U64 = U64(0)
    # What found no room, by table.
    lost_blocks: U64 = U64(0)
    lost_nodes: U64 = U64(0)
    lost_counts: U64 = U64(0)
    lost_events: U64 = U64(0)
    # Site of a failed check of the plugin itself.
    panic: U64 = U64(0)
    # The plugin's own state: the process's view of the arena's addresses.
    memory_host: U64 = U64(0)
    kernel_host: U64 = U64(0)
    mark: U64 = U64(0)
    block: U64 = U64(0)
    node: U64 = U64(0)
    floor: U64 = U64(0)
    base: U64 = U64(0)
    task: U64 = U64(0)
    in_kernel: U64 = U64(0)
    idle: U64 = U64(0)


@struct
class Block:
    """Instructions that are executed one after the other, as QEMU translated them."""

    address: U64
    # First entry in the table of instructions' addresses, and how many there are.
    first: U32
    count: U32
    # FNV-1a of the code.
    digest: U64
    ending: Ending
    probe: Probe
    # Of the counter that was used last, with the node that it belongs to.
    cached_node: U32
    cached_counter: U32
    # With `only_lines`: not 0 once it was executed.
    executed: U64


@struct
class Node:
    """A place in the tree of calls: the call instruction at `site`, in the function that `parent` led to.

    Without a parent it is where a process begins, and `site` is the process's number, 0 for none.
    """

    parent: U32
    unused: U32
    site: U64


@struct
class Counter:
    """How often a block was executed in a place; only its first `executed` instructions, if that is not 0."""

    node: U32
    block: U32
    executed: U32
    unused: U32
    count: U64


@struct
class Task:
    """A thread: which one, where it will go on, and its place in the tree of calls."""

    thread: U64
    owner: U64
    resume: U64
    node: U64


@struct
class Event:
    """Something that happened, after so many instructions. `values` depend on the kind, see `tracing.py`."""

    kind: Seen
    thread: U64
    owner: U64
    time: U64
    values: Array[U64, Literal[20]] = zeroed()
