"""The first process: what the machine was started for, and who holds all authority at the beginning."""

from __future__ import annotations

from cloudos.abi import initial, layout
from cloudos.abi.errors import BadArgument, OutOfMemory, PeerGone, QuotaExceeded, TooManyHandles
from cloudos.abi.objects import ALL_RIGHTS
from cloudos.kernel import loader, log
from cloudos.kernel.loader import BadProgram
from cloudos.kernel.memory.frames import FRAMES
from cloudos.kernel.objects import audit, device, policy, process, schedule, threads
from cloudos.kernel.objects.header import Header
from cloudos.kernel.objects.process import FIRST, Process
from cloudos.kernel.objects.quota import ROOT
from cloudos.kernel.sched import scheduler
from cloudos.kernel.security import capabilities
from cloudos.lang import U8, U64, PhysAddr, Ptr, Slice, data

__all__ = ["BadArgument", "BadProgram", "OutOfMemory", "PeerGone", "QuotaExceeded", "TooManyHandles"]

TURN_NS = 10_000_000


def make(module: PhysAddr, bundle: Slice[U8]) -> None:
    """Make the first process from the boot bundle, with one thread that is ready. Raises all of the above."""
    made = process.create(ROOT, U8(0))
    FIRST.process = made
    memory = made.value.map_boot_module(module, bundle.length)
    made.value.map_stack()
    entry = loader.load(made.value.space, bundle)
    time = schedule.create(ROOT, U64(initial.PRIORITY), U64(TURN_NS), U64(TURN_NS))
    thread = threads.create(made, time)
    thread.value.frame.prepare(entry, U64(layout.STACK_TOP), U64(layout.BUNDLE_START), bundle.length)
    hold(made, made.cast(Header), U64(initial.PROCESS))
    hold(made, thread.cast(Header), U64(initial.THREAD))
    hold(made, Ptr.to(ROOT).cast(Header), U64(initial.QUOTA))
    hold(made, time.cast(Header), U64(initial.SCHEDULE))
    hold(made, policy.start(), U64(initial.POLICY))
    hold(made, audit.start(ROOT), U64(initial.AUDIT))
    hold(made, made.value.space.cast(Header), U64(initial.SPACE))
    hold(made, device.start(), U64(initial.DEVICE))
    hold(made, memory.cast(Header), U64(initial.BUNDLE))
    log.begin_line()
    log.number(FRAMES.total // 256, U64(10), U64(1))
    log.address(data(b" MB of memory, program entry"), entry)
    log.record(data(b""))
    scheduler.ready(thread)


def hold(holder: Ptr[Process], object: Ptr[Header], handle: U64) -> None:
    """Give the process the handle that programs expect. Raises what `insert_root` does."""
    given = capabilities.insert_root(holder.value.table, object, ALL_RIGHTS, U64(0))
    assert given == handle, "the first handles are a part of the binary interface"
