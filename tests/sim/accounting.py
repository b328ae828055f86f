"""The leak check: every frame is either free or found from what the kernel keeps, and never both."""

from __future__ import annotations

from collections.abc import Iterator

from tests.sim.world import board, kernel_module, machine

PAGE = 4096
USER_ENTRIES = 256
FRAMES = kernel_module("memory.frames")
ADDRESS_SPACE = kernel_module("memory.address_space")
PROCESSES = kernel_module("objects.process")
CONSOLE = kernel_module("objects.console")
MMU = kernel_module("hal.simulated.mmu")


def entries(memory: bytearray, table: int, count: int = 512) -> list[int]:
    """The entries of a page table that are present."""
    with memoryview(memory) as view, view[table : table + 8 * count].cast("Q") as words:
        return [entry for entry in words if entry & board.PRESENT]


def tables(memory: bytearray, root: int, count: int = 512, level: int = 3) -> Iterator[tuple[int, int, int]]:
    """All tables below a root as (frame, 0, 0), and all mappings as (frame, bytes, entry)."""
    yield root, 0, 0
    for entry in entries(memory, root, count):
        if entry & board.LEAF:
            yield entry & board.FRAME, PAGE << 9 * level, entry
        else:
            yield from tables(memory, entry & board.FRAME, 512, level - 1)


def frames_of(start: int, size: int) -> range:
    return range(start // PAGE, (start + size) // PAGE)


def managed(allocator: object) -> tuple[set[int], set[int]]:
    """Frames that were ever handed out or listed, and those of them that are free, from lists that must be sound."""
    assert isinstance(allocator, FRAMES.FrameAllocator)
    seen: set[int] = set()
    for index in range(int(allocator.zone_count)):
        zone = allocator.zones[index]
        first, end = int(zone.first), int(zone.end)
        states = -(-(end - first) // PAGE)
        seen |= set(range(first + states, int(zone.frontier)))
    free: set[int] = set()
    for order in range(FRAMES.ORDERS):
        before, number = 0, int(allocator.heads[order])
        while number:
            block = FRAMES._block(FRAMES.U64(number))
            assert int(block.previous) == before, f"free block {number:#x} is linked wrongly"
            piece = set(range(number, number + (1 << order)))
            assert number % (1 << order) == 0 and not piece & free and piece <= seen, f"bad free block {number:#x}"
            free |= piece
            before, number = number, int(block.next)
    return seen, free


def reachable(simulation: machine.Simulation) -> list[int]:
    """The frames that the kernel has in use, found from what it keeps; one that is used twice comes twice."""
    memory = simulation.board.memory.data
    module = range(simulation.board.module[0] // PAGE, simulation.board.memory.size // PAGE)
    root = int(MMU.KERNEL.pages.root.value)
    found = [frame // PAGE for frame, size, _ in tables(memory, root) if not size] if root else []
    space = int(PROCESSES.PROCESS.space.pages.root.value)
    if space:
        for frame, size, _ in tables(memory, space, USER_ENTRIES):
            found += frames_of(frame, size or PAGE)
    buffer = CONSOLE.STREAMS.buffer
    if int(buffer.length):
        start = int(buffer.pointer.address.value) - board.DIRECT_BASE
        found += frames_of(start, PAGE << CONSOLE.BUFFER_ORDER)
    return [frame for frame in found if frame not in module]


def check_frames(simulation: machine.Simulation) -> None:
    """Nothing leaked, nothing is used twice, and the counts are right."""
    allocator = FRAMES.FRAMES
    seen, free = managed(allocator)
    used = reachable(simulation)
    assert len(used) == len(set(used)), "a frame is in use twice"
    assert not free & set(used), "a frame is in use and free"
    assert seen - free == set(used), f"{len(seen - free - set(used))} frames leaked: {sorted(seen - free - set(used))[:8]}"
    untouched = sum(int(zone.end) - int(zone.frontier) for zone in list(allocator.zones)[: int(allocator.zone_count)])
    assert int(allocator.available) == len(free) + untouched, "the count of free frames is wrong"
