"""Devices: I/O ports, registers in memory, and interrupts, for drivers.

    ports = Ports(system.device_create(machine, quota, U64(devices.PORTS), U64(0x70), U64(2)))
    ports.write_u8(U64(0), U8(0x0A))
    line = Line()
    line.open(machine, quota, U64(8), U64(0))
    while line.wait(NEVER) != 0:
        ...  # look at the device, and quiet it
        line.acknowledge()

`machine` is `initial.DEVICE`, or a part of it that the driver was given: it needs nothing else.
"""

from __future__ import annotations

from cloudos.abi import initial
from cloudos.abi.errors import TimedOut, WouldBlock
from cloudos.lang import U8, U16, U32, U64, Ptr, Template, VirtAddr, machine, struct, zeroed
from cloudos.sdk import system

SIGNAL = 1
READ = 1
WRITE = 2


@struct
class Ports:
    """The ports of a device. Offsets count from its first port. Panics when a port is not the device's."""

    handle: U64 = U64(0)

    def read_u8(self, offset: U64) -> U8:
        """Read one byte."""
        return U8(self._read(offset, U64(1)))

    def read_u16(self, offset: U64) -> U16:
        """Read two bytes from a port with an even number."""
        return U16(self._read(offset, U64(2)))

    def read_u32(self, offset: U64) -> U32:
        """Read four bytes from a port whose number is a multiple of four."""
        return U32(self._read(offset, U64(4)))

    def write_u8(self, offset: U64, value: U8) -> None:
        """Write one byte."""
        self._write(offset, U64(1), U64(value))

    def write_u16(self, offset: U64, value: U16) -> None:
        """Write two bytes to a port with an even number."""
        self._write(offset, U64(2), U64(value))

    def write_u32(self, offset: U64, value: U32) -> None:
        """Write four bytes to a port whose number is a multiple of four."""
        self._write(offset, U64(4), U64(value))

    def _read(self, offset: U64, width: U64) -> U64:
        return system.device_read(self.handle, offset, width)

    def _write(self, offset: U64, width: U64, value: U64) -> None:
        system.device_write(self.handle, offset, width, value)


@machine(
    x86_64=Template("movl (%[address]), %[result]", result="=r", inputs={"address": "r"}, clobbers=("memory",)),
    aarch64=Template("ldr %w[result], [%[address]]", result="=r", inputs={"address": "r"}, clobbers=("memory",)),
)
def _load_u32(address: VirtAddr) -> U32:
    return Ptr.at(U32, address).value


@machine(
    x86_64=Template("movl %[value], (%[address])", inputs={"address": "r", "value": "r"}, clobbers=("memory",)),
    aarch64=Template("str %w[value], [%[address]]", inputs={"address": "r", "value": "r"}, clobbers=("memory",)),
)
def _store_u32(address: VirtAddr, value: U32) -> None:
    Ptr.at(U32, address).value = value


@struct
class Registers:
    """The registers of a device in memory, four bytes each, once `map` has shown them. Each access is one access."""

    address: VirtAddr = zeroed()
    memory: U64 = U64(0)

    def map(self, device: U64, quota: U64, address: U64, length: U64) -> None:
        """Show the first `length` bytes of a device of memory at `address`. Raises what space_map does."""
        self.memory = system.device_memory(device, quota)
        self.address = VirtAddr(address)
        access = U64(READ | WRITE)
        system.space_map(U64(initial.SPACE), self.memory, address, U64(0), length, access)

    def read(self, offset: U64) -> U32:
        """Read the register at a multiple of 4."""
        return _load_u32(self.address.offset(offset))

    def write(self, offset: U64, value: U32) -> None:
        """Write the register at a multiple of 4."""
        _store_u32(self.address.offset(offset), value)


@struct
class Line:
    """An interrupt line with a notification of its own. Handles are 0 until `open`."""

    interrupt: U64 = U64(0)
    notification: U64 = U64(0)

    def open(self, device: U64, quota: U64, number: U64, flags: U64) -> None:
        """Take line `number` of `device`, and let it interrupt. `flags`: of `cloudos.abi.devices`.

        Raises what interrupt_create and notification_create do.
        """
        self.interrupt = system.interrupt_create(device, quota, number, flags)
        self.notification = system.notification_create(quota)
        system.interrupt_bind(self.interrupt, self.notification, U64(SIGNAL))

    def wait(self, deadline: U64) -> bool:
        """Wait for an interrupt until `deadline` (absolute, nanoseconds); whether there was one.

        Several that came since the last wait are one. Raises Cancelled when the handle was taken away.
        """
        try:
            system.notification_wait(self.notification, deadline)
        except (TimedOut, WouldBlock):
            return False
        return True

    def acknowledge(self) -> None:
        """Let the line interrupt again: after each wait, when the device has been quieted."""
        system.interrupt_acknowledge(self.interrupt)

    def close(self) -> None:
        """Give the line up: it is masked."""
        system.handle_close(self.interrupt)
        system.handle_close(self.notification)
