"""The order in which the machine comes up."""

from __future__ import annotations

from typing import NoReturn

from cloudos.abi.errors import BadArgument, OutOfMemory, PeerGone, QuotaExceeded, TooManyHandles
from cloudos.kernel import first, loader, log
from cloudos.kernel.hal import console, interrupts, mmu, platform, timer, trap
from cloudos.kernel.memory import ranges
from cloudos.kernel.memory.frames import FRAMES
from cloudos.kernel.objects import quota
from cloudos.kernel.objects.console import STREAMS
from cloudos.kernel.objects.termination import power_off
from cloudos.kernel.sched import processors, requests, scheduler
from cloudos.lang import U64, data, exported


@exported("kernel_main")
def kernel_main(start_information: U64) -> NoReturn:
    """Entered once, from the boot code, on the kernel's stack."""
    console.start()  # the log: records can be written, and panics be seen
    processors.start_first()  # faults are reported instead of resetting the machine; protections on, SYSCALL ready
    try:
        start_memory(start_information)
        interrupts.start(FRAMES)  # the controllers; they stay closed until something waits or user code runs
        timer.start()  # time counts from here
        console.start_channel(FRAMES)  # the program's streams to the host
        STREAMS.start()  # their buffer
        processors.start_others()  # they wait until the first program is entered
        log.record(data(b"@ready"))  # the host may send input from here on
        run_first_program()
    except (OutOfMemory, QuotaExceeded, TooManyHandles, PeerGone):
        log.record(data(b"@refused reason=not enough memory"))
    except (loader.BadProgram, BadArgument):
        log.record(data(b"@refused reason=no sound program"))
    power_off()


def start_memory(start_information: U64) -> None:
    """From the machine's memory map to the final page tables. Raises OutOfMemory."""
    boot = platform.read(start_information)  # what memory there is, where the boot module lies
    for index in U64.range(boot.reserved_count):  # the kernel itself; programs and files, used in place
        ranges.reserve(boot, boot.reserved[index].start, boot.reserved[index].end)
    FRAMES.start(boot)  # frames can be allocated; those beyond the first gigabyte only after the next line
    mmu.start(boot, FRAMES)  # W^X, guard pages, all memory in the direct map
    platform.find_nodes(FRAMES)  # which memory is near which processor
    FRAMES.set_nodes(boot)


def run_first_program() -> NoReturn:
    """Make the first process and enter it. Raises what `first.make` does."""
    boot = platform.BOOT_INFORMATION
    bundle = loader.bundle_of(boot.module, boot.module_length)
    quota.start()  # all memory that is free now
    scheduler.start()
    first.make(boot.module, bundle)  # the process, its thread, its schedule, their handles
    scheduler.run_next(timer.now())
    requests.leave()
    trap.enter_user()
