"""Bugs of the kernel itself: say what the tool needs to explain them, and switch the machine off.

A failed check is a trapping instruction, whose address says which check it was. The traceback is made by the tool,
from a piece of the stack: the kernel only writes down the words.
"""

from __future__ import annotations

from typing import NoReturn

from cloudos.kernel import log
from cloudos.kernel.hal import console, cpu, power, trap
from cloudos.kernel.sched import requests
from cloudos.lang import U32, U64, Ptr, Slice, data, exported, place, struct, write_text

# Two pages: the guard page, when the stack has overflown into it, and as much of the stack.
MAXIMUM_WORDS = 1024


@struct
class State:
    """A failure while a failure is reported ends at once."""

    failing: bool = False


STATE = place(State())


def report_trap(frame: trap.UserFrame) -> NoReturn:
    """A fault in the kernel, or a check that failed."""
    if STATE.failing:
        power.off()
    STATE.failing = True
    requests.stop_others()
    context = frame.context()
    log.text(data(b"@kernel-panic"))
    log.address(data(b" trap"), frame.vector)
    log.address(data(b" error"), frame.error)
    log.address(data(b" ip"), context.ip)
    log.address(data(b" address"), cpu.fault_address())
    log.address(data(b" sp"), context.sp)
    log.address(data(b" fp"), context.fp)
    log.record(data(b""))
    registers = Slice.of(Ptr.to(frame).cast(U64), trap.REGISTER_NAMES.length // 4)
    for index in U64.range(registers.length):
        log.address(trap.REGISTER_NAMES[index * 4 : index * 4 + 4], registers[index])
    log.record(data(b""))
    word = context.sp
    for _ in U64.range(MAXIMUM_WORDS):
        if not trap.on_kernel_stack(word):
            break
        log.frame(trap.stack_word(word))
        word = word + 8
    log.record(data(b"@off"))
    console.drain()
    power.off()


@exported("cloudos_panic")
def on_panic(site: U32) -> NoReturn:
    """Code that is not optimised comes here when a check fails."""
    on_panic_text(site, "")


@exported("cloudos_panic_text")
def on_panic_text(site: U32, message: str) -> NoReturn:
    """Compiled code comes here from `panic` and `assert` with a message."""
    log.text(data(b"@kernel-panic"))
    log.address(data(b" site"), U64(site))
    log.text(data(b" message="))
    write_text(console.LOG_PORT, message)
    log.record(data(b""))
    cpu.trap()
