"""The kernel's log and the host's commands on the PL011; the program channel on virtio.

Where the loader's command line is `log=channel` the PL011 is left to a driver: the log is a stream of the program
channel then, from when that has been found, and the host has no commands.

PrimeCell UART (PL011) Technical Reference Manual, Arm DDI 0183.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.devices import MEMORY
from cloudos.kernel.hal.aarch64 import cpu, device_tree, interrupts, mmu
from cloudos.kernel.hal.aarch64.device_tree import LEFT_TO_DRIVER, MACHINE
from cloudos.kernel.hal.interface import FrameSource
from cloudos.kernel.hal.shared import virtio
from cloudos.kernel.hal.shared.kept import keep
from cloudos.kernel.hal.shared.registers import register
from cloudos.lang import U8, U32, U64, Array, PhysAddr, Ptr, Slice, VirtAddr, data, never_inlined, place, struct, zeroed

UART_BYTES = 4096
REGISTER_FLAGS = 0x18
REGISTER_LINE_CONTROL = 0x2C
REGISTER_CONTROL = 0x30
REGISTER_MASK = 0x38
REGISTER_CLEAR = 0x44
FLAG_BUSY = 3
FLAG_NO_INPUT = 4
FLAG_FULL = 5
EIGHT_BITS_FIFO = 0x70
# On, with transmitter and receiver.
CONTROL = 0x301
# Input, and input that nothing followed for a while.
INPUT_INTERRUPTS = 0x50
BUFFER_SIZE = 16
# A frame of the program channel (`objects/console.py`).
HEADER_SIZE = 3
FRAME_SIZE = 256
STREAM_LOG = 4


@struct
class SerialPort:
    """The UART, with the input that has been taken from it."""

    registers: VirtAddr = zeroed()
    first: U64 = U64(0)
    count: U64 = U64(0)
    buffer: Array[U8, Literal[16]] = zeroed()

    def start(self, place: PhysAddr) -> None:
        """Set up 8 bits, FIFOs, interrupt on input. Firmware has chosen the speed."""
        self.registers = mmu.map_device(place, U64(UART_BYTES))
        keep(U64(MEMORY), place.value, place.value + UART_BYTES)
        self._set(U64(REGISTER_LINE_CONTROL), U32(EIGHT_BITS_FIFO))
        self._set(U64(REGISTER_CONTROL), U32(CONTROL))
        self._set(U64(REGISTER_MASK), U32(INPUT_INTERRUPTS))

    def _set(self, number: U64, value: U32) -> None:
        cpu.device_write_u32(register(self.registers, number), value)

    def _has(self, flag: U32) -> bool:
        return cpu.device_read_u32(register(self.registers, U64(REGISTER_FLAGS))).bit(flag)

    def write(self, data: Slice[U8]) -> None:
        """Send; waits until the host has room."""
        if self.registers.value == 0:
            _write_in_channel(data)
            return
        for byte in data:
            while self._has(U32(FLAG_FULL)):
                cpu.pause()
            self._set(U64(0), U32(byte))

    def drain(self) -> None:
        """Wait until everything has been sent."""
        if self.registers.value == 0:
            # Nobody minds an empty frame, which is sent when all others have been.
            _write_in_channel(data(b""))
        while self.registers.value != 0 and self._has(U32(FLAG_BUSY)):
            cpu.pause()

    @never_inlined
    def peek(self) -> Slice[U8]:
        """Input that has arrived and not been consumed; empty when there is none."""
        if self.count == 0 and self.registers.value != 0:
            self.first = U64(0)
            self._set(U64(REGISTER_CLEAR), U32(INPUT_INTERRUPTS))
            while self.count < BUFFER_SIZE and not self._has(U32(FLAG_NO_INPUT)):
                self.buffer[self.count] = U8.truncate(cpu.device_read_u32(self.registers))
                self.count = self.count + 1
        return self.buffer.slice()[self.first : self.first + self.count]

    def consume(self, length: U64) -> None:
        """Forget the first bytes that `peek` showed."""
        self.first = self.first + length
        self.count = self.count - length


LOG_PORT = place(SerialPort())
FRAME = place(Array[U8, Literal[256]]())


@never_inlined
def _write_in_channel(data: Slice[U8]) -> None:
    """Send at most 253 bytes as a frame, when the host has taken what was before."""
    while not channel_is_idle():
        cpu.pause()
    count = min(data.length, U64(FRAME_SIZE - HEADER_SIZE))
    frame = Slice.of(Ptr.at(U8, mmu.direct(mmu.image_address(Ptr.to(FRAME).address))), HEADER_SIZE + count)
    frame[0] = U8(STREAM_LOG)
    frame[1] = U8.truncate(count)
    frame[HEADER_SIZE : frame.length].copy_from(data[0:count])
    channel_write(frame)


def start() -> None:
    """From here on the log can be written. This reads the device tree, which says where."""
    device_tree.read(mmu.boot_facts().tree)
    if MACHINE.uart > LEFT_TO_DRIVER:
        LOG_PORT.start(PhysAddr(MACHINE.uart))


def read_command() -> U8:
    """Next command byte of the host, 0 when there is none."""
    input = LOG_PORT.peek()
    if input.length == 0:
        return U8(0)
    command = input[0]
    LOG_PORT.consume(U64(1))
    return command


def start_channel(frames: FrameSource) -> None:
    """Find the program channel. Raises OutOfMemory."""
    for index in U64.range(MACHINE.slot_count):
        place = PhysAddr(MACHINE.slots[index])
        if virtio.take_console(mmu.map_device(place, U64(virtio.MMIO_STRIDE)), place):
            virtio.CONSOLE.start(frames)
            interrupts.take_channel(MACHINE.slot_lines[index])
            return


def channel_write(data: Slice[U8]) -> None:
    """Begin to send `data`, kernel memory within one buffer that stays untouched until `channel_is_idle`."""
    if virtio.CONSOLE.present:
        virtio.CONSOLE.write(data)


def channel_is_idle() -> bool:
    """Whether all that was written has been taken by the host."""
    return not virtio.CONSOLE.present or virtio.CONSOLE.is_idle()


def channel_peek() -> Slice[U8]:
    """Input that has arrived and not been consumed; empty when there is none."""
    if virtio.CONSOLE.present:
        return virtio.CONSOLE.peek()
    return data(b"")


def channel_consume(length: U64) -> None:
    """Forget the first bytes that `channel_peek` showed."""
    virtio.CONSOLE.consume(length)


def channel_interrupt() -> None:
    """Handle the channel's interrupt: nothing is moved, only the line is released."""
    virtio.CONSOLE.acknowledge()


def drain() -> None:
    """Wait until the host has all that was written."""
    LOG_PORT.drain()
