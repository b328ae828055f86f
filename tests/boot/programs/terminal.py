"""The driver of a serial port and the console service in processes of their own, and something like a shell.

The serial port (16550) is at 0x3E8, line 5, where the test puts it.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import devices, initial, layout
from cloudos.abi.bundle import EntryKind
from cloudos.abi.objects import Rights
from cloudos.abi.wiring import RESTARTED
from cloudos.contracts.console import ACCEPTED, COMPLETE, END, Console
from cloudos.contracts.errors import Interrupted
from cloudos.contracts.streams import Stream
from cloudos.drivers.serial16550 import main as driver
from cloudos.lang import U8, U64, Array, Error, Slice, UserPtr, VirtAddr, code_address, data, struct, zeroed
from cloudos.sdk import ByteBuffer, print, system, transport
from cloudos.sdk.bundle import bundle
from cloudos.sdk.memory import READ
from cloudos.sdk.processes import Child, populate
from cloudos.sdk.start_block import StartBlock, new_start_block
from cloudos.services.console import main as console

QUOTA = U64(initial.QUOTA)
MACHINE = U64(initial.DEVICE)
CLIENT = Rights.SEND | Rights.DERIVE | Rights.TRANSFER | Rights.GRANT | Rights.INSPECT
SERVER = CLIENT | Rights.RECEIVE
PORTS = 0x3E8
LINE = 5


@struct
class Line:
    """What edit_line fills in."""

    bytes: Array[U8, Literal[4032]] = zeroed()


LINE_AREA = Line()


def run_driver(argument: U64) -> None:
    """What the driver's process runs."""
    try:
        bundle.attach(U64(layout.BUNDLE_START), U64(0))
        transport.attach()
        driver.main()
    except Error:
        print("the driver failed")


def run_console(argument: U64) -> None:
    """What the process of the service runs."""
    try:
        bundle.attach(U64(layout.BUNDLE_START), U64(0))
        transport.attach()
        console.main()
    except Error:
        print("the console failed")


def introduced() -> Child:
    """A process with the handles that every component has."""
    child = Child()
    child.make(QUOTA)
    for handle in U64.range(initial.PROCESS, initial.SPACE):
        given = QUOTA if handle == initial.QUOTA else U64(initial.SCHEDULE)
        system.process_install(child.process, given, U64(0), U64(0))
    return child


def give(child: Child, block: StartBlock, name: Slice[U8], handle: U64, rights: U64) -> None:
    """Give a process a handle under a name."""
    block.add_handle(name, system.process_install(child.process, handle, rights, U64(0)))


def begin(child: Child, block: StartBlock, function: VirtAddr) -> None:
    """Start a process with what it was given."""
    block.add(EntryKind.ARGUMENT, data(b""), data(b"component"))
    content = block.encode()
    source = UserPtr.at(U8, content.content().pointer.address.value)
    start = U64(layout.BUNDLE_START)
    populate(child.process, start, source, content.length, content.length, U64(READ))
    child.start(function, U64(0))


def start_driver(endpoint: U64, ports: U64, interrupt: U64) -> Child:
    """A process with the driver."""
    child, block = introduced(), new_start_block()
    give(child, block, data(b"offer"), endpoint, U64(SERVER))
    give(child, block, data(b"ports"), ports, U64(0))
    give(child, block, data(b"interrupt"), interrupt, U64(0))
    begin(child, block, code_address(run_driver))
    return child


def start_console(endpoint: U64, serial: U64, bell: U64) -> None:
    """A process with the service."""
    child, block = introduced(), new_start_block()
    give(child, block, data(b"offer"), endpoint, U64(SERVER))
    give(child, block, data(b"serial"), serial, U64(CLIENT))
    give(child, block, data(b"bell"), bell, U64(0))
    begin(child, block, code_address(run_console))


def read_lines(stream: Stream) -> None:
    """Say what lines are read until the end, or an interrupt."""
    while True:
        try:
            count = stream.read(LINE_AREA.bytes.slice())
        except Interrupted:
            stream.write(data(b"interrupted\n"))
            return
        if count == 0:
            stream.write(data(b"end of file\n"))
            return
        stream.write(data(b"got "))
        stream.write(LINE_AREA.bytes.slice()[0:count])


def read_keys(terminal: Console, stream: Stream) -> None:
    """Read keys until a q, and show them."""
    terminal.set_mode(True)
    stream.write(data(b"raw\n"))
    last = U8(0)
    while last != 0x71:
        count = stream.read(LINE_AREA.bytes.slice()[0:1])
        last = LINE_AREA.bytes[0] if count == 1 else U8(0x71)
        stream.write(data(b"^") if last < 0x20 else LINE_AREA.bytes.slice()[0:1])
    terminal.set_mode(False)
    stream.write(data(b"\n"))


def flood(stream: Stream) -> None:
    """Write more than all buffers hold."""
    row = ByteBuffer()
    for _ in U64.range(79):
        row.append(U8(0x2E))
    row.append(U8(0x0A))
    for _ in U64.range(1000):
        stream.write(row.content())


@struct
class Shell:
    """What the commands need."""

    endpoint: U64
    serial: U64
    ports: U64
    interrupt: U64
    driver: Child
    # The console's.
    bell: U64

    def loop(self) -> None:
        """Edit lines and do what they say until one says `quit`."""
        handle = system.handle_derive(self.endpoint, U64(CLIENT), U64(1))
        terminal, stream = Console(handle), Stream(handle)
        start = data(b"")
        while True:
            count = terminal.edit_line(data(b"$ "), start, start.length, LINE_AREA.bytes.slice())
            outcome, line = LINE_AREA.bytes[0], LINE_AREA.bytes.slice()[3:count]
            start = data(b"")
            if outcome == COMPLETE:
                start = data(b"completed")
            elif outcome == END or line.equals(data(b"quit")):
                stream.write(data(b"bye\n"))
                return
            elif outcome == ACCEPTED:
                terminal.remember(line)
                self.obey(terminal, stream, line)

    def obey(self, terminal: Console, stream: Stream, line: Slice[U8]) -> None:
        """Do what a line says."""
        if line.equals(data(b"lines")):
            read_lines(stream)
        elif line.equals(data(b"raw")):
            read_keys(terminal, stream)
        elif line.equals(data(b"flood")):
            flood(stream)
        elif line.equals(data(b"size")):
            columns, rows = terminal.window()
            print(f"{columns} x {rows}")
        elif line.equals(data(b"second")):
            other = Stream(system.handle_derive(self.endpoint, U64(CLIENT), U64(2)))
            other.write(data(b"hello from two\n"))
        elif line.equals(data(b"restart")):
            system.process_kill(self.driver.process)
            self.driver = start_driver(self.serial, self.ports, self.interrupt)
            system.notification_signal(self.bell, U64(RESTARTED))
        else:
            stream.write(data(b"no such command: "))
            stream.write(line)
            stream.write(data(b"\n"))


def main() -> None:
    serial, endpoint = system.endpoint_create(QUOTA), system.endpoint_create(QUOTA)
    ports = system.device_create(MACHINE, QUOTA, U64(devices.PORTS), U64(PORTS), U64(8))
    interrupt = system.interrupt_create(MACHINE, QUOTA, U64(LINE), U64(devices.LEVEL))
    child = start_driver(serial, ports, interrupt)
    bell = system.notification_create(QUOTA)
    start_console(endpoint, serial, bell)
    transport.attach()
    Shell(endpoint, serial, ports, interrupt, child, bell).loop()
    # What was written is still on its way.
    system.thread_sleep(U64(300_000_000))
    print("end")
