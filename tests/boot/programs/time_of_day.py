"""Prints the seconds since 1970 that the driver of the real-time clock finds, and whether its time goes on."""

from __future__ import annotations

from cloudos.abi import devices, initial
from cloudos.drivers.rtc import main as driver
from cloudos.drivers.rtc.chip import RealTimeClock
from cloudos.lang import U64
from cloudos.sdk import print, system
from cloudos.sdk.devices import Ports

MILLISECOND = 1_000_000


def main() -> None:
    machine, quota = U64(initial.DEVICE), U64(initial.QUOTA)
    ports = Ports(system.device_create(machine, quota, U64(devices.PORTS), U64(0x70), U64(2)))
    driver.set_time(RealTimeClock(ports), U64(0), U64(0))
    before = driver.SERVER.now()
    system.thread_sleep(U64(20 * MILLISECOND))
    passed = driver.SERVER.now() - before
    print(f"{before // driver.SECOND} {20 * MILLISECOND <= passed < 2000 * MILLISECOND}")
