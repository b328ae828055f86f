"""Capabilities against a simple model: a tree of Python objects, and a dictionary of handles.

Everything is random: who derives what into which table, what is closed, moved and revoked, how far a revocation gets
before others act, which allocation fails, which process dies. After every step the kernel's trees are walked and must
be the model's; at the end every frame, slab and charged byte must be back.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cloudos.abi.errors import BadHandle, Denied, OutOfMemory, PeerGone, QuotaExceeded
from cloudos.abi.objects import ALL_RIGHTS, ALL_RIGHTS_BITS, Kind, Rights
from cloudos.kernel.memory import heap
from cloudos.kernel.objects import cleanup
from cloudos.kernel.objects.header import Capability, CapabilityTable, Header
from cloudos.kernel.security import capabilities
from cloudos.lang import U64, Ptr, struct
from tests.unit.kernel.capability_machine import DONE_BY, machine, table_state

TABLES = 3
TABLE_LIMIT = 5 * 4096


@struct
class Counts:
    """A handler that counts what it is told."""

    removed: U64 = U64(0)
    ended: U64 = U64(0)

    def capability_removed(self, object: Ptr[Header], rights: Rights) -> None:
        self.removed += 1

    def cleanup_step(self, object: Ptr[Header]) -> bool:
        self.ended += 1
        cleanup.destroy(object)
        return True


@dataclass(eq=False)
class Node:
    """What the model knows of a capability."""

    thing: Thing
    rights: Rights
    badge: int
    parent: Node | None
    table: int
    handle: int
    children: set[Node] = field(default_factory=set)

    def descendants(self) -> set[Node]:
        return self.children.union(*(child.descendants() for child in self.children))


@dataclass(eq=False)
class Thing:
    """An object and the capabilities that were derived from none."""

    header: Ptr[Header]
    roots: set[Node] = field(default_factory=set)


class CapabilityMachine(RuleBasedStateMachine):
    """The real code beside the model."""

    def __init__(self) -> None:
        super().__init__()
        self.context = machine()
        self.kernel = self.context.__enter__()
        self.counts = Counts()
        DONE_BY[Kind.INTERRUPT] = self.counts
        self.tables = [self.kernel.table(TABLE_LIMIT) for _ in range(TABLES)]
        self.things: list[Thing] = []
        self.made = 0
        self.live: list[Node] = []
        self.named = 0
        self.stale: list[tuple[CapabilityTable, int]] = []

    # The model

    def add(self, node: Node) -> None:
        self.live.append(node)
        self.named += 1
        (node.thing.roots if node.parent is None else node.parent.children).add(node)

    def remove(self, node: Node) -> None:
        """Its children become its parent's."""
        siblings = node.thing.roots if node.parent is None else node.parent.children
        siblings.remove(node)
        siblings |= node.children
        for child in node.children:
            child.parent = node.parent
        self.live.remove(node)
        self.stale.append((self.tables[node.table], node.handle))
        if not node.thing.roots:
            self.things.remove(node.thing)

    def pick(self, choice: int) -> Node:
        """Half of the choices are among those that were derived and that something was derived from."""
        inner = [node for node in self.live if node.children and node.parent is not None]
        nodes = inner if choice % 2 and inner else self.live
        return nodes[choice // 2 % len(nodes)]

    def capability(self, node: Node) -> Ptr[Capability]:
        return capabilities.find(self.tables[node.table], U64(node.handle))

    def is_live(self, node: Node) -> bool:
        try:
            return self.capability(node).value.object == node.thing.header
        except BadHandle:
            return False

    def full(self, table: int) -> bool:
        """Whether the quota does not allow the table to grow once more."""
        growth = 2 if self.tables[table].capacity == 64 else 1
        quota = self.tables[table].quota.value
        return int(quota.limit - quota.used) < growth * 4096

    def attempt(self, fail: bool, table: int, operation: Callable[[], U64]) -> int | None:
        """The handle, or None when there was no memory, in which case nothing may have changed."""
        before = table_state(self.tables)
        roomless = self.tables[table].available == 0
        heap.FAILURES.at = U64(1 if fail else 0)
        try:
            return int(operation())
        except OutOfMemory:
            assert fail and roomless
        except QuotaExceeded:
            assert self.full(table) and roomless
        finally:
            heap.FAILURES.at = U64(0)
        assert table_state(self.tables) == before
        return None

    # What processes do

    @rule(table=st.integers(0, TABLES - 1), badge=st.sampled_from([0, 0, 5]), fail=st.booleans())
    def create(self, table: int, badge: int, fail: bool) -> None:
        thing = Thing(self.kernel.thing(kind=Kind.INTERRUPT))
        self.made += 1
        target = self.tables[table]
        handle = self.attempt(
            fail, table, lambda: capabilities.insert_root(target, thing.header, ALL_RIGHTS, U64(badge))
        )
        cleanup.drop(thing.header)
        self.kernel.settle()
        if handle is not None:
            self.things.append(thing)
            self.add(Node(thing, ALL_RIGHTS, badge, None, table, handle))

    @precondition(lambda self: self.live)
    @rule(
        choice=st.integers(0, 999),
        table=st.integers(0, TABLES - 1),
        rights=st.sampled_from([ALL_RIGHTS_BITS] * 4 + [ALL_RIGHTS_BITS & ~1, ALL_RIGHTS_BITS & ~2, 16, 16 | 1 | 4]),
        badge=st.sampled_from([0, 0, 5, 6]),
        fail=st.booleans(),
    )
    def derive(self, choice: int, table: int, rights: int, badge: int, fail: bool) -> None:
        node = self.pick(choice)
        wanted = Rights(rights)
        allowed = wanted in node.rights and Rights.DERIVE in node.rights
        allowed = allowed and (badge == 0 or node.badge in (0, badge))
        allowed = allowed and (table == node.table or Rights.TRANSFER in node.rights)
        source, target = self.capability(node), self.tables[table]
        if not allowed:
            before = table_state(self.tables)
            with pytest.raises(Denied):
                capabilities.derive(source, target, wanted, U64(badge))
            assert table_state(self.tables) == before
            return
        handle = self.attempt(fail, table, lambda: capabilities.derive(source, target, wanted, U64(badge)))
        if handle is not None:
            self.add(Node(node.thing, wanted, badge or node.badge, node, table, handle))

    @precondition(lambda self: any(Rights.DERIVE in node.rights for node in self.live))
    @rule(choice=st.integers(0, 999), count=st.sampled_from([2, 3, 4, 5, 66]))
    def copy_many(self, choice: int, count: int) -> None:
        """Tables grow."""
        node = self.pick(choice)
        source, target = self.capability(node), self.tables[node.table]
        for _ in range(count if Rights.DERIVE in node.rights else 0):
            handle = self.attempt(False, node.table, partial(capabilities.copy, source, target))
            if handle is None:
                break
            self.add(Node(node.thing, node.rights, node.badge, node, node.table, handle))

    @precondition(lambda self: self.live)
    @rule(choice=st.integers(0, 999), table=st.integers(0, TABLES - 1), fail=st.booleans())
    def move(self, choice: int, table: int, fail: bool) -> None:
        node = self.pick(choice)
        if table != node.table and Rights.TRANSFER not in node.rights:
            with pytest.raises(Denied):
                capabilities.move(self.capability(node), self.tables[table])
            return
        self.move_node(node, table, fail)

    def move_node(self, node: Node, table: int, fail: bool = False) -> None:
        source, target = self.capability(node), self.tables[table]
        handle = self.attempt(fail, table, lambda: capabilities.move(source, target))
        if handle is not None:
            self.stale.append((self.tables[node.table], node.handle))
            node.table, node.handle = table, handle

    @precondition(lambda self: self.live)
    @rule(choice=st.integers(0, 999))
    def close(self, choice: int) -> None:
        self.close_node(self.pick(choice))

    def close_node(self, node: Node) -> None:
        capabilities.close(self.tables[node.table], U64(node.handle))
        self.remove(node)
        self.kernel.settle()

    @precondition(lambda self: self.live)
    @rule(choice=st.integers(0, 999), steps=st.sampled_from([1, 2, 100]))
    def revoke(self, choice: int, steps: int) -> None:
        """Perhaps not to the end: what others do next is then in the middle of it."""
        self.revoke_node(self.pick(choice), steps)

    def revoke_node(self, node: Node, steps: int = 1) -> None:
        capability = self.capability(node)
        for _ in range(steps):
            done = capabilities.revoke_step(capability)
            gone = [child for child in node.children if not self.is_live(child)]
            assert len(gone) == min(1, len(node.children))
            for child in gone:
                self.remove(child)
            assert done == (not node.children)
            if done:
                break
        self.kernel.settle()

    @precondition(lambda self: len(self.live) > 20)
    @rule(table=st.integers(0, TABLES - 1), steps=st.integers(1, 50))
    def process_ends(self, table: int, steps: int) -> None:
        """Its table is emptied, while the others carry on."""
        ending = self.tables[table]
        for _ in range(steps):
            capabilities.empty_step(ending)
        with pytest.raises(PeerGone):
            capabilities.reserve(ending, U64(1))
        while not capabilities.empty_step(ending):
            pass
        for node in [node for node in self.live if node.table == table]:
            assert not self.is_live(node)
            self.remove(node)
        self.kernel.settle()
        assert ending.quota.value.used == 0
        self.stale = [(where, handle) for where, handle in self.stale if where is not ending]
        self.tables[table] = self.kernel.table(TABLE_LIMIT)

    @precondition(lambda self: self.stale)
    @rule(choice=st.integers(0, 9999))
    def use_a_stale_handle(self, choice: int) -> None:
        table, handle = self.stale[choice % len(self.stale)]
        for attempt in (capabilities.find, capabilities.close):
            with pytest.raises(BadHandle):
                attempt(table, U64(handle))

    @rule(table=st.integers(0, TABLES - 1), handle=st.integers(0, 1 << 64))
    def use_any_number(self, table: int, handle: int) -> None:
        number = handle % (1 << 64) if handle % 3 else handle % 300 + (handle % 5 << 32)
        known = {node.handle for node in self.live if node.table == table}
        try:
            capabilities.find(self.tables[table], U64(number))
            assert number in known
        except BadHandle:
            assert number not in known

    # What always holds

    @invariant()
    def trees_are_the_models(self) -> None:
        by_address = {int(self.capability(node).address.value): node for node in self.live}
        seen = 0
        for thing in self.things:
            header = thing.header.value
            assert walk(header.capabilities, None, by_address) == thing.roots
            count = sum(1 for node in self.live if node.thing is thing)
            assert int(header.references) == count
            seen += count
        assert seen == len(self.live) == len(by_address)
        for address, node in by_address.items():
            entry = self.capability(node).value
            assert (entry.rights, int(entry.badge)) == (node.rights, node.badge)
            assert int(capabilities.handle_of(self.capability(node))) == node.handle
            assert walk(entry.child, address, by_address) == node.children
            assert entry.child.is_null() == entry.last.is_null()

    @invariant()
    def objects_end_with_their_last_capability(self) -> None:
        assert self.named - int(self.counts.removed) == len(self.live)
        assert int(self.counts.ended) == self.made - len(self.things)

    def teardown(self) -> None:
        self.context.__exit__(None, None, None)


def derive_tree(model: CapabilityMachine, parents: tuple[int, ...]) -> list[Node]:
    """A root and one more capability for each number, derived from the one that was made as number so many."""
    model.create(0, 0, False)
    nodes = [model.live[-1]]
    for parent in parents:
        node = nodes[parent]
        handle = int(capabilities.copy(model.capability(node), model.tables[node.table]))
        nodes.append(Node(node.thing, node.rights, 0, node, node.table, handle))
        model.add(nodes[-1])
    return nodes


@pytest.mark.parametrize("operation", ["close", "move", "revoke"])
def test_every_tree_of_five_and_each_place_in_it(operation: str) -> None:
    """There are 24 orders of deriving: every shape and every position among siblings."""
    model = CapabilityMachine()
    for parents in itertools.product(range(1), range(2), range(3), range(4)):
        for place in range(5):
            nodes = derive_tree(model, parents)
            if operation == "close":
                model.close_node(nodes[place])
            elif operation == "move":
                model.move_node(nodes[place], 1)
            else:
                model.revoke_node(nodes[place])
            model.trees_are_the_models()
            for node in nodes[::2] + nodes[1::2]:
                if node in model.live:
                    model.close_node(node)
                    model.trees_are_the_models()
            assert not model.live
    model.teardown()


def walk(first: Ptr[Capability], parent: int | None, nodes: dict[int, Node]) -> set[Node]:
    """The nodes of a list of siblings, whose links must lead both ways and end at the parent."""
    found: set[Node] = set()
    at, before = first, parent or 0
    while not at.is_null() and int(at.address.value) != parent:
        address = int(at.address.value)
        previous = at.value.previous
        assert (0 if previous.is_null() else int(previous.address.value)) == before
        found.add(nodes[address])
        before, at = address, at.value.next
    if parent is not None and found:
        assert not at.is_null()
        assert int(at.value.last.address.value) == before
    return found


TestCapabilityModel = CapabilityMachine.TestCase
TestCapabilityModel.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
