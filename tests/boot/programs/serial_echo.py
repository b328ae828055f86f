"""A component that drives the console's serial port itself: lines come back in capitals; Ctrl-D ends with status 7.

Ports and interrupt are those it is given as `ports` and `line` when it is a component, else parts of the machine.
16550A data sheet: registers 0 data, 1 interrupts, 2 FIFOs, 3 line control, 4 modem control, 5 line status.
"""

from __future__ import annotations

from cloudos.abi import devices, initial
from cloudos.abi.messages import NEVER
from cloudos.lang import U8, U64
from cloudos.sdk import List, Text, print, system
from cloudos.sdk.component import held
from cloudos.sdk.devices import SIGNAL, Line, Ports

QUOTA = U64(initial.QUOTA)
FIRST_PORT = 0x3E8
LINE = 5
END = 0x04
STATUS = 7
RECEIVED = 1
FIFO_ON = 0x07
EIGHT_BITS = 0x03
DRIVE_LINE = 0x0B
READY = 0x01
EMPTY = 0x20


def open_ports() -> Ports:
    handle = held("ports")
    if handle != 0:
        return Ports(handle)
    return Ports(system.device_create(U64(initial.DEVICE), QUOTA, U64(devices.PORTS), U64(FIRST_PORT), U64(8)))


def open_line() -> Line:
    line = Line()
    line.interrupt = held("line")
    if line.interrupt == 0:
        line.open(U64(initial.DEVICE), QUOTA, U64(LINE), U64(0))
        return line
    line.notification = system.notification_create(QUOTA)
    system.interrupt_bind(line.interrupt, line.notification, U64(SIGNAL))
    return line


def show(port: Ports, byte: U8) -> None:
    while port.read_u8(U64(5)) & EMPTY == 0:
        pass
    port.write_u8(U64(0), byte)


def say(port: Ports, text: Text) -> None:
    for byte in text.content:
        show(port, byte)


def main(args: List[Text]) -> U8:
    port, line = open_ports(), open_line()
    port.write_u8(U64(3), U8(EIGHT_BITS))
    port.write_u8(U64(2), U8(FIFO_ON))
    port.write_u8(U64(4), U8(DRIVE_LINE))
    port.write_u8(U64(1), U8(RECEIVED))
    print(f"echo: {args.length} arguments")
    say(port, Text("ready\r\n"))
    for argument in args:
        say(port, argument + Text("\r\n"))
    while True:
        line.wait(U64(NEVER))
        while port.read_u8(U64(5)) & READY != 0:
            byte = port.read_u8(U64(0))
            if byte == END:
                say(port, Text("bye\r\n"))
                return U8(STATUS)
            show(port, byte - 32 if byte >= 0x61 and byte <= 0x7A else byte)
        line.acknowledge()
