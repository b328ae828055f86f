"""Everything that the kernel keeps, found from its roots: objects, capabilities, queues, timers.

Objects are found through every pointer that the kernel may follow, whatever its kind: a new kind of object needs
nothing here, if its structure begins with a header and the dispatch knows it. Links that have no meaning while a thread
is in no list are followed along the lists only.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

from cloudos.abi.objects import Kind
from tests.sim.records import Memory, Shape, Values, class_of
from tests.sim.world import board, kernel_module, machine

PAGE = 4096
SLOTS = 64
HEADER = class_of("objects.header", "Header")
CAPABILITY = class_of("objects.header", "Capability")
TABLE = class_of("objects.header", "CapabilityTable")
REGION = class_of("memory.structures", "Region")
THREAD = class_of("objects.thread", "Thread")
REPLY = class_of("objects.reply", "Reply")
STATES = class_of("objects.thread", "ThreadState")
PROCESSOR = kernel_module("sched.processor").PROCESSOR
FIRST_PROCESSOR = kernel_module("sched.processor").FIRST
processor_of = kernel_module("sched.processor").processor_of
ALL = kernel_module("sched.requests").ALL
PENDING = kernel_module("objects.cleanup").PENDING
FIRST = kernel_module("objects.process").FIRST
STREAMS = kernel_module("objects.console").STREAMS
ROOT = kernel_module("objects.quota").ROOT

CLASSES: dict[int, type[Any]] = {
    **{int(kind): found for kind, found in kernel_module("dispatch").CLASSES.items()},
    int(Kind.REPLY): REPLY,
}
SHAPES = {kind: Shape(found) for kind, found in CLASSES.items()}
PLAIN = Shape(HEADER)
SLOT = Shape(CAPABILITY)
REGIONS = Shape(REGION)
KINDS_OF = {found: kind for kind, found in CLASSES.items()}
TABLE_OFFSET = next(field.offset for field in CLASSES[Kind.PROCESS].__struct__.fields if field.name == "table")
STATIC = {
    name: Shape(type(value))
    for name, value in {"processor": FIRST_PROCESSOR, "pending": PENDING, "first": FIRST, "streams": STREAMS}.items()
}
# Left as they were when a thread leaves a list, and when a table is emptied.
LINKS = frozenset({"header.next_cleanup", "queue_next", "queue_previous", "waiter_next", "waiter_previous"})
LINKS |= {"other", "next_cleanup", "table.first", "table.free", "table.directory"}
LINKS |= {"maker", "made", "made_next", "made_previous", "timer_left", "timer_right", "timer_parent"}
# Of the threads of a process, and of those on a schedule.
SIBLINGS = ("next", "previous", "schedule_next", "schedule_previous")
BLOCKED_ON_OBJECT = (int(STATES.SENDING), int(STATES.RECEIVING), int(STATES.WAITING))
CLEANUP = kernel_module("objects.cleanup")
# Of each machine, the objects that were made and not destroyed.
LIVE: WeakKeyDictionary[board.Board, set[int]] = WeakKeyDictionary()


def _record_objects() -> None:
    """Have the kernel's two functions for making and destroying objects tell."""
    create, destroy = CLEANUP.create, CLEANUP.destroy

    def recorded_create(*arguments: Any) -> Any:
        made = create(*arguments)
        LIVE.setdefault(board.current(), set()).add(int(made.address.value))
        return made

    def recorded_destroy(object_: Any) -> None:
        destroy(object_)
        LIVE[board.current()].remove(int(object_.address.value))

    CLEANUP.create, CLEANUP.destroy = recorded_create, recorded_destroy


_record_objects()


def _processors() -> list[Any]:
    """The data of all processors that run."""
    found = []
    own = ALL.first
    while not own.is_null():
        found.append(processor_of(own))
        own = own.value.line.next
    return found


class Inventory:
    """What there is at one moment, between two entries of the kernel. Keys are addresses.

    `islands`: objects that live although nothing leads to them but they themselves: a process without threads that has
    the last handle to itself.
    """

    def __init__(self, simulation: machine.Simulation) -> None:
        self.memory = Memory(simulation.board)
        self.live = LIVE.get(simulation.board, set())
        self.objects: dict[int, Values] = {}
        self.kinds: dict[int, int] = {}
        self.capabilities: dict[int, Values] = {}
        # Of each process, the addresses of the slots that were ever used.
        self.slots: dict[int, dict[int, Values]] = {}
        # The regions of each space, in its order.
        self.regions: dict[int, dict[int, Values]] = {}
        self.named: Counter[int] = Counter()
        self.processor = STATIC["processor"].at(PROCESSOR)
        # What the kernel keeps for each processor, by its address.
        self.processors = {address_of(one): one for one in _processors()}
        self.pending = self.chain(STATIC["pending"].at(PENDING)["first"], "header.next_cleanup")
        self._work: list[int] = []
        self._collect()

    # Lists

    def chain(self, first: int, link: str) -> list[int]:
        """Addresses of the objects of a list; fails on one that does not end."""
        found = []
        while first:
            assert first not in found, f"the list through {link} has a loop at {first:#x}"
            found.append(first)
            first = self.shape_of(first).read(self.memory, first)[link]
        return found

    def queue(self, first: int, last: int) -> list[int]:
        """The threads of a queue, whose links must be sound."""
        found = []
        before = 0
        while first:
            assert first not in found, "a queue has a loop"
            values = self.thread(first)
            assert values["queue_previous"] == before, "a queue is linked wrongly backwards"
            found.append(first)
            before, first = first, values["queue_next"]
        assert before == last, "a queue ends elsewhere than it says"
        return found

    def ready(self, processor: int) -> dict[int, list[int]]:
        """The threads of each priority that has some; the bitmap must agree."""
        ready = self.processors[processor].ready
        pairs = self.memory.words(address_of(ready.queues), 512)
        found = {n: self.queue(*pairs[2 * n : 2 * n + 2]) for n in range(256) if pairs[2 * n] or pairs[2 * n + 1]}
        bitmap = [int(word) for word in ready.bitmap]
        marked = {64 * word + bit for word in range(4) for bit in range(64) if bitmap[word] >> bit & 1}
        assert marked == set(found), "the bitmap of priorities disagrees with the queues"
        summary = int(ready.summary)
        assert summary == sum(1 << word for word in range(4) if bitmap[word]), "the summary of the bitmap is wrong"
        assert int(ready.count) == sum(len(threads) for threads in found.values()), "so many threads are not ready"
        return found

    def sent(self, processor: int) -> list[int]:
        """The threads that others have sent to a processor, which has not taken them in."""
        found = []
        first = int(self.processors[processor].line.sent.load())
        while first:
            assert first not in found, "the threads that were sent have a loop"
            found.append(first)
            first = self.thread(first)["queue_next"]
        return found

    def timers(self, processor: int) -> dict[int, int]:
        """The threads with deadlines, and which thread of the heap stands above each."""
        found: dict[int, int] = {}
        work = [(int(self.processors[processor].timers.first.address.value), 0)]
        while work:
            address, above = work.pop()
            if address:
                assert address not in found, "a thread is in the timers twice"
                found[address] = above
                values = self.thread(address)
                work += [(values["timer_left"], address), (values["timer_right"], address)]
        return found

    # Objects

    def shape_of(self, address: int) -> Shape:
        """How the object at an address is laid out."""
        kind = self.kinds.get(address)
        if kind is None:
            data, offset = self.memory.locate(address)
            kind = data[offset]
        return SHAPES.get(kind, PLAIN)

    def thread(self, address: int) -> Values:
        """A thread's fields."""
        known = self.objects.get(address)
        return known if known is not None else SHAPES[Kind.THREAD].read(self.memory, address)

    def of_kind(self, kind: Kind) -> dict[int, Values]:
        """All objects of a kind."""
        return {address: values for address, values in self.objects.items() if self.kinds[address] == kind}

    def _collect(self) -> None:
        for address in self.pending:
            self._visit(address)
        for shape, static in (
            ("first", FIRST),
            ("streams", STREAMS),
            *(("processor", one) for one in self.processors.values()),
        ):
            self._follow(STATIC[shape], STATIC[shape].at(static))
        self._visit(address_of(ROOT))
        for processor in self.processors:
            for threads in (*self.ready(processor).values(), self.timers(processor), self.sent(processor)):
                for thread in threads:
                    self._visit(thread)
        self._expand_all()
        self.islands = self.live - set(self.objects)
        for address in self.islands:
            self._visit(address)
        self._expand_all()
        headed = {address for address, values in self.objects.items() if values.get("header.size")}
        assert headed == self.live, "something leads to an object that was destroyed"

    def _expand_all(self) -> None:
        while self._work:
            self._expand(self._work.pop())

    def _visit(self, address: int, name: str = "a list") -> None:
        if address and address not in self.objects:
            data, offset = self.memory.locate(address)
            kind = data[offset]
            assert 0 < kind < len(Kind), f"{name} leads to {address:#x}, which is no object but has the kind {kind}"
            self.kinds[address] = kind
            self.objects[address] = self.shape_of(address).read(self.memory, address)
            self._work.append(address)

    def _expand(self, address: int) -> None:
        values = self.objects[address]
        kind = self.kinds[address]
        self._follow(SHAPES.get(kind, PLAIN), values)
        for name in ("senders", "receivers", "waiters"):
            for thread in self.chain(values.get(f"{name}.first", 0), "queue_next"):
                self._visit(thread)
        for thread in self.chain(values.get("threads", 0), "next" if kind == Kind.PROCESS else "schedule_next"):
            self._visit(thread)
        if kind == Kind.SPACE and values["regions"]:
            found = self.memory.words(values["regions"], values["count"])
            self.regions[address] = {region: REGIONS.read(self.memory, region) for region in found}
            for region in self.regions[address].values():
                self._visit(region["memory"], "a region")
        if kind == Kind.PROCESS:
            self._open(address, values)

    def _follow(self, shape: Shape, values: Values) -> None:
        for name, is_capability in followed(shape):
            target = values[name]
            if not target:
                continue
            if name == "waiting_on" and values["state"] not in BLOCKED_ON_OBJECT:
                continue
            if is_capability:
                self._visit(self._owner(target))
            elif target not in self.objects:
                self._visit(target, name)

    def _owner(self, capability: int) -> int:
        """The process in whose table a slot stands."""
        _, table = self.memory.words(capability // PAGE * PAGE, 2)
        return int(table - TABLE_OFFSET)

    def _open(self, process: int, values: Values) -> None:
        """Look at all slots of a process."""
        found: dict[int, Values] = {}
        for number in range(-(-values["table.fresh"] // SLOTS)):
            chunk = (
                values["table.first"]
                if number == 0
                else self.memory.words(values["table.directory"] + 8 * number, 1)[0]
            )
            assert self._owner(chunk) == process, "a frame of slots says that it belongs elsewhere"
            for index in range(1, min(SLOTS, values["table.fresh"] - number * SLOTS)):
                address = chunk + SLOT.size * index
                slot = found[address] = SLOT.read(self.memory, address)
                if slot["object"]:
                    self.capabilities[address] = slot
                    self.named[slot["object"]] += 1
                    self._visit(slot["object"])
                    self._follow(SLOT, slot)
        self.slots[process] = found

    # Capabilities by their handles

    def place_of(self, capability: int) -> tuple[int, int]:
        """The process and the handle of a slot."""
        _, table, number = self.memory.words(capability // PAGE * PAGE, 3)
        index = number * SLOTS + capability % PAGE // SLOT.size
        return table - TABLE_OFFSET, SLOT.read(self.memory, capability)["generation"] << 32 | index

    def named_by(self, process: int, handle: int) -> Values:
        """The capability that a process knows by a handle. LookupError when there is none."""
        for address in self.slots[process]:
            if address in self.capabilities and self.place_of(address) == (process, handle):
                return self.capabilities[address]
        raise LookupError(f"no capability has the handle {handle:#x}")

    def root_of(self, process: int) -> int:
        """The page tables of a process; 0 when they are gone."""
        space = self.objects[process]["space"]
        return self.objects[space]["pages.root"] if space else 0

    def parents(self) -> dict[int, int]:
        """Of each capability that was derived, from which."""
        found = {}
        for address, slot in self.capabilities.items():
            child = slot["child"]
            while child and child != address:
                found[child] = address
                child = self.capabilities[child]["next"]
        return found

    def family(self, objects: set[int]) -> set[tuple[int, int, int, int, int, tuple[int, int] | None]]:
        """All capabilities of some objects: object, process, handle, rights, badge, parent's process and handle."""
        parents = self.parents()
        return {
            (slot["object"], *self.place_of(address), slot["rights"], slot["badge"],
             self.place_of(parents[address]) if address in parents else None)
            for address, slot in self.capabilities.items()
            if slot["object"] in objects
        }  # fmt: skip


@cache
def followed(shape: Shape) -> list[tuple[str, bool]]:
    """The pointers in a structure that lead to what there is: to an object, or (True) to a capability."""
    return [
        (name, element is CAPABILITY)
        for name, element in shape.pointers.items()
        if name not in LINKS
        and not (element is THREAD and name in SIBLINGS)
        and (element is CAPABILITY or element is HEADER or element in KINDS_OF)
    ]


def address_of(value: Any) -> int:
    """The address of static data."""
    return int(value._region.address) + int(value._offset)
