"""The local APIC by model specific registers, and processors with identifiers that only it knows.

The emulator that the tests use has no x2APIC; what the real one does is told in ARCHITECTURE.md.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from cloudos.kernel.hal.x86_64 import acpi, cpu, interrupts, mmu, nodes, processors
from cloudos.kernel.hal.x86_64.processor import MODEL, State
from cloudos.kernel.hal.x86_64.vectors import VECTOR_PROCESSOR, VECTOR_SPURIOUS
from cloudos.lang import U32, U64, current_address_space
from tests.fuzz.targets.acpi import NOTHING
from tests.unit.kernel.simulated_machine import boot_information, erase

PLACE = 0x4800_0000
OWN = 2


@pytest.fixture(params=(False, True), ids=("xapic", "x2apic"))
def extended(request: pytest.FixtureRequest) -> Iterator[bool]:
    interrupts.CONTROLLERS.extended = request.param
    before = MODEL[:]
    processors.model_data(State())
    yield request.param
    MODEL[:] = before
    for instance in (interrupts.CONTROLLERS, acpi.ROOT, processors.KNOWN, nodes.PROCESSORS):
        erase(instance)


@pytest.fixture
def registers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """What is written: how, where, what."""
    written: list[tuple[str, int, int]] = []
    for name in ("msr_write", "msr_write_last"):
        monkeypatch.setattr(cpu, name, lambda msr, value, name=name: written.append((name, int(msr), int(value))))
    monkeypatch.setattr(cpu, "msr_read", lambda msr: U64(0xFEE0_0900 if msr == interrupts.MSR_BASE else 1 << 12))
    monkeypatch.setattr(
        cpu, "device_write_u32", lambda address, value: written.append(("memory", int(address.value), int(value)))
    )
    monkeypatch.setattr(cpu, "device_read_u32", lambda address: U32(0))
    return written


def test_registers_are_reached_where_they_are(extended: bool, registers: list[tuple[str, int, int]]) -> None:
    interrupts.acknowledge()
    interrupts.start_local()
    end, base, spurious = ("msr_write", 0x80B, 0), ("msr_write", 0x1B, 0xFEE0_0D00), 0x100 | int(VECTOR_SPURIOUS)
    if extended:
        assert registers == [end, base, ("msr_write", 0x80F, spurious)]
    else:
        assert registers == [("memory", 0xB0, 0), ("memory", 0xF0, spurious)]


def test_others_are_interrupted_after_all_that_was_written(
    extended: bool, registers: list[tuple[str, int, int]]
) -> None:
    other = State()
    other.identifier = U32(300) if extended else U32(3 << 24)
    processors.interrupt(other)
    if extended:
        assert registers == [("msr_write_last", 0x830, 300 << 32 | int(VECTOR_PROCESSOR))]
    else:
        assert registers == [("memory", 0x310, 3 << 24), ("memory", 0x300, int(VECTOR_PROCESSOR))]


def table(signature: bytes, start: int, *entries: bytes) -> bytes:
    """One of the firmware's tables."""
    content = b"".join(entries)
    return (signature + struct.pack("<I", start + len(content))).ljust(start, b"\0") + content


def local(identifier: int, flags: int = 1) -> bytes:
    """A processor as the xAPIC knows it."""
    return struct.pack("<BBBBI", 0, 8, 0, identifier, flags)


def wide(identifier: int, flags: int = 1) -> bytes:
    """A processor as the x2APIC knows it."""
    return struct.pack("<BBHIII", 9, 16, 0, identifier, flags, 0)


def test_processors_are_found_by_both_kinds_of_entries(extended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = (local(0), local(OWN), local(5, 0), wide(1), wide(OWN), wide(255), wide(256, 0), wide(700), wide(1024))
    affinity = (
        struct.pack("<BBBBIBBBBI", 0, 16, 1, 0, 1, 0, 0, 0, 0, 0),
        *(struct.pack("<BBHIIIII", 2, 24, 0, node, number, flags, 0, 0) for node, number, flags in (
            (3, 700, 1), (2, 255, 1), (4, 1, 0), (5, 1024, 1))),
    )  # fmt: skip
    tables = [table(b"APIC", processors.MADT_ENTRIES, *entries), table(b"SRAT", nodes.AFFINITY_ENTRIES, *affinity)]
    directory = acpi.HEADER + 8 * len(tables)
    places = [PLACE + 64 + directory, PLACE + 64 + directory + len(tables[0])]
    root = b"RSD PTR ".ljust(acpi.REVISION, b"\0") + b"\2" + struct.pack("<IIQ", 0, 0, PLACE + 64)
    content = root.ljust(64, b"\0") + (b"XSDT" + struct.pack("<I", directory)).ljust(acpi.HEADER, b"\0")
    content += struct.pack("<QQ", *places) + b"".join(tables)
    memory = current_address_space().allocate(len(content) + acpi.LONGEST, 4096, address=mmu.DIRECT_BASE + PLACE)
    memory.data[: len(content)] = content
    memory.mask = None
    monkeypatch.setattr(mmu, "map_direct", lambda *_: None)
    monkeypatch.setattr(interrupts, "apic_read", lambda register: U32(OWN if extended else OWN << 24))
    acpi.ROOT.address = U64(PLACE)
    try:
        count = int(processors.find(NOTHING))
        nodes.find(boot_information((1 << 20, 64 << 20)), NOTHING)
    finally:
        current_address_space().release(memory)
    found = [int(identifier) for identifier in processors.KNOWN.identifiers][:count]
    assert found == ([OWN, 0, 1, 255, 700] if extended else [OWN, 0])
    assert [int(processors.node(U64(number))) for number in range(count)] == ([0, 1, 0, 2, 3] if extended else [0, 1])
