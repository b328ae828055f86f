"""Drives real devices from user space: prints a line `ok NAME` or `failed NAME` for each promise.

The real-time clock (MC146818A data sheet): index and data ports 0x70 and 0x71, line 8, edge-triggered; an interrupt
stays asserted until register C is read. The third serial port (16550A data sheet): ports 0x3E8, line 4 is the kernel's.
"""

from __future__ import annotations

from cloudos.abi import devices, initial
from cloudos.lang import U8, U64
from cloudos.sdk import print, system
from cloudos.sdk.devices import Line, Ports

QUOTA = U64(initial.QUOTA)
MACHINE = U64(initial.DEVICE)
MILLISECOND = 1_000_000
RTC_PORTS = 0x70
RTC_LINE = 8
REGISTER_A = 0x0A
REGISTER_B = 0x0B
REGISTER_C = 0x0C
# 32,768 Hz divided by 2 ** (rate - 1).
RATE_1024_HZ = 6
PERIODIC_INTERRUPT = 0x40
PERIOD_NS = 976_562


def check(name: str, good: bool) -> None:
    if good:
        print(f"ok {name}")
    else:
        print(f"failed {name}")


def rtc_read(rtc: Ports, register: U8) -> U8:
    rtc.write_u8(U64(0), register)
    return rtc.read_u8(U64(1))


def rtc_write(rtc: Ports, register: U8, value: U8) -> None:
    rtc.write_u8(U64(0), register)
    rtc.write_u8(U64(1), value)


def count(rtc: Ports, line: Line, duration_ns: U64) -> U64:
    """How many interrupts come, each of them acknowledged at the device."""
    found = U64(0)
    end = system.clock_read() + duration_ns
    while line.wait(end):
        found = found + 1
        rtc_read(rtc, U8(REGISTER_C))
        line.acknowledge()
    return found


def main() -> None:
    rtc = Ports(system.device_create(MACHINE, QUOTA, U64(devices.PORTS), U64(RTC_PORTS), U64(2)))
    line = Line()
    line.open(MACHINE, QUOTA, U64(RTC_LINE), U64(0))
    rtc_write(rtc, U8(REGISTER_A), U8(0x20 | RATE_1024_HZ))
    check("silent", count(rtc, line, U64(20 * MILLISECOND)) == 0)
    rtc_write(rtc, U8(REGISTER_B), rtc_read(rtc, U8(REGISTER_B)) | PERIODIC_INTERRUPT)
    rtc_read(rtc, U8(REGISTER_C))
    ticks = count(rtc, line, U64(100 * MILLISECOND))
    print(f"{ticks} interrupts in 100 ms")
    check("periodic", ticks >= 101 and ticks <= 104)
    print("end")
