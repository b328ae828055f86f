"""A long run over capabilities, in systems Python: compiled, it does millions of cycles in seconds."""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import BadHandle, OutOfMemory
from cloudos.abi.objects import ALL_RIGHTS, Kind, Rights
from cloudos.kernel.hal.interface import BootInformation, MemoryRange
from cloudos.kernel.memory import heap
from cloudos.kernel.memory.frames import FRAMES
from cloudos.kernel.objects import cleanup, quota
from cloudos.kernel.objects.header import Capability, CapabilityTable, Header, Quota
from cloudos.kernel.security import audit, capabilities
from cloudos.kernel.security.labels import MATRIX
from cloudos.lang import U64, Array, PhysAddr, Ptr, VirtAddr, null, place, struct, zeroed

TABLES = 4
HANDLES = 256
# Of so many operations, one has its first allocation fail, one its second.
FAILING = 8
LIMIT = 1 << 20
THING_SIZE = 100
NO_BADGE = U64(0)


@struct
class Known:
    """A handle that was given out; it may be stale by now."""

    table: U64
    handle: U64


@struct
class World:
    """Four processes' tables, with a quota each, and the handles that they remember."""

    tables: Array[CapabilityTable, Literal[4]] = zeroed()
    quotas: Array[Ptr[Quota], Literal[4]] = zeroed()
    known: Array[Known, Literal[256]] = zeroed()
    state: U64 = U64(0)
    derived: U64 = U64(0)
    stale: U64 = U64(0)
    revoked: U64 = U64(0)
    failed: U64 = U64(0)
    available: U64 = U64(0)
    used: U64 = U64(0)

    def random(self, limit: U64) -> U64:
        """A linear congruential generator (Knuth's MMIX)."""
        self.state = self.state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407)
        return (self.state >> 33) % limit


WORLD = place(World())


@struct
class Things:
    """See `cleanup.Objects`: quotas, and things that hold nothing but their own memory. Nobody waits."""

    unused: U64 = U64(0)

    def wake_one(self, capability: Ptr[Capability]) -> None:
        capability.value.waiters = null()

    def capability_removed(self, object: Ptr[Header], rights: Rights) -> None:
        """Nothing to do."""

    def cleanup_step(self, object: Ptr[Header]) -> bool:
        if object.value.kind == Kind.QUOTA:
            quota.give_back(object.cast(Quota).value)
        cleanup.destroy(object)
        return True


def host_direct(frame: PhysAddr) -> VirtAddr:
    """Compiled for the host, physical memory is wherever the test put it."""
    return VirtAddr(frame.value)


def host_direct_to_physical(address: VirtAddr) -> PhysAddr:
    """Inverse."""
    return PhysAddr(address.value)


def start(memory: U64, length: U64, seed: U64) -> None:
    """Take over the memory. Raises SystemCallError."""
    boot = BootInformation()
    boot.ranges[0] = MemoryRange(memory, memory + length)
    boot.count = U64(1)
    FRAMES.start(boot)
    MATRIX.start()
    quota.start()
    audit.RING.start(quota.ROOT)
    WORLD.available = FRAMES.available
    WORLD.used = quota.ROOT.used
    WORLD.state = seed
    for index in U64.range(TABLES):
        WORLD.quotas[index] = quota.create(quota.ROOT, U64(LIMIT))
        WORLD.tables[index].quota = WORLD.quotas[index]


def settle() -> None:
    """Do all pending work."""
    while not cleanup.step():
        pass


def new_root(known: Known) -> None:
    """Remember a new object in place of a stale handle."""
    table = WORLD.tables[known.table]
    object = cleanup.create(WORLD.quotas[known.table].value, Kind.NOTIFICATION, U64(THING_SIZE))
    try:
        known.handle = capabilities.insert_root(table, object, ALL_RIGHTS, NO_BADGE)
    finally:
        cleanup.drop(object)


def one_operation() -> None:
    """Something to a handle that was known once."""
    known = WORLD.known[WORLD.random(U64(HANDLES))]
    try:
        source = capabilities.lookup(WORLD.tables[known.table], known.handle, Kind.NOTIFICATION, Rights.DERIVE)
    except BadHandle:
        WORLD.stale += 1
        known.table = WORLD.random(U64(TABLES))
        new_root(known)
        return
    choice = WORLD.random(U64(16))
    table = WORLD.random(U64(TABLES))
    if choice == 0:
        while not capabilities.revoke_step(source):
            WORLD.revoked += 1
        WORLD.revoked += 1
    elif choice == 1:
        capabilities.close(WORLD.tables[known.table], known.handle)
    elif choice == 2:
        known.handle = capabilities.move(source, WORLD.tables[table])
        known.table = table
    else:
        target = WORLD.known[WORLD.random(U64(HANDLES))]
        if target.handle == known.handle and target.table == known.table:
            return
        forget(target)
        target.handle = capabilities.derive(source, WORLD.tables[table], ALL_RIGHTS, NO_BADGE)
        target.table = table
        WORLD.derived += 1
    settle()


def forget(known: Known) -> None:
    """Close what is about to be remembered no more."""
    try:
        capabilities.close(WORLD.tables[known.table], known.handle)
    except BadHandle:
        WORLD.stale += 1


def run(derivations: U64) -> tuple[U64, U64, U64]:
    """Operations until there were so many derivations; stale handles met, capabilities revoked, failures."""
    goal = WORLD.derived + derivations
    while WORLD.derived < goal:
        heap.FAILURES.at = WORLD.random(U64(FAILING))
        try:
            one_operation()
        except OutOfMemory:
            WORLD.failed += 1
        heap.FAILURES.at = U64(0)
    return WORLD.stale, WORLD.revoked, WORLD.failed


def finish() -> U64:
    """Take everything apart; how many frames are missing, plus bytes charged to the machine's quota."""
    for index in U64.range(TABLES):
        while not capabilities.empty_step(WORLD.tables[index]):
            pass
    settle()
    for index in U64.range(TABLES):
        assert WORLD.quotas[index].value.used == 0, "a quota keeps a charge"
        cleanup.drop(Ptr.to(WORLD.quotas[index].value.header))
    settle()
    return WORLD.available - FRAMES.available + (quota.ROOT.used - WORLD.used)
