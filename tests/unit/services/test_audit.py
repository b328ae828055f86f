"""The audit service and the verifier outside: what was done to a chain is found, also across a crash."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.abi.objects import Event, Operation
from cloudos.contracts.audits import Audit
from cloudos.host import audit as host
from cloudos.lang import U8, U64, Array
from cloudos.sdk import local_calls, models
from cloudos.sdk.local_system import LocalModel, MemoryObject
from cloudos.services.audit.chain import ANCHOR, ENTRIES_AT, ENTRY
from cloudos.services.audit.main import AuditServer, new_audit, serve

SERVICE, KERNEL, STATE = 1, 2, 3
INTO = Array[U8, Literal[500]]()


def record(number: int, event: Event = Event.PROCESS_CREATED, detail: int = 0) -> bytes:
    return struct.pack("<QQQQQBBB5x", number, number * 10, 3, 4, detail, int(event), 1, 2)


class World:
    """The service with kept memory, and what the kernel has recorded."""

    def __init__(self, length: int = 4096) -> None:
        local_calls.reset()
        self.model = LocalModel()
        models.install(self.model)
        self.state = bytearray(length)
        self.model.memories[STATE] = MemoryObject(self.state)
        self.start()

    def start(self) -> None:
        self.server: AuditServer = new_audit(U64(KERNEL), U64(STATE))
        local_calls.install(SERVICE, serve.__dispatch__, 0, self.server)  # type: ignore[attr-defined]

    def happen(self, count: int) -> None:
        self.model.audit_records += [record(number) for number in range(1, count + 1)]
        self.server.drain()

    def read(self, position: int) -> str:
        count = Audit(U64(SERVICE)).read(U64(position), INTO.slice())
        return bytes(int(byte) for byte in INTO.slice()[0:count]).decode()

    def verify(self) -> tuple[int, int]:
        count, sound = Audit(U64(SERVICE)).verify()
        return int(count), int(sound)

    def lines(self) -> list[str]:
        first, count = int(self.server.chain.anchor.first), int(self.server.chain.anchor.count)
        return [self.read(number) for number in range(first, count + 1)]


@pytest.fixture(autouse=True)
def after() -> Iterator[None]:
    yield
    local_calls.reset()
    models.install(models.SystemModel())


def test_records_have_names_and_the_hash_of_the_chain() -> None:
    world = World()
    world.model.audit_records += [record(1, Event.DENIED, int(Operation.SHARE)), record(2, Event.PROCESS_FAULTED, 6)]
    first = hashlib.sha256(bytes(32) + record(1, Event.DENIED, int(Operation.SHARE)))
    second = hashlib.sha256(first.digest() + record(2, Event.PROCESS_FAULTED, 6))
    assert world.read(1) == (
        f"1 10 DENIED #1 subject=3 object=4 labels=1>2 detail=8(SHARE) hash={first.hexdigest()}"
    )  # fmt: skip
    assert world.read(2).endswith(f"PROCESS_FAULTED #2 subject=3 object=4 labels=1>2 detail=6(fault) "
                                  f"hash={second.hexdigest()}")  # fmt: skip
    assert world.read(3) == ""
    assert world.verify() == (2, 2)


def test_more_records_than_one_batch_and_those_that_were_lost() -> None:
    world = World(8192)
    world.model.audit_lost = 9
    world.happen(70)
    assert world.verify() == (71, 71)
    assert " LOST #0 subject=0 object=1 labels=0>0 detail=9(records) " in world.read(1)
    assert world.server.deadline() == 20_000_000


def test_the_ring_keeps_the_newest_and_stays_sound() -> None:
    world = World()
    world.happen(60)
    capacity = (4096 - ENTRIES_AT) // ENTRY - 1
    assert world.verify() == (capacity, capacity)
    assert world.read(1).startswith(f"{60 - capacity + 1} ")
    world.start()
    assert world.verify() == (capacity, capacity)


def test_a_service_that_starts_again_continues_the_chain() -> None:
    world = World()
    world.happen(3)
    before = world.lines()
    world.start()
    world.happen(2)
    assert world.lines()[:3] == before
    assert world.verify() == (5, 5)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(0, ENTRY * 8 - 1))
def test_a_flipped_bit_is_found_and_reported(number: int, bit: int) -> None:
    world = World()
    world.happen(4)
    world.state[ENTRIES_AT + number * ENTRY + bit // 8] ^= 1 << bit % 8
    assert world.verify() == (4, number - 1)
    world.start()
    assert f"BROKEN #0 subject=0 object=2 labels=0>0 detail={number - 1}(records)" in world.read(5)
    assert world.verify() == (5, number - 1)


def place(number: int) -> slice:
    return slice(ENTRIES_AT + number * ENTRY, ENTRIES_AT + (number + 1) * ENTRY)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_exchanged_entries_are_found(number: int) -> None:
    world = World()
    world.happen(4)
    world.state[place(number)], world.state[place(number + 1)] = (
        world.state[place(number + 1)], world.state[place(number)]
    )  # fmt: skip
    assert world.verify() == (4, number - 1)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_removed_entry_is_found(number: int) -> None:
    world = World()
    world.happen(4)
    for later in range(number, 4):
        world.state[place(later)] = world.state[place(later + 1)]
    assert world.verify() == (4, number - 1)


def test_a_rewritten_end_does_not_fit_the_anchor() -> None:
    world = World()
    world.happen(4)
    third = world.state[place(3)][48:]
    forged = record(99)
    world.state[place(4)] = forged + hashlib.sha256(third + forged).digest()
    assert world.verify() == (4, 3)


def test_a_torn_anchor_leaves_the_one_before() -> None:
    """The anchor is written once for all records that came together: here for three, and for one more."""
    world = World()
    world.happen(3)
    world.happen(1)
    newest = int(world.server.chain.anchor.sequence) % 2
    world.state[newest * ANCHOR + 20] ^= 1
    world.start()
    assert world.verify() == (3, 3)


def test_without_any_anchor_a_new_chain_says_so() -> None:
    world = World()
    world.happen(4)
    world.state[20] ^= 1
    world.state[ANCHOR + 20] ^= 1
    world.start()
    assert " BROKEN " in world.read(1)
    assert world.verify() == (1, 1)


def test_without_kept_memory_or_records_it_still_answers() -> None:
    World()
    local_calls.install(SERVICE, serve.__dispatch__, 0, new_audit(U64(0), U64(0)))  # type: ignore[attr-defined]
    assert Audit(U64(SERVICE)).verify() == (U64(0), U64(0))


def exported(count: int) -> list[host.Exported]:
    entries, hash = [], host.START
    for number in range(1, count + 1):
        content = record(number)
        hash = hashlib.sha256(hash + content).digest()
        entries.append(host.Exported(number, content, hash))
    return entries


def damaged(entries: list[host.Exported], how: str, at: int, bit: int) -> list[host.Exported]:
    result = list(entries)
    if how == "flip":
        content = bytearray(result[at].record)
        content[bit // 8] ^= 1 << bit % 8
        result[at] = host.Exported(result[at].number, bytes(content), result[at].hash)
    elif how == "remove":
        del result[at]
    elif how == "reorder":
        result[at], result[at + 1] = result[at + 1], result[at]
    else:
        del result[at:]
    return result


@given(st.integers(2, 12), st.sampled_from(["flip", "remove", "reorder", "truncate"]), st.data())
def test_the_verifier_outside_finds_every_damage(count: int, how: str, data: st.DataObject) -> None:
    entries = exported(count)
    at = data.draw(st.integers(0, count - 2 if how == "reorder" else count - 1))
    last = entries[-1].hash
    assert host.verify(entries, count=count, last=last) == host.Verdict(count, count)
    verdict = host.verify(damaged(entries, how, at, data.draw(st.integers(0, 383))), count=count, last=last)
    assert verdict.problem
    assert verdict.sound <= max(at, 0)
    # The hash alone shows it as well.
    assert host.verify(damaged(entries, how, at, 0), last=last).problem


def test_lines_of_the_service_verify_outside(tmp_path: Path) -> None:
    world = World()
    world.model.audit_lost = 2
    world.model.audit_records += [record(1, Event.DENIED, 2), record(2, Event.POLICY_LOADED, 4)]
    lines = [world.read(number) for number in (1, 2, 3)]
    entries = [host.parse(line) for line in lines]
    assert host.verify(entries, count=3, last=entries[-1].hash) == host.Verdict(3, 3)
    file = tmp_path / "audit.txt"
    file.write_text("\n".join(lines))
    good = CliRunner().invoke(host.main, [str(file), "--count", "3", "--last", entries[-1].hash.hex()])
    assert (good.exit_code, good.output) == (0, "3 of 3 records are sound\n")
    file.write_text(lines[0] + "\n" + lines[2])
    bad = CliRunner().invoke(host.main, [str(file)])
    assert (bad.exit_code, bad.output) == (1, "1 of 2 records are sound: record 3 follows 1\n")
    file.write_text("nonsense")
    assert CliRunner().invoke(host.main, [str(file)]).exit_code == 1
