"""Memory objects and spaces on a simulated machine, with a processor that remembers translations as a real one does.

`Touch` is an access by a program: it succeeds through what the processor remembers or the page tables say, and asks
the kernel (`page_faults.resolve`) otherwise. `check_all` compares what must agree after every operation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from cloudos.abi.objects import Kind
from cloudos.kernel.hal import mmu
from cloudos.kernel.hal.interface import Access
from cloudos.kernel.memory import address_space, heap, page_faults, pages
from cloudos.kernel.memory.frames import FRAMES
from cloudos.kernel.memory.page_faults import Outcome
from cloudos.kernel.memory.structures import Memory, Region, Space
from cloudos.kernel.objects import cleanup
from cloudos.kernel.objects import memory as memories
from cloudos.kernel.objects import quota as quotas
from cloudos.kernel.objects import space as spaces
from cloudos.kernel.objects.header import Header
from cloudos.lang import U64, PhysAddr, Ptr, VirtAddr, current_address_space, size_of
from tests.unit.kernel.capability_machine import DONE_BY, Machine, machine

PAGE = 4096
FAULTS_AT_MOST = 400
STEPS_AT_MOST = 20_000


class Refused(Exception):
    """The kernel does not allow an access."""


class Asked(Exception):
    """The page must come from a pager."""


@dataclass
class Processor:
    """What is remembered of translations: for each root and page, the frame and whether it may be written."""

    remembered: dict[int, dict[int, tuple[int, bool]]] = field(default_factory=dict)

    def invalidate(self, table: mmu.PageTable, address: VirtAddr, level: U64) -> None:
        """As `mmu.PageTable.invalidate` of a processor that uses all tables at once."""
        known = self.remembered.setdefault(int(table.root.value), {})
        if level == 0:
            known.pop(int(address.value) // PAGE, None)
        else:
            known.clear()

    def translate(self, space: Space, page: int, write: bool) -> int | None:
        """The frame that an access reaches; None: it faults."""
        known = self.remembered.setdefault(int(space.pages.root.value), {})
        if page not in known:
            walk = space.pages.walk(VirtAddr(page * PAGE), U64(0))
            if not walk.present:
                return None
            inside = page % (int(mmu.page_bytes(walk.level)) // PAGE)
            known[page] = (int(walk.frame.value) // PAGE + inside, walk.is_writable)
        frame, writable = known[page]
        if write and not writable:
            # A processor looks again before it faults.
            del known[page]
            walk = space.pages.walk(VirtAddr(page * PAGE), U64(0))
            return self.translate(space, page, write) if walk.present and walk.is_writable else None
        return frame


PROCESSOR = Processor()


def touch(space: Space, page: int, value: int | None = None, large: bool = True) -> int:
    """Read the first word of a page, or write it; what it was. Raises Refused, Asked, and what `resolve` raises."""
    for _ in range(FAULTS_AT_MOST):
        frame = PROCESSOR.translate(space, page, value is not None)
        if frame is not None:
            word = Ptr.at(U64, mmu.direct(PhysAddr(frame * PAGE)))
            before = int(word.value)
            if value is not None:
                word.value = U64(value)
            return before
        outcome = page_faults.resolve(space, U64(page * PAGE), value is not None, False, large)
        if outcome == Outcome.REFUSED:
            raise Refused
        if outcome == Outcome.ASK:
            raise Asked
    raise AssertionError("an access faults for ever")


@contextmanager
def memory_machine(megabytes: int = 12) -> Iterator[Machine]:
    """A machine that knows memory objects and spaces, with the processor above."""
    PROCESSOR.remembered.clear()
    with machine(megabytes) as kernel, pytest.MonkeyPatch.context() as patch:
        DONE_BY[Kind.MEMORY] = DONE_BY[Kind.SPACE] = DONE_BY[Kind.QUOTA]
        patch.setattr(mmu.PageTable, "invalidate", lambda *known: PROCESSOR.invalidate(*known))
        patch.setattr(mmu, "copy_kernel_half", lambda root: None)
        patch.setattr(kernel, "settle", settle)
        # Many steps, so that others act between them.
        for module, name in ((address_space, "STEP"), (pages, "RELEASE_STEP"), (pages, "ENDING_STEP")):
            patch.setattr(module, name, 3)
        yield kernel
        kernel.settle()


def settle() -> None:
    """Do all pending work, which must come to an end."""
    for _ in range(STEPS_AT_MOST):
        if cleanup.step():
            return
    raise AssertionError("the end of an object does not come")


def new_memory(length: int, paid: bool = False) -> Ptr[Memory]:
    """An object charged to ROOT, with one reference."""
    made = memories.create(quotas.ROOT, U64(length))
    if paid:
        try:
            memories.reserve(made.value, U64(length))
        except Exception:
            cleanup.drop(made.cast(Header))
            raise
    return made


def new_space() -> Ptr[Space]:
    """A space charged to ROOT, with one reference."""
    return spaces.create(quotas.ROOT)


def regions_of(space: Space) -> list[Region]:
    """In order of address; they must be apart, and linked to their objects."""
    found = [space.regions.value.at[index].value for index in range(int(space.count))]
    last = 0
    for region in found:
        assert last <= region.start < region.end, "regions in order, none empty"
        last = int(region.end)
        assert region.space == Ptr.to(space)
        assert any(Ptr.to(one) == Ptr.to(region) for one in mappings_of(region.memory.value)), "in its object's list"
    return found


def mappings_of(memory: Memory) -> list[Region]:
    """The list of an object's regions; its links must lead both ways."""
    found: list[Region] = []
    at = memory.regions
    while not at.is_null():
        before = at.value.previous
        assert before.is_null() if not found else before == Ptr.to(found[-1])
        found.append(at.value)
        at = at.value.next
    return found


def words(frame: int) -> memoryview:
    """The 512 words of a frame that was written."""
    region, offset = current_address_space().find(mmu.DIRECT_BASE + frame * PAGE) or pytest.fail("no such frame")
    assert region.mask is None or region.mask.find(0, offset, offset + PAGE) < 0, "a frame in use that was not zeroed"
    return memoryview(region.data)[offset : offset + PAGE].cast("Q")


@dataclass
class Tree:
    """What hangs in an object's tree: the entries, as (frame, level); pages: page number to frame, and if shared."""

    entries: list[tuple[int, int]] = field(default_factory=list)
    pages: dict[int, tuple[int, bool]] = field(default_factory=dict)


def tree_of(memory: Memory) -> Tree:
    """Walk all of a tree."""
    tree = Tree()
    if memory.root.bits != 0:
        _walk(tree, int(memory.root.bits), int(memory.levels), 0, False)
    return tree


def frames_of(memory: Memory) -> dict[int, int]:
    """The frame of each page that is present."""
    return {number: frame for number, (frame, _) in tree_of(memory).pages.items()}


def _walk(tree: Tree, entry: int, level: int, first: int, shared: bool) -> None:
    frame = entry // PAGE
    assert entry % PAGE == pages.PRESENT
    tree.entries.append((frame, level))
    shared = shared or int(FRAMES.users(PhysAddr(frame * PAGE)).value.load()) != 0
    if level == 0:
        tree.pages[first] = (frame, shared)
        return
    for number, bits in enumerate(words(frame)):
        if bits != 0:
            _walk(tree, bits, level - 1, first + (number << (9 * (level - 1))), shared)


@dataclass
class Tables:
    """What page tables show: how many tables below the root, and each page's frame and whether it may be written."""

    count: int = 0
    pages: dict[int, tuple[int, bool]] = field(default_factory=dict)


def tables_of(space: Space) -> Tables:
    """Walk the user half."""
    tables = Tables()
    _walk_table(tables, int(space.pages.root.value) // PAGE, 3, 0)
    return tables


def _walk_table(tables: Tables, frame: int, level: int, first: int) -> None:
    for number, entry in enumerate(words(frame)[: 256 if level == 3 else 512]):
        below = first + (number << (9 * level))
        if not entry & mmu.PRESENT:
            assert entry == 0
        elif level > 0 and not entry & mmu.LARGE:
            tables.count += 1
            _walk_table(tables, (entry & mmu.ADDRESS_MASK) // PAGE, level - 1, below)
        else:
            start = (entry & mmu.ADDRESS_MASK) // PAGE
            for page in range(1 << (9 * level)):
                tables.pages[below + page] = (start + page, bool(entry & mmu.WRITABLE))


def check_all(objects: list[Memory], every_space: list[Space]) -> None:
    """What each object pays is what it sees; who points at a frame is counted; tables say no more than regions do."""
    trees = [tree_of(memory) for memory in objects]
    parents: Counter[int] = Counter()
    levels: dict[int, int] = {}
    for memory, tree in zip(objects, trees, strict=True):
        block = pages.BLOCK_PAGES if memory.block.value != 0 else 0
        assert len(tree.entries) + block == memory.claims, "an object pays for the frames that it sees"
        assert all(number < memory.length for number in tree.pages)
        if memory.root.bits != 0:
            parents[int(memory.root.bits) // PAGE] += 1
        for frame, level in tree.entries:
            assert levels.setdefault(frame, level) == level, "a frame is a page, or a node of one level"
    for frame, level in levels.items():
        parents.update(bits // PAGE for bits in (words(frame) if level > 0 else ()) if bits != 0)
    for frame, count in parents.items():
        assert FRAMES.users(PhysAddr(frame * PAGE)).value.load() == count - 1, "the users of a frame are counted"
    seen = {int(Ptr.to(memory).address.value): tree for memory, tree in zip(objects, trees, strict=True)}
    charged = sum(_charged(memory) for memory in objects) + sum(_check_space(space, seen) for space in every_space)
    assert quotas.ROOT.used == charged, "all that is paid for is there"


def _charged(memory: Memory) -> int:
    return int(heap.block_size(memory.header.size)) + int(memory.claims + memory.reserve) * PAGE


def _check_space(space: Space, trees: dict[int, Tree]) -> int:
    """Every page that is mapped lies in a region, shows the region's page, and is writable only if that is right."""
    found = regions_of(space)
    tables = tables_of(space)
    for page, (frame, writable) in tables.pages.items():
        region = next((one for one in found if one.start <= page * PAGE < one.end), None)
        assert region is not None, "mapped without a region"
        number = (int(region.offset) - int(region.start)) // PAGE + page
        held, shared = trees[int(region.memory.address.value)].pages.get(number, (None, False))
        assert frame == held, "mapped to another frame"
        assert not writable or (Access.WRITE in region.access and not shared), "writable though it may not be"
    for page, (frame, writable) in PROCESSOR.remembered.get(int(space.pages.root.value), {}).items():
        held, allowed = tables.pages.get(page, (None, False))
        assert frame == held and (allowed or not writable), "the processor remembers what is no more"
    regions_charged = len(found) * int(heap.block_size(U64(size_of(Region))))
    return int(heap.block_size(space.header.size)) + regions_charged + (2 + tables.count) * PAGE
