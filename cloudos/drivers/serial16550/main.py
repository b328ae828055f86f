"""The driver of a 16550 serial port: `ports` are its eight I/O ports, `interrupt` is its interrupt."""

from __future__ import annotations

from cloudos.abi import initial
from cloudos.contracts.devices import Serial
from cloudos.drivers.serial.line import INTERRUPT, SerialLine
from cloudos.drivers.serial16550.uart import Uart16550
from cloudos.lang import U8, U64, place
from cloudos.sdk import print_error, system
from cloudos.sdk.component import held
from cloudos.sdk.devices import Ports
from cloudos.sdk.service import server

BAUD = 115_200

SERVER = place(SerialLine[Uart16550](Uart16550(Ports())))
serve = server((Serial, SERVER), symbol="serial16550_serve")


def main() -> U8:
    """Serve for ever; 1 when there is no such chip. Raises what making a notification and binding it do."""
    SERVER.chip.ports.handle = held("ports")
    SERVER.interrupt = held("interrupt")
    if not SERVER.chip.exists():
        print_error("there is no 16550 at these ports")
        return U8(1)
    notification = system.notification_create(U64(initial.QUOTA))
    system.thread_bind(notification)
    SERVER.chip.start(U64(BAUD))
    system.interrupt_bind(SERVER.interrupt, notification, U64(INTERRUPT))
    # What came before the line was open does not interrupt a line that looks for edges.
    SERVER.attend()
    serve(held("offer"))
    return U8(0)
