"""Bugs of the kernel itself: report what can be said, then switch off."""

from __future__ import annotations

from typing import NoReturn

from cloudos.kernel import log
from cloudos.kernel.hal import console, cpu, power, trap
from cloudos.lang import U32, U64, Ptr, VirtAddr, exported, place, struct, write_text

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


def _backtrace(fp: U64) -> NoReturn:
    """One record per frame while the chain stays on a kernel stack, then the end."""
    for _ in U64.range(MAXIMUM_FRAMES):
        if not trap.on_kernel_stack(fp):
            break
        record = Ptr.at(U64, VirtAddr(fp))
        log.record(f"@frame ip={record.offset(1).value:#x}")
        fp = record.value
    log.record("@off")
    console.drain()
    power.off()


def report_trap(frame: trap.TrapFrame) -> NoReturn:
    """A fault in the kernel."""
    _begin()
    write_text(console.LOG_PORT, f"@kernel-panic trap={frame.vector} error={frame.error:#x}")
    log.address("ip", frame.ip)
    log.address("address", cpu.fault_address())
    log.address("sp", frame.sp)
    log.record("")
    trap.write_registers(frame, console.LOG_PORT)
    log.record(f"@frame ip={frame.ip:#x}")
    _backtrace(frame.context().fp)


@exported("cloudos_panic")
def on_panic(site: U32) -> NoReturn:
    """Compiled code comes here when a check fails."""
    _begin()
    log.record(f"@kernel-panic site={site:#x}")
    _backtrace(cpu.frame_pointer())


@exported("cloudos_panic_text")
def on_panic_text(site: U32, message: str) -> NoReturn:
    """Compiled code comes here from `panic` and `assert` with a message."""
    _begin()
    write_text(console.LOG_PORT, f"@kernel-panic site={site:#x} message=")
    log.record(message)
    _backtrace(cpu.frame_pointer())
