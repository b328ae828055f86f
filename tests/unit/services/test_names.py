"""The names service through its contract, against a model of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cloudos.abi.errors import BadArgument, BadHandle, Denied, NotFound, TooManyHandles
from cloudos.abi.objects import Kind, Rights
from cloudos.contracts.errors import Exists, NoSpace
from cloudos.contracts.names import Names
from cloudos.lang import U8, U64, Array, Error, data
from cloudos.sdk import local_calls, models
from cloudos.sdk.local_system import LocalModel
from cloudos.services.names.main import NameServer, new_names, serve

FIRST = 10  # handles of the callers, who have these numbers as badges
CALLERS = 20
RIGHTS = int(Rights.SEND | Rights.DERIVE | Rights.TRANSFER | Rights.GRANT | Rights.INSPECT)


class Kernel(LocalModel):
    """Handles that were derived, with what each stands for; those that are gone, and those without all rights."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: dict[int, int] = {}
        self.weak: set[int] = set()
        self.full = False
        self.kind = Kind.ENDPOINT

    def make(self, target: int) -> int:
        made = self._new()
        self.targets[made] = target
        return made

    def handle_derive(self, handle: U64, rights: U64, badge: U64) -> U64:
        assert (int(rights), int(badge)) == (RIGHTS, 0)
        if self.full:
            raise TooManyHandles
        if int(handle) not in self.targets:
            raise BadHandle
        if int(handle) in self.weak:
            raise Denied
        return U64(self.make(self.targets[int(handle)]))

    def handle_inspect(self, handle: U64) -> U64:
        if int(handle) not in self.targets:
            raise BadHandle
        return U64(int(self.kind) | 0xFF << 8)

    def handle_close(self, handle: U64) -> None:
        if int(handle) not in self.targets:
            raise BadHandle
        del self.targets[int(handle)]


class World:
    """The service, and callers with badges of their own."""

    def __init__(self) -> None:
        local_calls.reset()
        self.kernel = Kernel()
        models.install(self.kernel)
        self.server: NameServer = new_names()
        for number in range(FIRST, FIRST + CALLERS):
            local_calls.install(number, serve.__dispatch__, number, self.server)  # type: ignore[attr-defined]

    def publish(self, name: bytes, target: int = 7, contract: int = 2, who: int = FIRST) -> None:
        """Publish a handle to `target`. The loop of the server closes it when the call is refused."""
        handle = self.kernel.make(target)
        Names(U64(who)).publish(data(name), U64(contract), U64(handle))

    def target(self, name: bytes) -> int:
        """What is found under a name; the handle is closed again."""
        handle = Names(U64(FIRST)).look_up(data(name))
        target = self.kernel.targets[int(handle)]
        self.kernel.handle_close(handle)
        return target

    def list(self, position: int = 0, room: int = 2000) -> list[str]:
        into = Array[U8, Literal[2000]]()
        count = Names(U64(FIRST)).list(U64(position), into.slice()[0:room])
        content = bytes(int(byte) for byte in into.slice()[0:count]).decode()
        assert content == "" or content.endswith("\0")
        return content.split("\0")[:-1]


@pytest.fixture
def world() -> Iterator[World]:
    yield World()
    finish()


def finish() -> None:
    local_calls.reset()
    models.install(models.SystemModel())


def test_what_is_published_is_found_by_a_handle_of_the_finders_own(world: World) -> None:
    world.publish(b"disk", target=7, contract=2)
    first, second = (Names(U64(who)).look_up(data(b"disk")) for who in (FIRST, FIRST + 1))
    assert first != second
    assert world.kernel.targets[int(first)] == world.kernel.targets[int(second)] == 7
    assert Names(U64(FIRST)).contract_of(data(b"disk")) == 2
    assert world.list() == [f"disk 2 {FIRST}"]
    assert sorted(world.kernel.targets.values()) == [7, 7, 7], "one is kept, and the one that came is closed"


@pytest.mark.parametrize("name", [b"", b"n" * 65, b"a b", b"a\0b", b"a\n", b"\x7f"])
def test_what_is_no_name_is_refused(world: World, name: bytes) -> None:
    with pytest.raises(BadArgument):
        world.publish(name)
    assert world.list() == []
    assert world.kernel.targets == {}


def test_the_longest_name(world: World) -> None:
    world.publish(b"n" * 64)
    assert world.target(b"n" * 64) == 7
    with pytest.raises(NotFound):
        world.target(b"n" * 65)


def test_a_handle_that_cannot_be_given_away_is_refused(world: World) -> None:
    world.kernel.weak.add(world.kernel.next)
    with pytest.raises(Denied):
        world.publish(b"weak")
    assert world.list() == []
    assert world.kernel.targets == {}


def test_what_is_no_service_is_refused(world: World) -> None:
    world.kernel.kind = Kind.NOTIFICATION
    with pytest.raises(BadArgument):
        world.publish(b"bell")
    assert world.list() == []
    assert world.kernel.targets == {}


def test_a_name_whose_handle_was_taken_back_is_forgotten(world: World) -> None:
    world.publish(b"gone")
    world.kernel.targets.clear()
    with pytest.raises(NotFound):
        world.target(b"gone")
    assert world.list() == []
    world.publish(b"gone", target=8)
    assert world.target(b"gone") == 8


def test_no_room_for_handles_is_not_the_end_of_a_name(world: World) -> None:
    world.publish(b"disk")
    world.kernel.full = True
    for call in (lambda: world.target(b"disk"), lambda: world.publish(b"other")):
        with pytest.raises(NoSpace):
            call()
    world.kernel.full = False
    assert world.target(b"disk") == 7
    assert len(world.kernel.targets) == 1


def test_limits_are_of_each_badge_and_of_all(world: World) -> None:
    for number in range(16):
        world.publish(b"%d" % number)
    with pytest.raises(NoSpace):
        world.publish(b"16")
    world.publish(b"16", who=FIRST + 1)
    Names(U64(FIRST)).withdraw(data(b"3"))
    world.publish(b"3")
    for number in range(17, 256):
        world.publish(b"%d" % number, who=FIRST + number // 16)
    with pytest.raises(NoSpace):
        world.publish(b"256", who=FIRST + 17)
    assert len(world.kernel.targets) == 256


def test_a_list_continues_where_the_room_ended(world: World) -> None:
    for name in (b"a", b"bb", b"ccc"):
        world.publish(name)
    assert world.list(room=15) == ["a 2 10", "bb 2 10"]
    assert world.list(room=14) == ["a 2 10"]
    assert world.list(room=6) == []
    assert world.list(2) == ["ccc 2 10"]
    assert world.list(3) == world.list(2**64 - 1) == []


WORDS = st.sampled_from([b"a", b"files", b"log", b"n" * 64, b"two words"])
BADGES = st.integers(FIRST, FIRST + 2)


class NamesMachine(RuleBasedStateMachine):
    """Any callers publish, withdraw and look up; a dictionary says what must come of it."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.model: dict[bytes, tuple[int, int, int]] = {}

    def teardown(self) -> None:
        finish()

    @rule(name=WORDS, who=BADGES, object=st.integers(1, 5), contract=st.integers(0, 2**64 - 1))
    def publish(self, name: bytes, who: int, object: int, contract: int) -> None:
        problem: type[Error] | None = BadArgument if b" " in name else Exists if name in self.model else None
        if problem is None:
            self.world.publish(name, object, contract, who)
            self.model[name] = (object, contract, who)
        else:
            with pytest.raises(problem):
                self.world.publish(name, object, contract, who)

    @rule(name=WORDS, who=BADGES)
    def withdraw(self, name: bytes, who: int) -> None:
        if name in self.model and self.model[name][2] == who:
            Names(U64(who)).withdraw(data(name))
            del self.model[name]
        else:
            with pytest.raises(Denied if name in self.model else NotFound):
                Names(U64(who)).withdraw(data(name))

    @rule(name=WORDS)
    def look_up(self, name: bytes) -> None:
        if name in self.model:
            assert self.world.target(name) == self.model[name][0]
            assert Names(U64(FIRST)).contract_of(data(name)) == self.model[name][1]
        else:
            for call in (Names(U64(FIRST)).look_up, Names(U64(FIRST)).contract_of):
                with pytest.raises(NotFound):
                    call(data(name))

    @invariant()
    def exactly_the_published_are_kept(self) -> None:
        shown = [f"{name.decode()} {contract} {who}" for name, (_, contract, who) in self.model.items()]
        assert self.world.list() == shown
        assert sorted(self.world.kernel.targets.values()) == sorted(target for target, _, _ in self.model.values())


TestNames = NamesMachine.TestCase
TestNames.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
