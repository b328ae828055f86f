"""Simulated memory with quotas, memory objects and address spaces, and accesses as a processor makes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cloudos.abi.objects import Rights
from cloudos.kernel.hal import mmu
from cloudos.kernel.hal.interface import Access
from cloudos.kernel.memory import address_space, heap, pages
from cloudos.kernel.memory.address_space import Outcome
from cloudos.kernel.memory.frames import FRAMES
from cloudos.kernel.memory.structures import Memory, Region, Space
from cloudos.kernel.objects import cleanup
from cloudos.kernel.objects import quota as quotas
from cloudos.kernel.objects import space as spaces
from cloudos.kernel.objects.header import Header, Quota
from cloudos.lang import U8, U64, PhysAddr, Ptr, VirtAddr
from tests.unit.kernel.simulated_machine import erase, memory

PAGE = 4096
MB = 1 << 20
READ = Access.READ
WRITE = Access.READ | Access.WRITE
EXECUTE = Access.READ | Access.EXECUTE
ALL = Rights.READ | Rights.WRITE | Rights.EXECUTE


class Refused(Exception):
    """The access was a fault of the program."""


class Asked(Exception):
    """The pager would have to be asked for (memory, page)."""


def settle() -> None:
    """Do all pending work."""
    while not cleanup.step():
        pass


def drop(object: Any) -> None:
    """Forget an object."""
    cleanup.drop(object.cast(Header))
    settle()


def snapshot() -> tuple[Any, ...]:
    """What must be as before when an operation fails, and at the end."""
    return (
        int(FRAMES.available),
        int(FRAMES.promised),
        int(quotas.ROOT.used),
        int(quotas.ROOT.header.references),
        cleanup.PENDING.first.is_null(),
    )


@contextmanager
def machine(megabytes: int = 6) -> Iterator[Quota]:
    """A machine on which nothing may be left over. Gives the quota of everything."""
    with memory((2 * MB, (2 + megabytes) * MB)) as frames:
        for instance in (heap.HEAP, heap.FAILURES, cleanup.PENDING, quotas.ROOT):
            erase(instance)
        mmu.KERNEL.pages.root = frames.allocate_zeroed()
        quotas.start()
        before = snapshot()
        yield quotas.ROOT
        settle()
        assert snapshot() == before
        mmu.KERNEL.pages.root = PhysAddr(0)


def new_space(quota: Quota) -> Ptr[Space]:
    return spaces.create(quota)


def show(
    space: Ptr[Space], memory: Ptr[Memory], start: int, offset: int, length: int, access: Access, rights: Rights = ALL
) -> Ptr[Region]:
    """Map; in pages but for `start`."""
    return address_space.map(space.value, memory, rights, U64(start), U64(offset * PAGE), U64(length * PAGE), access)


def unmap(space: Ptr[Space], start: int, end: int) -> None:
    at = U64(start)
    for _ in range(100_000):
        at = address_space.unmap_step(space.value, at, U64(end))
        if at >= end:
            settle()
            return
    raise AssertionError("unmapping does not end")


def protect(space: Ptr[Space], start: int, end: int, access: Access) -> None:
    at = U64(start)
    for _ in range(100_000):
        at = address_space.protect_step(space.value, at, U64(end), access)
        if at >= end:
            return
    raise AssertionError("protecting does not end")


def translate(space: Ptr[Space], address: int, write: bool, execute: bool) -> int | None:
    """What the processor finds in the page tables: a physical address, or None for a fault."""
    found = space.value.pages.lookup(VirtAddr(address))
    if not found.present or Access.USER not in found.access:
        return None
    if (write and Access.WRITE not in found.access) or (execute and Access.EXECUTE not in found.access):
        return None
    return int(found.frame.value) + address % int(mmu.page_bytes(found.level))


def reach(space: Ptr[Space], address: int, write: bool = False, execute: bool = False) -> Ptr[U8]:
    """Access a byte as a program does, faults and all. Raises Refused, Asked and what `resolve` does."""
    for _ in range(2000):
        physical = translate(space, address, write, execute)
        if physical is not None:
            return Ptr.at(U8, mmu.direct(PhysAddr(physical)))
        outcome = address_space.resolve(space.value, U64(address), write, execute)
        if outcome == Outcome.REFUSED:
            raise Refused
        if outcome != Outcome.RETRY:
            request = address_space.request(space.value, U64(address))
            raise Asked(outcome, request.memory, int(request.page))
    raise AssertionError("the fault comes back for ever")


def read(space: Ptr[Space], address: int) -> int:
    return int(reach(space, address).value)


def write(space: Ptr[Space], address: int, value: int) -> None:
    reach(space, address, write=True).value = U8(value)


def claims_in_tree(memory: Memory) -> set[tuple[int, int]]:
    """Every (level, frame) that an object sees, itself and through nodes."""
    found: set[tuple[int, int]] = set()

    def visit(entry: int, level: int) -> None:
        if entry & pages.PRESENT:
            frame = entry & pages.ADDRESS
            found.add((level, frame))
            if level > 0:
                for number in range(512):
                    visit(int(Ptr.at(U64, mmu.direct(PhysAddr(frame + number * 8))).value), level - 1)

    for number in range(int(memory.width)):
        visit(int(memory.root.offset(number).value), int(memory.levels))
    return found
