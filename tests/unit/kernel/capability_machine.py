"""Simulated memory, quotas, tables and objects of no particular use, with a count of everything at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cloudos.abi.objects import Kind, Rights
from cloudos.kernel.hal.x86_64 import timer
from cloudos.kernel.memory import heap
from cloudos.kernel.memory.frames import FRAMES
from cloudos.kernel.objects import cleanup, endings, policy
from cloudos.kernel.objects import quota as quotas
from cloudos.kernel.objects.header import Capability, CapabilityTable, Header, Quota
from cloudos.kernel.security import audit, capabilities, labels
from cloudos.lang import U8, U64, Ptr, struct
from tests.unit.kernel.simulated_machine import erase, memory

MB = 1 << 20
THING_SIZE = 100


PLAIN = cleanup.PlainObjects()
DONE_BY: dict[Kind | None, Any] = {}
"""What is done with objects of some kinds; None: who wakes threads."""


@struct
class Objects:
    """See `cleanup.Objects`: plain ones, but for DONE_BY."""

    unused: U64 = U64(0)

    def wake_one(self, capability: Ptr[Capability]) -> None:
        DONE_BY.get(None, PLAIN).wake_one(capability)

    def capability_removed(self, object: Ptr[Header], rights: Rights) -> None:
        DONE_BY.get(object.value.kind, PLAIN).capability_removed(object, rights)

    def cleanup_step(self, object: Ptr[Header]) -> bool:
        done: bool = DONE_BY.get(object.value.kind, PLAIN).cleanup_step(object)
        return done


class Machine:
    """Makes tables and objects, and takes them apart at the end."""

    def __init__(self) -> None:
        self.tables: list[CapabilityTable] = []
        self.quotas: list[Ptr[Quota]] = []

    def quota(self, limit: int = MB) -> Quota:
        """A part of ROOT that the machine keeps a reference to."""
        made = quotas.create(quotas.ROOT, U64(limit))
        self.quotas.append(made)
        return made.value

    def table(self, limit: int = MB, label: int = 0) -> CapabilityTable:
        """An empty table with a quota of its own."""
        table = CapabilityTable()
        table.quota = Ptr.to(self.quota(limit))
        table.label = U8(label)
        self.tables.append(table)
        table.owner = U64(len(self.tables))
        return table

    def thing(self, payer: Quota = quotas.ROOT, kind: Kind = Kind.NOTIFICATION) -> Ptr[Header]:
        """An object with one reference, the caller's."""
        return cleanup.create(payer, kind, U64(THING_SIZE))

    def settle(self) -> None:
        """Do all pending work."""
        while not cleanup.step():
            pass

    def finish(self) -> None:
        """Empty everything."""
        for table in self.tables:
            while not capabilities.empty_step(table):
                pass
        self.settle()
        for one in self.quotas:
            cleanup.drop(Ptr.to(one.value.header))
        self.settle()


def snapshot() -> dict[str, Any]:
    """What must be as before when an operation fails, and at the end."""
    return {
        "frames": int(FRAMES.available),
        "used": int(quotas.ROOT.used),
        "references": int(quotas.ROOT.header.references),
        "slabs": [address_of(slab) for slab in heap.HEAP.partial],
        "pending": cleanup.PENDING.first.is_null(),
    }


def address_of(pointer: Any) -> int:
    """0 for null."""
    return 0 if pointer.is_null() else int(pointer.address.value)


def table_state(tables: list[CapabilityTable]) -> list[Any]:
    """All that an operation on capabilities may change, but for the slots themselves."""
    state: list[Any] = [snapshot()]
    for table in tables:
        pointers = (table.first, table.directory, table.free)
        numbers = (table.fresh, table.capacity, table.available, table.quota.value.used)
        state.append(([address_of(pointer) for pointer in pointers], [int(number) for number in numbers]))
    return state


@contextmanager
def as_built() -> Iterator[None]:
    """Static state as at boot, and every object but quotas a plain one."""
    kept, period = cleanup.KNOWN.objects, timer.CLOCK.cycle_period
    for instance in (FRAMES, heap.HEAP, heap.FAILURES, cleanup.PENDING, quotas.ROOT, labels.MATRIX, audit.RING):
        erase(instance)
    DONE_BY.clear()
    DONE_BY[Kind.QUOTA] = endings.Endings()
    cleanup.KNOWN.objects = Objects()
    timer.CLOCK.cycle_period = U64(1)
    try:
        yield
    finally:
        timer.CLOCK.cycle_period = period
        cleanup.KNOWN.objects = kept


@contextmanager
def machine(megabytes: int = 4) -> Iterator[Machine]:
    """A machine on which nothing may be left over."""
    with as_built(), memory((MB, (1 + megabytes) * MB)):
        policy.start()
        quotas.start()
        audit.RING.start(quotas.ROOT)
        before = snapshot()
        kernel = Machine()
        yield kernel
        kernel.finish()
        assert snapshot() == before
