"""Entry into the kernel: what happened, and who deals with it. Nothing else.

The entry code of each architecture calls `kernel_system_call` (made in `dispatch.py`) and `kernel_user_trap` with the
frame of the current thread, and `kernel_trap` with the registers of a trap in the kernel itself. The kernel is not
preemptible: interrupts arrive in user mode, and while no thread can run. On the way out `leave` chooses who runs next.
"""

from __future__ import annotations

from typing import Literal, NoReturn

from cloudos.abi import faults, layout
from cloudos.abi.errors import BadAddress, OutOfMemory, QuotaExceeded
from cloudos.abi.faults import Fault
from cloudos.abi.messages import NEVER
from cloudos.kernel import failure
from cloudos.kernel.hal import console, cpu, interrupts, mmu, processors, timer, trap, user_access
from cloudos.kernel.hal.interface import TrapKind
from cloudos.kernel.memory import page_faults, regions, user_memory
from cloudos.kernel.memory.page_faults import Outcome
from cloudos.kernel.memory.structures import Space
from cloudos.kernel.objects import cleanup, devices, termination, waiting
from cloudos.kernel.objects.console import input_arrived
from cloudos.kernel.objects.thread import Thread
from cloudos.kernel.sched import counters, placement, requests, scheduler
from cloudos.kernel.sched.processor import PROCESSOR, Processor
from cloudos.lang import U8, U64, Array, Ptr, Slice, VirtAddr, exported, fast, never_inlined, null, often

# Interrupts wait for less than 10,000 instructions. An expiry takes up to 650, if it ends a call; a step of cleaning
# up 150 or, when it gives back memory, up to 1,700: no other is begun after so many nanoseconds.
EXPIRIES_PER_INTERRUPT = 14
CLEANUP_STEPS = 32
CLEANUP_TIME = 800


@exported("kernel_user_trap")
def user_trap(frame: trap.UserFrame) -> None:
    """A fault of the current thread, or an interrupt while it ran."""
    if not frame.is_timer:
        other_trap(frame)
        scheduler.leaving()
        return
    # Somebody may be waiting for this very moment: no detours.
    now = timer_interrupt()
    if not cleanup.PENDING.first.is_null() and not scheduler.is_urgent():
        clean_up()
    scheduler.run_next(now)
    scheduler.leaving()


@never_inlined
def other_trap(frame: trap.UserFrame) -> None:
    """Whatever is not the timer."""
    kind = frame.kind()
    if kind == TrapKind.PAGE_FAULT:
        user_page_fault(frame)
    elif kind == TrapKind.FAULT:
        user_fault(frame)
    elif kind == TrapKind.MACHINE_CHECK:
        failure.report_trap(frame)
    else:
        interrupt(kind, frame.line())
    leave()


@never_inlined
def user_fault(frame: trap.UserFrame) -> None:
    """An exception other than a page fault."""
    scheduler.exclude(null(), U64(counters.FAULT))
    if PROCESSOR.current.is_null():
        return
    code = Array[U8, Literal[15]]()
    termination.fault(PROCESSOR.current, trap.user_fault(frame, read_code(frame.ip, code.slice())), U64(0))


@exported("kernel_trap")
@often
def kernel_trap(frame: trap.UserFrame) -> None:
    """A trap in the kernel: an interrupt while no thread can run, or a fault in a copy from or to user memory."""
    kind = frame.kind()
    if kind == TrapKind.PAGE_FAULT:
        if not user_access.is_recoverable(frame.ip):
            failure.report_trap(frame)
        if not supply_page(frame, cpu.fault_address()):
            frame.ip = user_access.recovery()
    elif kind == TrapKind.FAULT or kind == TrapKind.MACHINE_CHECK:
        failure.report_trap(frame)
    else:
        # The processor sleeps, or is about to choose a thread: it is outside.
        if processors.are_several():
            scheduler.enter(null())
        interrupt(kind, frame.line())
        scheduler.leaving()
        requests.leave()


@exported("kernel_enter")
def enter(frame: trap.UserFrame) -> bool:
    """Where the entry code goes first when another processor is alone in the kernel: returns when this one is inside.

    True: the thread, whose memory may have gone, was taken from this processor meanwhile. Nothing of it is done, but
    an interrupt is, and another thread is current.
    """
    kind = frame.kind()
    line = frame.line()
    call: Ptr[trap.UserFrame] = null()
    if frame.is_system_call:
        call = Ptr.to(frame)
    scheduler.enter(call)
    if not PROCESSOR.current.is_null():
        return False
    interrupt(kind, line)
    scheduler.run_next(timer.now())
    scheduler.leaving()
    return True


@exported("kernel_processor")
def processor_main(own: VirtAddr) -> NoReturn:
    """Entered once by each processor but the first, on a stack of its own. `own`: its data."""
    processors.begin(Ptr.at(Processor, own).value.machine)
    scheduler.start()
    # Until there is something to do: the others start.
    cpu.wait_for_interrupt()
    scheduler.enter(null())
    scheduler.run_next(timer.now())
    scheduler.leaving()
    requests.leave()
    trap.enter_user()


@fast
def leave() -> bool:
    """On the way out of the kernel: whether another thread's registers may have to be loaded."""
    if not cleanup.PENDING.first.is_null():
        clean_up()
    return scheduler.leave()


@never_inlined
def clean_up() -> None:
    """Take ended objects apart, for a bounded time."""
    scheduler.exclude(null(), U64(counters.CLEANUP))
    end = timer.now() + CLEANUP_TIME
    for _ in U64.range(CLEANUP_STEPS):
        if cleanup.step():
            return
        if timer.now() >= end:
            break
    # For the alarm that goes on with it.
    PROCESSOR.reschedule = True


@often
def interrupt(kind: TrapKind, line: U64) -> None:
    """A device or another processor wants attention. Other kinds of traps are no interrupts: nothing is done."""
    if kind == TrapKind.TIMER:
        timer_interrupt()
        return
    if kind == TrapKind.PROCESSOR:
        interrupts.acknowledge()
        # Whoever fails stops also those that somebody else has let in meanwhile.
        scheduler.answer(null())
        placement.take_in(PROCESSOR)
        return
    if kind == TrapKind.DEVICE:
        while not requests.is_alone() and not devices.is_within_reach(line):
            scheduler.reach(null(), U64(counters.INTERRUPT))
        devices.deliver(line)
    elif kind >= TrapKind.CONSOLE and kind <= TrapKind.PROCESSOR:
        scheduler.exclude(null(), U64(counters.INTERRUPT))
        if kind == TrapKind.CHANNEL:
            console.channel_interrupt()
            input_arrived()
        interrupts.acknowledge()
        if kind == TrapKind.CONSOLE:
            termination.obey_host()


@never_inlined
@fast
def timer_interrupt() -> U64:
    """Wake threads whose deadline has passed. Returns the time."""
    timer.handle_interrupt()
    interrupts.acknowledge()
    now = timer.now()
    expire_timers(now)
    return now


@fast
def expire_timers(now: U64) -> None:
    """Wake threads whose deadline has passed; of very many, the rest with the next interrupt, which comes at once."""
    PROCESSOR.alarm = U64(NEVER)
    for _ in U64.range(EXPIRIES_PER_INTERRUPT):
        thread = PROCESSOR.timers.first
        if thread.is_null() or thread.value.deadline > now:
            break
        _expire(thread)


@never_inlined
def _expire(thread: Ptr[Thread]) -> None:
    if not waiting.is_ours(thread):
        # Then it is looked at again.
        scheduler.reach(null(), U64(counters.DEADLINE))
        return
    PROCESSOR.timers.remove(thread)
    waiting.expire(thread)


def read_code(ip: U64, buffer: Slice[U8]) -> Slice[U8]:
    """Copy the instruction at `ip`, as far as it can be read, into `buffer`."""
    for index in U64.range(buffer.length):
        try:
            user_memory.copy_in(buffer[index : index + 1], ip + index)
        except BadAddress:
            return buffer[0:index]
    return buffer


@never_inlined
@often
def user_page_fault(frame: trap.UserFrame) -> None:
    """Supply the page if the process may have it, or let the pager do so; else the access was wrong."""
    address = cpu.fault_address()
    while not requests.is_alone():
        if page_faults.resolve_within_reach(current_space(), address, frame.is_write, frame.is_execute):
            return
        scheduler.reach(null(), U64(counters.FAULT))
        if PROCESSOR.current.is_null():
            return
    thread = PROCESSOR.current
    try:
        match page_faults.resolve(current_space(), address, frame.is_write, frame.is_execute, True):
            case Outcome.RETRY:
                return
            case Outcome.ASK:
                termination.ask_pager(thread, address)
            case Outcome.REFUSED:
                termination.fault(thread, classify(frame, address), address)
    except (OutOfMemory, QuotaExceeded):
        termination.fault(thread, faults.NO_MEMORY, address)


def supply_page(frame: trap.UserFrame, address: U64) -> bool:
    """Whether a fault in a copy was only a page that had to be made. What a pager has is not waited for."""
    try:
        return page_faults.resolve(current_space(), address, frame.is_write, False, False) == Outcome.RETRY
    except (OutOfMemory, QuotaExceeded):
        return False


def current_space() -> Space:
    """The user memory that can be reached."""
    return PROCESSOR.current.value.process.value.space.value


def classify(frame: trap.UserFrame, address: U64) -> Fault:
    """What is wrong with an access by a program."""
    stack = U64(layout.STACK_TOP - layout.STACK_SIZE)
    if address >= mmu.user_end():
        return faults.KERNEL_ADDRESS
    if address < layout.USER_START:
        return faults.NULL_POINTER
    if address < stack and address >= stack - layout.STACK_GUARD_SIZE:
        return faults.STACK_OVERFLOW
    if regions.at(current_space(), address).is_null():
        return faults.UNMAPPED_ADDRESS
    return faults.EXECUTE_OF_DATA if frame.is_execute else faults.WRITE_TO_READ_ONLY
