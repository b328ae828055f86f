"""Drives real devices from user space: prints a line `ok NAME` or `failed NAME` for each promise.

The real-time clock (MC146818A data sheet): index and data ports 0x70 and 0x71, line 8; an interrupt lasts until
register C is read. A serial port (16550A data sheet) at 0x3E8, line 5, which the test puts there: in its loopback mode
it receives what it sends; a character interrupts until it is read.
"""

from __future__ import annotations

from cloudos.abi import devices, initial
from cloudos.abi.errors import BadHandle, BadState
from cloudos.lang import U8, U64, data
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
UART_PORTS = 0x3E8
UART_LINE = 5
UART_INTERRUPTS = 1
UART_IDENTIFICATION = 2
UART_MODEM = 4
RECEIVED = 1
LOOPBACK = 0x18
PATIENCE = 50 * MILLISECOND


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


def clock() -> None:
    rtc = Ports(system.device_create(MACHINE, QUOTA, U64(devices.PORTS), U64(RTC_PORTS), U64(2)))
    line = Line()
    line.open(MACHINE, QUOTA, U64(RTC_LINE), U64(0))
    rtc_write(rtc, U8(REGISTER_A), U8(0x20 | RATE_1024_HZ))
    check("a device that is not asked does not interrupt", count(rtc, line, U64(20 * MILLISECOND)) == 0)
    rtc_write(rtc, U8(REGISTER_B), rtc_read(rtc, U8(REGISTER_B)) | PERIODIC_INTERRUPT)
    rtc_read(rtc, U8(REGISTER_C))
    ticks = count(rtc, line, U64(100 * MILLISECOND))
    # QEMU raises some of them twice at the same moment and then leaves one out.
    check("the clock interrupts again and again", ticks >= 45 and ticks <= 104)
    revoke(rtc, line)
    rtc_write(rtc, U8(REGISTER_B), rtc_read(rtc, U8(REGISTER_B)) & ~U8(PERIODIC_INTERRUPT))
    line.close()


def revoke(rtc: Ports, line: Line) -> None:
    """Bind the line through a handle that is then revoked."""
    weaker = system.process_install(U64(initial.PROCESS), line.interrupt, U64(0), U64(0))
    system.interrupt_bind(weaker, line.notification, U64(1))
    rtc_read(rtc, U8(REGISTER_C))
    check("it interrupts through another handle", line.wait(system.clock_read() + PATIENCE))
    system.handle_revoke(line.interrupt)
    line.wait(U64(0))
    rtc_read(rtc, U8(REGISTER_C))
    check("a revoked driver hears nothing", not line.wait(system.clock_read() + PATIENCE))
    try:
        system.interrupt_acknowledge(weaker)
    except BadHandle:
        print("ok a revoked driver acknowledges nothing")
    try:
        line.acknowledge()
    except BadState:
        print("ok revoking ends the binding")


def serial() -> None:
    uart = Ports(system.device_create(MACHINE, QUOTA, U64(devices.PORTS), U64(UART_PORTS), U64(8)))
    line = Line()
    line.open(MACHINE, QUOTA, U64(UART_LINE), U64(devices.LEVEL))
    uart.write_u8(U64(UART_MODEM), U8(LOOPBACK))
    uart.write_u8(U64(UART_INTERRUPTS), U8(RECEIVED))
    text = data(b"interrupts carry every character")
    good = U64(0)
    for byte in text:
        uart.write_u8(U64(0), byte)
        if line.wait(system.clock_read() + PATIENCE) and uart.read_u8(U64(0)) == byte:
            good = good + 1
        line.acknowledge()
    check("every character interrupts", good == text.length)
    check("no more than those interrupt", not line.wait(system.clock_read() + PATIENCE))
    uart.write_u8(U64(0), U8(65))
    first = line.wait(system.clock_read() + PATIENCE)
    check("a line is masked until it is acknowledged", first and not line.wait(system.clock_read() + PATIENCE))
    line.acknowledge()
    check("a device that was not quieted interrupts again", line.wait(system.clock_read() + PATIENCE))
    uart.read_u8(U64(0))
    line.acknowledge()
    check("a device that was quieted does not", not line.wait(system.clock_read() + PATIENCE))
    line.close()


def main() -> None:
    clock()
    serial()
    print("end")
