"""The driver of a PL011: `registers` is its device memory, `interrupt` is its interrupt."""

from __future__ import annotations

from cloudos.abi import initial
from cloudos.abi.layout import SHARED_START
from cloudos.contracts.devices import Serial
from cloudos.drivers.pl011.uart import LENGTH, UartPl011
from cloudos.drivers.serial.line import INTERRUPT, SerialLine
from cloudos.lang import U8, U64, place
from cloudos.sdk import print_error, system
from cloudos.sdk.component import held
from cloudos.sdk.devices import Registers
from cloudos.sdk.service import server

# Where the registers are shown: where programs map by themselves.
ADDRESS = SHARED_START
# The firmware has set the rate; what UARTCLK is only it knows.
KEEP_RATE = 0

SERVER = place(SerialLine[UartPl011](UartPl011(Registers())))
serve = server((Serial, SERVER))


def main() -> U8:
    """Serve for ever; 1 when there is no such chip. Raises what showing its registers and making a notification do."""
    quota = U64(initial.QUOTA)
    SERVER.chip.registers.map(held("registers"), quota, U64(ADDRESS), U64(LENGTH))
    SERVER.interrupt = held("interrupt")
    if not SERVER.chip.exists():
        print_error("there is no PL011 at this address")
        return U8(1)
    notification = system.notification_create(quota)
    system.thread_bind(notification)
    SERVER.chip.start(U64(KEEP_RATE), U64(KEEP_RATE))
    system.interrupt_bind(SERVER.interrupt, notification, U64(INTERRUPT))
    SERVER.attend()
    serve(held("offer"))
    return U8(0)
