"""Derive, close and revoke by the million, in trees of varying shape across two processes, against a model.

The model knows of every handle whose it is and what it was derived from. After each revocation and each so many
operations all handles are compared with it: those that must be gone are stale, the others name what they did.
Arguments: how many operations, the seed.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import BadHandle, Denied
from cloudos.abi.objects import DERIVED
from cloudos.lang import U8, U64, Array, code_address, place, struct, zeroed
from cloudos.sdk import List, Text, print, system
from cloudos.sdk.ipc import Message, call, receive, reply_and_receive
from cloudos.sdk.processes import Child
from tests.stress.programs.support import PROCESS, QUOTA, Random, number, quota_used

NODES = 96
ROOT = 0
# DERIVE, TRANSFER, REVOKE.
NEEDED = 7
EVERY = 64

DERIVE = 1
CLOSE = 2
REVOKE = 3
INSPECT = 4
STALE = 0xFFFF_FFFF


def act(operation: U64, handle: U64, rights: U64) -> U64:
    """An operation on a handle of this process; STALE when there is none."""
    try:
        if operation == DERIVE:
            return system.handle_derive(handle, rights, U64(0))
        if operation == CLOSE:
            system.handle_close(handle)
        elif operation == REVOKE:
            system.handle_revoke(handle)
        else:
            return system.handle_inspect(handle)
    except BadHandle:
        return U64(STALE)
    return U64(0)


def serve(endpoint: U64) -> None:
    """The other process: does what it is told."""
    message = Message()
    receive(endpoint, message)
    while True:
        message.words[0] = act(message.words[0], message.words[1], message.words[2])
        message.set(U64(0), U64(1))
        reply_and_receive(endpoint, message)


@struct
class Node:
    """A handle as the model knows it. `shape`: what inspecting it gives."""

    handle: U64 = U64(0)
    parent: U64 = U64(0)
    shape: U64 = U64(0)
    alive: bool = False
    away: bool = False


@struct
class Model:
    """All handles to one object. The first is the root, which is never closed."""

    nodes: Array[Node, Literal[96]] = zeroed()
    random: Random = zeroed()
    server: U64 = U64(0)
    child: U64 = U64(0)
    # 0: wide trees, 1: deep ones, 2: anything.
    style: U64 = U64(0)
    latest: U64 = U64(0)
    derived: U64 = U64(0)
    closed: U64 = U64(0)
    revoked: U64 = U64(0)
    lost: U64 = U64(0)

    def on(self, node: Node, operation: U64, rights: U64) -> U64:
        """Let the process act that has the handle."""
        if not node.away:
            return act(operation, node.handle, rights)
        message = Message()
        message.set(U64(0), U64(3))
        message.words[0] = operation
        message.words[1] = node.handle
        message.words[2] = rights
        call(self.server, message)
        return message.words[0]

    def pick(self) -> U64:
        """A node from which the next is derived."""
        if self.style == 0 and self.random.below(U64(8)) != 0:
            return U64(ROOT)
        if self.style == 1 and self.nodes[self.latest].alive and self.random.below(U64(8)) != 0:
            return self.latest
        return self.any()

    def any(self) -> U64:
        """A node that is alive."""
        index = self.random.below(U64(NODES))
        while not self.nodes[index].alive:
            index = (index + 1) % NODES
        return index

    def derive(self) -> None:
        """One more node, in either process, when there is room."""
        index = self.random.below(U64(NODES))
        if self.nodes[index].alive:
            return
        parent = self.pick()
        above = self.nodes[parent]
        rights = (above.shape >> 8) & self.random.next() | NEEDED
        away = above.away
        if not above.away and self.random.below(U64(4)) == 0:
            away = True
            handle = system.process_install(self.child, above.handle, rights, U64(0))
        else:
            handle = self.on(above, U64(DERIVE), rights)
        self.nodes[index] = Node(handle, parent, above.shape & 255 | rights << 8, True, away)
        self.latest = index
        self.derived = self.derived + 1

    def close(self) -> None:
        """One node less; what was derived from it moves up."""
        index = self.any()
        if index == ROOT:
            return
        node = self.nodes[index]
        assert self.on(node, U64(CLOSE), U64(0)) == 0, "closing fails"
        node.alive = False
        for other in U64.range(NODES):
            if self.nodes[other].alive and self.nodes[other].parent == index:
                self.nodes[other].parent = node.parent
        self.check(node, U64(0))
        self.closed = self.closed + 1

    def below(self, index: U64, top: U64) -> bool:
        """Whether a node was derived from another, directly or not."""
        while index != ROOT:
            index = self.nodes[index].parent
            if index == top:
                return True
        return False

    def revoke(self, top: U64) -> None:
        """All below a node go."""
        assert self.on(self.nodes[top], U64(REVOKE), U64(0)) == 0, "revoking fails"
        # First look, then change: the way up must stay.
        doomed = Array[U8, Literal[96]]()
        for index in U64.range(NODES):
            if self.nodes[index].alive and self.below(index, top):
                doomed[index] = U8(1)
        for index in U64.range(NODES):
            if doomed[index] == 1:
                self.nodes[index].alive = False
                self.lost = self.lost + 1
        self.revoked = self.revoked + 1
        self.check_all()

    def check(self, node: Node, derived: U64) -> None:
        """The kernel's view of a handle is the model's. `derived`: DERIVED when there are nodes below it, or 0."""
        expected = node.shape | derived if node.alive else U64(STALE)
        assert node.handle == 0 or self.on(node, U64(INSPECT), U64(0)) == expected, "another handle than expected"

    def check_all(self) -> None:
        derived = Array[U64, Literal[96]]()
        for index in U64.range(NODES):
            if index != ROOT and self.nodes[index].alive:
                derived[self.nodes[index].parent] = U64(DERIVED)
        for index in U64.range(NODES):
            self.check(self.nodes[index], derived[index])


MODEL = place(Model())


def step(count: U64) -> None:
    """One operation: mostly deriving, so that trees grow until something is revoked."""
    choice = MODEL.random.below(U64(32))
    if choice < 22:
        MODEL.derive()
    elif choice < 31:
        MODEL.close()
    else:
        index = MODEL.any()
        # Leaves are many: often rather what one of them was derived from.
        MODEL.revoke(MODEL.nodes[index].parent if MODEL.random.below(U64(2)) == 0 else index)
        MODEL.style = MODEL.random.below(U64(3))
    if count % EVERY == 0:
        MODEL.check_all()


def refused() -> None:
    """A handle without REVOKE or DERIVE does neither."""
    weak = system.handle_derive(MODEL.nodes[ROOT].handle, U64(2), U64(0))
    seen = U64(0)
    try:
        system.handle_revoke(weak)
    except Denied:
        seen = seen + 1
    try:
        system.handle_derive(weak, U64(2), U64(0))
    except Denied:
        seen = seen + 1
    assert seen == 2, "a weak handle can do too much"
    system.handle_close(weak)


def begin(seed: U64) -> Child:
    """The object, the other process, and the first node."""
    MODEL.random.seed(seed)
    MODEL.server = system.endpoint_create(QUOTA)
    child = Child()
    child.make(QUOTA)
    MODEL.child = child.process
    child.start(code_address(serve), system.process_install(child.process, MODEL.server, U64(256), U64(0)))
    handle = system.notification_create(QUOTA)
    MODEL.nodes[ROOT] = Node(handle, U64(ROOT), system.handle_inspect(handle), True, False)
    return child


def grow() -> None:
    """Both tables have their full size from here on."""
    root = MODEL.nodes[ROOT].handle
    for _ in U64.range(NODES):
        system.handle_derive(root, U64(NEEDED), U64(0))
        system.process_install(MODEL.child, root, U64(NEEDED), U64(0))
    MODEL.revoke(U64(ROOT))


def total() -> U64:
    return MODEL.derived + MODEL.closed + MODEL.revoked


def main(args: List[Text]) -> None:
    count = number(args, U64(1), U64(1000))
    begin(number(args, U64(2), U64(1)))
    refused()
    grow()
    # Nor is there memory that was never touched.
    for _ in U64.range(500):
        step(total())
    MODEL.revoke(U64(ROOT))
    before = quota_used()
    start = total()
    while total() - start < count:
        step(total())
    MODEL.revoke(U64(ROOT))
    assert quota_used() == before, "the handles are gone, but not what they used"
    print(f"operations {total() - start}")
    print(f"derived {MODEL.derived}")
    print(f"closed {MODEL.closed}")
    print(f"revoked {MODEL.revoked}")
    print(f"lost {MODEL.lost}")
    system.process_kill(MODEL.child)
    assert system.process_inspect(PROCESS) == 0, "alive"
    quota_used()
