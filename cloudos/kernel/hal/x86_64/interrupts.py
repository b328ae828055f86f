"""Local APIC and I/O APIC: AMD64 manual volume 2, chapter 16; Intel 82093AA data sheet.

Where processors offer it, the registers of the local APIC are model specific ones (x2APIC): those need no exit from a
virtual machine, and name more than 255 processors. Intel SDM volume 3, section 11.12.
"""

from __future__ import annotations

from cloudos.abi.devices import LEVEL, LINES, LOW, MEMORY, PORTS
from cloudos.kernel.hal.interface import RESOURCE_END, FrameSource
from cloudos.kernel.hal.shared.kept import keep
from cloudos.kernel.hal.x86_64 import cpu, mmu
from cloudos.kernel.hal.x86_64.vectors import VECTOR_CHANNEL, VECTOR_CONSOLE, VECTOR_LINES, VECTOR_SPURIOUS
from cloudos.lang import U8, U16, U32, U64, PhysAddr, VirtAddr, never_inlined, place, struct, zeroed

LOCAL_APIC = 0xFEE0_0000
IO_APIC = 0xFEC0_0000
# QEMU's microvm has a second one for its virtio devices.
SECOND_IO_APIC = 0xFEC1_0000
IO_APIC_END = 0xFEC2_0000
IO_APIC_WINDOW = 0x10
IO_APIC_VERSION = 1
IO_APIC_ROUTES = 0x10
REGISTER_END = 0xB0
REGISTER_SPURIOUS = 0xF0
APIC_ENABLE = 1 << 8
MSR_BASE = 0x1B
BASE_EXTENDED = 1 << 10
MSR_REGISTERS = 0x800
FEATURES = 1
FEATURE_EXTENDED = 21
COM1_LINE = 4
COM2_LINE = 3
LINES_PER_CONTROLLER = 24
# Of an I/O APIC's entry.
MASKED = 1 << 16
LEVEL_SHIFT = 15
LOW_SHIFT = 13


@struct
class Controllers:
    """Where the registers are mapped. `extended`: those of the local APIC are model specific ones."""

    local: VirtAddr = zeroed()
    extended: bool = False
    first: VirtAddr = zeroed()
    second: VirtAddr = zeroed()
    has_second: bool = False


CONTROLLERS = place(Controllers())


def apic_read(register: U32) -> U32:
    """Read a register of the local APIC."""
    if CONTROLLERS.extended:
        return U32.truncate(cpu.msr_read(_msr(register)))
    return cpu.device_read_u32(VirtAddr(CONTROLLERS.local.value | U64(register)))


def apic_write(register: U32, value: U32) -> None:
    """Write a register of the local APIC."""
    if CONTROLLERS.extended:
        cpu.msr_write(_msr(register), U64(value))
    else:
        cpu.device_write_u32(VirtAddr(CONTROLLERS.local.value | U64(register)), value)


def _msr(register: U32) -> U32:
    """The number of the model specific register that stands for one of the local APIC's."""
    return (register >> 4) | MSR_REGISTERS


@never_inlined
def _set_entry(line: U64, entry: U32) -> None:
    """Write what is to happen with a line; its interrupts go to processor 0."""
    controller = CONTROLLERS.first
    register = U32.truncate(line)
    if register >= LINES_PER_CONTROLLER:
        controller = CONTROLLERS.second
        register = register - LINES_PER_CONTROLLER
    window = VirtAddr(controller.value | IO_APIC_WINDOW)
    register = register.wrapping_mul(2).wrapping_add(IO_APIC_ROUTES)
    cpu.device_write_u32(controller, register | 1)
    cpu.device_write_u32(window, U32(0))
    cpu.device_write_u32(controller, register)
    cpu.device_write_u32(window, entry)


def configure(line: U64, flags: U64, is_open: bool) -> None:
    """Open or mask a line that the kernel itself does not use. `flags`: of `cloudos.abi.devices`."""
    modes = U32.truncate(flags)
    entry = U32.truncate(line).wrapping_add(VECTOR_LINES)
    entry = entry | (modes & LEVEL).wrapping_shl(LEVEL_SHIFT) | (modes & LOW).wrapping_shl(LOW_SHIFT - 1)
    _set_entry(line, entry if is_open else entry | MASKED)


@never_inlined
def _take(line: U64, vector: U32) -> None:
    """Open a line for the kernel, edge-triggered."""
    keep(U64(LINES), line, line + 1)
    _set_entry(line, vector)


def start(frames: FrameSource) -> None:
    """Enable the local APIC, silence the old controllers, open the console's line. Raises OutOfMemory."""
    _, _, features, _ = cpu.cpuid(U32(FEATURES), U32(0))
    CONTROLLERS.extended = features.bit(FEATURE_EXTENDED)
    CONTROLLERS.local = mmu.map_device(PhysAddr(LOCAL_APIC), U64(4096), frames)
    CONTROLLERS.first = mmu.map_device(PhysAddr(IO_APIC), U64(4096), frames)
    CONTROLLERS.second = mmu.map_device(PhysAddr(SECOND_IO_APIC), U64(4096), frames)
    cpu.device_write_u32(CONTROLLERS.second, U32(IO_APIC_VERSION))
    version = cpu.device_read_u32(CONTROLLERS.second.offset(IO_APIC_WINDOW))
    # Bits 16 to 23: number of the last line. Where nothing is, all bits read as 0 or 1.
    CONTROLLERS.has_second = (version >> 16) & 0xFF == LINES_PER_CONTROLLER - 1
    lines = U64(2 * LINES_PER_CONTROLLER) if CONTROLLERS.has_second else U64(LINES_PER_CONTROLLER)
    keep(U64(LINES), lines, U64(RESOURCE_END))
    keep(U64(MEMORY), U64(IO_APIC), U64(IO_APIC_END))
    keep(U64(MEMORY), U64(LOCAL_APIC), U64(LOCAL_APIC + 4096))
    # The controllers of the first PC: opened, they would send interrupts that nobody expects.
    keep(U64(PORTS), U64(0x20), U64(0x22))
    keep(U64(PORTS), U64(0xA0), U64(0xA2))
    cpu.port_write_u8(U16(0x21), U8(0xFF))
    cpu.port_write_u8(U16(0xA1), U8(0xFF))
    start_local()
    _take(U64(COM1_LINE), U32(VECTOR_CONSOLE))


def start_local() -> None:
    """Enable the local APIC of this processor."""
    if CONTROLLERS.extended:
        cpu.msr_write(U32(MSR_BASE), cpu.msr_read(U32(MSR_BASE)) | BASE_EXTENDED)
    apic_write(U32(REGISTER_SPURIOUS), U32(APIC_ENABLE | VECTOR_SPURIOUS))


def route_serial_channel() -> None:
    """Deliver COM2's interrupts."""
    _take(U64(COM2_LINE), U32(VECTOR_CHANNEL))


def route_virtio_channel(slot: U64) -> None:
    """Deliver the interrupts of microvm's virtio device number `slot`.

    QEMU, hw/i386/microvm.c: with a second I/O APIC they are its lines from 0; otherwise those of the first from 16
    (with ACPI) or 5. Lines without a device stay silent, so both are opened.
    """
    if CONTROLLERS.has_second:
        _take(slot + LINES_PER_CONTROLLER, U32(VECTOR_CHANNEL))
    elif slot < 8:
        _take(slot + 16, U32(VECTOR_CHANNEL))
        _take(slot + 5, U32(VECTOR_CHANNEL))


def acknowledge() -> None:
    """End the interrupt being handled."""
    apic_write(U32(REGISTER_END), U32(0))
