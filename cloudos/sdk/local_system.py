"""System calls that services make, as a model for unit tests of them under CPython. Not part of compiled programs.

    model = LocalModel()
    models.install(model)

Handles are numbers that nobody checks: 1 to 99 are a test's own, what the model makes has higher ones. It knows memory
objects with their mappings, derived handles of servers that `local_calls.install` named, and audit records.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from cloudos.abi.errors import BadArgument, BadHandle, TimedOut, WrongKind
from cloudos.lang import U8, U64, Region, UserPtr, current_address_space
from cloudos.sdk import local_calls
from cloudos.sdk.memory import PLACES
from cloudos.sdk.models import PAGE, SystemModel

FIRST_HANDLE = 100
BATCH = 32
MAPPINGS = 0x7100_0000_0000


@dataclass
class MemoryObject:
    """What a handle to memory names."""

    content: bytearray


class LocalModel(SystemModel):
    """`closed` lists the handles that were closed, `console` is what was printed, `now` the time in nanoseconds."""

    def __init__(self) -> None:
        self.console = BytesIO()
        super().__init__(BytesIO(), self.console, self.console)
        # Where CPython puts nothing of its own.
        PLACES.next = max(PLACES.next, U64(MAPPINGS))
        self.closed: list[int] = []
        self.now = 0
        self.next = FIRST_HANDLE
        self.memories: dict[int, MemoryObject] = {}
        self.audit_records: list[bytes] = []
        self.audit_lost = 0

    def clock_read(self) -> U64:
        return U64(self.now)

    def thread_sleep(self, duration_ns: U64) -> None:
        self.now += int(duration_ns)

    def thread_yield(self) -> None:
        return

    def thread_set_buffer(self, address: U64) -> None:
        local_calls.attach()

    def handle_close(self, handle: U64) -> None:
        if handle == 0:
            raise BadHandle
        self.closed.append(int(handle))

    def handle_derive(self, handle: U64, rights: U64, badge: U64) -> U64:
        made = self._new()
        if int(handle) in self.memories:
            self.memories[made] = self.memories[int(handle)]
        elif not local_calls.derive(int(handle), made, int(badge)):
            raise BadHandle
        return U64(made)

    def notification_signal(self, notification: U64, bits: U64) -> None:
        return

    def notification_wait(self, notification: U64, deadline: U64) -> U64:
        raise TimedOut

    def memory_create(self, quota: U64, length: U64, kind: U64) -> U64:
        if length == 0 or length % PAGE != 0:
            raise BadArgument
        made = self._new()
        self.memories[made] = MemoryObject(bytearray(int(length)))
        return U64(made)

    def memory_inspect(self, memory: U64, buffer: UserPtr[U8]) -> None:
        length = len(self._memory(memory).content)
        region, offset = self._find(buffer, U64(24))
        region.data[offset : offset + 24] = length.to_bytes(8, "little") * 2 + bytes(8)

    def space_map(self, space: U64, memory: U64, address: U64, offset: U64, length: U64, access: U64) -> None:
        content = self._memory(memory).content
        stop = int(offset) + int(length)
        if length == 0 or length % PAGE != 0 or offset % PAGE != 0 or address % PAGE != 0 or stop > len(content):
            raise BadArgument
        region = Region(int(length), PAGE)
        # Mappings of the same memory share its bytes.
        region.data = memoryview(content)[int(offset) : stop]  # type: ignore[assignment]
        if access & 2 == 0:
            region.readonly = True
        try:
            current_address_space().map(region, int(address))
        except ValueError:
            raise BadArgument from None
        self.mapped[int(address)] = region

    def space_unmap(self, space: U64, address: U64, length: U64) -> None:
        self.memory_unmap(address, length)

    def audit_read(self, audit: U64, buffer: UserPtr[U8], length: U64) -> U64:
        """Records wait in `audit_records`, 48 bytes each; `audit_lost` of them were lost."""
        count = min(int(length) // 48, BATCH, len(self.audit_records))
        content = b"".join(self.audit_records[:count])
        if content:
            region, offset = self._find(buffer, U64(len(content)))
            region.data[offset : offset + len(content)] = content
            if region.mask is not None:
                region.mask[offset : offset + len(content)] = b"\1" * len(content)
        lost, self.audit_lost = self.audit_lost, 0
        del self.audit_records[:count]
        return U64(lost << 32 | count)

    def _memory(self, handle: U64) -> MemoryObject:
        found = self.memories.get(int(handle))
        if found is None:
            raise WrongKind
        return found

    def _new(self) -> int:
        made = self.next
        self.next += 1
        return made
