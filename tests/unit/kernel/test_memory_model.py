"""Memory objects and address spaces against a simple model: dictionaries of pages.

Everything is random: what is mapped where and with what access, touched, cloned, supplied, discarded, unmapped,
protected and ended, how far an operation in steps gets before others act, and which allocation fails. After every
operation all that is in the trees, tables and quotas must agree (`memory_machine.check_all`) and contents be the
model's; at the end every frame, slab and charged byte must be back.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cloudos.abi import layout
from cloudos.abi.errors import BadArgument, OutOfMemory, QuotaExceeded
from cloudos.abi.objects import ALL_RIGHTS, Kind
from cloudos.kernel.hal.interface import Access
from cloudos.kernel.memory import address_space, heap, page_faults, pages, regions
from cloudos.kernel.memory.frames import FRAMES, FrameAllocator
from cloudos.kernel.memory.page_faults import Outcome
from cloudos.kernel.memory.structures import Entry, Memory, Space
from cloudos.kernel.objects import cleanup
from cloudos.kernel.objects import quota as quotas
from cloudos.kernel.objects import spaces as space_calls
from cloudos.kernel.objects.header import Header
from cloudos.lang import U64, Panic, Ptr
from tests.unit.kernel.memory_machine import (
    PAGE,
    PROCESSOR,
    Asked,
    Refused,
    check_all,
    memory_machine,
    new_memory,
    new_space,
    regions_of,
    touch,
    tree_of,
    words,
)

LENGTHS = (1, 3, 40, 600, 1100, (1 << 18) + 5)
# In the first 2 MB of user space, around a border of 2 MB, and at one of 1 GB.
PLACES = (0x20, 0x3FA, 0x400, 0x600, 0x40000, 0x40000 + 600)
HEAP = layout.HEAP_START // PAGE
ACCESSES = (Access.READ, Access.READ | Access.WRITE, Access.READ | Access.EXECUTE)
FAILED = (OutOfMemory, QuotaExceeded)
number = st.integers(0, 1 << 16)


@dataclass(eq=False)
class Object:
    """What the model knows of a memory object. Pages that are not in `contents` are absent, or read as zero."""

    memory: Ptr[Memory]
    length: int
    paged: bool = False
    contents: dict[int, int] = field(default_factory=dict)
    held: bool = True
    program: bool = False


@dataclass(eq=False)
class Place:
    """And of a space: which page of which object each page shows, with what access."""

    space: Ptr[Space]
    shown: dict[int, tuple[Object, int, Access]] = field(default_factory=dict)


class MemoryModel(RuleBasedStateMachine):
    """The real code beside the model."""

    def __init__(self) -> None:
        super().__init__()
        self.context = memory_machine()
        self.kernel = self.context.__enter__()
        self.pager = self.kernel.thing(kind=Kind.NOTIFICATION)
        self.base = int(quotas.ROOT.used)
        self.objects: list[Object] = []
        self.places: list[Place] = []
        self.serial = 1

    @initialize(first=number, second=number)
    def begin(self, first: int, second: int) -> None:
        """Two spaces, and objects that can be written there."""
        for choice in (first, second):
            self.create_space(0)
            self.create(choice, choice % 5 == 0, 0)
            self.map(choice, len(self.objects) - 1, choice // 3, 0, 0, 1, 0)

    # Helpers

    def attempt(self, failing: int, operation: Callable[[], Any]) -> bool:
        """Do something of which perhaps an allocation fails; whether it was done."""
        heap.FAILURES.at = U64(failing)
        try:
            operation()
        except FAILED:
            return False
        finally:
            heap.FAILURES.at = U64(0)
            self.kernel.settle()
        return True

    def forget(self) -> None:
        """Let objects end to which nothing refers any more."""
        self.kernel.settle()
        mapped = {id(known[0]) for place in self.places for known in place.shown.values()}
        spaces = {
            int(place.space.value.program.address.value)
            for place in self.places
            if not place.space.value.program.is_null()
        }
        self.objects = [
            one
            for one in self.objects
            if one.held or id(one) in mapped or (one.program and int(one.memory.address.value) in spaces)
        ]

    def sweep(self, one: Object, first: int, end: int, meanwhile: list[tuple[int, int, int]]) -> None:
        """Take pages out of all tables, in steps between which others act."""
        for kind, choice, page in meanwhile:
            if address_space.sweep(one.memory.value, U64(first), U64(end)):
                return
            place = self.places[choice % len(self.places)] if self.places else None
            if place is not None and kind == 0:
                self.read_page(place, page)
            elif place is not None and kind == 1:
                self.protect_pages(place, page, 1 + choice % 40, ACCESSES[page % 2])
        for _ in range(2000):
            if address_space.sweep(one.memory.value, U64(first), U64(end)):
                return
        raise AssertionError("a sweep that does not end")

    # Objects

    @rule(choice=number, paid=st.booleans(), failing=st.integers(0, 3))
    def create(self, choice: int, paid: bool, failing: int) -> None:
        length = LENGTHS[choice % len(LENGTHS)]
        made: list[Ptr[Memory]] = []
        if len(self.objects) < 6 and self.attempt(failing, lambda: made.append(new_memory(length, paid))):
            self.objects.append(Object(made[0], length))

    @rule(choice=number)
    def create_paged(self, choice: int) -> None:
        if len(self.objects) < 6:
            made = new_memory(LENGTHS[choice % len(LENGTHS)])
            made.value.pager = self.pager
            cleanup.retain(self.pager)
            self.objects.append(Object(made, int(made.value.length), paged=True))

    def choose(self, choice: int, **wanted: bool) -> Object | None:
        found = [
            one
            for one in self.objects
            if one.held and all(getattr(one, name) == is_so for name, is_so in wanted.items())
        ]
        return found[choice % len(found)] if found else None

    @rule(choice=number, meanwhile=st.lists(st.tuples(st.integers(0, 2), number, number), max_size=4))
    def clone(self, choice: int, meanwhile: list[tuple[int, int, int]]) -> None:
        origin = self.choose(choice, paged=False)
        if origin is None or len(self.objects) > 8:
            return None
        copy = new_memory(origin.length)
        try:
            pages.clone(origin.memory.value, copy.value)
        except QuotaExceeded:
            cleanup.drop(copy.cast(Header))
            return self.forget()
        self.objects.append(Object(copy, origin.length, contents=dict(origin.contents)))
        self.sweep(origin, 0, origin.length, meanwhile)

    @rule(choice=number, first=number, count=st.integers(1, 700), failing=st.booleans())
    def discard(self, choice: int, first: int, count: int, failing: bool) -> None:
        one = self.choose(choice)
        if one is None:
            return
        at = first % one.length
        end = min(at + count, one.length)
        while at < end:
            limit = min(end, at + 16)
            self.sweep(one, at, limit, [])
            reached = int(pages.release_step(one.memory.value, U64(at), U64(limit), False))
            for page in range(at, reached):
                one.contents.pop(page, None)
            at = reached

    @rule(giver=number, taker=number, first=number, index=number, failing=st.integers(0, 4))
    def supply(self, giver: int, taker: int, first: int, index: int, failing: int) -> None:
        source = self.choose(giver, paged=False)
        target = self.choose(taker, paged=True)
        if source is None or target is None or source.memory.value.cloned:
            return
        page, place = first % source.length, index % target.length
        self.sweep(source, page, page + 1, [])
        pages.drop_block(source.memory.value)
        move = partial(pages.move, source.memory.value, U64(page), target.memory.value, U64(place))
        if self.attempt(failing, move) and place not in target.contents:
            target.contents[place] = source.contents.pop(page, 0)

    @rule(choice=number)
    def close(self, choice: int) -> None:
        one = self.choose(choice)
        if one is not None:
            one.held = False
            cleanup.drop(one.memory.cast(Header))
            self.forget()

    # Spaces

    @rule(failing=st.integers(0, 4))
    def create_space(self, failing: int) -> None:
        made: list[Ptr[Space]] = []
        if len(self.places) < 3 and self.attempt(failing, lambda: made.append(new_space())):
            self.places.append(Place(made[0]))

    @precondition(lambda self: len(self.places) > 1)
    @rule(choice=number)
    def end_space(self, choice: int) -> None:
        place = self.places.pop(choice % len(self.places))
        cleanup.drop(place.space.cast(Header))
        self.forget()

    @precondition(lambda self: self.places and self.objects)
    @rule(where=number, what=number, at=number, offset=number, count=number, how=number, failing=st.integers(0, 2))
    def map(self, where: int, what: int, at: int, offset: int, count: int, how: int, failing: int) -> None:
        place = self.places[where % len(self.places)]
        one = self.choose(what)
        if one is None:
            return
        first = offset % min(one.length, 3)
        length = one.length - first if count % 3 else 1 + count % (one.length - first)
        start = PLACES[at % len(PLACES)]
        access = ACCESSES[how % 3]
        free = not any(page in place.shown for page in range(start, start + length))
        bytes_of = (U64(start * PAGE), U64(first * PAGE), U64(length * PAGE))
        operation = partial(address_space.map, place.space.value, one.memory, ALL_RIGHTS, *bytes_of, access)
        try:
            done = self.attempt(failing, operation)
        except BadArgument:
            assert not free
            return
        assert free
        if done:
            place.shown.update((start + page, (one, first + page, access)) for page in range(length))

    @precondition(lambda self: self.places)
    @rule(where=number, at=number, skip=number, count=st.integers(1, 1500), failing=st.integers(0, 1))
    def unmap(self, where: int, at: int, skip: int, count: int, failing: int) -> None:
        place = self.places[where % len(self.places)]
        start = self.some_page(place, at) + skip % 5
        end = min(start + count, layout.USER_END // PAGE)
        heap.FAILURES.at = U64(failing)
        while start < end:
            try:
                reached = int(address_space.unmap_step(place.space.value, U64(start * PAGE), U64(end * PAGE))) // PAGE
            except FAILED:
                break
            for page in range(start, reached):
                known = place.shown.pop(page, None)
                if known is not None and known[0].program:
                    known[0].contents.pop(known[1], None)
            start = reached
        heap.FAILURES.at = U64(0)
        self.forget()

    @precondition(lambda self: self.places)
    @rule(where=number, at=number, count=st.integers(1, 600), how=number)
    def protect(self, where: int, at: int, count: int, how: int) -> None:
        place = self.places[where % len(self.places)]
        self.protect_pages(place, at, count, ACCESSES[how % 3])

    def protect_pages(self, place: Place, at: int, count: int, access: Access) -> None:
        start = self.some_page(place, at)
        whole = all(page in place.shown for page in range(start, start + count))
        begin, end = U64(start * PAGE), U64((start + count) * PAGE)
        try:
            address_space.check_protect(place.space.value, begin, end, access)
        except BadArgument:
            assert not whole
            return
        assert whole
        while begin < end:
            reached = address_space.protect_step(place.space.value, begin, end, access)
            for page in range(int(begin) // PAGE, int(reached) // PAGE):
                one, index, _ = place.shown[page]
                place.shown[page] = (one, index, access)
            begin = reached

    def some_page(self, place: Place, choice: int) -> int:
        """Often the first or last page of what is mapped, or one at a border."""
        found = regions_of(place.space.value)
        if not found:
            return PLACES[choice % len(PLACES)]
        region = found[choice % len(found)]
        first, last = int(region.start) // PAGE, int(region.end) // PAGE - 1
        inside = (first, last, max(first, last // 512 * 512), first + choice % (last - first + 1))
        return inside[choice // 7 % len(inside)]

    # Programs

    @precondition(lambda self: self.places)
    @rule(where=number, at=number)
    def read(self, where: int, at: int) -> None:
        self.read_page(self.places[where % len(self.places)], at)

    def read_page(self, place: Place, at: int) -> None:
        page = self.some_page(place, at)
        known = place.shown.get(page)
        try:
            value = touch(place.space.value, page)
        except Refused:
            assert known is None
        except Asked:
            assert known is not None and known[0].paged and known[1] not in known[0].contents
        except FAILED:
            pass
        else:
            assert known is not None and value == known[0].contents.get(known[1], 0), "what was written last"

    @precondition(lambda self: self.places)
    @rule(where=number, at=number, large=st.booleans(), failing=st.sampled_from((0, 0, 1, 2, 3)))
    def write(self, where: int, at: int, large: bool, failing: int) -> None:
        place = self.places[where % len(self.places)]
        page = self.some_page(place, at)
        known = place.shown.get(page)
        self.serial += 1
        try:
            if not self.attempt(failing, lambda: touch(place.space.value, page, self.serial, large)):
                return
        except Refused:
            assert known is None or known[2] != Access.READ | Access.WRITE
        except Asked:
            assert known is not None and known[0].paged and known[1] not in known[0].contents
        else:
            assert known is not None and Access.WRITE in known[2]
            known[0].contents[known[1]] = self.serial

    @precondition(lambda self: self.places)
    @rule(where=number, at=number, write=st.booleans(), steps=st.integers(1, 70))
    def fault(self, where: int, at: int, write: bool, steps: int) -> None:
        """Some faults of one access, which may not be tried again."""
        place = self.places[where % len(self.places)]
        page = self.some_page(place, at)
        known = place.shown.get(page)
        for _ in range(steps):
            try:
                outcome = page_faults.resolve(place.space.value, U64(page * PAGE), write, False, True)
            except FAILED:
                continue
            if known is None or (write and Access.WRITE not in known[2]):
                assert outcome == Outcome.REFUSED

    @precondition(lambda self: self.places)
    @rule(where=number, count=st.sampled_from((1, 5, 512, 700)), failing=st.integers(0, 2))
    def map_program(self, where: int, count: int, failing: int) -> None:
        place = self.places[where % len(self.places)]
        space = place.space.value
        made: list[U64] = []
        self.attempt(failing, lambda: made.append(space_calls._map_program(space, U64(count))))
        one = next((one for one in self.objects if one.memory == space.program), None)
        if one is None and not space.program.is_null():
            one = Object(space.program, int(space.program.value.length), held=False, program=True)
            self.objects.append(one)
        if made and one is not None:
            start = int(made[0]) // PAGE
            for page in range(start, start + count):
                assert page not in place.shown
                assert page - HEAP not in one.contents
                place.shown[page] = (one, page - HEAP, Access.READ | Access.WRITE)

    # What must hold

    @invariant()
    def all_agrees(self) -> None:
        extra = self.base
        quotas.ROOT.used -= extra
        try:
            check_all([one.memory.value for one in self.objects], [place.space.value for place in self.places])
        finally:
            quotas.ROOT.used += extra

    @invariant()
    def contents_are_the_models(self) -> None:
        for one in self.objects:
            found = {page: words(frame)[0] for page, (frame, _) in tree_of(one.memory.value).pages.items()}
            for page in found.keys() | one.contents.keys():
                assert found.get(page, 0) == one.contents.get(page, 0), "contents"
            if one.paged:
                assert found.keys() == one.contents.keys()

    def teardown(self) -> None:
        for place in self.places:
            cleanup.drop(place.space.cast(Header))
        for one in self.objects:
            if one.held:
                cleanup.drop(one.memory.cast(Header))
        cleanup.drop(self.pager)
        self.context.__exit__(None, None, None)


# Mistakes that the model must find.


def never_uncounted(entry: Entry, is_node: bool) -> None:
    """A copy that does not count its origin's user out."""
    old = FrameAllocator.users(FRAMES, pages.frame_of(entry.bits))
    COPY(entry, is_node)
    old.value.fetch_add(1)


def unmap_forgets_the_offset(space: Space, start: U64, end: U64) -> U64:
    """A region that loses its beginning goes on showing the object from where it did."""
    index = regions.find(space, start)
    offset = space.regions.value.at[index].value.offset if index < space.count else U64(0)
    reached = UNMAP(space, start, end)
    found = regions.at(space, reached)
    if not found.is_null() and found.value.offset > offset:
        found.value.offset = offset
    return reached


def shared_may_be_written(memory: Memory, index: U64, level: U64) -> pages.Place:
    """Nothing is ever shared."""
    place = FIND(memory, index, level)
    place.exclusive = place.exclusive or level == 0
    return place


COPY, UNMAP, FIND = pages._copy, address_space.unmap_step, pages.find
PLANTED: dict[str, tuple[Any, str, Any]] = {
    "never_uncounted": (pages, "_copy", never_uncounted),
    "unmap_forgets_the_offset": (address_space, "unmap_step", unmap_forgets_the_offset),
    "shared_may_be_written": (pages, "find", shared_may_be_written),
    "no_sweep": (address_space, "sweep", lambda memory, first, end: True),
    "nodes_stay_shared": (pages, "copy_node", lambda memory, index: False),
    "no_invalidation": (PROCESSOR, "invalidate", lambda table, address, level: None),
    "protect_takes_nothing_out": (address_space, "clear_step", lambda space, address, end: end),
}


def drive(seed: int, steps: int) -> None:
    """A long life of one model, chosen without Hypothesis: touching is frequent, ends are rare."""
    model = MemoryModel()
    try:
        _live(model, Random(seed), steps)
    except BaseException:
        # The machine goes as it is, without looking for what is lost.
        model.context.__exit__(*sys.exc_info())
        raise
    model.teardown()


def _live(model: MemoryModel, random: Random, steps: int) -> None:
    some = partial(random.randrange, 1 << 16)
    model.begin(some(), some())
    meanwhile = [(random.randrange(3), some(), some()) for _ in range(4)]
    rules: list[tuple[int, Callable[[], None]]] = [
        (12, lambda: model.write(some(), some(), random.random() < 0.8, max(0, random.randrange(-9, 4)))),
        (8, lambda: model.read(some(), some())),
        (3, lambda: model.fault(some(), some(), True, random.randrange(1, 40))),
        (3, lambda: model.clone(some(), meanwhile)),
        (4, lambda: model.map(some(), some(), some(), some(), some(), some(), max(0, random.randrange(-4, 3)))),
        (3, lambda: model.unmap(some(), some(), some(), random.choice((1, 3, 40, 1500)), random.randrange(2))),
        (3, lambda: model.protect(some(), some(), random.choice((1, 2, 40)), some())),
        (2, lambda: model.discard(some(), some(), random.randrange(1, 40), False)),
        (2, lambda: model.supply(some(), some(), some(), some(), max(0, random.randrange(-4, 5)))),
        (2, lambda: model.create(some(), random.random() < 0.3, 0)),
        (1, lambda: model.create_paged(some())),
        (2, lambda: model.map_program(some(), random.choice((1, 5, 512, 700)), 0)),
        (1, lambda: model.close(some())),
        (1, lambda: model.create_space(0)),
    ]
    for step in range(steps):
        if step % 40 == 39 and len(model.places) > 1:
            model.end_space(some())
        random.choices([action for _, action in rules], [weight for weight, _ in rules])[0]()
        model.all_agrees()
        model.contents_are_the_models()


@pytest.mark.parametrize("seed", range(4))
def test_long_lives(seed: int) -> None:
    drive(seed, 150)


@pytest.mark.parametrize("mistake", PLANTED)
def test_the_model_finds_mistakes(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*PLANTED[mistake])
    with pytest.raises((AssertionError, Panic)):
        for seed in range(12):
            drive(seed, 150)


TestMemoryModel = MemoryModel.TestCase
TestMemoryModel.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
