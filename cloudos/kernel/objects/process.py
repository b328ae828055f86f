"""The process: an address space, a capability table, threads, and where its faults are reported."""

from __future__ import annotations

from cloudos.abi import layout
from cloudos.abi.errors import BadArgument, OutOfMemory, QuotaExceeded
from cloudos.abi.objects import ALL_RIGHTS, Kind, Rights
from cloudos.kernel.hal.interface import Access
from cloudos.kernel.memory.structures import Memory, Space
from cloudos.kernel.objects import cleanup, memory, space
from cloudos.kernel.objects.header import CapabilityTable, Header, Quota
from cloudos.lang import U8, U64, PhysAddr, Ptr, null, place, size_of, struct, zeroed

__all__ = ["BadArgument", "OutOfMemory", "QuotaExceeded"]


@struct
class Process:
    """A process object. `header.quota` pays for all that the process makes the kernel allocate."""

    header: Header = zeroed()
    # What is used most stands within the reach of short instructions.
    space: Ptr[Space] = null()
    # Its threads are gone, and no new ones can be made.
    ended: bool = False
    emptied: bool = False
    label: U8 = U8(0)
    table: CapabilityTable = zeroed()
    # First of its threads, linked through `Thread.next`.
    threads: Ptr[Header] = null()
    # Endpoint that is told of faults, and what its receiver sees as the badge.
    fault_endpoint: Ptr[Header] = null()
    fault_badge: U64 = U64(0)
    # All that it had is given back.
    gone: bool = False
    # Why it ended: see process_inspect.
    result: U64 = U64(0)
    # Notification that is told when it is gone, and the signals.
    notification: Ptr[Header] = null()
    bits: U64 = U64(0)
    # The process that made it, as long as that lives; the processes that it made, of which one refers to the next.
    # None of these is a reference: they are forgotten before what they name goes.
    maker: Ptr[Process] = null()
    made: Ptr[Process] = null()
    made_next: Ptr[Process] = null()
    made_previous: Ptr[Process] = null()

    def adopt(self, child: Ptr[Process]) -> None:
        """`child` ends when this process does."""
        child.value.maker = Ptr.to(self)
        child.value.made_next = self.made
        if not self.made.is_null():
            self.made.value.made_previous = child
        self.made = child

    def leave_maker(self) -> None:
        """Nothing refers to it as to a made process any more."""
        if not self.made_next.is_null():
            self.made_next.value.made_previous = self.made_previous
        if not self.made_previous.is_null():
            self.made_previous.value.made_next = self.made_next
        elif not self.maker.is_null():
            self.maker.value.made = self.made_next
        self.maker = null()
        self.made_next = null()
        self.made_previous = null()

    def map_boot_module(self, bundle: PhysAddr, length: U64) -> Ptr[Memory]:
        """Let it read the boot bundle; its memory. Raises BadArgument, QuotaExceeded, OutOfMemory."""
        count = (length + (layout.PAGE_SIZE - 1)) // layout.PAGE_SIZE
        module = memory.create_foreign(self.header.quota.value, bundle, count, False)
        space.show(self.space, module, U64(layout.BUNDLE_START), Access.READ, Rights.READ)
        return module

    def map_stack(self) -> None:
        """Reserve the addresses of the first thread's stack. Raises BadArgument, QuotaExceeded, OutOfMemory."""
        stack = memory.create(self.header.quota.value, U64(layout.STACK_SIZE // layout.PAGE_SIZE))
        start = U64(layout.STACK_TOP - layout.STACK_SIZE)
        space.show(self.space, stack, start, Access.READ | Access.WRITE, ALL_RIGHTS)


@struct
class FirstProcess:
    """The process that the machine was started for: its end is the end of the machine's work."""

    process: Ptr[Process] = null()
    # Who handed this place over, if somebody did; it is an ancestor of `process`, so it ends no earlier.
    supervisor: Ptr[Process] = null()
    # Number of processes made so far.
    made: U64 = U64(0)


FIRST = place(FirstProcess())


def create(quota: Quota, label: U8) -> Ptr[Process]:
    """A process without memory, threads or handles. Raises QuotaExceeded, OutOfMemory."""
    process = cleanup.create(quota, Kind.PROCESS, U64(size_of(Process))).cast(Process)
    made = process.value
    made.label = label
    made.table.quota = Ptr.to(quota)
    made.table.label = label
    FIRST.made = FIRST.made + 1
    made.table.owner = FIRST.made
    try:
        made.space = space.create(quota)
    except (OutOfMemory, QuotaExceeded):
        made.header.references = U64(0)
        cleanup.destroy(process.cast(Header))
        raise
    return process
