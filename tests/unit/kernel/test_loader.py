"""The loader believes nothing: what it accepts is laid out as the bundle says, everything else is refused."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.abi import layout
from cloudos.kernel import loader, log
from cloudos.kernel.hal import mmu
from cloudos.kernel.hal.interface import Access
from cloudos.kernel.memory.frames import FRAMES
from cloudos.kernel.memory.structures import Space
from cloudos.kernel.objects import cleanup
from cloudos.kernel.objects import quota as quotas
from cloudos.kernel.objects import space as spaces
from cloudos.kernel.objects.header import Header
from cloudos.lang import U8, U64, PhysAddr, Ptr, Slice, current_address_space
from tests.unit.kernel.memory_machine import frames_of, memory_machine, regions_of, words

PAGE = 4096
MB = 1 << 20
MODULE = 0x4000_0000
READ, WRITE, EXECUTE = 1, 2, 4
reasons: list[str] = []


@pytest.fixture(autouse=True)
def collect_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons.clear()
    monkeypatch.setattr(log, "begin_line", lambda: None)
    monkeypatch.setattr(log, "text", lambda text: None)
    monkeypatch.setattr(log, "record", lambda text: reasons.append(bytes(text).decode()))


@dataclass
class Made:
    """A bundle with a start table. Segments: (address, bytes in memory, offset, bytes in the bundle, access)."""

    entry: int = 0x40_1000
    segments: list[tuple[int, int, int, int, int]] = field(
        default_factory=lambda: [
            (0x40_0000, 0x200, 0x1000, 0x200, READ),
            (0x40_1000, 0x300, 0x2000, 0x300, READ | EXECUTE),
            (0x40_2008, 0x3000, 0x2008, 0x1010, READ | WRITE),
        ]
    )
    machine: int = 62
    start: int = 32
    size: int = 0x4000
    total: int = 0x4000
    magic: bytes = b"CLOUDOS\x01"
    version: int = 1
    count: int | None = None

    def encode(self) -> bytes:
        content = bytearray((index * 7 + index // 251) & 0xFF for index in range(self.size))
        table = struct.pack("<8sIIQQ", self.magic, self.version, 0, self.total, self.start)
        count = len(self.segments) if self.count is None else self.count
        table += struct.pack("<QII", self.entry, self.machine, count)
        table += b"".join(struct.pack("<QQQQQ", *segment) for segment in self.segments)
        content[: len(table)] = table
        return bytes(content[: self.size])


@contextmanager
def module(content: bytes) -> Iterator[Slice[U8]]:
    """Bytes in physical memory, as the kernel sees them."""
    size = max(-(-len(content) // PAGE), 1) * PAGE
    region = current_address_space().allocate(size, PAGE, address=mmu.DIRECT_BASE + MODULE)
    region.data[: len(content)] = content
    region.mask = None
    try:
        yield Slice.of(Ptr.at(U8, mmu.direct(PhysAddr(MODULE))), U64(len(content)))
    finally:
        current_address_space().release(region)


def load(content: bytes) -> tuple[int, dict[int, tuple[Access, bytes]]]:
    """Load the program of a bundle; the entry, and permissions and contents of every mapped page."""
    with memory_machine(4), module(content) as image:
        # Consecutive pages of the program shall not lie in consecutive frames.
        taken = [FRAMES.allocate(U64(0)) for _ in range(64)]
        for frame in taken[::2]:
            FRAMES.free(frame, U64(0))
        space = spaces.create(quotas.ROOT)
        try:
            entry = loader.load(space, loader.bundle_of(PhysAddr(MODULE), image.length))
            return int(entry), pages_of(space.value)
        finally:
            cleanup.drop(space.cast(Header))
            for frame in taken[1::2]:
                FRAMES.free(frame, U64(0))


def pages_of(space: Space) -> dict[int, tuple[Access, bytes]]:
    """Access and contents of every page of a space."""
    pages: dict[int, tuple[Access, bytes]] = {}
    for region in regions_of(space):
        held = frames_of(region.memory.value)
        for address in range(int(region.start), int(region.end), PAGE):
            frame = held.get((int(region.offset) + address - int(region.start)) // PAGE)
            content = bytes(words(frame)) if frame is not None else bytes(PAGE)
            pages[address] = (region.access, content)
    return pages


def test_a_program_is_laid_out_as_its_bundle_says() -> None:
    content = Made().encode()
    entry, pages = load(content)
    assert entry == 0x40_1000
    user = Access.READ
    assert {address: access for address, (access, _) in pages.items()} == {
        0x40_0000: user,
        0x40_1000: user | Access.EXECUTE,
        **{address: user | Access.WRITE for address in range(0x40_2000, 0x40_6000, PAGE)},
    }
    assert pages[0x40_1000][1] == content[0x2000:0x2300].ljust(PAGE, b"\0")
    assert pages[0x40_2000][1] == bytes(8) + content[0x2008:0x3000]
    assert pages[0x40_3000][1] == content[0x3000:0x3018].ljust(PAGE, b"\0")
    assert pages[0x40_5000][1] == bytes(PAGE)


GOOD = Made().segments
DAMAGED = "damaged segment"


@pytest.mark.parametrize(
    ("reason", "made"),
    [
        ("no boot bundle", Made(magic=b"CLOUDOS\x02")),
        ("no boot bundle", Made(version=2)),
        ("no boot bundle", Made(size=31)),
        ("longer than its module", Made(total=0x4001)),
        ("longer than its module", Made(total=1 << 63)),
        ("no start table", Made(start=0)),
        ("no start table", Made(start=33)),
        ("no start table", Made(start=0x4000 - 8)),
        ("no start table", Made(start=(1 << 64) - 8)),
        ("for another processor", Made(machine=183)),
        ("start table too long", Made(count=2, segments=[(0x40_0000, 1, 0, 1, READ)], total=32 + 16 + 2 * 40 - 1)),
        (DAMAGED, Made(segments=[(0x40_0000, 0x200, 0x3F00, 0x101, READ)])),
        (DAMAGED, Made(segments=[(0x40_0000, 2, (1 << 64) - 1, 2, READ)])),
        (DAMAGED, Made(segments=[(0x40_0000, 1, 0, 2, READ)])),
        (DAMAGED, Made(segments=[(0x40_0000, 0, 0, 0, READ)])),
        (DAMAGED, Made(segments=[(0x1000, 1, 0, 1, READ)])),
        (DAMAGED, Made(segments=[(layout.BUNDLE_START - 1, 2, 0, 1, READ)])),
        (DAMAGED, Made(segments=[(0xFFFF_FFFF_8010_0000, 1, 0, 1, READ)])),
        (DAMAGED, Made(segments=[(0x40_0000, (1 << 64) - 1, 0, 1, READ)])),
    ],
)
def test_bad_bundles_are_refused_with_a_reason(reason: str, made: Made) -> None:
    with pytest.raises(loader.BadProgram):
        load(made.encode())
    assert reason in reasons[-1]


@pytest.mark.parametrize(
    "segments",
    [
        [(0x40_0000, 1, 0, 1, READ | WRITE | EXECUTE)],
        [(0x40_0000, 1, 0, 1, WRITE)],
        [(0x40_0000, 1, 0, 1, 1 << 40 | READ)],
        [GOOD[0], (0x40_0200, 1, 0, 1, READ)],
    ],
)
def test_segments_that_no_program_can_have_are_refused(segments: list[tuple[int, int, int, int, int]]) -> None:
    with pytest.raises(loader.BadArgument):
        load(Made(segments=segments).encode())


def test_a_module_that_is_not_on_a_page_is_no_bundle() -> None:
    with module(Made().encode()) as content, pytest.raises(loader.BadProgram):
        loader.bundle_of(PhysAddr(MODULE + 8), content.length)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 32 + 16 + 3 * 40 - 1), st.integers(0, 255)), max_size=6))
def test_no_damage_to_the_tables_is_worse_than_a_refusal(damage: list[tuple[int, int]]) -> None:
    content = bytearray(Made().encode())
    for position, value in damage:
        content[position] = value
    try:
        _, pages = load(bytes(content))
    except (loader.BadProgram, loader.BadArgument, loader.OutOfMemory):
        return
    for address, (access, _) in pages.items():
        assert layout.USER_START <= address < layout.BUNDLE_START
        assert Access.READ in access and not (Access.WRITE in access and Access.EXECUTE in access)
