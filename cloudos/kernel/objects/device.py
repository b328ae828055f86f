"""The device: a right to a range of I/O ports, of physical addresses that are not memory, or of interrupt lines.

The first process holds the machine, which is all of each kind. From a device narrower ones are made, and interrupts.
What the kernel keeps for itself (memory, the interrupt controllers, its consoles) no device contains. There is no
IOMMU: who may program a device that reads and writes memory by itself may reach all memory with it.
"""

from __future__ import annotations

from cloudos.abi import devices
from cloudos.abi.errors import BadArgument, Denied
from cloudos.abi.objects import Kind
from cloudos.kernel.hal import platform
from cloudos.kernel.hal.interface import PAGE_SIZE, RESOURCE_END
from cloudos.kernel.objects.header import Header
from cloudos.lang import U16, U64, Ptr, never_inlined, place, struct, zeroed


@struct
class Device:
    """[first, end) of a resource of `cloudos.abi.devices`; of the machine, these bounds hold for every resource."""

    header: Header = zeroed()
    resource: U64 = U64(0)
    first: U64 = U64(0)
    end: U64 = U64(0)

    def check(self, resource: U64, first: U64, length: U64) -> None:
        """Refuse what is not a part of this device. Raises BadArgument; Denied when the kernel keeps some of it."""
        if self.resource != resource and self.resource != devices.MACHINE:
            raise BadArgument
        if resource == devices.MACHINE or resource > devices.LINES:
            raise BadArgument
        if length == 0 or first < self.first or first > self.end or length > self.end - first:
            raise BadArgument
        if resource == devices.MEMORY and (first | length) % PAGE_SIZE != 0:
            raise BadArgument
        if platform.is_kept(resource, first, first + length):
            raise Denied

    @never_inlined
    def port(self, offset: U64, width: U64) -> U16:
        """The port to read or write `width` bytes at. Raises BadArgument."""
        if self.resource != devices.PORTS or width == 0 or width > 4 or width == 3:
            raise BadArgument
        port = self.first.saturating_add(offset)
        if port >= self.end or width > self.end - port or port % width != 0:
            raise BadArgument
        return U16.truncate(port)


MACHINE = place(Device())


def start() -> Ptr[Header]:
    """The machine, for the first handle to it."""
    MACHINE.header.kind = Kind.DEVICE
    MACHINE.header.references = U64(1)
    MACHINE.end = U64(RESOURCE_END)
    return Ptr.to(MACHINE.header)
