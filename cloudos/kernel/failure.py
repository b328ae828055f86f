"""Bugs of the kernel itself: report what can be said, then switch off."""

from __future__ import annotations

from typing import NoReturn

from cloudos.kernel import log
from cloudos.kernel.hal import console, cpu, power, trap
from cloudos.lang import U32, U64, Ptr, VirtAddr, exported, place, struct

MAXIMUM_FRAMES = 32


@struct
class State:
    """A failure while a failure is reported ends at once."""

    failing: bool = False


STATE = place(State())


def _begin() -> None:
    if STATE.failing:
        power.off()
    STATE.failing = True


def _report_site(site: U64) -> None:
    log.text("@kernel-panic")
    log.address("site", site)


def _backtrace(fp: U64) -> NoReturn:
    """One record per frame while the chain stays on a kernel stack, then the end."""
    for _ in U64.range(MAXIMUM_FRAMES):
        if not trap.on_kernel_stack(fp):
            break
        record = Ptr.at(U64, VirtAddr(fp))
        log.frame(record.offset(1).value)
        fp = record.value
    log.record("@off")
    console.drain()
    power.off()


def report_trap(frame: trap.UserFrame) -> NoReturn:
    """A fault in the kernel."""
    _begin()
    site = trap.panic_site(frame)
    if site != 0:
        _report_site(site)
        log.record("")
        log.frame(frame.ip)
        _backtrace(frame.context().fp)
    log.text("@kernel-panic")
    log.address("trap", frame.vector)
    log.address("error", frame.error)
    log.address("ip", frame.ip)
    log.address("address", cpu.fault_address())
    log.address("sp", frame.sp)
    log.record("")
    trap.write_registers(frame, console.LOG_PORT)
    log.frame(frame.ip)
    _backtrace(frame.context().fp)


@exported("cloudos_panic")
def on_panic(site: U32) -> NoReturn:
    """Compiled code comes here when a check fails."""
    _begin()
    _report_site(U64(site))
    log.record("")
    _backtrace(cpu.frame_pointer())


@exported("cloudos_panic_text")
def on_panic_text(site: U32, message: str) -> NoReturn:
    """Compiled code comes here from `panic` and `assert` with a message."""
    _begin()
    _report_site(U64(site))
    log.text(" message=")
    log.record(message)
    _backtrace(cpu.frame_pointer())
