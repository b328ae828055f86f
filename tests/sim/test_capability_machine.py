"""Capabilities of several processes against a tree of Python objects, through system calls alone.

Processes create, derive, install, close, revoke, hand over in messages and in replies, moved and copied, and end; one
of them acts while another's revocation is under way. After every step all derivation trees of the kernel are the
model's: the same handles in the same tables with the same rights and badges below the same parents. No handle comes
twice in the life of a process.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cloudos.abi import initial, tags
from cloudos.abi.errors import BadArgument, BadHandle, Denied
from cloudos.abi.objects import ALL_RIGHTS_BITS, DERIVED, Kind, Rights
from tests.sim import invariants, programs
from tests.sim.sizes import machine_settings
from tests.sim.stage import Actor, Stage
from tests.sim.world import user

call, message = user.call, user.message
CHILDREN = 2
MANY = 40
MAKERS = {"endpoint_create": Kind.ENDPOINT, "notification_create": Kind.NOTIFICATION}
DERIVE, TRANSFER, REVOKE, SEND = int(Rights.DERIVE), int(Rights.TRANSFER), int(Rights.REVOKE), int(Rights.SEND)
RIGHTS = st.one_of(
    st.just(ALL_RIGHTS_BITS),
    st.just(ALL_RIGHTS_BITS),
    # Without one of those that matter.
    st.sampled_from([ALL_RIGHTS_BITS & ~right for right in (DERIVE, TRANSFER, REVOKE)]),
    st.sampled_from([SEND, DERIVE, DERIVE | TRANSFER | REVOKE]),
    st.integers(0, ALL_RIGHTS_BITS),
)
BADGES = st.sampled_from([0, 0, 0, 5, 6, (1 << 64) - 1])
CHOICE = st.integers(0, 1 << 16)


@dataclass(eq=False)
class Thing:
    """An object that the test made. `address`: where the kernel keeps it."""

    kind: Kind
    address: int


@dataclass(eq=False)
class Node:
    """A capability."""

    thing: Thing
    rights: int
    badge: int
    parent: Node | None
    place: Place
    handle: int
    children: list[Node] = field(default_factory=list)

    def descendants(self) -> list[Node]:
        return [node for child in self.children for node in (child, *child.descendants())]


@dataclass(eq=False)
class Place:
    """A process: its actor, the capabilities that it has, and every handle that it ever had."""

    actor: Actor
    address: int
    nodes: dict[int, Node] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    # Of the endpoints of others, by their number: handles with and without GRANT. Its own one is `inbox`.
    ways: dict[tuple[int, bool], int] = field(default_factory=dict)
    inbox: int = 0
    quota: int = 0


class CapabilityMachine(RuleBasedStateMachine):
    """The kernel beside the model."""

    @initialize(seed=st.integers(0, 1 << 16))
    def switch_on(self, seed: int) -> None:
        self.stage = Stage(seed, memory=6 << 20)
        self.things: list[Thing] = []
        self.endpoints = [self.stage.succeed("endpoint_create", initial.QUOTA) for _ in range(CHILDREN + 1)]
        self.places: list[Place] = [self.place(0)]
        self.places += [self.place(number) for number in range(1, CHILDREN + 1)]

    def place(self, number: int) -> Place:
        """A process with an actor, an inbox, and handles to the inboxes of all others."""
        home = self.stage.process() if number else initial.PROCESS
        actor = self.stage.actor(home, buffer=True)
        made = Place(actor, self.stage.thread(actor)["process"])
        self.stage.main(self.outfit(made, number))
        return made

    def outfit(self, place: Place, number: int) -> programs.Steps:
        """Give a process what it needs to make objects and to talk."""
        home = place.actor.home
        place.quota = yield from programs.install(home, initial.QUOTA)
        place.inbox = yield from programs.install(home, self.endpoints[number])
        for other in range(CHILDREN + 1):
            for grant, rights in ((True, Rights.SEND | Rights.GRANT), (False, Rights.SEND)):
                place.ways[other, grant] = yield from programs.install(home, self.endpoints[other], rights)
        return 0

    # The model

    def add(self, thing: Thing, rights: int, badge: int, parent: Node | None, place: Place, handle: int) -> Node:
        node = Node(thing, rights, badge, parent, place, handle)
        assert handle not in place.seen, "a handle was given out twice"
        place.seen.add(handle)
        place.nodes[handle] = node
        if parent is not None:
            parent.children.append(node)
        return node

    def remove(self, node: Node) -> None:
        """Its children become its parent's."""
        for child in node.children:
            child.parent = node.parent
        if node.parent is not None:
            node.parent.children.remove(node)
            node.parent.children += node.children
        del node.place.nodes[node.handle]

    def all_nodes(self) -> list[Node]:
        return [node for place in self.places for node in place.nodes.values()]

    def pick(self, choice: int) -> Node:
        """Any, but half of the time one that something was derived from."""
        nodes = self.all_nodes()
        inner = [node for node in nodes if node.children]
        nodes = inner if inner and choice % 2 else nodes
        return nodes[choice // 2 % len(nodes)]

    def has_nodes(self) -> bool:
        return any(place.nodes for place in self.places)

    def derivation(self, node: Node, rights: int, badge: int, target: Place) -> set[int]:
        """The errors that deriving may give; none: it works."""
        errors = set()
        if not node.rights & DERIVE or rights & ~node.rights or (badge and node.badge not in (0, badge)):
            errors.add(Denied.code)
        if target is not node.place and not node.rights & TRANSFER:
            errors.add(Denied.code)
        return errors

    def expect(self, reply: user.Reply, errors: set[int]) -> bool:
        """Whether it worked; the error is one of those that the model allows, if it allows any."""
        if errors:
            assert reply.error in errors, f"error {reply.error} instead of {errors}"
            return False
        assert reply.error == 0, f"error {reply.error} instead of success"
        return True

    # What processes do

    @rule(number=st.integers(0, CHILDREN), name=st.sampled_from(sorted(MAKERS)))
    def create(self, number: int, name: str) -> None:
        place = self.places[number]
        reply = self.stage.do(place.actor, call(name, place.quota))
        assert self.expect(reply, set())
        found = invariants.check(self.stage.simulation)
        thing = Thing(MAKERS[name], found.named_by(place.address, reply.value)["object"])
        self.things.append(thing)
        node = self.add(thing, ALL_RIGHTS_BITS, 0, None, place, reply.value)
        for missing in (DERIVE, TRANSFER, REVOKE):
            rights = ALL_RIGHTS_BITS & ~missing
            reply = self.stage.do(place.actor, call("handle_derive", node.handle, rights, 0))
            assert self.expect(reply, set())
            self.add(thing, rights, 0, node, place, reply.value)

    @precondition(has_nodes)
    @rule(choice=CHOICE, rights=RIGHTS, badge=BADGES)
    def derive(self, choice: int, rights: int, badge: int) -> None:
        node = self.pick(choice)
        rights &= node.rights if choice % 4 else ALL_RIGHTS_BITS
        reply = self.stage.do(node.place.actor, call("handle_derive", node.handle, rights, badge))
        if self.expect(reply, self.derivation(node, rights, badge, node.place)):
            self.add(node.thing, rights, badge or node.badge, node, node.place, reply.value)

    @precondition(has_nodes)
    @rule(choice=CHOICE, number=st.integers(0, CHILDREN), rights=RIGHTS, badge=BADGES)
    def install(self, choice: int, number: int, rights: int, badge: int) -> None:
        """The first process hands something of its own to a child, or to itself."""
        nodes = list(self.places[0].nodes.values())
        if not nodes:
            return
        node, target = one_of(nodes, choice), self.places[number]
        rights &= node.rights if choice % 4 else ALL_RIGHTS_BITS
        reply = self.stage.do(
            self.places[0].actor, call("process_install", target.actor.home, node.handle, rights, badge)
        )
        rights = rights or node.rights
        if self.expect(reply, self.derivation(node, rights, badge, target)):
            self.add(node.thing, rights, badge or node.badge, node, target, reply.value)

    @precondition(has_nodes)
    @rule(choice=CHOICE, count=st.integers(2, 80), shape=st.sampled_from(["chain", "fan", "tree"]))
    def grow(self, choice: int, count: int, shape: str) -> None:
        """A large family."""
        top = self.pick(choice)
        if not top.rights & DERIVE:
            return

        def derive() -> programs.Steps:
            family = [top]
            for index in range(count):
                parent = family[{"chain": index, "fan": 0, "tree": index // 3}[shape]]
                handle = yield from user.succeed("handle_derive", parent.handle, parent.rights, 0)
                family.append(self.add(top.thing, parent.rights, parent.badge, parent, parent.place, handle))
            return 0

        self.stage.do(top.place.actor, derive())

    @precondition(has_nodes)
    @rule(choice=CHOICE)
    def close(self, choice: int) -> None:
        node = self.pick(choice)
        assert self.expect(self.stage.do(node.place.actor, call("handle_close", node.handle)), set())
        self.remove(node)

    @precondition(has_nodes)
    @rule(choice=CHOICE)
    def revoke(self, choice: int) -> None:
        node = self.pick(choice)
        errors = set() if node.rights & REVOKE else {Denied.code}
        if self.expect(self.stage.do(node.place.actor, call("handle_revoke", node.handle)), errors):
            for descendant in node.descendants():
                del descendant.place.nodes[descendant.handle]
            node.children.clear()

    @precondition(has_nodes)
    @rule(choice=CHOICE, steps=st.lists(st.tuples(st.booleans(), CHOICE), max_size=12))
    def revoke_while_others_act(self, choice: int, steps: list[tuple[bool, int]]) -> None:
        """What others derive and close meanwhile changes nothing: no descendant is left."""
        node = self.pick(choice)
        family = [found for found in node.descendants() if found.place is not node.place]
        if not node.rights & REVOKE or not family:
            return
        other = family[0].place
        theirs = [found for found in family if found.place is other]
        self.stage.post(other.actor, meddle(theirs, steps))
        assert self.expect(self.stage.do(node.place.actor, call("handle_revoke", node.handle)), set())
        for handle in self.stage.result(other.actor):
            assert handle not in other.seen, "a handle was given out twice"
            other.seen.add(handle)
        for descendant in node.descendants():
            del descendant.place.nodes[descendant.handle]
        node.children.clear()

    @rule(number=st.integers(0, CHILDREN))
    def look_at_all_handles(self, number: int) -> None:
        """Those that are gone or that only others have name nothing; the others what they should."""
        place = self.places[number]
        gone = sorted(set().union(*(other.seen for other in self.places)) - set(place.nodes))
        foreign = {*place.ways.values(), place.inbox, place.quota, *range(1 << 32, (1 << 32) + 40)}
        gone = [handle for handle in gone if handle in place.seen or handle not in foreign][-MANY:]
        self.stage.do(place.actor, look(gone, dict(list(place.nodes.items())[-MANY:])))

    @precondition(has_nodes)
    @rule(choice=CHOICE, name=st.sampled_from(["handle_close", "handle_revoke"]))
    def use_what_is_gone(self, choice: int, name: str) -> None:
        """Nothing happens to whoever has the slot now."""
        node = self.pick(choice)
        gone = sorted(node.place.seen - set(node.place.nodes))
        if gone:
            assert not self.expect(
                self.stage.do(node.place.actor, call(name, gone[-1 - choice % len(gone)])), {BadHandle.code}
            )

    # Handing over

    def parcel(self, sender: Place, target: Place, picks: list[tuple[int, bool]], grant: bool) -> Parcel | None:
        """Some of the sender's capabilities, and what is wrong with sending them."""
        nodes = list(sender.nodes.values())
        if not nodes:
            return None
        items = [(one_of(nodes, choice), moving) for choice, moving in picks]
        errors = set() if grant else {Denied.code}
        for index, (node, moving) in enumerate(items):
            if not node.rights & TRANSFER or not (moving or node.rights & DERIVE):
                errors.add(Denied.code)
            if moving and any(other is node for at, (other, _) in enumerate(items) if at != index):
                errors.add(BadArgument.code)
        return Parcel(items, errors, sender, target)

    def deliver(self, parcel: Parcel) -> None:
        """It has arrived: the model follows."""
        content = self.stage.do(parcel.target.actor, user.Read(parcel.target.actor.buffer + 8, 8 * len(parcel.items)))
        for index, (node, moving) in enumerate(parcel.items):
            handle = int.from_bytes(content[8 * index : 8 * index + 8], "little")
            made = self.add(node.thing, node.rights, node.badge, node, parcel.target, handle)
            if moving:
                made.children, node.children = [child for child in node.children if child is not made], [made]
                for child in made.children:
                    child.parent = made
                self.remove(node)

    PICKS = st.lists(st.tuples(CHOICE, st.booleans()), min_size=1, max_size=4)

    @rule(
        ends=st.permutations(range(CHILDREN + 1)), there=PICKS, back=PICKS, grant=st.booleans(),
        early=st.booleans(), name=st.sampled_from(["message_send", "message_call"]),
    )  # fmt: skip
    def hand_over(
        self,
        ends: list[int],
        there: list[tuple[int, bool]],
        back: list[tuple[int, bool]],
        grant: bool,
        early: bool,
        name: str,
    ) -> None:
        """In a message, before or after its receiver waits; and in the reply to it."""
        sender, target = self.places[ends[0]], self.places[ends[1]]
        grant = grant or bool(there[0][0] % 4)
        parcel = self.parcel(sender, target, there, grant)
        if parcel is None:
            return
        receive = message("message_receive", target.inbox)
        self.stage.do(sender.actor, parcel.write())
        step = message(name, sender.ways[ends[1], grant], parcel.tag)
        first, second = ((target, receive), (sender, step)) if early else ((sender, step), (target, receive))
        assert self.stage.do(first[0].actor, first[1]) is None
        self.stage.do(second[0].actor, second[1])
        sent, received = self.stage.result(sender.actor), self.stage.result(target.actor)
        if parcel.errors:
            assert sent.error in parcel.errors and received is None
            # The receiver still waits.
            assert (
                self.stage.do(sender.actor, message(name, sender.ways[ends[1], False])) is None
                or name == "message_send"
            )
            received = self.stage.result(target.actor)
        else:
            self.deliver(parcel)
        assert received.error == 0
        if name == "message_call":
            self.hand_back(self.parcel(target, sender, back, True), received.reply, target, sender)
        assert self.stage.result(sender.actor).error == 0

    def hand_back(self, parcel: Parcel | None, reply: int, server: Place, client: Place) -> None:
        """Answer a call with handles; where that is refused, without."""
        if parcel is not None:
            self.stage.do(server.actor, parcel.write())
            result = self.stage.do(server.actor, message("message_reply", reply, parcel.tag))
            if self.expect(result, parcel.errors):
                self.deliver_reply(parcel)
                return
            assert self.stage.result(client.actor) is None
        assert self.stage.do(server.actor, message("message_reply", reply)).error == 0

    def deliver_reply(self, parcel: Parcel) -> None:
        """Reading what came is a command of its own: the result of the call must stay."""
        before = self.stage.result(parcel.target.actor)
        self.deliver(parcel)
        parcel.target.actor.results.append(before)

    @rule(number=st.integers(1, CHILDREN), seldom=st.integers(0, 3))
    def end(self, number: int, seldom: int) -> None:
        """A process ends, and another takes its place."""
        if seldom:
            return
        place = self.places[number]
        self.stage.succeed("process_kill", place.actor.home)
        for node in list(place.nodes.values()):
            self.remove(node)
        self.stage.settle()
        for handle in (place.actor.handle, place.actor.home):
            self.stage.succeed("handle_close", handle)
        self.places[number] = self.place(number)

    # What must hold

    @invariant()
    def trees_are_the_models(self) -> None:
        if not hasattr(self, "places"):
            return
        found = invariants.check(self.stage.simulation)
        self.things = [thing for thing in self.things if any(node.thing is thing for node in self.all_nodes())]
        expected = {describe(node) for node in self.all_nodes()}
        known = {thing.address for thing in self.things}
        assert found.family(known) == expected

    def teardown(self) -> None:
        if not hasattr(self, "stage"):
            return
        try:
            if hasattr(self, "places"):
                self.stage.finish()
        finally:
            self.stage.close()


def one_of(nodes: list[Node], choice: int) -> Node:
    """Any, but half of the time one that may not be handed over in one of the ways."""
    weak = [node for node in nodes if node.rights & (DERIVE | TRANSFER) != DERIVE | TRANSFER]
    found = weak if weak and choice % 2 else nodes
    return found[choice // 2 % len(found)]


def look(gone: list[int], known: dict[int, Node]) -> programs.Steps:
    """Inspect handles."""
    for handle in gone:
        reply: user.Reply = yield call("handle_inspect", handle)
        assert reply.error == BadHandle.code, f"{handle:#x} is gone, but gives the error {reply.error}"
    for handle, node in known.items():
        derived = DERIVED if node.children else 0
        assert (yield from user.succeed("handle_inspect", handle)) == node.thing.kind | node.rights << 8 | derived
    return 0


@dataclass
class Parcel:
    """Capabilities to be sent, and the errors that this may give."""

    items: list[tuple[Node, bool]]
    errors: set[int]
    sender: Place
    target: Place

    @property
    def tag(self) -> int:
        return len(self.items) << tags.HANDLES_SHIFT

    def write(self) -> programs.Steps:
        """Put the handles into the sender's buffer."""
        handles = b"".join(node.handle.to_bytes(8, "little") for node, _ in self.items).ljust(32, b"\0")
        moves = sum(1 << index for index, (_, moving) in enumerate(self.items) if moving)
        yield user.Write(self.sender.actor.buffer + 8, handles + moves.to_bytes(4, "little"))
        return 0


def meddle(theirs: list[Node], steps: list[tuple[bool, int]]) -> Generator[user.Instruction, Any, list[int]]:
    """Derive from capabilities and close them while they are being revoked; the handles that were made."""
    made: list[int] = []
    for deriving, choice in steps:
        node = theirs[choice % len(theirs)]
        rights = node.rights
        step = call("handle_derive", node.handle, rights, 0) if deriving else call("handle_close", node.handle)
        reply: user.Reply = yield step
        denied = deriving and not rights & DERIVE
        assert reply.error in ({Denied.code, BadHandle.code} if denied else {0, BadHandle.code})
        if deriving and reply.error == 0:
            made.append(reply.value)
    return made


Description = tuple[int, int, int, int, int, tuple[int, int] | None]


def describe(node: Node) -> Description:
    """What the kernel should know of a capability."""
    parent = None if node.parent is None else (node.parent.place.address, node.parent.handle)
    return node.thing.address, node.place.address, node.handle, node.rights, node.badge, parent


CapabilityMachine.TestCase.settings = machine_settings(20, 30)
test_capabilities: Callable[..., Any] = CapabilityMachine.TestCase
