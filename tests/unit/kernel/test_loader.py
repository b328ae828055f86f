"""The loader believes nothing: what it accepts is laid out as the file says, everything else is refused."""

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
READ, WRITE, EXECUTE = 4, 2, 1
reasons: list[str] = []


@pytest.fixture(autouse=True)
def collect_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons.clear()
    monkeypatch.setattr(log, "begin_line", lambda: None)
    monkeypatch.setattr(log, "text", lambda text: None)
    monkeypatch.setattr(log, "record", lambda text: reasons.append(bytes(text).decode()))


@dataclass
class ElfFile:
    """An ELF file with one program header for each segment: (type, flags, offset, address, file size, memory size)."""

    entry: int = 0x40_1000
    segments: list[tuple[int, int, int, int, int, int]] = field(
        default_factory=lambda: [
            (1, READ, 0, 0x40_0000, 0x200, 0x200),
            (1, READ | EXECUTE, 0x1000, 0x40_1000, 0x300, 0x300),
            (1, READ | WRITE, 0x1008, 0x40_2008, 0x1010, 0x3000),
        ]
    )
    machine: int = 62
    kind: int = 2
    identification: bytes = b"\x7fELF\x02\x01\x01"
    segment_offset: int = 64
    segment_size: int = 56
    size: int = 0x2100

    def encode(self) -> bytes:
        header = self.identification.ljust(16, b"\0") + struct.pack(
            "<HHIQQQIHHHHHH", self.kind, self.machine, 1, self.entry, self.segment_offset, 0, 0, 64,
            self.segment_size, len(self.segments), 0, 0, 0,
        )  # fmt: skip
        table = b"".join(struct.pack("<IIQQQQQQ", t, f, o, a, a, fs, ms, PAGE) for t, f, o, a, fs, ms in self.segments)
        content = bytes((index * 7 + index // 251) & 0xFF for index in range(self.size))
        text = bytearray(content)
        text[:64] = header
        text[64 : 64 + len(table)] = table
        return bytes(text[: self.size])


@contextmanager
def module(content: bytes) -> Iterator[Slice[U8]]:
    """Bytes in physical memory, as the kernel sees them."""
    region = current_address_space().allocate(max(len(content), 1), PAGE, address=mmu.DIRECT_BASE + MODULE)
    region.data[: len(content)] = content
    region.mask = None
    try:
        yield Slice.of(Ptr.at(U8, mmu.direct(PhysAddr(MODULE))), U64(len(content)))
    finally:
        current_address_space().release(region)


def load(content: bytes) -> tuple[int, dict[int, tuple[Access, bytes]]]:
    """Load a file; the entry, and permissions and contents of every mapped page."""
    with memory_machine(4), module(content) as image:
        # Consecutive pages of the program shall not lie in consecutive frames.
        taken = [FRAMES.allocate(U64(0)) for _ in range(64)]
        for frame in taken[::2]:
            FRAMES.free(frame, U64(0))
        space = spaces.create(quotas.ROOT)
        try:
            entry = loader.load(space, image)
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


def test_a_program_is_laid_out_as_its_file_says() -> None:
    content = ElfFile().encode()
    entry, pages = load(content)
    assert entry == 0x40_1000
    user = Access.READ
    assert {address: access for address, (access, _) in pages.items()} == {
        0x40_0000: user,
        0x40_1000: user | Access.EXECUTE,
        **{address: user | Access.WRITE for address in range(0x40_2000, 0x40_6000, PAGE)},
    }
    assert pages[0x40_1000][1] == content[0x1000:0x1300].ljust(PAGE, b"\0")
    assert pages[0x40_2000][1] == bytes(8) + content[0x1008:0x2000]
    assert pages[0x40_3000][1] == content[0x2000:0x2018].ljust(PAGE, b"\0")
    assert pages[0x40_5000][1] == bytes(PAGE)


GOOD = ElfFile().segments


@pytest.mark.parametrize(
    ("reason", "file"),
    [
        ("not an ELF", ElfFile(identification=b"\x7fELF\x01\x01\x01")),
        ("not an ELF", ElfFile(identification=b"#!/bin/sh")),
        ("not an executable for this processor", ElfFile(machine=183)),
        ("not an executable for this processor", ElfFile(kind=3)),
        ("too short", ElfFile(size=63)),
        ("table lies outside", ElfFile(segment_offset=0x2100 - 56)),
        ("table lies outside", ElfFile(segment_offset=(1 << 64) - 8)),
        ("not aligned", ElfFile(segment_offset=65)),
        ("unknown form", ElfFile(segment_size=57)),
        ("unknown form", ElfFile(segments=GOOD * 6)),
        ("entry is not in executable", ElfFile(entry=0x40_2008)),
        ("entry is not in executable", ElfFile(entry=0x40_1300)),
        ("entry is not in executable", ElfFile(segments=[])),
        ("outside the file", ElfFile(segments=[(1, READ, 0x2000, 0x40_0000, 0x101, 0x101)])),
        ("outside the file", ElfFile(segments=[(1, READ, (1 << 64) - 1, 0x40_0000, 2, 2)])),
        ("more contents than memory", ElfFile(segments=[(1, READ, 0, 0x40_0000, 2, 1)])),
        ("outside the addresses", ElfFile(segments=[(1, READ, 0, 0x1000, 1, 1)])),
        ("outside the addresses", ElfFile(segments=[(1, READ, 0, layout.BUNDLE_START - 1, 1, 2)])),
        ("outside the addresses", ElfFile(segments=[(1, READ, 0, 0xFFFF_FFFF_8010_0000, 1, 1)])),
        ("outside the addresses", ElfFile(segments=[(1, READ, 0, 0x40_0000, 1, (1 << 64) - 1)])),
        ("both writable and executable", ElfFile(segments=[(1, 7, 0, 0x40_0000, 1, 1)])),
        ("share a page", ElfFile(segments=[GOOD[0], (1, READ, 0, 0x40_0200, 1, 1)])),
        ("linked dynamically", ElfFile(segments=[*GOOD, (3, READ, 0, 0, 1, 1)])),
        ("linked dynamically", ElfFile(segments=[*GOOD, (2, READ, 0, 0, 1, 1)])),
        ("thread-local", ElfFile(segments=[*GOOD, (7, READ, 0, 0, 1, 1)])),
    ],
)
def test_bad_files_are_refused_with_a_reason(reason: str, file: ElfFile) -> None:
    with pytest.raises(loader.BadProgram):
        load(file.encode())
    assert reason in reasons[-1]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 64 + 3 * 56 - 1), st.integers(0, 255)), max_size=6))
def test_no_damage_to_the_headers_is_worse_than_a_refusal(damage: list[tuple[int, int]]) -> None:
    content = bytearray(ElfFile().encode())
    for position, value in damage:
        content[position] = value
    try:
        entry, pages = load(bytes(content))
    except (loader.BadProgram, loader.OutOfMemory):
        return
    assert Access.EXECUTE in pages[entry // PAGE * PAGE][0]
    for address, (access, _) in pages.items():
        assert layout.USER_START <= address < layout.BUNDLE_START
        assert Access.READ in access and not (Access.WRITE in access and Access.EXECUTE in access)


# Bundles


def bundle(kind: int = 1, offset: int = PAGE, length: int = 100, *, total: int = 2 * PAGE, count: int = 1) -> bytes:
    """A bundle with one entry."""
    header = struct.pack("<8sIIQQ", b"CLOUDOS\x01", 1, count, total, 0)
    return (header + struct.pack("<IIQQQQ", kind, 0, 0, offset, length, 0)).ljust(2 * PAGE, b"\0")


def find_program(content: bytes, at: int = MODULE) -> int:
    with module(content):
        return int(loader.program_in(loader.bundle_of(PhysAddr(at), U64(len(content)))).length)


def test_the_program_of_a_bundle_is_found() -> None:
    assert find_program(bundle()) == 100


@pytest.mark.parametrize(
    ("reason", "content"),
    [
        ("no boot bundle", b""),
        ("no boot bundle", bundle()[:31]),
        ("not a bundle", b"\x1f\x8b" + bundle()),
        ("longer than the boot module", bundle(total=2 * PAGE + 1)),
        ("longer than the boot module", bundle(count=0xFFFF_FFFF)),
        ("shorter than its table", bundle(total=71)),
        ("shorter than its table", bundle(count=300)),
        ("no program", bundle(kind=2)),
        ("no program", bundle(count=0)),
        ("outside the bundle", bundle(offset=2 * PAGE, length=1)),
        ("outside the bundle", bundle(offset=(1 << 64) - PAGE, length=2 * PAGE)),
        ("outside the bundle", bundle(offset=72)),
    ],
)
def test_bad_bundles_are_refused_with_a_reason(reason: str, content: bytes) -> None:
    with pytest.raises(loader.BadProgram):
        find_program(content)
    assert reason in reasons[-1]
