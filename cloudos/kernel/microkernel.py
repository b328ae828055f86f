"""Entry into the kernel: what happened, and who deals with it. Nothing else.

The entry code of each architecture calls `kernel_system_call` (made in `dispatch.py`), `kernel_trap` and
`kernel_bad_return` with the saved registers. The kernel
is not preemptible: interrupts arrive in user mode, and where a system call waits.
"""

from __future__ import annotations

from typing import Literal, NoReturn

from cloudos.abi import faults, layout
from cloudos.abi.errors import BadAddress, OutOfMemory
from cloudos.abi.faults import Fault
from cloudos.kernel import failure
from cloudos.kernel.hal import console, cpu, interrupts, timer, trap, user_access
from cloudos.kernel.hal.interface import TrapKind
from cloudos.kernel.memory import user_memory
from cloudos.kernel.objects.process import PROCESS, end_by_fault, obey_host
from cloudos.lang import U8, U64, Array, Slice, exported


@exported("kernel_bad_return")
def on_bad_return(frame: trap.SystemCallFrame) -> NoReturn:
    """A system call was made from where it cannot return to."""
    context = frame.context()
    end_by_fault(faults.BAD_ADDRESS, context, context.ip)


@exported("kernel_trap")
def on_trap(frame: trap.TrapFrame) -> None:
    """A fault or an interrupt."""
    kind = frame.kind()
    if kind == TrapKind.PAGE_FAULT:
        on_page_fault(frame)
    elif kind == TrapKind.FAULT:
        if not frame.from_user:
            failure.report_trap(frame)
        code = Array[U8, Literal[15]]()
        end_by_fault(trap.user_fault(frame, read_code(frame.ip, code.slice())), frame.context(), U64(0))
    elif kind == TrapKind.MACHINE_CHECK:
        failure.report_trap(frame)
    elif kind == TrapKind.CONSOLE or kind == TrapKind.CHANNEL or kind == TrapKind.TIMER:
        on_interrupt(frame, kind)


def on_interrupt(frame: trap.TrapFrame, kind: TrapKind) -> None:
    """A device wants attention. Whoever waits in a system call looks for himself, once this is over."""
    if kind == TrapKind.CHANNEL:
        console.channel_interrupt()
    elif kind == TrapKind.TIMER:
        timer.handle_interrupt()
    interrupts.acknowledge()
    if frame.from_user:
        obey_host(frame.context())


def read_code(ip: U64, buffer: Slice[U8]) -> Slice[U8]:
    """Copy the instruction at `ip`, as far as it can be read, into `buffer`."""
    for index in U64.range(buffer.length):
        try:
            user_memory.copy_in(buffer[index : index + 1], ip + index)
        except BadAddress:
            return buffer[0:index]
    return buffer


def on_page_fault(frame: trap.TrapFrame) -> None:
    """Supply the page if the process may have it; else the access was wrong."""
    address = cpu.fault_address()
    in_copy = not frame.from_user and user_access.is_recoverable(frame.ip)
    if not frame.from_user and not in_copy:
        failure.report_trap(frame)
    exhausted = False
    if not frame.is_protection_violation:
        try:
            if PROCESS.space.resolve(address, frame.is_write, frame.is_execute):
                return
        except OutOfMemory:
            exhausted = True
    if in_copy:
        frame.ip = user_access.recovery()
    elif exhausted:
        end_by_fault(faults.STACK_MEMORY, frame.context(), address)
    else:
        end_by_fault(classify(frame, address), frame.context(), address)


def classify(frame: trap.TrapFrame, address: U64) -> Fault:
    """What is wrong with an access by a program."""
    stack = U64(layout.STACK_TOP - layout.STACK_SIZE)
    if address >= layout.USER_END:
        return faults.KERNEL_ADDRESS
    if address < layout.USER_START:
        return faults.NULL_POINTER
    if address < stack and address >= stack - layout.STACK_GUARD_SIZE:
        return faults.STACK_OVERFLOW
    if frame.is_execute:
        if frame.is_protection_violation:
            return faults.EXECUTE_OF_DATA
        index = PROCESS.space.find(address)
        if index < PROCESS.space.count and PROCESS.space.regions[index].start <= address:
            return faults.EXECUTE_OF_DATA
        return faults.UNMAPPED_ADDRESS
    if frame.is_protection_violation and frame.is_write:
        return faults.WRITE_TO_READ_ONLY
    return faults.UNMAPPED_ADDRESS
