"""Memory objects under load, against a model: made, cloned, mapped, written, protected, discarded, unmapped, ended.

The model knows what stands in every page of every object. Each look compares one with what the kernel shows. All is
paid for by a small quota, which often is used up: that is an error and nothing else, and when everything is gone the
quota is as it was. Arguments: how many operations, the seed.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import Denied, OutOfMemory, QuotaExceeded
from cloudos.abi.layout import SHARED_START
from cloudos.abi.objects import MEMORY_CONTIGUOUS, MEMORY_ON_DEMAND, MEMORY_PAID
from cloudos.lang import U64, Array, place, struct, zeroed
from cloudos.sdk import List, Text, print, system
from tests.stress.programs.support import PAGE, PROCESS, QUOTA, Random, Usage, number, peek, poke, quota_used

OBJECTS = 12
PAGES = 48
WINDOWS = 24
# Addresses from one window to the next: so that two never meet, and page tables come and go.
APART = 0x4020_0000
FIRST = SHARED_START + 0x1_0000_0000
READ, WRITE, EXECUTE = 1, 2, 4
BUDGET = 300 << 10
REGIONS = 512
# Rights without WRITE, EXECUTE: DERIVE, INSPECT, READ, MAP.
READ_ONLY = 1 | 8 | 16 | 8192


@struct
class Object:
    """A memory object: what its pages hold; 0 as long as they are empty."""

    handle: U64 = U64(0)
    pages: U64 = U64(0)
    kind: U64 = U64(0)
    alive: bool = False
    stamps: Array[U64, Literal[48]] = zeroed()


@struct
class Window:
    """Where pages of an object are mapped: from `offset` on, `count` pages. `limit`: access that it may have again."""

    object: U64 = U64(0)
    offset: U64 = U64(0)
    count: U64 = U64(0)
    access: U64 = U64(0)
    limit: U64 = U64(0)


@struct
class Load:
    """All there is."""

    objects: Array[Object, Literal[12]] = zeroed()
    windows: Array[Window, Literal[24]] = zeroed()
    random: Random = zeroed()
    space: U64 = U64(0)
    quota: U64 = U64(0)
    stamp: U64 = U64(0)
    # Operations that were done, and those for which the quota had not enough left.
    done: U64 = U64(0)
    refused: U64 = U64(0)
    looks: U64 = U64(0)

    def below(self, limit: U64 | int) -> U64:
        return self.random.below(limit)


LOAD = place(Load())


def address_of(window: U64) -> U64:
    return U64(FIRST) + window * APART


def is_mapped(index: U64) -> bool:
    """Whether a window shows an object."""
    for window in U64.range(WINDOWS):
        if LOAD.windows[window].count > 0 and LOAD.windows[window].object == index:
            return True
    return False


def create(index: U64) -> None:
    """A new object in a free place: its pages are empty."""
    made = LOAD.objects[index]
    if made.alive or is_mapped(index):
        return
    kind = LOAD.below(8)
    if kind > MEMORY_CONTIGUOUS:
        kind = U64(MEMORY_ON_DEMAND)
    made.pages = LOAD.below(PAGES) + 1
    made.handle = system.memory_create(LOAD.quota, made.pages * PAGE, kind)
    made.kind = kind
    made.alive = True
    for page in U64.range(PAGES):
        made.stamps[page] = U64(0)


def clone(index: U64) -> None:
    """A copy in a free place: the same now, and independent."""
    copy = LOAD.objects[index]
    origin = LOAD.objects[LOAD.below(OBJECTS)]
    if copy.alive or is_mapped(index) or not origin.alive or origin.kind == MEMORY_CONTIGUOUS:
        return
    copy.handle = system.memory_clone(origin.handle, LOAD.quota, U64(0))
    copy.pages = origin.pages
    copy.kind = U64(MEMORY_ON_DEMAND)
    copy.alive = True
    for page in U64.range(PAGES):
        copy.stamps[page] = origin.stamps[page]


def forget(index: U64) -> None:
    """The handle goes; what is mapped stays."""
    if LOAD.objects[index].alive:
        system.handle_close(LOAD.objects[index].handle)
        LOAD.objects[index].alive = False


def discard(index: U64) -> None:
    """Some pages are empty again."""
    object = LOAD.objects[index]
    if not object.alive or object.kind == MEMORY_CONTIGUOUS:
        return
    first = LOAD.random.below(object.pages)
    count = LOAD.random.below(object.pages - first) + 1
    system.memory_discard(object.handle, first * PAGE, count * PAGE)
    for page in U64.range(first, first + count):
        object.stamps[page] = U64(0)


def show(number: U64) -> None:
    """Map part of an object in a free window, with any access that is allowed."""
    window = LOAD.windows[number]
    index = LOAD.below(OBJECTS)
    object = LOAD.objects[index]
    if window.count > 0 or not object.alive:
        return
    offset = LOAD.random.below(object.pages)
    count = LOAD.random.below(object.pages - offset) + 1
    access = U64(READ) | LOAD.below(2) * WRITE
    handle = object.handle
    weak = LOAD.below(4) == 0
    if weak:
        handle = system.handle_derive(object.handle, U64(READ_ONLY), U64(0))
        access = U64(READ)
    try:
        system.space_map(LOAD.space, handle, address_of(number), offset * PAGE, count * PAGE, access)
    finally:
        if weak:
            system.handle_close(handle)
    LOAD.windows[number] = Window(index, offset, count, access, U64(READ) if weak else U64(READ | WRITE))


def hide(number: U64) -> None:
    """Unmap a window, all of it or its end."""
    window = LOAD.windows[number]
    if window.count == 0:
        return
    kept = LOAD.random.below(window.count)
    if LOAD.below(2) == 0:
        kept = U64(0)
    system.space_unmap(LOAD.space, address_of(number) + kept * PAGE, (window.count - kept) * PAGE)
    window.count = kept


def protect(number: U64) -> None:
    """Change the access of a whole window; more than it was mapped with is refused."""
    window = LOAD.windows[number]
    if window.count == 0:
        return
    access = U64(READ) | LOAD.below(2) * WRITE
    try:
        system.space_protect(LOAD.space, address_of(number), window.count * PAGE, access)
    except Denied:
        assert access & ~window.limit != 0, "access is denied that was allowed"
        return
    assert access & ~window.limit == 0, "access is allowed that was denied"
    window.access = access


def write(number: U64) -> None:
    """New stamps in some pages of a window; those who map the same object see them, its clones do not."""
    window = LOAD.windows[number]
    if window.count == 0 or window.access & WRITE == 0:
        return
    for _ in U64.range(4):
        page = LOAD.random.below(window.count)
        # What is written is paid for when the object is made or cloned, or else here: then that must be possible.
        if not is_affordable():
            return
        LOAD.stamp = LOAD.stamp + 1
        put(address_of(number) + page * PAGE, LOAD.stamp)
        LOAD.objects[window.object].stamps[window.offset + page] = LOAD.stamp


def is_affordable() -> bool:
    """Whether the quota has room for a new page and its tables: without that a first touch would be a fault."""
    usage = Usage()
    usage.read(LOAD.quota)
    return usage.limit - usage.used > 16 * PAGE


def put(address: U64, stamp: U64) -> None:
    poke(address, stamp)
    poke(address + 8 * (stamp % 511 + 1), ~stamp)


def look(number: U64) -> None:
    """A window shows what its object holds."""
    window = LOAD.windows[number]
    if window.count == 0:
        return
    object = LOAD.objects[window.object]
    for page in U64.range(window.count):
        # Reading an empty page may need a table.
        if not is_affordable():
            return
        address = address_of(number) + page * PAGE
        stamp = object.stamps[window.offset + page]
        assert peek(address) == stamp, "a page does not hold what was written there"
        if stamp != 0:
            assert peek(address + 8 * (stamp % 511 + 1)) == ~stamp, "a page is not whole"
    LOAD.looks = LOAD.looks + 1


def act() -> None:
    """One operation. Raises QuotaExceeded and OutOfMemory: then it changed nothing."""
    choice = LOAD.below(16)
    object = LOAD.below(OBJECTS)
    window = LOAD.below(WINDOWS)
    if choice < 2:
        create(object)
    elif choice < 4:
        clone(object)
    elif choice == 4:
        forget(object)
    elif choice == 5:
        discard(object)
    elif choice < 9:
        show(window)
    elif choice == 9:
        hide(window)
    elif choice == 10:
        protect(window)
    elif choice < 14:
        write(window)
    else:
        look(window)


def step() -> None:
    try:
        act()
        LOAD.done = LOAD.done + 1
    except (QuotaExceeded, OutOfMemory):
        LOAD.refused = LOAD.refused + 1


def clear() -> None:
    """Everything goes."""
    for window in U64.range(WINDOWS):
        look(window)
        if LOAD.windows[window].count > 0:
            system.space_unmap(LOAD.space, address_of(window), LOAD.windows[window].count * PAGE)
            LOAD.windows[window].count = U64(0)
    for index in U64.range(OBJECTS):
        forget(index)


# Many regions


def many_regions() -> None:
    """Regions until there is no room for more: an error; then every other goes, in pieces, and all."""
    memory = system.memory_create(QUOTA, U64(PAGE * 2), U64(MEMORY_ON_DEMAND))
    made = U64(0)
    refused = False
    while not refused:
        try:
            system.space_map(LOAD.space, memory, U64(FIRST) + made * 2 * PAGE, U64(0), U64(PAGE), U64(READ))
            made = made + 1
        except QuotaExceeded:
            refused = True
    assert made > REGIONS - 32 and made <= REGIONS, "another number of regions"
    # A hole in the middle of a region needs one more: there is none.
    system.space_unmap(LOAD.space, U64(FIRST), U64(PAGE))
    system.space_map(LOAD.space, memory, U64(FIRST) - 2 * PAGE, U64(0), U64(2 * PAGE), U64(READ))
    for index in U64.range(1, made, 2):
        system.space_unmap(LOAD.space, U64(FIRST) + index * 2 * PAGE, U64(PAGE))
    system.space_unmap(LOAD.space, U64(FIRST) - 2 * PAGE, (made + 1) * 2 * PAGE)
    system.handle_close(memory)
    print(f"regions {made}")


# Quotas of every size


def every_size() -> None:
    """The same work on quotas from too small for anything to large enough: errors, and nothing kept."""
    before = quota_used()
    enough = U64(0)
    for pages in U64.range(40):
        for part in U64.range(4):
            quota = system.quota_create(QUOTA, pages * PAGE + part * 320)
            if try_all(quota):
                enough = enough + 1
            system.handle_close(quota)
    assert enough > 0 and enough < 160, "quotas make no difference"
    assert quota_used() == before, "refused work has left something"
    print(f"sizes {enough}")


def try_all(quota: U64) -> bool:
    """Make one of each; whether all could be made."""
    made = Array[U64, Literal[16]]()
    count = U64(0)
    complete = True
    try:
        made[0] = system.memory_create(quota, U64(8 * PAGE), U64(MEMORY_PAID))
        count = U64(1)
        made[1] = system.memory_clone(made[0], quota, U64(0))
        count = U64(2)
        made[2] = system.memory_create(quota, U64(4 * PAGE), U64(MEMORY_CONTIGUOUS))
        count = U64(3)
        made[3] = system.process_create(quota, U64(0))
        count = U64(4)
        made[4] = system.endpoint_create(quota)
        count = U64(5)
        made[5] = system.thread_create(made[3], U64(4) | 1 << 32, U64(0x40_0000), U64(0x7000_0000), U64(0))
        count = U64(6)
        made[6] = system.process_space(made[3])
        count = U64(7)
        system.space_map(made[6], made[0], U64(FIRST), U64(0), U64(8 * PAGE), U64(READ | WRITE))
        made[7] = system.quota_create(quota, U64(100))
        count = U64(8)
    except (QuotaExceeded, OutOfMemory):
        complete = False
    if count >= 4:
        system.process_kill(made[3])
    for index in U64.range(count):
        system.handle_close(made[index])
    return complete


def touch_all() -> None:
    """Page tables for all windows are there from here on."""
    memory = system.memory_create(QUOTA, U64(PAGES * PAGE), U64(MEMORY_ON_DEMAND))
    for window in U64.range(WINDOWS):
        system.space_map(LOAD.space, memory, address_of(window), U64(0), U64(PAGES * PAGE), U64(READ | WRITE))
        for page in U64.range(PAGES):
            poke(address_of(window) + page * PAGE, U64(1))
        system.space_unmap(LOAD.space, address_of(window), U64(PAGES * PAGE))
    system.handle_close(memory)


def main(args: List[Text]) -> None:
    count = number(args, U64(1), U64(2000))
    LOAD.random.seed(number(args, U64(2), U64(1)))
    LOAD.space = system.process_space(PROCESS)
    before = U64(0)
    many_regions()
    every_size()
    touch_all()
    for round in U64.range(4):
        LOAD.quota = system.quota_create(QUOTA, U64(BUDGET) + LOAD.below(64) * 1000)
        for _ in U64.range(count // 4):
            step()
        clear()
        usage = Usage()
        for _ in U64.range(50):
            system.thread_sleep(U64(1_000_000))
        usage.read(LOAD.quota)
        assert usage.used == 0, "all objects are gone, but not what they used"
        system.handle_close(LOAD.quota)
        if round == 0:
            before = quota_used()
    assert quota_used() == before, "the quota is gone, but not what it used"
    assert LOAD.refused > 0, "the quota was never used up"
    print(f"done {LOAD.done}")
    print(f"refused {LOAD.refused}")
    print(f"looks {LOAD.looks}")
