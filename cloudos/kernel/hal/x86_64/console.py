"""The kernel's log and the host's commands on COM1; the program channel on virtio, or on COM2 where there is none.

16550A UART: National Semiconductor PC16550D data sheet. QEMU drops output while the host does not read unless the
line status is polled before every byte, so it is.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.devices import PORTS
from cloudos.abi.virtio import MAGIC
from cloudos.kernel.hal.interface import FrameSource
from cloudos.kernel.hal.shared import virtio
from cloudos.kernel.hal.shared.kept import keep
from cloudos.kernel.hal.x86_64 import cpu, interrupts, mmu
from cloudos.lang import U8, U16, U64, Array, PhysAddr, Slice, place, struct, zeroed

# QEMU's microvm: hw/i386/microvm.h, VIRTIO_MMIO_BASE.
MMIO_BASE = 0xFEB0_0000
SLOTS = 24
UART_PORTS = 8
COM1 = 0x3F8
COM2 = 0x2F8
REGISTER_INTERRUPTS = 1
REGISTER_FIFO = 2
REGISTER_LINE_CONTROL = 3
REGISTER_MODEM_CONTROL = 4
REGISTER_LINE_STATUS = 5
DIVISOR_ACCESS = 0x80
EIGHT_BITS = 0x03
# Enabled, both cleared, interrupt at 14 bytes.
FIFO_SETTING = 0xC7
# Data terminal ready, request to send, and the gate of the interrupt line.
MODEM_SETTING = 0x0B
STATUS_INPUT = 0
STATUS_OUTPUT_EMPTY = 5
STATUS_IDLE = 6
BUFFER_SIZE = 16


@struct
class SerialPort:
    """One UART, with the input that has been taken from it."""

    base: U16 = U16(0)
    present: bool = False
    first: U64 = U64(0)
    count: U64 = U64(0)
    buffer: Array[U8, Literal[16]] = zeroed()

    def start(self, base: U16) -> None:
        """Set up 115,200 bits per second, 8 bits, FIFOs, interrupt on input."""
        self.base = base
        keep(U64(PORTS), U64(self.base), U64(self.base) + UART_PORTS)
        self._set(U16(REGISTER_LINE_CONTROL), U8(DIVISOR_ACCESS))
        self._set(U16(0), U8(1))
        self._set(U16(REGISTER_INTERRUPTS), U8(0))
        self._set(U16(REGISTER_LINE_CONTROL), U8(EIGHT_BITS))
        self._set(U16(REGISTER_FIFO), U8(FIFO_SETTING))
        self._set(U16(REGISTER_MODEM_CONTROL), U8(MODEM_SETTING))
        self._set(U16(REGISTER_INTERRUPTS), U8(1))
        # Where there is no UART, all bits read as 1.
        self.present = self._status() != 0xFF

    def _set(self, register: U16, value: U8) -> None:
        cpu.port_write_u8(self.base + register, value)

    def _status(self) -> U8:
        return cpu.port_read_u8(self.base + REGISTER_LINE_STATUS)

    def write(self, data: Slice[U8]) -> None:
        """Send; waits until the host has room."""
        if not self.present:
            return
        for byte in data:
            while not self._status().bit(STATUS_OUTPUT_EMPTY):
                cpu.pause()
            cpu.port_write_u8(self.base, byte)

    def drain(self) -> None:
        """Wait until everything has been sent."""
        while self.present and not self._status().bit(STATUS_IDLE):
            cpu.pause()

    def peek(self) -> Slice[U8]:
        """Input that has arrived and not been consumed; empty when there is none."""
        if self.count == 0:
            self.first = U64(0)
            while self.count < BUFFER_SIZE and self.present and self._status().bit(STATUS_INPUT):
                self.buffer[self.count] = cpu.port_read_u8(self.base)
                self.count = self.count + 1
        return self.buffer.slice()[self.first : self.first + self.count]

    def consume(self, length: U64) -> None:
        """Forget the first bytes that `peek` showed."""
        self.first = self.first + length
        self.count = self.count - length


LOG_PORT = place(SerialPort())
CHANNEL_PORT = place(SerialPort())


def start() -> None:
    """From here on the log can be written."""
    LOG_PORT.start(U16(COM1))


def read_command() -> U8:
    """Next command byte of the host, 0 when there is none."""
    input = LOG_PORT.peek()
    if input.length == 0:
        return U8(0)
    command = input[0]
    LOG_PORT.consume(U64(1))
    return command


def _find_virtio(frames: FrameSource) -> U64:
    """Look for a console among the machine's devices; its slot, or SLOTS when there is none. Raises OutOfMemory."""
    window = mmu.map_device(PhysAddr(MMIO_BASE), U64(SLOTS * virtio.MMIO_STRIDE), frames)
    for slot in U64.range(SLOTS):
        registers = window.offset(slot * virtio.MMIO_STRIDE)
        if cpu.device_read_u32(registers) != MAGIC:
            return U64(SLOTS)
        if virtio.take_console(registers, PhysAddr(slot * virtio.MMIO_STRIDE + MMIO_BASE)):
            return slot
    return U64(SLOTS)


def start_channel(frames: FrameSource) -> None:
    """Find the program channel. Raises OutOfMemory."""
    slot = _find_virtio(frames)
    if slot < SLOTS:
        virtio.CONSOLE.start(frames)
        interrupts.route_virtio_channel(slot)
    else:
        CHANNEL_PORT.start(U16(COM2))
        interrupts.route_serial_channel()


def channel_write(data: Slice[U8]) -> None:
    """Begin to send `data`, kernel memory of at most `CHANNEL_BUFFER` bytes within one buffer that stays untouched
    until `channel_is_idle`."""
    if virtio.CONSOLE.present:
        virtio.CONSOLE.write(data)
    else:
        CHANNEL_PORT.write(data)


def channel_is_idle() -> bool:
    """Whether all that was written has been taken by the host."""
    return not virtio.CONSOLE.present or virtio.CONSOLE.is_idle()


def channel_peek() -> Slice[U8]:
    """Input that has arrived and not been consumed; empty when there is none."""
    if virtio.CONSOLE.present:
        return virtio.CONSOLE.peek()
    return CHANNEL_PORT.peek()


def channel_consume(length: U64) -> None:
    """Forget the first bytes that `channel_peek` showed."""
    if virtio.CONSOLE.present:
        virtio.CONSOLE.consume(length)
    else:
        CHANNEL_PORT.consume(length)


def channel_interrupt() -> None:
    """Handle the channel's interrupt: nothing is moved, only the line is released."""
    if virtio.CONSOLE.present:
        virtio.CONSOLE.acknowledge()
    else:
        CHANNEL_PORT.peek()


def drain() -> None:
    """Wait until the host has all that was written."""
    LOG_PORT.drain()
    if not virtio.CONSOLE.present:
        CHANNEL_PORT.drain()
