"""Port 1 of a virtio serial device as a chip of a serial line; registers and structures: `cloudos/abi/virtio.py`."""

from __future__ import annotations

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
    MAGIC,
    MODERN,
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
    REGISTER_MAGIC,
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
)
from cloudos.drivers.virtio_console.queues import Queue
from cloudos.lang import U8, U16, U32, U64, Ptr, VirtAddr, size_of, struct, zeroed
from cloudos.sdk import system
from cloudos.sdk.devices import Registers

# The memory that is shared with the device: queues, output, and a page for each of some input buffers.
PAGE = 4096
BUFFERS = 2
LENGTH = PAGE * (2 + BUFFERS)
PATIENCE = 1_000_000_000  # nanoseconds


@struct
class VirtioPort:
    """The device behind `registers`; the shared memory is at `memory`, and at `physical` for the device."""

    registers: Registers
    memory: U64 = U64(0)
    physical: U64 = U64(0)
    control: Queue = zeroed()
    input: Queue = zeroed()
    output: Queue = zeroed()
    # Bytes that wait in the output buffer, and how many the device was given last.
    filled: U64 = U64(0)
    given: U64 = U64(0)
    # The input buffer that is being read, how many bytes came in it (0: there is none), and how many are taken.
    buffer: U64 = U64(0)
    arrived: U64 = U64(0)
    taken: U64 = U64(0)

    def exists(self) -> bool:
        """Whether there is such a device."""
        magic = self.registers.read(U64(REGISTER_MAGIC)) == MAGIC
        is_console = self.registers.read(U64(REGISTER_DEVICE)) == DEVICE_CONSOLE
        return magic and is_console and self.registers.read(U64(REGISTER_VERSION)) == MODERN

    def start(self, memory: U64, physical: U64) -> bool:
        """Negotiate, set up the queues in LENGTH bytes of zeroes, open the port; False when the device gives no
        answer."""
        self.memory, self.physical = memory, physical
        write = self.registers
        write.write(U64(REGISTER_STATUS), U32(0))
        write.write(U64(REGISTER_STATUS), U32(STATUS_ACKNOWLEDGE_DRIVER))
        write.write(U64(REGISTER_FEATURES_SELECT), U32(1))
        write.write(U64(REGISTER_FEATURES), U32(FEATURE_VERSION_1_HIGH))
        write.write(U64(REGISTER_FEATURES_SELECT), U32(0))
        write.write(U64(REGISTER_FEATURES), U32(FEATURE_MULTIPORT))
        write.write(U64(REGISTER_STATUS), U32(STATUS_FEATURES_OK))
        self.set_up(self.control, U64(QUEUE_CONTROL_OUT), U64(0))
        self.set_up(self.input, U64(QUEUE_IN), U64(QUEUE_SPACING))
        self.set_up(self.output, U64(QUEUE_OUT), U64(2 * QUEUE_SPACING))
        write.write(U64(REGISTER_STATUS), U32(STATUS_DRIVER_OK))
        for index in U16.range(BUFFERS):
            place = physical + PAGE * (2 + U64(index))
            self.input.memory.value.descriptors[index] = Descriptor(place, U32(PAGE), U16(DEVICE_WRITES), U16(0))
            self.input.offer(index)
        opened = self.tell(U32(ALL_PORTS), U16(EVENT_DEVICE_READY)) and self.tell(U32(PORT), U16(EVENT_PORT_READY))
        opened = opened and self.tell(U32(PORT), U16(EVENT_PORT_OPEN))
        # Only now, as QEMU looks for input when it hears of buffers for a port that is open.
        self.notify(U64(QUEUE_IN))
        return opened

    def set_up(self, queue: Queue, number: U64, offset: U64) -> None:
        """Tell the device where a queue is."""
        queue.memory = Ptr.at(QueueMemory, VirtAddr(self.memory + offset))
        queue.seen = U16(0)
        parts = queue.memory.value
        queue.interrupt(number == QUEUE_IN)
        base = self.physical + offset
        start = Ptr.to(parts).address
        self.registers.write(U64(REGISTER_QUEUE_SELECT), U32(number))
        self.registers.write(U64(REGISTER_QUEUE_SIZE), U32(ENTRIES))
        self.set_address(U64(REGISTER_QUEUE_DESCRIPTORS), base)
        self.set_address(U64(REGISTER_QUEUE_AVAILABLE), base + Ptr.to(parts.available).address.distance(start))
        self.set_address(U64(REGISTER_QUEUE_USED), base + Ptr.to(parts.used).address.distance(start))
        self.registers.write(U64(REGISTER_QUEUE_READY), U32(1))

    def set_address(self, register: U64, value: U64) -> None:
        """Write a physical address."""
        self.registers.write(register, U32.truncate(value))
        self.registers.write(register + 4, U32(value >> 32))

    def notify(self, queue: U64) -> None:
        """Let the device look at a queue."""
        self.registers.write(U64(REGISTER_QUEUE_NOTIFY), U32(queue))

    def tell(self, port: U32, event: U16) -> bool:
        """Send a control message with the value 1; whether the device took it."""
        parts = self.control.memory.value
        parts.message.port = port
        parts.message.event = event
        parts.message.value = U16(1)
        offset = Ptr.to(parts.message).address.distance(Ptr.to(parts).address)
        parts.descriptors[0] = Descriptor(self.physical + offset, U32(size_of(ControlMessage)), U16(0), U16(0))
        self.control.offer(U16(0))
        self.notify(U64(QUEUE_CONTROL_OUT))
        end = system.clock_read() + PATIENCE
        while not self.control.has_used():
            if system.clock_read() > end:
                return False
        self.control.take()
        return True

    def pending(self) -> bool:
        """See `Chip`."""
        status = self.registers.read(U64(REGISTER_INTERRUPT_STATUS))
        if status != 0:
            self.registers.write(U64(REGISTER_INTERRUPT_ACKNOWLEDGE), status)
        return status != 0

    def has_byte(self) -> bool:
        """See `Chip`. A buffer whose bytes are all taken goes back to the device. Of a device that gives back what it
        has not, or nothing in it, no more than a ring's worth is looked at."""
        for _ in U64.range(ENTRIES):
            if self.taken < self.arrived:
                return True
            if self.arrived > 0:
                self.arrived = U64(0)
                self.give_back(self.buffer)
            if not self.input.has_used():
                return False
            descriptor, length = self.input.take()
            if descriptor >= BUFFERS:
                continue
            self.buffer, self.taken, self.arrived = U64(descriptor), U64(0), U64(min(length, U32(PAGE)))
            if length == 0:
                self.give_back(self.buffer)
        return self.taken < self.arrived

    def give_back(self, buffer: U64) -> None:
        """Let the device have an input buffer again."""
        self.input.offer(U16(buffer))
        self.notify(U64(QUEUE_IN))

    def take(self) -> U8:
        """See `Chip`."""
        place = self.memory + PAGE * (2 + self.buffer) + self.taken
        self.taken += 1
        return Ptr.at(U8, VirtAddr(place)).value

    def room(self) -> U64:
        """See `Chip`: there is one buffer, which is the device's until it gives it back."""
        if not self.output.is_idle():
            return U64(0)
        return U64(PAGE) - self.filled

    def send(self, byte: U8) -> None:
        """See `Chip`. It waits for the others."""
        Ptr.at(U8, VirtAddr(self.memory + PAGE + self.filled)).value = byte
        self.filled += 1

    def tell_room(self, wanted: bool) -> None:
        """See `Chip`. What was sent goes to the device here, after which there is no room for a while."""
        self.output.interrupt(wanted)
        if self.filled > 0 and self.output.is_idle():
            length = U32(self.filled)
            self.given, self.filled = self.filled, U64(0)
            self.output.memory.value.descriptors[0] = Descriptor(self.physical + PAGE, length, U16(0), U16(0))
            self.output.offer(U16(0))
            self.notify(U64(QUEUE_OUT))

    def unsent(self) -> U64:
        """See `Chip`. What the device has given back it has taken over."""
        return self.filled if self.output.is_idle() else self.filled + self.given
