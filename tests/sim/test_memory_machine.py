"""Memory objects, mappings and quotas against a model of plain bytes.

Two processes write and read through mappings of objects that are cloned, mapped again, partly unmapped, protected and
forgotten, on quotas split from quotas. What is read is what the model says, page by page, so that no page is shared
that should not be, nor the other way round. After each step every byte is charged to whom it should be, and no page of
one object is visible through another; in the end everything is back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cloudos.abi import initial, objects
from cloudos.abi.errors import BadArgument, QuotaExceeded
from tests.sim import invariants, programs
from tests.sim.inventory import ROOT
from tests.sim.paging import check_isolation
from tests.sim.sizes import machine_settings
from tests.sim.stage import Actor, Stage
from tests.sim.world import user

call = user.call
PAGE = 4096
WINDOWS = 0x7200_0000_0000
READ, WRITE = 1, 2
CHOICE = st.integers(0, 1 << 16)
PAGES = st.integers(1, 5)
MOST = 6
# Bytes of a quota that are left for nodes, page tables and regions.
SLACK = 24 * PAGE


@dataclass(eq=False)
class Share:
    """A quota: its handle, its limit, what was split off it."""

    handle: int
    limit: int
    parent: Share | None
    children: list[Share] = field(default_factory=list)
    things: int = 0


@dataclass(eq=False)
class Thing:
    """A memory object: what each page begins with."""

    handle: int
    length: int
    share: Share
    pages: dict[int, bytes] = field(default_factory=dict)
    runs: bool = False


@dataclass(eq=False)
class View:
    """A mapped page of a process."""

    thing: Thing
    page: int
    writable: bool


class MemoryMachine(RuleBasedStateMachine):
    """The kernel beside the model."""

    @initialize(seed=st.integers(0, 1 << 16))
    def switch_on(self, seed: int) -> None:
        self.stage = Stage(seed, memory=8 << 20)
        self.shares = [Share(initial.QUOTA, 0, None)]
        self.things: list[Thing] = []
        self.actors: list[Actor] = []
        self.spaces: list[int] = []
        self.views: list[dict[int, View]] = []
        self.count = 0
        self.next = WINDOWS
        for home in (initial.PROCESS, self.stage.process()):
            self.actors.append(self.stage.actor(home))
            self.spaces.append(self.stage.succeed("process_space", home))
            self.views.append({})

    def attempt(self, name: str, *arguments: int) -> user.Reply:
        reply: user.Reply = self.stage.main(call(name, *arguments))
        return reply

    def pick(self, choice: int) -> Thing | None:
        return self.things[choice % len(self.things)] if self.things else None

    def view(self, choice: int) -> tuple[int, int, View] | None:
        """A process, an address and what is there."""
        process = choice % 2
        known = sorted(self.views[process])
        if not known:
            return None
        address = known[choice // 2 % len(known)]
        return process, address, self.views[process][address]

    def room(self, share: Share) -> int:
        """Bytes that the quota has left, as it says itself, whose limit must be the model's."""
        self.stage.succeed("quota_inspect", share.handle, user.SCRATCH)
        data = self.stage.main(user.Read(user.SCRATCH, 16))
        used, limit = int.from_bytes(data[:8], "little"), int.from_bytes(data[8:], "little")
        assert used <= limit and (share.parent is None or limit == share.limit)
        assert used >= sum(child.limit for child in share.children)
        return limit - used

    # Quotas

    @rule(which=CHOICE, size=st.integers(1, 64))
    def split(self, which: int, size: int) -> None:
        """A part of a quota."""
        parent = self.shares[which % len(self.shares)]
        room, limit = self.room(parent), 3 * SLACK + size * PAGE
        reply = self.attempt("quota_create", parent.handle, limit)
        if reply.error:
            assert reply.error == QuotaExceeded.code and room < limit + PAGE
            return
        assert room >= limit
        child = Share(reply.value, limit, parent)
        parent.children.append(child)
        self.shares.append(child)

    @rule(which=CHOICE)
    def give_back(self, which: int) -> None:
        """A quota on which there is nothing."""
        share = self.shares[which % len(self.shares)]
        if share.parent is None or share.children or share.things:
            return
        self.stage.succeed("handle_close", share.handle)
        share.parent.children.remove(share)
        self.shares.remove(share)

    # Objects

    @rule(which=CHOICE, length=PAGES, kind=st.sampled_from([0, 0, 1, 2]))
    def create(self, which: int, length: int, kind: int) -> None:
        share = self.shares[which % len(self.shares)]
        room = self.room(share)
        if len(self.things) >= MOST or room < SLACK + 8 * PAGE:
            return
        handle = self.attempt("memory_create", share.handle, length * PAGE, kind)
        assert handle.error == 0
        self.things.append(Thing(handle.value, length, share, runs=kind == objects.MEMORY_CONTIGUOUS))
        share.things += 1

    @rule(which=CHOICE, whom=CHOICE)
    def clone(self, which: int, whom: int) -> None:
        origin, share = self.pick(which), self.shares[whom % len(self.shares)]
        if origin is None or origin.runs or len(self.things) >= MOST or self.room(share) < SLACK + 8 * PAGE:
            return
        handle = self.stage.succeed("memory_clone", origin.handle, share.handle, 0)
        self.things.append(Thing(handle, origin.length, share, dict(origin.pages)))
        share.things += 1

    @rule(which=CHOICE, first=st.integers(0, 4), count=PAGES)
    def discard(self, which: int, first: int, count: int) -> None:
        """Pages read as zero again, wherever they are seen; but not in clones."""
        thing = self.pick(which)
        if thing is None or thing.runs:
            return
        reply = self.attempt("memory_discard", thing.handle, first * PAGE, count * PAGE)
        if first + count > thing.length:
            assert reply.error == BadArgument.code
            return
        assert reply.error == 0
        for page in range(first, first + count):
            thing.pages.pop(page, None)

    @rule(which=CHOICE)
    def close(self, which: int) -> None:
        """An object that nobody sees ends."""
        thing = self.pick(which)
        if thing is None or any(view.thing is thing for views in self.views for view in views.values()):
            return
        self.stage.succeed("handle_close", thing.handle)
        self.things.remove(thing)
        thing.share.things -= 1

    # Mappings

    @rule(which=CHOICE, process=st.integers(0, 1), first=st.integers(0, 4), count=PAGES, writable=st.booleans())
    def map(self, which: int, process: int, first: int, count: int, writable: bool) -> None:
        thing = self.pick(which)
        if thing is None:
            return
        access = READ | WRITE if writable else READ
        reply = self.attempt(
            "space_map", self.spaces[process], thing.handle, self.next, first * PAGE, count * PAGE, access
        )
        if first + count > thing.length:
            assert reply.error == BadArgument.code
            return
        assert reply.error == 0
        for page in range(count):
            self.views[process][self.next + page * PAGE] = View(thing, first + page, writable)
        self.next += count * PAGE

    @rule(which=CHOICE, count=PAGES)
    def unmap(self, which: int, count: int) -> None:
        found = self.view(which)
        if found is not None:
            process, address, _ = found
            self.stage.succeed("space_unmap", self.spaces[process], address, count * PAGE)
            for page in range(count):
                self.views[process].pop(address + page * PAGE, None)

    @rule(which=CHOICE, count=PAGES, writable=st.booleans())
    def protect(self, which: int, count: int, writable: bool) -> None:
        found = self.view(which)
        if found is None:
            return
        process, address, _ = found
        pages = [address + page * PAGE for page in range(count)]
        access = READ | WRITE if writable else READ
        reply = self.attempt("space_protect", self.spaces[process], address, count * PAGE, access)
        if all(page in self.views[process] for page in pages):
            assert reply.error == 0
            for page in pages:
                self.views[process][page].writable = writable
        else:
            assert reply.error == BadArgument.code

    @rule(which=CHOICE)
    def write(self, which: int) -> None:
        found = self.view(which)
        if found is None or not found[2].writable or self.room(found[2].thing.share) < SLACK // 2:
            return
        process, address, view = found
        self.count += 1
        data = self.count.to_bytes(8, "little")
        self.stage.do(self.actors[process], user.Write(address, data))
        view.thing.pages[view.page] = data

    @rule(which=CHOICE)
    def read_all(self, which: int) -> None:
        """Everything that a process sees is as the model says."""
        process = which % 2
        if all(self.room(share) > SLACK // 2 for share in self.shares):
            self.stage.do(self.actors[process], look(self.views[process]))

    # What must hold

    @invariant()
    def everything_is_accounted_for(self) -> None:
        if hasattr(self, "actors") and len(self.actors) == 2:
            check_isolation(invariants.check(self.stage.simulation))

    def teardown(self) -> None:
        if not hasattr(self, "stage"):
            return
        try:
            if hasattr(self, "actors") and len(self.actors) == 2:
                self.give_everything_back()
                self.stage.finish()
        finally:
            self.stage.close()

    def give_everything_back(self) -> None:
        """Then nothing is left but what there was before."""
        for process, views in enumerate(self.views):
            for address in views:
                self.stage.succeed("space_unmap", self.spaces[process], address, PAGE)
        for thing in self.things:
            self.stage.succeed("handle_close", thing.handle)
        for share in reversed(self.shares[1:]):
            self.stage.succeed("handle_close", share.handle)
        self.stage.settle()
        found = invariants.check(self.stage.simulation)
        quotas = found.of_kind(objects.Kind.QUOTA)
        assert len(quotas) == 1 and not found.islands, "a quota is left"
        assert int(ROOT.used) > 0


def look(views: dict[int, View]) -> programs.Steps:
    """Read what is mapped."""
    for address, view in views.items():
        data: bytes = yield user.Read(address, 16)
        expected = view.thing.pages.get(view.page, bytes(8)) + bytes(8)
        assert data == expected, f"{address:#x} shows {data.hex()} instead of {expected.hex()}"
    return 0


MemoryMachine.TestCase.settings = machine_settings(20, 40)
test_memory: Callable[..., Any] = MemoryMachine.TestCase
