"""Ends: of threads, of processes, of the machine's work; and the reports of why.

A process dies with its last thread, by process_exit, by a fault that nobody handles, or because it is killed. The end
of the first process is the end of the machine's work: records of it are written to the log and the machine is
switched off. Of others the log tells in lines for people.
"""

from __future__ import annotations

from typing import NoReturn

from cloudos.abi import faults, tags
from cloudos.abi.errors import BadAddress
from cloudos.abi.faults import Fault
from cloudos.abi.objects import Event
from cloudos.kernel import log
from cloudos.kernel.hal import console, cpu, mmu, power, trap
from cloudos.kernel.hal.interface import PAGE_SIZE, Access
from cloudos.kernel.memory import address_space, page_faults, regions, user_memory
from cloudos.kernel.objects import cleanup, message, waiting
from cloudos.kernel.objects.header import Header
from cloudos.kernel.objects.notification import Notification
from cloudos.kernel.objects.process import FIRST, Process
from cloudos.kernel.objects.thread import Thread, ThreadState
from cloudos.kernel.sched import counters, requests, scheduler
from cloudos.kernel.sched.processor import PROCESSOR
from cloudos.kernel.security import audit, capabilities
from cloudos.lang import U8, U64, Ptr, data, never_inlined, null

MAXIMUM_FRAMES = 64
COMMAND_TIMEOUT = 0x54  # "T"
COMMAND_INTERRUPT = 0x49  # "I"


# Threads


def end_thread(thread: Ptr[Thread]) -> None:
    """The thread will never run again; with the last one its process ends. Handles to it stay."""
    if thread.value.state == ThreadState.DEAD:
        return
    process = thread.value.process
    _stop_thread(thread)
    if process.value.threads.is_null() and not process.value.ended:
        if process == FIRST.process:
            report_exit(U8(0))
        end_process(process, U64(0))


def _stop_thread(thread: Ptr[Thread]) -> None:
    ending = thread.value
    waiting.detach(thread)
    scheduler.stop(thread, ThreadState.DEAD)
    client = ending.client
    if not client.is_null():
        waiting.stop_donation(client)
    if not ending.reply_slot.is_null():
        capabilities.give_slot(ending.process.value.table, ending.reply_slot)
        ending.reply_slot = null()
    if not ending.notification.is_null():
        ending.notification.cast(Notification).value.bound = null()
        cleanup.drop(ending.notification)
        ending.notification = null()
    _release_buffer(thread)
    _unlink(thread)
    cleanup.drop(thread.cast(Header))


def discard_thread(thread: Ptr[Thread]) -> None:
    """A thread that was never started goes; its process stays."""
    _stop_thread(thread)


def _release_buffer(thread: Ptr[Thread]) -> None:
    memory = thread.value.buffer_memory
    if not memory.is_null():
        address = thread.value.buffer_address
        space = thread.value.process.value.space.value
        region = regions.at(space, address)
        # The program may have mapped something else there.
        if not region.is_null() and region.value.memory == memory:
            address_space.clear(space, address, address + PAGE_SIZE)
            regions.remove(space, regions.find(space, address))
        cleanup.drop(memory.cast(Header))
        thread.value.buffer = null()
        thread.value.buffer_memory = null()


def _unlink(thread: Ptr[Thread]) -> None:
    leaving = thread.value
    if leaving.previous.is_null():
        leaving.process.value.threads = leaving.next.cast(Header)
    else:
        leaving.previous.value.next = leaving.next
    if not leaving.next.is_null():
        leaving.next.value.previous = leaving.previous
    schedule = leaving.schedule.value
    following = leaving.schedule_next
    if schedule.changed == thread.cast(Header):
        schedule.changed = following.cast(Header)
    if leaving.schedule_previous.is_null():
        schedule.threads = following.cast(Header)
    else:
        leaving.schedule_previous.value.schedule_next = following
    if not following.is_null():
        following.value.schedule_previous = leaving.schedule_previous


def leave_all(thread: Ptr[Thread]) -> None:
    """A thread that has ended goes: until then its process refers to it."""
    scheduler.forget_thread(thread)
    cleanup.drop(thread.value.schedule.cast(Header))
    cleanup.drop(thread.value.process.cast(Header))


# Processes


def end_process(process: Ptr[Process], result: U64) -> None:
    """Its threads end, its handles and memory are given back: bit by bit, but the current thread's end is now.

    `result`: as process_inspect tells it, without ENDED. What ended a process first counts.
    """
    ending = process.value
    if not ending.ended:
        if process == FIRST.process:
            finish(False)
        ending.ended = True
        ending.result = result
        audit.record(Event.PROCESS_ENDED, ending.table, audit.NOBODY, result)
        cleanup.queue(process.cast(Header))
    current = PROCESSOR.current
    if not current.is_null() and current.value.process == process:
        end_thread(current)


def process_step(process: Process) -> bool:
    """Take one thread, one process that it made, one handle, one stretch of memory; whether that was all. Each thread
    refers to its process."""
    process.ended = True
    if not process.threads.is_null():
        _stop_thread(process.threads.cast(Thread))
        return False
    made = process.made
    if not made.is_null():
        # What it made and could not end any more would run for ever, on memory that nobody can take back.
        made.value.leave_maker()
        end_process(made, faults.result(faults.KILLED))
        return False
    if not process.emptied:
        process.emptied = capabilities.empty_step(process.table)
        return False
    if not process.space.is_null():
        space = process.space.value
        scheduler.forget_space(space.pages)
        if space.header.references == 1 and not address_space.close_step(space):
            return False
        cleanup.drop(process.space.cast(Header))
        process.space = null()
        # The next step comes after those that end with the space.
        return False
    if not process.fault_endpoint.is_null():
        cleanup.drop(process.fault_endpoint)
        process.fault_endpoint = null()
    process.gone = True
    if not process.notification.is_null():
        waiting.signal(process.notification.cast(Notification), process.bits)
        cleanup.drop(process.notification)
        process.notification = null()
    if process.header.references == 0:
        process.leave_maker()
    return True


# Faults


def fault(thread: Ptr[Thread], kind: Fault, address: U64) -> None:
    """A running thread did something that it may not: ask the handler of its process, or end the process."""
    thread.value.fault = Ptr.to(kind)
    thread.value.fault_address = address
    thread.value.asks_pager = False
    process = thread.value.process.value
    audit.record(Event.PROCESS_FAULTED, process.table, audit.NOBODY, U64(kind.number))
    endpoint = process.fault_endpoint
    if endpoint.is_null():
        die_of_fault(thread)
    else:
        message.call_with_fault(thread, endpoint, process.fault_badge)


def ask_pager(thread: Ptr[Thread], address: U64) -> None:
    """A running thread touched a page that only the pager of a memory object has."""
    region = regions.at(thread.value.process.value.space.value, address).value
    pager = region.memory.value.pager
    thread.value.fault = Ptr.to(faults.PAGE_DENIED)
    thread.value.fault_address = address
    thread.value.page_offset = page_faults.page_at(region, address) * PAGE_SIZE
    thread.value.asks_pager = True
    message.call_with_fault(thread, pager, region.memory.value.badge)


def tell_fault(thread: Thread, frame: trap.UserFrame) -> None:
    """Write the message of a fault, or of a request to a pager, which learns nothing of the program but the page."""
    if thread.asks_pager:
        frame.set_message(thread.badge, U64(tags.PAGE_TAG), thread.page_offset, U64(0), U64(0), U64(0))
    else:
        number = U64(thread.fault.value.number)
        at = thread.frame
        frame.set_message(thread.badge, U64(tags.FAULT_TAG), at.ip, at.sp, thread.fault_address, number)


def die_of_fault(thread: Ptr[Thread]) -> None:
    """Report the fault of a thread, and end its process. The thread waits for nothing."""
    report_fault(thread, thread.value.fault.value, thread.value.fault_address)
    end_process(thread.value.process, faults.result(thread.value.fault.value))


def report_fault(thread: Ptr[Thread], kind: Fault, address: U64) -> None:
    """Write what happened, and where."""
    context = thread.value.frame.context()
    first = thread.value.process == FIRST.process
    if first:
        log.text(data(b"@fault number="))
        log.number(U64(kind.number), U64(10), U64(1))
        log.text(data(b" kind="))
    else:
        log.text(data(b"a process is ended by a fault: "))
    log.text(kind.name)
    log.address(data(b" ip"), context.ip)
    log.address(data(b" address"), address)
    log.address(data(b" sp"), context.sp)
    log.record(data(b""))
    if first:
        backtrace(thread)


def backtrace(thread: Ptr[Thread]) -> None:
    """One record per frame, innermost first, along the chain of frame pointers as far as it can be read."""
    context = thread.value.frame.context()
    _use_space_of(thread)
    log.frame(context.ip)
    fp = context.fp
    try:
        code = regions.at(thread.value.process.value.space.value, context.ip)
        if code.is_null() or Access.EXECUTE not in code.value.access:
            # A call went astray: it left its return address on the stack, and no frame was made.
            log.frame(user_memory.read_word(context.sp))
        for _ in U64.range(MAXIMUM_FRAMES - 1):
            if fp == 0 or fp % 8 != 0 or fp >= mmu.user_end():
                break
            log.frame(user_memory.read_word(fp + 8))
            caller = user_memory.read_word(fp)
            # The stack grows down, so callers lie above; anything else is no chain.
            if caller <= fp:
                break
            fp = caller
    except BadAddress:
        pass


def _use_space_of(thread: Ptr[Thread]) -> None:
    """Make the memory of a thread's process readable: it is the last that is looked at."""
    PROCESSOR.current = thread
    scheduler.use_space(thread.value.process.value.space.value.pages)


# The end of the machine's work


def obey_host() -> None:
    """Do what the host asked on the console, if it did: end the first process."""
    command = console.read_command()
    if command == COMMAND_TIMEOUT:
        _end_first(faults.TIMED_OUT)
    if command == COMMAND_INTERRUPT:
        _end_first(faults.INTERRUPTED)


def _end_first(kind: Fault) -> None:
    """Report where the first process is: in its current thread, else in the one that was made first."""
    thread = PROCESSOR.current
    if thread.is_null() or thread.value.process != FIRST.process:
        thread = FIRST.process.value.threads.cast(Thread)
        while not thread.is_null() and not thread.value.next.is_null():
            thread = thread.value.next
    if thread.is_null():
        power_off()
    # Its registers stand still.
    scheduler.stop(thread, ThreadState.STOPPED)
    report_fault(thread, kind, U64(0))
    power_off()


def report_exit(status: U8) -> None:
    """The first process ends in order."""
    log.text(data(b"@exit status="))
    log.number(U64(status), U64(10), U64(1))
    log.record(data(b""))


@never_inlined
def finish(again: bool) -> NoReturn:
    """The end of the machine's work, once the host has taken all output or wants no more. `again`: it starts anew."""
    while not console.channel_is_idle():
        cpu.pause()
        if console.read_command() != 0:
            break
    if again:
        log.record(data(b"@restart"))
        console.drain()
        power.reset()
    power_off()


def power_off() -> NoReturn:
    """Say so, then do it."""
    requests.stop_others()
    if counters.COUNTED:
        counters.report()
    console.drain()
    log.line(data(b"the machine is switched off"))
    log.record(data(b"@off"))
    console.drain()
    power.off()
