"""Processes on processors of their own write to memory that clones share: nobody is alone in the kernel for it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import pytest

from cloudos.abi import initial
from cloudos.lang import U32, U64
from tests.sim import programs
from tests.sim.harness import MB
from tests.sim.ownership import replaced
from tests.sim.several import SEEDS, is_noticed, look, switched_off
from tests.sim.test_processors import PAGE
from tests.sim.world import kernel_module, user

succeed = user.succeed
FAULTS, PAGES = kernel_module("memory.page_faults"), kernel_module("memory.pages")
FRAMES, ADDRESS_SPACE = kernel_module("memory.frames"), kernel_module("memory.address_space")
REQUESTS = kernel_module("sched.requests")
COMMON = programs.WINDOW + (64 << 20)
PAGES_AT_MOST = 514
"""Of an object whose tree has two levels of nodes."""

LAST = PAGES_AT_MOST - 1


def with_clone(memory: int, number: int) -> Generator[user.Instruction, Any, tuple[int, int]]:
    """A process that sees a clone of memory, and its thread, which is to run the second function of the program."""
    quota = yield from succeed("quota_create", initial.QUOTA, 3 * MB)
    process = yield from programs.new_process(2, quota)
    copy = yield from succeed("memory_clone", memory, quota, 0)
    space = yield from succeed("process_space", process)
    yield from succeed("space_map", space, copy, COMMON, 0, PAGES_AT_MOST * PAGE, 3)
    for handle in (space, copy):
        yield from succeed("handle_close", handle)
    return process, (yield from programs.new_thread(1, number, process))


def writing(clones: int, pages: int, keeps_origin: bool = False) -> tuple[user.UserFunction, ...]:
    """A program that has memory, and processes that each get a clone of it and write to every page.

    Pages lie at both ends of the object. `keeps_origin`: else clones are all that there is of it.
    """
    touched = [*range(pages // 2), *range(PAGES_AT_MOST - (pages - pages // 2), PAGES_AT_MOST)]

    def main(bundle: int, length: int) -> user.UserCode:
        memory = yield from succeed("memory_create", initial.QUOTA, PAGES_AT_MOST * PAGE, 0)
        yield from succeed("space_map", initial.SPACE, memory, COMMON, 0, PAGES_AT_MOST * PAGE, 3)
        for page in touched:
            yield user.Write(COMMON + page * PAGE, b"origin..")
        made = []
        for number in range(clones):
            made.append((yield from with_clone(memory, number)))
        if not keeps_origin:
            yield from succeed("space_unmap", initial.SPACE, COMMON, PAGES_AT_MOST * PAGE)
            yield from succeed("handle_close", memory)
        for _, thread in made:
            yield from succeed("thread_start", thread)
        for process, _ in made:
            assert (yield from programs.wait_for_end(process)) == 0
        if keeps_origin:
            for page in touched:
                assert (yield user.Read(COMMON + page * PAGE, 8)) == b"origin..", "a clone has written to its origin"
        # What they had is given back before the machine is looked at.
        yield from programs.sleep(5_000_000)
        return 0

    def writer(number: int, _: int) -> user.UserCode:
        own = b"clone %02d" % number
        for page in touched:
            assert (yield user.Read(COMMON + page * PAGE, 8)) == b"origin..", "another one has written to this clone"
            yield user.Write(COMMON + page * PAGE, own)
        for page in touched:
            assert (yield user.Read(COMMON + page * PAGE, 8)) == own, "another one's page"
        return 0

    return main, writer


@pytest.fixture
def copied() -> Iterator[list[int]]:
    """How many frames were copied at home, and alone."""
    counts = [0, 0]
    copy = PAGES._copy

    def counted(*arguments: Any) -> None:
        copy(*arguments)
        counts[bool(REQUESTS.is_alone())] += 1

    with replaced(PAGES, "_copy", counted):
        yield counts


@pytest.mark.parametrize("keeps_origin", (False, True))
@pytest.mark.parametrize("seed", SEEDS)
def test_clones_are_written_on_two_processors(seed: int, keeps_origin: bool, copied: list[int]) -> None:
    program = writing(2, 40, keeps_origin)
    done = switched_off(*program, seed=seed, processors=2, after_entry=look(25), memory=32 * MB)
    assert done.watch.accesses > 1_000
    at_home, alone = copied
    assert at_home + alone >= 40 and at_home > 2 * alone, f"{at_home} frames were copied at home, {alone} alone"


def threaded(pages: int, threads: int) -> tuple[user.UserFunction, ...]:
    """Two threads of one process write to a clone of memory, from both ends, or a third one from the middle on too."""

    def main(bundle: int, length: int) -> user.UserCode:
        memory = yield from succeed("memory_create", initial.QUOTA, pages * PAGE, 0)
        yield from succeed("space_map", initial.SPACE, memory, COMMON, 0, pages * PAGE, 3)
        for page in range(pages):
            yield user.Write(COMMON + page * PAGE, b"origin..")
        copy = yield from succeed("memory_clone", memory, initial.QUOTA, 0)
        yield from succeed("space_map", initial.SPACE, copy, COMMON + MB, 0, pages * PAGE, 3)
        for number in range(threads):
            yield from programs.start_thread(1, number)
        yield from programs.wait_for_marks(threads)
        for page in range(pages):
            assert (yield user.Read(COMMON + page * PAGE, 8)) == b"origin..", "a clone has written to its origin"
            for number in range(threads):
                assert (yield user.Read(COMMON + MB + page * PAGE + 8 * number, 8)) == b"clone %02d" % number, "lost"
        return 0

    def writer(number: int, _: int) -> user.UserCode:
        other, half = (number + 1) % threads, pages // 2
        orders = range(pages), range(pages - 1, -1, -1), (*range(half, pages), *range(half))
        for page in orders[number]:
            place = COMMON + MB + page * PAGE
            # What the other one maps must be what is read here from then on.
            before = yield user.Read(place + 8 * other, 8)
            yield user.Write(place + 8 * number, b"clone %02d" % number)
            after = yield user.Read(place + 8 * other, 8)
            assert before in (bytes(8), b"origin..", b"clone %02d" % other)
            assert after in (before, b"clone %02d" % other), "an older page"
        yield user.Write(user.SCRATCH + number, b"\1")
        return None

    return main, writer


@pytest.mark.parametrize("processors", (2, 3))
@pytest.mark.parametrize("seed", SEEDS)
def test_threads_of_one_process_write_to_a_clone(seed: int, processors: int, copied: list[int]) -> None:
    """All others are visited."""
    switched_off(*threaded(24, processors), seed=seed, processors=processors, after_entry=look(11), memory=32 * MB)
    at_home, alone = copied
    assert at_home >= 20 and at_home > 4 * alone, f"{at_home} frames were copied at home or visiting, {alone} alone"


def nobody_else_lets_go(entry: Any, is_node: bool) -> None:
    """A frame is copied as if no other processor did the same: what it refers to is shared too late."""
    old = PAGES.frame_of(entry.bits)
    copy = FRAMES.FRAMES.allocate(U64(0))
    words = PAGES.Slice.of(PAGES.Ptr.at(U64, PAGES.mmu.direct(copy)), U64(512))
    words.copy_from(PAGES.Slice.of(PAGES.Ptr.at(U64, PAGES.mmu.direct(old)), U64(512)))
    FRAMES.FRAMES.users(old).value.fetch_sub(1)
    entry.bits = copy.value | PAGES.PRESENT
    if is_node:
        FRAMES.FRAMES.share_all(words, U32(1))


def asks_nobody(pages: Any, request: Any) -> bool:
    """Other processors go on with the translations that they have."""
    return True


PLANTED: dict[str, tuple[tuple[Any, str, Any], Any]] = {
    "nobody else lets go": ((PAGES, "_copy", nobody_else_lets_go), lambda: writing(2, 8)),
    "free frames are at home everywhere": ((FRAMES, "reaches", lambda number: True), lambda: writing(2, 120)),
    "nobody else uses the page tables": ((REQUESTS, "_ask_others", asks_nobody), lambda: threaded(12, 2)),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_planted_bugs_are_found(bug: str) -> None:
    change, program = PLANTED[bug]
    assert is_noticed(change, program, 20, processors=2, memory=32 * MB)
