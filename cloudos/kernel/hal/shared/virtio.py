"""A byte channel to the host: port 1 of a virtio serial device on the virtio-mmio transport.

What it shares with the device is in `cloudos/abi/virtio.py`. Port 1 and not the console port 0,
because QEMU drops a console's output when the host is slow, and makes any other port wait. Input is taken by polling
the used ring; its interrupts are on only while the processor sleeps.
"""

from __future__ import annotations

from cloudos.abi.devices import MEMORY
from cloudos.abi.virtio import (
    ALL_PORTS,
    DEVICE_CONSOLE,
    DEVICE_WRITES,
    ENTRIES,
    EVENT_DEVICE_READY,
    EVENT_PORT_OPEN,
    EVENT_PORT_READY,
    FEATURE_MULTIPORT,
    FEATURE_VERSION_1_HIGH,
    MODERN,
    NO_INTERRUPT,
    PORT,
    QUEUE_CONTROL_OUT,
    QUEUE_IN,
    QUEUE_OUT,
    QUEUE_SPACING,
    REGISTER_DEVICE,
    REGISTER_FEATURES,
    REGISTER_FEATURES_SELECT,
    REGISTER_INTERRUPT_ACKNOWLEDGE,
    REGISTER_INTERRUPT_STATUS,
    REGISTER_QUEUE_AVAILABLE,
    REGISTER_QUEUE_DESCRIPTORS,
    REGISTER_QUEUE_NOTIFY,
    REGISTER_QUEUE_READY,
    REGISTER_QUEUE_SELECT,
    REGISTER_QUEUE_SIZE,
    REGISTER_QUEUE_USED,
    REGISTER_STATUS,
    REGISTER_VERSION,
    STATUS_ACKNOWLEDGE_DRIVER,
    STATUS_DRIVER_OK,
    STATUS_FEATURES_OK,
    ControlMessage,
    Descriptor,
    QueueMemory,
    UsedElement,
)
from cloudos.kernel.hal.interface import FrameSource
from cloudos.kernel.hal.shared.direct import direct, direct_to_physical
from cloudos.kernel.hal.shared.kept import keep
from cloudos.kernel.hal.shared.registers import device_read_u32, device_write_u32, pause, register
from cloudos.lang import (
    U8,
    U16,
    U32,
    U64,
    Order,
    PhysAddr,
    Ptr,
    Slice,
    VirtAddr,
    data,
    fence,
    place,
    size_of,
    struct,
    zeroed,
)

# Bytes of registers of a device.
MMIO_STRIDE = 0x200

BUFFER_SIZE = 4096


@struct
class Queue:
    """The driver's view of one queue."""

    number: U32 = U32(0)
    memory: Ptr[QueueMemory] = zeroed()
    # Next element of the used ring to look at.
    seen: U16 = U16(0)

    def offer(self, slot: U16) -> None:
        """Give descriptor `slot` to the device; visible when it is next notified."""
        available = self.memory.value.available
        available.ring[available.index % ENTRIES] = slot
        fence(Order.RELEASE)
        available.index = available.index.wrapping_add(1)
        fence(Order.SEQ_CST)

    def has_used(self) -> bool:
        """Whether the device gave back a descriptor that was not seen yet."""
        fence(Order.SEQ_CST)
        return self.memory.value.used.index != self.seen


@struct
class VirtioConsole:
    """The channel. `taken` bytes of the oldest input buffer are consumed."""

    present: bool = False
    registers: VirtAddr = zeroed()
    control: Queue = zeroed()
    input: Queue = zeroed()
    output: Queue = zeroed()
    taken: U64 = U64(0)

    def _write(self, number: U64, value: U32) -> None:
        device_write_u32(register(self.registers, number), value)

    def start(self, frames: FrameSource) -> None:
        """Negotiate, set up the queues, open the port. Raises OutOfMemory."""
        status = U64(REGISTER_STATUS)
        self._write(status, U32(0))
        self._write(status, U32(STATUS_ACKNOWLEDGE_DRIVER))
        self._write(U64(REGISTER_FEATURES_SELECT), U32(1))
        self._write(U64(REGISTER_FEATURES), U32(FEATURE_VERSION_1_HIGH))
        self._write(U64(REGISTER_FEATURES_SELECT), U32(0))
        self._write(U64(REGISTER_FEATURES), U32(FEATURE_MULTIPORT))
        self._write(status, U32(STATUS_FEATURES_OK))
        memory = direct(frames.allocate_zeroed())
        self._set_up(self.control, U32(QUEUE_CONTROL_OUT), memory)
        self._set_up(self.input, U32(QUEUE_IN), memory.offset(QUEUE_SPACING))
        self._set_up(self.output, U32(QUEUE_OUT), memory.offset(2 * QUEUE_SPACING))
        self._write(status, U32(STATUS_DRIVER_OK))
        for index in U16.range(ENTRIES):
            buffer = frames.allocate_zeroed().value
            self.input.memory.value.descriptors[index] = Descriptor(
                buffer, U32(BUFFER_SIZE), U16(DEVICE_WRITES), U16(0)
            )
            self.input.offer(index)
        self.input.memory.value.available.flags = U16(NO_INTERRUPT)
        self.output.memory.value.available.flags = U16(NO_INTERRUPT)
        self._send_control(U32(ALL_PORTS), U16(EVENT_DEVICE_READY))
        self._send_control(U32(PORT), U16(EVENT_PORT_READY))
        self._send_control(U32(PORT), U16(EVENT_PORT_OPEN))
        # Now, as QEMU looks for input when it hears of buffers for a port that is open.
        self._notify(self.input)
        self.present = True

    def _set_up(self, queue: Queue, number: U32, memory: VirtAddr) -> None:
        queue.number = number
        queue.memory = Ptr.at(QueueMemory, memory)
        parts = queue.memory.value
        self._write(U64(REGISTER_QUEUE_SELECT), queue.number)
        self._write(U64(REGISTER_QUEUE_SIZE), U32(ENTRIES))
        self._write_address(U64(REGISTER_QUEUE_DESCRIPTORS), Ptr.to(parts.descriptors).address)
        self._write_address(U64(REGISTER_QUEUE_AVAILABLE), Ptr.to(parts.available).address)
        self._write_address(U64(REGISTER_QUEUE_USED), Ptr.to(parts.used).address)
        self._write(U64(REGISTER_QUEUE_READY), U32(1))

    def _write_address(self, number: U64, address: VirtAddr) -> None:
        value = direct_to_physical(address).value
        self._write(number, U32.truncate(value))
        self._write(number + 4, U32(value >> 32))

    def _notify(self, queue: Queue) -> None:
        self._write(U64(REGISTER_QUEUE_NOTIFY), queue.number)

    def _send(self, queue: Queue, address: VirtAddr, length: U64) -> None:
        frame = direct_to_physical(address)
        queue.memory.value.descriptors[0] = Descriptor(frame.value, U32(length), U16(0), U16(0))
        queue.offer(U16(0))
        self._notify(queue)

    def _send_control(self, port: U32, event: U16) -> None:
        message = self.control.memory.value.message
        message.port = port
        message.event = event
        message.value = U16(1)
        self._send(self.control, Ptr.to(message).address, U64(size_of(ControlMessage)))
        while not self.control.has_used():
            pause()
        self.control.seen = self.control.seen.wrapping_add(1)

    def write(self, text: Slice[U8]) -> None:
        """Give `text`, which lies in the direct map, to the device."""
        self._send(self.output, text.pointer.address, text.length)

    def is_idle(self) -> bool:
        """Whether the device has taken all output."""
        if self.output.has_used():
            self.output.seen = self.output.seen.wrapping_add(1)
        return self.output.memory.value.available.index == self.output.seen

    def peek(self) -> Slice[U8]:
        """Input that is there: what is left of the oldest buffer. Empty: the next input will interrupt."""
        available = self.input.memory.value.available
        if not self.input.has_used():
            available.flags = U16(0)
            if not self.input.has_used():
                return data(b"")
        available.flags = U16(NO_INTERRUPT)
        element = self._oldest()
        buffer = self.input.memory.value.descriptors[element.id].address
        all_of_it = Slice.of(Ptr.at(U8, direct(PhysAddr(buffer))), U64(min(element.length, U32(BUFFER_SIZE))))
        return all_of_it[self.taken : all_of_it.length]

    def _oldest(self) -> UsedElement:
        return self.input.memory.value.used.ring[self.input.seen % ENTRIES]

    def consume(self, length: U64) -> None:
        """Forget the first bytes that `peek` showed; an empty buffer goes back to the device."""
        self.taken = self.taken + length
        element = self._oldest()
        if self.taken >= U64(element.length):
            self.taken = U64(0)
            self.input.seen = self.input.seen.wrapping_add(1)
            self.input.offer(U16(element.id))
            self._notify(self.input)

    def acknowledge(self) -> None:
        """Release the interrupt line."""
        status = device_read_u32(register(self.registers, U64(REGISTER_INTERRUPT_STATUS)))
        self._write(U64(REGISTER_INTERRUPT_ACKNOWLEDGE), status)


CONSOLE = place(VirtioConsole())


def take_console(registers: VirtAddr, place: PhysAddr) -> bool:
    """Whether the device with these registers, mapped at an address and lying at `place`, is a console: then ours."""
    is_console = device_read_u32(register(registers, U64(REGISTER_DEVICE))) == DEVICE_CONSOLE
    if is_console and device_read_u32(register(registers, U64(REGISTER_VERSION))) == MODERN:
        CONSOLE.registers = registers
        keep(U64(MEMORY), place.value, place.value + MMIO_STRIDE)
        return True
    return False
