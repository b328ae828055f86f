"""What must hold of the kernel's structures whenever it returns to user mode.

`check(simulation)` after any entry: every reference counted, every byte charged, capability trees, tables, queues,
timers and the bonds between callers and servers as they must be. It reads memory only, see `inventory.py`.
"""

from __future__ import annotations

from collections import Counter
from functools import cache

from cloudos.abi.objects import Kind
from tests.sim.inventory import REGIONS, ROOT, SHAPES, SLOTS, STATES, STREAMS, Inventory, address_of
from tests.sim.paging import table_frames
from tests.sim.records import Shape
from tests.sim.world import kernel_module, machine

PAGE = 4096
SIZES = kernel_module("memory.heap").SIZES
AUDIT = kernel_module("security.audit")
LAST_GENERATION = 0xFFFF_FFFE
NO_DEADLINE = {int(STATES[name]) for name in ("STOPPED", "READY", "RUNNING", "DEAD")}
# Pointers that keep what they point to alive.
KEEPING = {
    Kind.THREAD: ("process", "schedule", "notification", "buffer_memory"),
    Kind.PROCESS: ("fault_endpoint", "space", "notification"),
    Kind.SPACE: ("program",),
    Kind.MEMORY: ("pager",),
}


@cache
def block(size: int) -> int:
    """What an object of so many bytes is charged."""
    return int(next(large for large in SIZES if large >= size))


def check(simulation: machine.Simulation) -> Inventory:
    """All of it; the inventory, to look further. AssertionError says what is wrong."""
    found = Inventory(simulation)
    check_references(found)
    check_charges(found)
    check_capabilities(found)
    check_tables(found)
    check_queues(found)
    check_waiting(found)
    check_service(found)
    return found


# Objects


def expected_references(found: Inventory) -> Counter[int]:
    """How many references each object should have, but for those that the machine begins with."""
    expected = Counter(found.named)
    for address, values in found.objects.items():
        kind = found.kinds[address]
        expected[values["header.quota"] if "header.quota" in values else values["quota"]] += 1
        for name in KEEPING.get(Kind(kind), ()):
            expected[values[name]] += 1
        if kind == Kind.THREAD and values["state"] != STATES.DEAD:
            expected[address] += 1
        if kind == Kind.REPLY:
            # A part of its thread: the handle does not count.
            expected[address] = 1
    for regions in found.regions.values():
        for region in regions.values():
            expected[region["memory"]] += 1
    del expected[0]
    return expected


def first_references(found: Inventory) -> set[int]:
    """Objects that the machine began with have one reference more, of the kernel's own."""
    # Of the processes, the one that was made first, also when another has taken its place.
    first = next((one for one, values in found.objects.items() if values.get("table.owner") == 1), 0)
    started = {address for address in found.objects if found.kinds[address] in (Kind.POLICY, Kind.AUDIT)}
    return started | {first, address_of(ROOT), address_of(kernel_module("objects.device").MACHINE)}


def check_references(found: Inventory) -> None:
    """No reference is lost or counted twice; what nobody refers to is about to be taken apart."""
    expected = expected_references(found)
    own = first_references(found)
    schedules = 0
    for address, values in found.objects.items():
        kind = Kind(found.kinds[address])
        prefix = "header." if "header.size" in values else ""
        header = {name: values[prefix + name] for name in ("references", "queued", "dying", "size")}
        count = expected[address] + (address in own)
        if kind == Kind.SCHEDULE and header["references"] == count + 1:
            # That of the first thread.
            schedules += 1
            count += 1
        assert header["references"] == count, f"{kind.name} has {header['references']} references instead of {count}"
        assert bool(header["queued"]) == (address in found.pending), (
            f"{kind.name} is queued for its end and not on the list"
        )
        if count == 0:
            assert header["dying"] and header["queued"], f"{kind.name} without references stays"
        if header["size"] and kind in SHAPES:
            assert header["size"] == SHAPES[kind].size
    assert schedules <= 1, "a schedule has lost a reference"


def check_charges(found: Inventory) -> None:
    """What a quota says is used is what there is."""
    used: Counter[int] = Counter()
    for address, values in found.objects.items():
        kind = found.kinds[address]
        quota = values.get("header.quota", values.get("quota", 0))
        if values.get("header.size", 0):
            used[quota] += block(values["header.size"])
        if kind == Kind.QUOTA and quota:
            used[quota] += values["limit"]
        if kind == Kind.PROCESS:
            chunks = values["table.capacity"] // SLOTS
            used[values["table.quota"]] += PAGE * (chunks + (values["table.directory"] != 0))
        if kind == Kind.MEMORY:
            used[quota] += PAGE * (values["claims"] + values["reserve"])
        if kind == Kind.SPACE:
            tables = table_frames(found.memory, values["pages.root"])
            used[quota] += PAGE * (len(tables) + (values["regions"] != 0))
            used[quota] += block(REGIONS.size) * len(found.regions.get(address, ()))
    for address, values in found.of_kind(Kind.QUOTA).items():
        if not values["header.quota"]:
            # The machine's pays for what belongs to nobody else: the audit ring.
            ring = int(AUDIT.RING.capacity) and 1 << AUDIT.ORDER
            used[address] += PAGE * ring
        assert values["used"] == used[address], f"a quota has {values['used']} bytes used instead of {used[address]}"
        assert values["used"] <= values["limit"]


# Capabilities


def check_capabilities(found: Inventory) -> None:
    """Every capability stands in the tree of its object, below one that is no weaker."""
    seen: set[int] = set()
    for address, values in found.objects.items():
        first = values.get("header.capabilities", values.get("capabilities", 0))
        if first:
            walk_tree(found, address, first, 0, seen)
    assert seen == set(found.capabilities), "a capability is in no tree, or in two tables"


def walk_tree(found: Inventory, object_: int, first: int, parent: int, seen: set[int]) -> None:
    """The siblings from `first` on, and what was derived from them."""
    before, address = parent, first
    while True:
        assert address in found.capabilities, "a tree leads to a slot that is free"
        assert address not in seen, "a capability is in a tree twice"
        seen.add(address)
        slot = found.capabilities[address]
        assert slot["object"] == object_, "a capability is in the tree of another object"
        assert slot["previous"] == before, "siblings are linked wrongly"
        if parent:
            above = found.capabilities[parent]
            assert not slot["rights"] & ~above["rights"], "a capability is stronger than what it was derived from"
            assert above["badge"] in (0, slot["badge"]), "a badge was changed"
        if slot["child"]:
            walk_tree(found, object_, slot["child"], address, seen)
        else:
            assert not slot["last"]
        if slot["next"] == parent:
            assert not parent or found.capabilities[parent]["last"] == address, "a parent knows another last child"
            return
        before, address = address, slot["next"]


def check_tables(found: Inventory) -> None:
    """Each slot is used, free, reserved for a reply, or used up; and counted so."""
    reserved = {values["reply_slot"] for values in found.of_kind(Kind.THREAD).values()} - {0}
    for process, slots in found.slots.items():
        values = found.objects[process]
        if values["table.closing"]:
            continue
        free: list[int] = []
        slot = values["table.free"]
        while slot:
            assert slot in slots and slot not in free and not slots[slot]["object"], "the list of free slots is broken"
            assert slot not in reserved, "a slot is free and reserved"
            free.append(slot)
            slot = slots[slot]["next"]
        never = range(values["table.fresh"], values["table.capacity"])
        unused = sum(index % SLOTS != 0 for index in never)
        assert values["table.available"] == len(free) + unused, "the count of free slots is wrong"
        rest = [at for at in slots if at not in free and at not in reserved and not slots[at]["object"]]
        assert all(slots[at]["generation"] >= LAST_GENERATION for at in rest), "a slot was lost"
        for at in slots:
            assert slots[at]["object"] == 0 or slots[at]["generation"] > 0
    for thread in found.of_kind(Kind.THREAD).values():
        slot = thread["reply_slot"]
        if slot:
            own = found.slots[thread["process"]]
            assert slot in own and not own[slot]["object"], "a reserved slot is used or elsewhere"


# Threads


def check_queues(found: Inventory) -> None:
    """Each thread is in the queue that its state says, and in no other."""
    places: dict[int, tuple[int, int]] = {}

    def put(threads: list[int], state: int, where: int) -> None:
        for thread in threads:
            assert thread not in places, "a thread is in two queues"
            places[thread] = (state, where)

    running = {int(one.current.address.value): address for address, one in found.processors.items()}
    for processor in found.processors:
        sent = [(found.thread(one)["priority"], [one]) for one in found.sent(processor)]
        for priority, threads in (*found.ready(processor).items(), *sent):
            put(threads, int(STATES.READY), priority)
            assert all(found.thread(thread)["processor"] == processor for thread in threads), (
                "ready on another processor"
            )
    for address, values in found.objects.items():
        if "senders.first" in values:
            put(found.queue(values["senders.first"], values["senders.last"]), int(STATES.SENDING), address)
            put(found.queue(values["receivers.first"], values["receivers.last"]), int(STATES.RECEIVING), address)
            assert not (values["senders.first"] and values["receivers.first"]), (
                "senders and receivers wait for each other"
            )
        if "waiters.first" in values:
            put(found.queue(values["waiters.first"], values["waiters.last"]), int(STATES.WAITING), address)
            assert not (values["waiters.first"] and values["bits"]), "a thread waits for signals that are set"
    readers = Shape(type(STREAMS)).at(STREAMS)
    put(found.queue(readers["readers.first"], readers["readers.last"]), int(STATES.WAITING), 0)
    queued = {int(STATES[name]) for name in ("READY", "SENDING", "RECEIVING", "WAITING")}
    for address, values in found.of_kind(Kind.THREAD).items():
        state = values["state"]
        assert (address in places) == (state in queued), (
            f"a thread is {STATES(state).name}, but its queue says otherwise"
        )
        if address in places:
            expected, where = places[address]
            assert state == expected, f"a thread is {STATES(state).name} in the queue for {STATES(expected).name}"
            assert where == (values["priority"] if state == STATES.READY else values["waiting_on"])
        assert state != STATES.RUNNING or running.get(address) == values["processor"], "a thread runs nowhere"
    check_processors(found)


def check_processors(found: Inventory) -> None:
    """Nobody's registers are in two places, and what a processor has in use belongs to the thread that runs there."""
    threads = found.of_kind(Kind.THREAD)
    loaded = [int(one.loaded.address.value) for one in found.processors.values()]
    assert len({one for one in loaded if one}) == sum(one != 0 for one in loaded), (
        "two processors have one thread loaded"
    )
    running = [int(one.current.address.value) for one in found.processors.values()]
    assert len({one for one in running if one}) == sum(one != 0 for one in running), "a thread runs twice"
    for one in found.processors.values():
        current, mine = int(one.current.address.value), int(one.loaded.address.value)
        if mine and mine != current:
            assert threads[mine]["state"] not in (STATES.RUNNING,), "a thread runs whose registers are elsewhere"


def check_waiting(found: Inventory) -> None:
    """Timers, and the threads that wait through a capability."""
    threads = found.of_kind(Kind.THREAD)
    timers: set[int] = set()
    for processor in found.processors:
        for address, above in found.timers(processor).items():
            values = threads[address]
            assert values["timer_parent"] == above, "a thread does not know its place among the timers"
            assert values["processor"] == processor, "a thread is in the timers of another processor"
            assert not above or threads[above]["deadline"] <= values["deadline"], "the timers are out of order"
            ranks = [threads[one]["timer_rank"] if one else 0 for one in (values["timer_left"], values["timer_right"])]
            assert ranks[0] >= ranks[1] and values["timer_rank"] == ranks[1] + 1, "the timers lean to the right"
            timers.add(address)
    waiters: set[int] = set()
    for address, slot in found.capabilities.items():
        before = 0
        for thread in found.chain(slot["waiters"], "waiter_next"):
            assert threads[thread]["through"] == address and threads[thread]["waiter_previous"] == before
            assert threads[thread]["waiting_on"] == slot["object"], (
                "a thread waits through a capability of another object"
            )
            waiters.add(thread)
            before = thread
    for address, values in threads.items():
        state = values["state"]
        assert (values["timer_rank"] != 0) == (address in timers)
        assert not (values["timer_rank"] and state in NO_DEADLINE), (
            f"a thread that is {STATES(state).name} has a deadline"
        )
        assert values["timer_rank"] or state != STATES.EXHAUSTED, "a thread waits for its budget for ever"
        assert (values["through"] != 0) == (address in waiters), (
            "a thread waits through a capability that does not know"
        )


def check_service(found: Inventory) -> None:
    """Who serves whom, and on whose time."""
    threads = found.of_kind(Kind.THREAD)
    for address, values in threads.items():
        server, client = values["server"], values["client"]
        if server:
            assert threads[server]["client"] == address and values["state"] == STATES.CALLING, (
                "a call without its caller"
            )
        if client:
            assert threads[client]["server"] == address, "a server serves somebody who does not know"
            time = threads[client]["borrowed"] or threads[client]["schedule"]
            assert values["borrowed"] == time, "a server runs on the time of neither itself nor its client"
        else:
            assert not values["borrowed"], "a thread that serves nobody runs on borrowed time"
        reply = values["reply.header.capabilities"]
        assert (reply != 0) == (values["state"] == STATES.CALLING), (
            "a call that nobody can answer, or an answer to none"
        )
        if values["notification"]:
            assert found.objects[values["notification"]]["bound"] == address, "a bond is known to one side only"
    for values in found.of_kind(Kind.NOTIFICATION).values():
        assert not values["bound"] or threads[values["bound"]]["notification"], "a bond is known to one side only"
