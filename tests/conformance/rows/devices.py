"""Devices

A device is a part of the machine's ports, addresses and lines.
"""

from __future__ import annotations

from cloudos.abi import devices, initial
from cloudos.abi.objects import Kind, Rights
from cloudos.lang import U32, U64
from cloudos.sdk import system
from cloudos.sdk.devices import Registers
from tests.conformance.support import (
    BAD_ARGUMENT,
    BAD_HANDLE,
    BAD_STATE,
    DENIED,
    NEVER,
    QUOTA,
    QUOTA_EXCEEDED,
    WRONG_KIND,
    attempt,
    buffer_page,
    quota_used,
    weaker,
)

MACHINE = U64(initial.DEVICE)
PORTS = U64(devices.PORTS)
MEMORY = U64(devices.MEMORY)
LINES = U64(devices.LINES)
EDGE = U64(0)
# Where nothing answers.
FREE_PORT = U64(0x704)
FREE_LINE = U64(9)
FREE_ADDRESS = U64(0xFD00_0000)
MEGABYTE = U64(1 << 20)
# Where machines of x86 have memory.
LOW_MEMORY = MEGABYTE
# The first serial port, which is the kernel's log.
LOG_PORT = U64(0x3F8)
LOG_LINE = U64(4)

_divide = attempt("device_create")
_read = attempt("device_read")
_write = attempt("device_write")
_create = attempt("interrupt_create")


def _ports(first: U64, length: U64) -> U64:
    return system.device_create(MACHINE, QUOTA, PORTS, first, length)


def _interrupt(flags: U64) -> U64:
    return system.interrupt_create(MACHINE, QUOTA, FREE_LINE, flags)


_reset = attempt("device_reset")


# Dividing


def a_part_of_the_machine_has_all_rights() -> None:
    """device_create gives a handle to a device with all rights."""
    handle = _ports(FREE_PORT, U64(4))
    assert system.handle_inspect(handle) & 0xFF == U64(Kind.DEVICE), "its kind"
    assert system.handle_inspect(handle) >> 8 == system.handle_inspect(QUOTA) >> 8, "its rights"
    system.handle_close(handle)


def a_part_can_be_divided_further() -> None:
    """A device can be made from any that contains it, up to all of it."""
    outer = _ports(FREE_PORT, U64(8))
    inner = system.device_create(outer, QUOTA, PORTS, FREE_PORT, U64(8))
    last = system.device_create(inner, QUOTA, PORTS, FREE_PORT + 7, U64(1))
    system.handle_close(outer)
    system.handle_close(inner)
    assert _read(last, U64(0), U64(1)) == 0, "it stays when what it was made from goes"
    system.handle_close(last)


def a_part_must_lie_in_its_source() -> None:
    """A device that begins before or ends behind its source is BadArgument."""
    outer = _ports(FREE_PORT, U64(8))
    assert _divide(outer, QUOTA, PORTS, FREE_PORT - 1, U64(2)) == BAD_ARGUMENT, "before"
    assert _divide(outer, QUOTA, PORTS, FREE_PORT + 7, U64(2)) == BAD_ARGUMENT, "behind"
    assert _divide(outer, QUOTA, PORTS, FREE_PORT + 9, U64(1)) == BAD_ARGUMENT, "beyond"
    assert _divide(outer, QUOTA, PORTS, FREE_PORT, NEVER) == BAD_ARGUMENT, "a length that would wrap around"
    assert _divide(MACHINE, QUOTA, PORTS, NEVER, U64(1)) == BAD_ARGUMENT, "beyond all numbers"
    system.handle_close(outer)


def a_part_is_not_empty() -> None:
    """A device of length 0 is BadArgument."""
    assert _divide(MACHINE, QUOTA, PORTS, FREE_PORT, U64(0)) == BAD_ARGUMENT, "nothing"


def a_part_is_of_the_same_resource() -> None:
    """From ports no lines or memory can be made; only the machine has all resources."""
    outer = _ports(U64(0), U64(16))
    assert _divide(outer, QUOTA, LINES, U64(9), U64(1)) == BAD_ARGUMENT, "lines"
    assert _divide(outer, QUOTA, MEMORY, U64(0), U64(4096)) == BAD_ARGUMENT, "memory"
    assert _create(outer, QUOTA, U64(9), EDGE) == BAD_ARGUMENT, "an interrupt"
    system.handle_close(outer)


def there_are_three_resources() -> None:
    """An unknown resource is BadArgument, and so is the machine as a part of itself."""
    assert _divide(MACHINE, QUOTA, U64(devices.MACHINE), U64(0), U64(1)) == BAD_ARGUMENT, "the machine"
    assert _divide(MACHINE, QUOTA, U64(4), U64(0), U64(1)) == BAD_ARGUMENT, "unknown"


def only_the_whole_machine_can_be_reset() -> None:
    """device_reset with a part of the machine is BadArgument, and with a handle without ALLOCATE Denied."""
    ports = _ports(FREE_PORT, U64(1))
    assert _reset(ports) == BAD_ARGUMENT, "ports"
    system.handle_close(ports)
    memory = system.device_create(MACHINE, QUOTA, MEMORY, FREE_ADDRESS, U64(4096))
    assert _reset(memory) == BAD_ARGUMENT, "memory"
    system.handle_close(memory)
    weak = weaker(MACHINE, Rights.READ)
    assert _reset(weak) == DENIED, "a handle to look with"
    system.handle_close(weak)


def device_memory_is_whole_pages() -> None:
    """A device of memory begins and ends at multiples of 4096."""
    assert _divide(MACHINE, QUOTA, MEMORY, FREE_ADDRESS + 8, U64(4096)) == BAD_ARGUMENT, "its start"
    assert _divide(MACHINE, QUOTA, MEMORY, FREE_ADDRESS, U64(4095)) == BAD_ARGUMENT, "its length"
    handle = system.device_create(MACHINE, QUOTA, MEMORY, FREE_ADDRESS, U64(8192))
    system.handle_close(handle)


def the_machines_memory_is_no_device() -> None:
    """A range that contains memory of the machine is Denied."""
    assert _divide(MACHINE, QUOTA, MEMORY, LOW_MEMORY, U64(4096)) == DENIED, "memory"
    assert _divide(MACHINE, QUOTA, MEMORY, U64(0), MEGABYTE * 4096) == DENIED, "all of the first 4 GB"


def ports_of_the_kernel_are_kept() -> None:
    """A range that contains ports which the kernel itself uses is Denied."""
    assert _divide(MACHINE, QUOTA, PORTS, LOG_PORT, U64(1)) == DENIED, "the first"
    assert _divide(MACHINE, QUOTA, PORTS, LOG_PORT + 7, U64(1)) == DENIED, "the last"
    assert _divide(MACHINE, QUOTA, PORTS, LOG_PORT - 8, U64(32)) == DENIED, "all, and more"
    before = _ports(LOG_PORT - 1, U64(1))
    behind = _ports(LOG_PORT + 8, U64(1))
    system.handle_close(before)
    system.handle_close(behind)


def lines_of_the_kernel_are_kept() -> None:
    """A line that the kernel itself uses is Denied, to devices and interrupts."""
    assert _divide(MACHINE, QUOTA, LINES, LOG_LINE, U64(1)) == DENIED, "a device"
    assert _create(MACHINE, QUOTA, LOG_LINE, EDGE) == DENIED, "an interrupt"


def what_the_machine_lacks_is_denied() -> None:
    """Ports above 65,535 and lines that no controller has are Denied."""
    assert _divide(MACHINE, QUOTA, PORTS, U64(0xFFFF), U64(2)) == DENIED, "ports"
    assert _divide(MACHINE, QUOTA, LINES, U64(48), U64(1)) == DENIED, "lines"
    assert _create(MACHINE, QUOTA, U64(1) << 40, EDGE) == DENIED, "an interrupt"


def dividing_needs_allocate() -> None:
    """device_create and interrupt_create need ALLOCATE on the device."""
    weak = weaker(MACHINE, Rights.READ | Rights.WRITE)
    assert _divide(weak, QUOTA, PORTS, FREE_PORT, U64(1)) == DENIED, "a device"
    assert _create(weak, QUOTA, FREE_LINE, EDGE) == DENIED, "an interrupt"
    assert _divide(QUOTA, QUOTA, PORTS, FREE_PORT, U64(1)) == WRONG_KIND, "no device"
    system.handle_close(weak)


def devices_are_paid_for() -> None:
    """A device and an interrupt are charged to the quota, and given back when they go."""
    small = system.quota_create(QUOTA, U64(64))
    used = quota_used()
    assert _divide(MACHINE, small, PORTS, FREE_PORT, U64(1)) == QUOTA_EXCEEDED, "a device"
    assert _create(MACHINE, small, FREE_LINE, EDGE) == QUOTA_EXCEEDED, "an interrupt"
    device = _ports(FREE_PORT, U64(1))
    interrupt = _interrupt(EDGE)
    assert quota_used() > used, "both are charged"
    system.handle_close(device)
    system.handle_close(interrupt)
    assert quota_used() == used, "both are given back"
    system.handle_close(small)


# Ports


def a_port_where_nothing_answers_reads_as_ones() -> None:
    """Reading 1, 2 or 4 bytes gives a value of that width; where nothing answers, all bits are 1."""
    handle = _ports(FREE_PORT, U64(4))
    assert system.device_read(handle, U64(3), U64(1)) == 0xFF, "one byte"
    assert system.device_read(handle, U64(2), U64(2)) == 0xFFFF, "two"
    assert system.device_read(handle, U64(0), U64(4)) == 0xFFFF_FFFF, "four"
    system.handle_close(handle)


def ports_have_three_widths() -> None:
    """Any width but 1, 2 and 4 is BadArgument."""
    handle = _ports(FREE_PORT, U64(8))
    for width in U64.range(20):
        good = width == 1 or width == 2 or width == 4
        assert _read(handle, U64(0), width) == (U64(0) if good else U64(BAD_ARGUMENT)), "reading"
        assert _write(handle, U64(0), width, U64(0)) == (U64(0) if good else U64(BAD_ARGUMENT)), "writing"
    system.handle_close(handle)


def ports_are_aligned() -> None:
    """The number of a port must be a multiple of the width, wherever the device begins."""
    handle = _ports(FREE_PORT + 1, U64(7))
    assert _read(handle, U64(0), U64(2)) == BAD_ARGUMENT, "two bytes at an odd port"
    assert _read(handle, U64(1), U64(2)) == 0, "two bytes at an even port"
    assert _read(handle, U64(1), U64(4)) == BAD_ARGUMENT, "four bytes at an even port"
    assert _write(handle, U64(3), U64(4), U64(0)) == 0, "four bytes at a multiple of four"
    system.handle_close(handle)


def ports_outside_cannot_be_reached() -> None:
    """An access that does not lie in the device as a whole is BadArgument."""
    handle = _ports(FREE_PORT, U64(2))
    assert _read(handle, U64(2), U64(1)) == BAD_ARGUMENT, "behind"
    assert _read(handle, U64(0), U64(4)) == BAD_ARGUMENT, "half outside"
    assert _read(handle, NEVER, U64(1)) == BAD_ARGUMENT, "an offset that would wrap around"
    assert _write(handle, U64(2), U64(1), U64(0)) == BAD_ARGUMENT, "writing"
    assert _read(MACHINE, U64(0), U64(1)) == BAD_ARGUMENT, "the machine is no device of ports"
    system.handle_close(handle)


def what_is_written_fits_the_width() -> None:
    """A value that does not fit the width is BadArgument."""
    handle = _ports(FREE_PORT, U64(4))
    assert _write(handle, U64(0), U64(1), U64(0xFF)) == 0, "one byte"
    assert _write(handle, U64(0), U64(1), U64(0x100)) == BAD_ARGUMENT, "more than one"
    assert _write(handle, U64(0), U64(4), U64(0xFFFF_FFFF)) == 0, "four bytes"
    assert _write(handle, U64(0), U64(4), U64(1) << 32) == BAD_ARGUMENT, "more than four"
    system.handle_close(handle)


def only_ports_are_read_and_written() -> None:
    """device_read and device_write on lines or memory are BadArgument."""
    lines = system.device_create(MACHINE, QUOTA, LINES, FREE_LINE, U64(1))
    memory = system.device_create(MACHINE, QUOTA, MEMORY, FREE_ADDRESS, U64(4096))
    assert _read(lines, U64(0), U64(1)) == BAD_ARGUMENT, "lines"
    assert _write(memory, U64(0), U64(1), U64(0)) == BAD_ARGUMENT, "memory"
    system.handle_close(lines)
    system.handle_close(memory)


# Memory

# Where microvm has its virtio devices: the first register of each reads as "virt" (OASIS virtio 1.2, section 4.2.2).
VIRTIO = U64(0xFEB0_0000)
VIRTIO_MAGIC = 0x7472_6976
SPACE = U64(initial.SPACE)

_memory = attempt("device_memory")
_clone = attempt("memory_clone")


def _device_memory() -> U64:
    device = system.device_create(MACHINE, QUOTA, MEMORY, VIRTIO, U64(4096))
    memory = system.device_memory(device, QUOTA)
    system.handle_close(device)
    return memory


def registers_appear_where_device_memory_is_mapped() -> None:
    """What device_memory gives can be mapped, and shows the device's registers."""
    device = system.device_create(MACHINE, QUOTA, MEMORY, VIRTIO, U64(4096))
    registers = Registers()
    registers.map(device, QUOTA, buffer_page(), U64(4096))
    assert registers.read(U64(0)) == VIRTIO_MAGIC and registers.read(U64(0x200)) == VIRTIO_MAGIC, "two devices"
    registers.write(U64(0x24), U32(1))
    system.space_unmap(SPACE, registers.address.value, U64(4096))
    system.handle_close(registers.memory)
    system.handle_close(device)


def device_memory_costs_no_pages() -> None:
    """The quota pays for the object of device memory, not for its pages."""
    device = system.device_create(MACHINE, QUOTA, MEMORY, FREE_ADDRESS, MEGABYTE)
    used = quota_used()
    memory = system.device_memory(device, QUOTA)
    assert quota_used() - used < 4096, "its object alone"
    system.handle_close(memory)
    assert quota_used() == used, "given back"
    system.handle_close(device)


def device_memory_is_not_cloned() -> None:
    """memory_clone of device memory is BadState."""
    memory = _device_memory()
    assert _clone(memory, QUOTA, U64(0)) == BAD_STATE, "a device"
    system.handle_close(memory)


def only_memory_is_mapped() -> None:
    """device_memory of ports, lines or the machine is BadArgument; it needs MAP."""
    ports = _ports(FREE_PORT, U64(4))
    assert _memory(ports, QUOTA) == BAD_ARGUMENT and _memory(MACHINE, QUOTA) == BAD_ARGUMENT, "no memory"
    weak = weaker(MACHINE, Rights.ALLOCATE | Rights.READ | Rights.WRITE)
    assert _memory(weak, QUOTA) == DENIED, "without the right"
    system.handle_close(weak)
    system.handle_close(ports)


def ports_need_their_rights() -> None:
    """device_read needs READ, device_write needs WRITE."""
    handle = _ports(FREE_PORT, U64(1))
    readable = weaker(handle, Rights.READ)
    writable = weaker(handle, Rights.WRITE)
    assert _read(readable, U64(0), U64(1)) == 0 and _read(writable, U64(0), U64(1)) == DENIED, "reading"
    assert _write(writable, U64(0), U64(1), U64(0)) == 0, "writing"
    assert _write(readable, U64(0), U64(1), U64(0)) == DENIED, "writing without the right"
    system.handle_revoke(handle)
    assert _read(readable, U64(0), U64(1)) == BAD_HANDLE, "revoked"
    system.handle_close(handle)
