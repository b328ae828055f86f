"""Counting: what is executed, in whose process, called from where. Called before each block of instructions.

Whether a block ran to its end is known when the next one begins: a word counts instructions as they begin. A tree of
call instructions is kept for all processes; each thread has its place in it, and the kernel goes on from the place of
the thread that it works for. Calls add a node, returns go back to its parent. Where a jump stands for a call and a
return, as at the end of a function, the caller is left out, as debuggers do.
"""

from __future__ import annotations

from typing import Literal

from cloudos.host.observer import guest
from cloudos.host.observer.arena import (
    COUNTER_INDEX,
    COUNTERS,
    EVENTS,
    NODE_INDEX,
    NODES,
    TASKS,
    Arena,
    Block,
    Counter,
    Ending,
    Event,
    Node,
    Probe,
    Seen,
    Task,
)
from cloudos.lang import U32, U64, Array, Ptr, VirtAddr, fast, never_inlined

HIGH_HALF = 1 << 63
MOST_MOVED = 64
"""Calls of the kernel on each other that are kept when it turns to another thread."""
MULTIPLIER = 0x9E37_79B9_7F4A_7C15


def base(arena: Arena) -> U64:
    """Where the arena is in this process."""
    return Ptr.to(arena).address.value


def block_at(arena: Arena, index: U64) -> Ptr[Block]:
    """An entry of the table of blocks."""
    return Ptr.at(Block, VirtAddr(base(arena) + arena.blocks_at)).offset(index)


def node_at(arena: Arena, index: U64) -> Ptr[Node]:
    """An entry of the table of nodes."""
    return Ptr.at(Node, VirtAddr(base(arena) + arena.nodes_at)).offset(index)


def counter_at(arena: Arena, index: U64) -> Ptr[Counter]:
    """An entry of the table of counters."""
    return Ptr.at(Counter, VirtAddr(base(arena) + arena.counters_at)).offset(index)


def task_at(arena: Arena, index: U64) -> Ptr[Task]:
    """An entry of the table of threads."""
    return Ptr.at(Task, VirtAddr(base(arena) + arena.tasks_at)).offset(index)


def instruction_at(arena: Arena, index: U64) -> Ptr[U64]:
    """An entry of the table of instructions' addresses."""
    return Ptr.at(U64, VirtAddr(base(arena) + arena.instructions_at)).offset(index)


def node_entry(arena: Arena, index: U64) -> Ptr[U32]:
    """An entry of the index of nodes."""
    return Ptr.at(U32, VirtAddr(base(arena) + arena.node_index_at)).offset(index & (NODE_INDEX - 1))


def counter_entry(arena: Arena, index: U64) -> Ptr[U32]:
    """An entry of the index of counters."""
    return Ptr.at(U32, VirtAddr(base(arena) + arena.counter_index_at)).offset(index & (COUNTER_INDEX - 1))


def mixed(left: U64, right: U64) -> U64:
    """A number that depends on all bits of both."""
    value = (left.wrapping_mul(MULTIPLIER) ^ right).wrapping_mul(MULTIPLIER)
    return value ^ value >> 29


def start(arena: Arena) -> None:
    """Before the first instruction: code that boots, of no process."""
    arena.node = child(arena, U64(0), U64(0))
    arena.floor = arena.node


def child(arena: Arena, parent: U64, site: U64) -> U64:
    """The node for a call at `site` from `parent`; `parent` itself when there is no room for another."""
    at = mixed(parent, site)
    while True:
        entry = node_entry(arena, at)
        known = U64(entry.value)
        if known == 0:
            break
        node = node_at(arena, known).value
        if U64(node.parent) == parent and node.site == site:
            return known
        at = at.wrapping_add(1)
    if arena.nodes == NODES:
        arena.lost_nodes += 1
        return parent
    made = arena.nodes
    arena.nodes += 1
    node_at(arena, made).value = Node(U32(parent), U32(0), site)
    entry.value = U32(made)
    return made


def counter(arena: Arena, node: U64, block: U64, executed: U64) -> U64:
    """The counter for a block in a place of the tree; 0 when there is no room for another."""
    at = mixed(node << 32 | block, executed)
    while True:
        entry = counter_entry(arena, at)
        known = U64(entry.value)
        if known == 0:
            break
        one = counter_at(arena, known).value
        if U64(one.node) == node and U64(one.block) == block and U64(one.executed) == executed:
            return known
        at = at.wrapping_add(1)
    if arena.counters == COUNTERS:
        arena.lost_counts += 1
        return U64(0)
    made = arena.counters
    arena.counters += 1
    counter_at(arena, made).value = Counter(U32(node), U32(block), U32(executed), U32(0), U64(0))
    entry.value = U32(made)
    return made


@fast
def finish(arena: Arena) -> None:
    """Count the block that was executed last, and follow the call or return at its end."""
    done = arena.executed - arena.mark
    arena.mark = arena.executed
    if arena.block == 0 or done == 0:
        return
    block = block_at(arena, arena.block).value
    whole = done == U64(block.count)
    if whole and U64(block.cached_node) == arena.node:
        counter_at(arena, U64(block.cached_counter)).value.count += 1
    else:
        found = counter(arena, arena.node, arena.block, U64(0) if whole else done)
        if found != 0:
            counter_at(arena, found).value.count += 1
            if whole:
                block.cached_node = U32(arena.node)
                block.cached_counter = U32(found)
    if whole and block.ending == Ending.CALL:
        arena.node = child(arena, arena.node, last_address(arena, block, done))
    elif whole and block.ending == Ending.RETURN and arena.node != arena.floor:
        arena.node = U64(node_at(arena, arena.node).value.parent)


def last_address(arena: Arena, block: Block, done: U64) -> U64:
    """The address of the last instruction of a block that was begun."""
    return instruction_at(arena, U64(block.first) + min(done, U64(block.count)) - 1).value


def interrupted_address(arena: Arena, done: U64) -> U64:
    """Where the code was that ran last."""
    if arena.block == 0 or done == 0:
        return U64(0)
    return last_address(arena, block_at(arena, arena.block).value, done)


@fast
def execute(arena: Arena, index: U64) -> None:
    """A block is about to be executed."""
    done = arena.executed - arena.mark
    finish(arena)
    block = block_at(arena, index).value
    if block.address >= HIGH_HALF:
        if arena.in_kernel == 0:
            enter(arena, done)
        elif arena.idle == 0 and arena.base != 0 and guest.current(arena) == 0:
            rest(arena)
        if block.probe == Probe.TRAP:
            undo_call(arena)
        if block.probe != Probe.NONE and arena.traced != 0:
            tell_entry(arena, block.probe)
    elif arena.in_kernel != 0:
        leave(arena, block.address)
    arena.block = index


@never_inlined
def enter(arena: Arena, done: U64) -> None:
    """From user mode, or from the code that boots, into the kernel."""
    arena.in_kernel = U64(1)
    arena.base = arena.node
    arena.node = child(arena, arena.node, interrupted_address(arena, done))
    arena.floor = arena.node


@never_inlined
def undo_call(arena: Arena) -> None:
    """In the kernel's function for traps: a call at which memory was missing, for what it pushes, has not happened."""
    thread = guest.thread_at(arena, guest.current(arena))
    entry = node_at(arena, arena.floor).value.site
    called = node_at(arena, arena.base).value
    if thread.is_null() or called.parent == 0 or called.site != entry or thread.value.frame.ip != entry:
        return
    site = node_at(arena, arena.node).value.site
    arena.base = U64(called.parent)
    arena.floor = child(arena, arena.base, entry)
    arena.node = child(arena, arena.floor, site)


@never_inlined
def rest(arena: Arena) -> None:
    """Nobody can run any more: what the kernel does from here on it does for nobody."""
    arena.idle = U64(1)
    save(arena, U64(0))
    rebase(arena, child(arena, U64(0), U64(0)))
    if arena.traced != 0:
        record(arena, Seen.IDLE, U64(0))


def save(arena: Arena, resume: U64) -> None:
    """Keep the place of the thread that the kernel was entered by. `resume`: where it goes on, 0 for what it says."""
    if arena.task == 0:
        return
    task = task_at(arena, arena.task).value
    task.node = arena.base
    thread = guest.thread_at(arena, task.thread)
    task.resume = resume if resume != 0 or thread.is_null() else thread.value.frame.ip
    arena.task = U64(0)


def rebase(arena: Arena, root: U64) -> None:
    """Let the calls that the kernel is in begin at another place of the tree."""
    sites = Array[U64, Literal[64]]()
    count = U64(0)
    node = arena.node
    while node != arena.floor and node != 0:
        if count < MOST_MOVED:
            sites[count] = node_at(arena, node).value.site
            count += 1
        node = U64(node_at(arena, node).value.parent)
    arena.base = root
    arena.node = root
    arena.floor = root
    while count > 0:
        count -= 1
        arena.node = child(arena, arena.node, sites[count])


@never_inlined
def leave(arena: Arena, address: U64) -> None:
    """From the kernel into user mode, at `address`."""
    thread = guest.current(arena)
    arena.in_kernel = U64(0)
    arena.idle = U64(0)
    if thread == 0:
        # Code that boots.
        arena.node = arena.base
        arena.floor = arena.base
        return
    owner = guest.owner(arena, thread)
    known = task_at(arena, arena.task).value
    if arena.task == 0 or known.thread != thread or known.owner != owner:
        save(arena, U64(0))
        arena.task = find_task(arena, thread)
        task = task_at(arena, arena.task).value
        # Threads take the memory of others that have ended, and a call may be made again: SYSCALL has two bytes, SVC 4.
        moved = task.resume.wrapping_sub(address).wrapping_add(4)
        if task.owner != owner or task.thread != thread or moved > 8:
            task.owner = owner
            task.thread = thread
            task.node = child(arena, U64(0), owner)
        arena.base = task.node
    arena.node = arena.base
    arena.floor = child(arena, U64(0), owner)
    if arena.traced != 0:
        record(arena, Seen.RESUME, thread)


def find_task(arena: Arena, thread: U64) -> U64:
    """The entry of a thread, a new one where it has none; when all are used, of another."""
    for index in U64.range(U64(1), arena.tasks):
        if task_at(arena, index).value.thread == thread:
            return index
    if arena.tasks == TASKS:
        return U64(TASKS - 1)
    arena.tasks += 1
    return arena.tasks - 1


# Events


def new_event(arena: Arena) -> Ptr[Event]:
    """Room for an event; of the last one when there is no more."""
    index = arena.events
    if index == EVENTS:
        arena.lost_events += 1
        index -= 1
    else:
        arena.events += 1
    return Ptr.at(Event, VirtAddr(base(arena) + arena.events_at)).offset(index)


def begin(arena: Arena, kind: Seen, thread: U64) -> Event:
    """An event of now."""
    event = new_event(arena).value
    event.kind = kind
    event.thread = thread
    event.owner = U64(0) if thread == 0 else guest.owner(arena, thread)
    event.time = arena.executed
    return event


def tell_entry(arena: Arena, probe: Probe) -> None:
    """A system call or a trap: the registers are in the thread's frame."""
    thread = guest.current(arena)
    found = guest.thread_at(arena, thread)
    if found.is_null():
        return
    frame = found.value.frame
    if probe == Probe.TRAP:
        event = begin(arena, Seen.TRAP, thread)
        event.values[0] = frame.vector
        event.values[1] = frame.error
        event.values[2] = frame.ip
        event.values[3] = frame.sp
        return
    event = begin(arena, Seen.CALL, thread)
    event.values[0] = frame.number
    event.values[1] = frame.argument0
    event.values[2] = frame.argument1
    event.values[3] = frame.argument2
    event.values[4] = frame.argument3
    event.values[5] = frame.argument4
    event.values[6] = frame.argument5
    named = guest.capability(arena, thread, frame.argument0)
    if not named.is_null():
        event.values[7] = named.value.object.address.value
        event.values[8] = guest.kind(arena, event.values[7])
        event.values[9] = named.value.badge
    event.values[10] = frame.reply_handle
    event.values[11] = found.value.client.address.value
    event.values[12] = frame.ip


def record(arena: Arena, kind: Seen, thread: U64) -> None:
    """A thread goes on, with what is in its registers; or none does."""
    event = begin(arena, kind, thread)
    found = guest.thread_at(arena, thread)
    if found.is_null():
        return
    for index in U64.range(guest.REGISTERS):
        event.values[index] = guest.register(arena, thread, index)
    client = found.value.client.address.value
    event.values[guest.REGISTERS] = client
    event.values[guest.REGISTERS + 1] = U64(0) if client == 0 else guest.owner(arena, client)
    event.values[guest.REGISTERS + 2] = found.value.frame.ip
    event.values[guest.REGISTERS + 3] = U64(found.value.priority)
