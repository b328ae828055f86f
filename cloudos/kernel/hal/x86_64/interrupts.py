"""Local APIC and I/O APIC: AMD64 manual volume 2, chapter 16; Intel 82093AA data sheet."""

from __future__ import annotations

from cloudos.kernel.hal.interface import FrameSource
from cloudos.kernel.hal.x86_64 import cpu, mmu
from cloudos.kernel.hal.x86_64.trap import VECTOR_CHANNEL, VECTOR_CONSOLE, VECTOR_SPURIOUS
from cloudos.lang import U8, U16, U32, U64, PhysAddr, VirtAddr, place, struct, zeroed

LOCAL_APIC = 0xFEE0_0000
IO_APIC = 0xFEC0_0000
# QEMU's microvm has a second one for its virtio devices.
SECOND_IO_APIC = 0xFEC1_0000
IO_APIC_WINDOW = 0x10
IO_APIC_VERSION = 1
IO_APIC_ROUTES = 0x10
REGISTER_END = 0xB0
REGISTER_SPURIOUS = 0xF0
APIC_ENABLE = 1 << 8
COM1_LINE = 4
COM2_LINE = 3
LINES = 24


@struct
class Controllers:
    """Where the registers are mapped."""

    local: VirtAddr = zeroed()
    first: VirtAddr = zeroed()
    second: VirtAddr = zeroed()


CONTROLLERS = place(Controllers())


def apic_read(register: U32) -> U32:
    """Read a register of the local APIC."""
    return cpu.device_read_u32(CONTROLLERS.local.offset(U64(register)))


def apic_write(register: U32, value: U32) -> None:
    """Write a register of the local APIC."""
    cpu.device_write_u32(CONTROLLERS.local.offset(U64(register)), value)


def _route(controller: VirtAddr, line: U64, vector: U64) -> None:
    """Deliver a line, edge-triggered, to processor 0."""
    register = U32(line * 2 + IO_APIC_ROUTES)
    cpu.device_write_u32(controller, register + 1)
    cpu.device_write_u32(controller.offset(IO_APIC_WINDOW), U32(0))
    cpu.device_write_u32(controller, register)
    cpu.device_write_u32(controller.offset(IO_APIC_WINDOW), U32(vector))


def start(frames: FrameSource) -> None:
    """Enable the local APIC, silence the old controllers, route the console's line. Raises OutOfMemory."""
    CONTROLLERS.local = mmu.map_device(PhysAddr(LOCAL_APIC), U64(4096), frames)
    CONTROLLERS.first = mmu.map_device(PhysAddr(IO_APIC), U64(4096), frames)
    CONTROLLERS.second = mmu.map_device(PhysAddr(SECOND_IO_APIC), U64(4096), frames)
    cpu.port_write_u8(U16(0x21), U8(0xFF))
    cpu.port_write_u8(U16(0xA1), U8(0xFF))
    apic_write(U32(REGISTER_SPURIOUS), U32(APIC_ENABLE | VECTOR_SPURIOUS))
    _route(CONTROLLERS.first, U64(COM1_LINE), U64(VECTOR_CONSOLE))


def route_serial_channel() -> None:
    """Deliver COM2's interrupts."""
    _route(CONTROLLERS.first, U64(COM2_LINE), U64(VECTOR_CHANNEL))


def route_virtio_channel(slot: U64) -> None:
    """Deliver the interrupts of microvm's virtio device number `slot`.

    QEMU, hw/i386/microvm.c: with a second I/O APIC they are its lines from 0; otherwise those of the first from 16
    (with ACPI) or 5. Lines without a device stay silent, so both are routed.
    """
    cpu.device_write_u32(CONTROLLERS.second, U32(IO_APIC_VERSION))
    version = cpu.device_read_u32(CONTROLLERS.second.offset(IO_APIC_WINDOW))
    # Bits 16 to 23: number of the last line. Where nothing is, all bits read as 0 or 1.
    if (version >> 16) & 0xFF == LINES - 1:
        _route(CONTROLLERS.second, slot, U64(VECTOR_CHANNEL))
    elif slot < 8:
        _route(CONTROLLERS.first, slot + 16, U64(VECTOR_CHANNEL))
        _route(CONTROLLERS.first, slot + 5, U64(VECTOR_CHANNEL))


def acknowledge() -> None:
    """End the interrupt being handled."""
    apic_write(U32(REGISTER_END), U32(0))
