"""What each process sees of memory: its page tables, walked from the root that the kernel keeps."""

from __future__ import annotations

from cloudos.abi.objects import Kind
from cloudos.kernel.hal.interface import Access
from tests.sim.inventory import Inventory
from tests.sim.records import Memory
from tests.sim.world import board

ENTRIES = 512
USER_ENTRIES = 256
WRITE = int(Access.WRITE)


def user_pages(memory: Memory, root: int) -> dict[int, tuple[int, int]]:
    """Of each page of 4 KB that user code can reach: its frame's number and the bits of its entry."""
    found: dict[int, tuple[int, int]] = {}
    if root:
        _walk(memory, root, memory.levels - 1, 0, found)
    return found


def table_frames(memory: Memory, root: int) -> set[int]:
    """The frames of a process's page tables, with no look at what the last of them map."""
    found: set[int] = set()
    work = [(root, memory.levels - 1)] if root else []
    while work:
        table, level = work.pop()
        found.add(table // board.PAGE)
        if level:
            count = USER_ENTRIES if level == memory.levels - 1 else ENTRIES
            for entry in filter(None, memory.words(board.DIRECT_BASE + table, count)):
                if entry & board.PRESENT and not entry & board.LEAF:
                    work.append((entry & board.FRAME, level - 1))
    return found


def _walk(memory: Memory, table: int, level: int, base: int, found: dict[int, tuple[int, int]]) -> None:
    count = USER_ENTRIES if level == memory.levels - 1 else ENTRIES
    entries = memory.words(board.DIRECT_BASE + table, count)
    present = board.PRESENT
    for index, entry in [(index, entry) for index, entry in enumerate(entries) if entry & present]:
        page = base + (index << 9 * level)
        frame = (entry & board.FRAME) // board.PAGE
        if entry & board.LEAF:
            for part in range(1 << 9 * level):
                found[page + part] = frame + part, entry & ~board.FRAME
        else:
            _walk(memory, frame * board.PAGE, level - 1, page, found)


def frame_content(memory: Memory, frame: int) -> bytes:
    """All that is in a frame."""
    return bytes(memory.physical.data[frame * board.PAGE : (frame + 1) * board.PAGE])


def check_isolation(found: Inventory) -> None:
    """Everything that a living process can reach is a page of the object that its region shows there; no page is both
    written and executed; and what two processes see is of one object, or not for writing."""
    start, length = module_range()
    owners: dict[int, tuple[int, bool]] = {}
    for process, values in found.of_kind(Kind.PROCESS).items():
        if values["ended"]:
            continue
        regions = found.regions[values["space"]].values()
        for page, (frame, bits) in user_pages(found.memory, found.root_of(process)).items():
            assert bits & board.USER, f"page {page:#x} of the user half is not for user code"
            assert not (bits & board.WRITE and bits & board.EXECUTE), f"page {page:#x} can be written and executed"
            region = next((item for item in regions if item["start"] <= page * board.PAGE < item["end"]), None)
            assert region is not None, f"page {page:#x} is mapped where no region is"
            assert not bits & board.WRITE or region["access"] & WRITE, f"page {page:#x} can be written, its region not"
            if start <= frame * board.PAGE < start + length:
                assert not bits & board.WRITE, "the boot module can be written"
                continue
            owner, written = owners.setdefault(frame, (region["memory"], bool(bits & board.WRITE)))
            shared = owner == region["memory"] or not (written or bits & board.WRITE)
            assert shared, f"frame {frame:#x} of one object can be written through another"


def module_range() -> tuple[int, int]:
    """The boot module: where it lies, and its length in whole pages."""
    start, length = board.current().module
    return start, -(-length // board.PAGE) * board.PAGE
