"""Memory objects and address spaces in long random runs, compared with a model that is a few dictionaries.

The model knows one byte per page and object, which regions show what with which permissions, and nothing of sharing:
where the kernel shares a frame that it must not, a byte differs. Frames and charges are counted after the steps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cloudos.abi.errors import BadArgument, Denied
from cloudos.kernel.hal.interface import Access
from cloudos.kernel.memory import pages
from cloudos.kernel.memory.frames import FRAMES
from cloudos.kernel.objects import memory
from cloudos.lang import U64
from tests.unit.kernel.memory_machine import (
    EXECUTE,
    PAGE,
    READ,
    WRITE,
    Refused,
    claims_in_tree,
    drop,
    machine,
    new_space,
    protect,
    reach,
    read,
    show,
    unmap,
    write,
)

BASE = 0x4000_0000 - 300 * PAGE
SIZES = (1, 3, 300, 520, 700)
# Near the borders of tables and nodes.
PLACES = (0, 1, 2, 255, 256, 299, 300, 301, 511, 512, 513, 599, 699)
place = st.sampled_from(PLACES)
choice = st.integers(0, 1 << 16)
permission = st.sampled_from((READ, WRITE, WRITE, EXECUTE))


@dataclass
class Object:
    """A memory object of `length` pages; absent pages are zero."""

    real: Any
    length: int
    bytes: dict[int, int] = field(default_factory=dict)
    committed: bool = False


@dataclass
class Shown:
    """One page of a space."""

    object: Object
    page: int
    access: Access
    region: int


class MemoryModel(RuleBasedStateMachine):
    """Objects, spaces, and every operation on them."""

    def __init__(self) -> None:
        super().__init__()
        # Enough for all objects, committed: running out is tested elsewhere.
        self.context = machine(22)
        self.quota = self.context.__enter__()
        self.objects: list[Object] = []
        # Objects without a handle live as long as somebody shows them.
        self.spaces: list[tuple[Any, dict[int, Shown]]] = []
        self.regions = 0

    def teardown(self) -> None:
        for object in self.objects:
            drop(object.real)
        for space, _ in self.spaces:
            drop(space)
        self.context.__exit__(None, None, None)

    @initialize(size=st.sampled_from((300, 520)), committed=st.booleans())
    def begin(self, size: int, committed: bool) -> None:
        """A writable object in one space, its clone in another: most runs would spend all steps to come here."""
        self.create(size, committed)
        for number in range(2):
            self.create_space()
            self.map(number, number, 0, 0, size, WRITE)
            self.write_some(number, 1 + number)
            if number == 0:
                self.clone(0)

    @precondition(lambda self: len(self.objects) < 6)
    @rule(size=st.sampled_from(SIZES), committed=st.booleans())
    def create(self, size: int, committed: bool) -> None:
        real = memory.create(self.quota, U64(size * PAGE), committed)
        self.objects.append(Object(real, size, committed=committed))

    @precondition(lambda self: len(self.spaces) < 3)
    @rule()
    def create_space(self) -> None:
        self.spaces.append((new_space(self.quota), {}))

    @precondition(lambda self: self.objects and len(self.objects) < 6)
    @rule(index=choice)
    def clone(self, index: int) -> None:
        origin = self.objects[index % len(self.objects)]
        while (made := memory.clone_step(self.quota, origin.real.value)).is_null():
            pass
        self.objects.append(Object(made, origin.length, dict(origin.bytes), origin.committed))

    @precondition(lambda self: self.objects and self.spaces)
    @rule(index=choice, number=choice, at=place, offset=place, length=st.sampled_from(SIZES), access=permission)
    def map(self, index: int, number: int, at: int, offset: int, length: int, access: Access) -> None:
        object = self.objects[index % len(self.objects)]
        space, shown = self.spaces[number % len(self.spaces)]
        wanted = range(at, at + length)
        fits = offset + length <= object.length and not any(page in shown for page in wanted)
        others = [one.access for _, all in self.spaces for one in all.values() if one.object is object]
        clash = any(Access.WRITE | Access.EXECUTE in access | other for other in others)
        try:
            show(space, object.real, BASE + at * PAGE, offset, length, access)
        except BadArgument:
            assert not fits
            return
        except Denied:
            assert clash and fits
            return
        assert fits and not clash
        self.regions += 1
        for page in wanted:
            shown[page] = Shown(object, offset + page - at, access, self.regions)

    @precondition(lambda self: self.spaces)
    @rule(number=choice, at=place, length=st.sampled_from((*SIZES, 100)))
    def unmap(self, number: int, at: int, length: int) -> None:
        space, shown = self.spaces[number % len(self.spaces)]
        unmap(space, BASE + at * PAGE, BASE + (at + length) * PAGE)
        for page in range(at, at + length):
            shown.pop(page, None)

    @precondition(lambda self: self.spaces)
    @rule(number=choice, at=place, length=st.sampled_from((*SIZES, 100)), access=st.sampled_from((READ, WRITE)))
    def protect(self, number: int, at: int, length: int, access: Access) -> None:
        space, shown = self.spaces[number % len(self.spaces)]
        wanted = range(at, at + length)
        whole = all(page in shown for page in wanted)
        executed = {id(one.object) for _, all in self.spaces for one in all.values() if Access.EXECUTE in one.access}
        try:
            protect(space, BASE + at * PAGE, BASE + (at + length) * PAGE, access)
        except BadArgument:
            assert not whole
            return
        except Denied:
            assert access == WRITE and any(id(shown[page].object) in executed for page in wanted if page in shown)
            return
        assert whole
        for page in wanted:
            shown[page].access = access

    @precondition(lambda self: self.spaces)
    @rule(number=choice, page=place, value=st.integers(1, 255), kind=st.sampled_from(("read", "write", "run")))
    def touch(self, number: int, page: int, value: int, kind: str) -> None:
        space, shown = self.spaces[number % len(self.spaces)]
        there = shown.get(page)
        address = BASE + page * PAGE
        try:
            if kind == "write":
                write(space, address, value)
            elif kind == "read":
                assert there is not None or not read(space, address)
                if there is not None:
                    assert read(space, address) == there.object.bytes.get(there.page, 0)
            else:
                reach(space, address, execute=True)
        except Refused:
            needed = {"write": Access.WRITE, "read": Access.READ, "run": Access.EXECUTE}[kind]
            assert there is None or needed not in there.access
            return
        assert there is not None
        if kind == "write":
            assert Access.WRITE in there.access
            there.object.bytes[there.page] = value
        assert kind != "run" or Access.EXECUTE in there.access

    @precondition(lambda self: self.spaces)
    @rule(number=choice, value=st.integers(1, 255))
    def write_some(self, number: int, value: int) -> None:
        """Write wherever that is allowed, to some of the pages."""
        _, shown = self.spaces[number % len(self.spaces)]
        for page in PLACES[value % 3 :: 3]:
            if page in shown:
                self.touch(number, page, value, "write")

    @precondition(lambda self: self.spaces)
    @rule(number=choice)
    def read_all(self, number: int) -> None:
        space, shown = self.spaces[number % len(self.spaces)]
        for page in PLACES:
            if page in shown:
                one = shown[page]
                assert read(space, BASE + page * PAGE) == one.object.bytes.get(one.page, 0)

    @precondition(lambda self: self.spaces)
    @rule(number=choice)
    def end_space(self, number: int) -> None:
        space, _ = self.spaces.pop(number % len(self.spaces))
        drop(space)

    @precondition(lambda self: any(self.unseen()))
    @rule()
    def end_object(self) -> None:
        object = self.unseen()[0]
        self.objects.remove(object)
        drop(object.real)

    def unseen(self) -> list[Object]:
        """Objects that no space shows: the model need not know them any more when they end."""
        seen = {id(one.object) for _, all in self.spaces for one in all.values()}
        return [object for object in self.objects if id(object) not in seen]

    @invariant()
    def frames_and_promises_agree(self) -> None:
        """Everybody pays for what he sees; promised is what is paid for beyond the frames that exist."""
        if not self.objects:
            return
        paid = sum(int(one.real.value.claims + one.real.value.reserve) for one in self.objects)
        frames: set[int] = set()
        for object in self.objects:
            seen = claims_in_tree(object.real.value)
            block = pages.BLOCK_PAGES if object.real.value.block.value != 0 else 0
            assert len(seen) + block == int(object.real.value.claims)
            frames |= {frame for _, frame in seen} | {("block", id(object), n) for n in range(block)}  # type: ignore[misc]
        spare = 0
        for space, _ in self.spaces:
            region = space.value.first
            while not region.is_null():
                spare += int(region.value.spare)
                region = region.value.next
        assert int(FRAMES.promised) == paid + spare - len(frames)


TestMemoryModel = MemoryModel.TestCase
TestMemoryModel.settings = settings(max_examples=12, stateful_step_count=25, deadline=None, phases=[Phase.generate])
