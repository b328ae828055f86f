"""The driver of a virtio serial device: `registers` is the page with its registers, `interrupt` is its interrupt."""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial
from cloudos.abi.layout import SHARED_START
from cloudos.abi.objects import MEMORY_CONTIGUOUS
from cloudos.contracts.devices import Serial
from cloudos.drivers.serial.line import INTERRUPT, SerialLine
from cloudos.drivers.virtio_console.port import LENGTH, PAGE, VirtioPort
from cloudos.lang import U8, U64, Array, Ptr, UserPtr, place
from cloudos.sdk import print_error, system
from cloudos.sdk.component import held
from cloudos.sdk.devices import READ, WRITE, Registers
from cloudos.sdk.service import server

# Where registers and the memory that is shared with the device are shown: where programs map by themselves.
ADDRESS = SHARED_START
MEMORY_ADDRESS = SHARED_START + PAGE
PHYSICAL = 2
"""The word of what memory_inspect says that is the physical address."""

SERVER = place(SerialLine[VirtioPort](VirtioPort(Registers())))
serve = server((Serial, SERVER), symbol="virtio_console_serve")


def share_memory(quota: U64) -> U64:
    """Memory for the device at MEMORY_ADDRESS; its physical address. Raises what making and showing it does."""
    memory = system.memory_create(quota, U64(LENGTH), U64(MEMORY_CONTIGUOUS))
    system.space_map(U64(initial.SPACE), memory, U64(MEMORY_ADDRESS), U64(0), U64(LENGTH), U64(READ | WRITE))
    words = Array[U64, Literal[3]]()
    system.memory_inspect(memory, UserPtr.at(U8, Ptr.to(words).address.value))
    return words[PHYSICAL]


def main() -> U8:
    """Serve for ever; 1 when there is no such device. Raises what showing registers and memory does, and making a
    notification."""
    quota = U64(initial.QUOTA)
    SERVER.chip.registers.map(held("registers"), quota, U64(ADDRESS), U64(PAGE))
    SERVER.interrupt = held("interrupt")
    if not SERVER.chip.exists() or not SERVER.chip.start(U64(MEMORY_ADDRESS), share_memory(quota)):
        print_error("there is no virtio console at this address")
        return U8(1)
    notification = system.notification_create(quota)
    system.thread_bind(notification)
    system.interrupt_bind(SERVER.interrupt, notification, U64(INTERRUPT))
    SERVER.attend()
    serve(held("offer"))
    return U8(0)
