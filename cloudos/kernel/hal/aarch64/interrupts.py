"""The Generic Interrupt Controller, versions 2 (Arm IHI 0048) and 3 (IHI 0069, by system registers).

All interrupts are of group 1, or of the only group that version 2 shows; lines are the shared peripheral interrupts,
whose numbers in the controller begin at 32. Their priority is the highest that the group has, which is what a reset
leaves, and their target processor 0.
"""

from __future__ import annotations

from cloudos.abi.devices import LEVEL, LINES, MEMORY
from cloudos.kernel.hal.aarch64 import cpu, mmu
from cloudos.kernel.hal.aarch64.device_tree import LEFT_TO_DRIVER, MACHINE
from cloudos.kernel.hal.aarch64.processor import OWN, State
from cloudos.kernel.hal.interface import MAXIMUM_LINES, RESOURCE_END, FrameSource
from cloudos.kernel.hal.shared.kept import keep
from cloudos.kernel.hal.shared.registers import register
from cloudos.lang import U32, U64, PhysAddr, Template, VirtAddr, machine, never_inlined, place, struct, zeroed

FIRST_LINE = 32
# Arm Base System Architecture (DEN0094), private peripheral interrupts: the virtual timer's.
TIMER = 27
# The software generated interrupt of one processor to another.
PROCESSOR = 0
NOBODY = 1023

# Of MACHINE.ranges.
REDISTRIBUTORS, FURTHER = 2, 4
# Of the distributor; the same registers for private interrupts stand in a redistributor's second page, or in the
# distributor of version 2.
CONTROL = 0
GROUPS = 0x80
OPEN = 0x100
CLOSE = 0x180
TARGETS = 0x800
SEND = 0xF00
MODES = 0xC00
ROUTES = 0x6000
# Both groups where there is one security state, affinity routing.
CONTROL_ON_2 = 1
CONTROL_ON_3 = 0x13
# Of the processor's interface of version 2.
INTERFACE_CONTROL = 0
INTERFACE_PRIORITY = 4
INTERFACE_TAKE = 0xC
INTERFACE_END = 0x10
LOWEST_PRIORITY = 0xFF
# Of a redistributor, of which there is one per processor.
REDISTRIBUTOR_BYTES = 0x2_0000
TYPE_AFFINITY = 0xC
WAKER = 0x14
WAKER_SLEEP = 1 << 1
WAKER_ASLEEP = 2
PRIVATE = 0x1_0000


@struct
class Controller:
    """Where the registers are mapped, and which lines are the kernel's own: 0 for none.

    `interface`: the processors' of version 2, which all find their own there; the redistributors of version 3, of which
    there may be more `further` on.
    """

    distributor: VirtAddr = zeroed()
    interface: VirtAddr = zeroed()
    further: VirtAddr = zeroed()
    console: U64 = U64(0)
    channel: U64 = U64(0)


CONTROLLER = place(Controller())


# ICC_IAR1_EL1, ICC_EOIR1_EL1; then ICC_SRE_EL1, ICC_PMR_EL1, ICC_IGRPEN1_EL1.
@machine(aarch64=Template("mrs %[result], s3_0_c12_c12_0; dsb sy", result="=r", clobbers=("memory",)))
def _take_3() -> U64:
    """Acknowledge the interrupt that is pending: its number."""
    return U64(NOBODY)


@machine(aarch64=Template("msr s3_0_c12_c12_1, %[number]", inputs={"number": "r"}, clobbers=("memory",)))
def _end_3(number: U64) -> None:
    """End an interrupt."""


@machine(
    aarch64=Template(
        "mov x9, #7; msr s3_0_c12_c12_5, x9; isb; mov x9, #255; msr s3_0_c4_c6_0, x9; "
        "mov x9, #1; msr s3_0_c12_c12_7, x9; isb",
        clobbers=("x9", "memory"),
    )
)
def _start_interface_3() -> None:
    """System registers on, all priorities, group 1."""


def take() -> U64:
    """Acknowledge the interrupt that is pending: its number; NOBODY when there is none after all."""
    if OWN.has_registers != 0:
        OWN.interrupt = _take_3()
    else:
        OWN.interrupt = U64(cpu.device_read_u32(register(CONTROLLER.interface, U64(INTERFACE_TAKE))))
    return OWN.interrupt & 1023


def acknowledge() -> None:
    """End the interrupt being handled."""
    if OWN.has_registers != 0:
        _end_3(OWN.interrupt)
    else:
        cpu.device_write_u32(register(CONTROLLER.interface, U64(INTERFACE_END)), U32(OWN.interrupt))


def _set_bit(registers: U64, number: U64) -> None:
    """Write the bit of an interrupt in registers that have one for each, and where zeroes do nothing."""
    bit = U32(1) << U32.truncate(number % 32)
    cpu.device_write_u32(register(CONTROLLER.distributor, registers + number // 32 * 4), bit)


@never_inlined
def configure(line: U64, flags: U64, is_open: bool) -> None:
    """Open or mask a line that the kernel itself does not use. `flags`: of `cloudos.abi.devices`.

    A signal is high, or begins by rising: what LOW says, the board has inverted already.
    """
    number = line + FIRST_LINE
    if not is_open:
        _set_bit(U64(CLOSE), number)
        return
    place = register(CONTROLLER.distributor, MODES + number // 16 * 4)
    edge = U32(2) << U32.truncate(number % 16 * 2)
    modes = cpu.device_read_u32(place)
    cpu.device_write_u32(place, modes & ~edge if flags & LEVEL != 0 else modes | edge)
    _set_bit(U64(OPEN), number)


def take_channel(line: U64) -> None:
    """Deliver the interrupts of the program channel."""
    CONTROLLER.channel = line + FIRST_LINE
    _take_line(line)


def _take_line(line: U64) -> None:
    """Open a line for the kernel, level-triggered."""
    keep(U64(LINES), line, line + 1)
    configure(line, U64(LEVEL), True)


@machine(aarch64=Template("msr s3_0_c12_c11_5, %[target]; isb", inputs={"target": "r"}, clobbers=("memory",)))
def _send_3(target: U64) -> None:
    """ICC_SGI1R_EL1: interrupt a processor."""


def send(own: State) -> None:
    """Interrupt a processor."""
    # What was written before is there for it.
    cpu.publish_tables()
    if OWN.has_registers != 0:
        _send_3(own.target)
    else:
        cpu.device_write_u32(register(CONTROLLER.distributor, U64(SEND)), U32(own.target))


def start(frames: FrameSource) -> None:
    """Turn the controller on, with the timer and the console's line. Raises OutOfMemory."""
    machine = MACHINE
    keep(U64(LINES), U64(MAXIMUM_LINES), U64(RESOURCE_END))
    distributor = _map(U64(0))
    CONTROLLER.distributor = distributor
    CONTROLLER.interface = _map(U64(REDISTRIBUTORS))
    CONTROLLER.further = _map(U64(FURTHER))
    if machine.gic_version == 3:
        cpu.device_write_u32(distributor, U32(CONTROL_ON_3))
        affinity = cpu.affinity()
        for number in U64.range(FIRST_LINE, FIRST_LINE + MAXIMUM_LINES):
            route = register(distributor, ROUTES + number * 8)
            cpu.device_write_u32(route, U32.truncate(affinity))
            cpu.device_write_u32(register(route, U64(4)), U32(affinity >> 32))
            if number % 32 == 0:
                cpu.device_write_u32(register(distributor, GROUPS + number // 8), U32(0xFFFF_FFFF))
    else:
        cpu.device_write_u32(distributor, U32(CONTROL_ON_2))
        for number in U64.range(FIRST_LINE, FIRST_LINE + MAXIMUM_LINES, 4):
            cpu.device_write_u32(register(distributor, TARGETS + number), U32(0x0101_0101))
    start_local()
    if machine.uart > LEFT_TO_DRIVER:
        CONTROLLER.console = machine.uart_line + FIRST_LINE
        _take_line(machine.uart_line)


def _map(index: U64) -> VirtAddr:
    """Map a range of registers, and keep them from drivers."""
    place, length = MACHINE.ranges[index], MACHINE.ranges[index + 1]
    keep(U64(MEMORY), place, place + length)
    return mmu.map_device(PhysAddr(place), length)


def start_local() -> None:
    """The part of this processor: its interface, its timer, and interrupts of others."""
    if MACHINE.gic_version == 3:
        OWN.has_registers = U64(1)
        _start_3(cpu.affinity())
        return
    # What reads of the first targets say is who reads.
    targets = cpu.device_read_u32(register(CONTROLLER.distributor, U64(TARGETS)))
    OWN.target = U64(targets & 0xFF) << 16
    _open(CONTROLLER.distributor)
    cpu.device_write_u32(register(CONTROLLER.interface, U64(INTERFACE_PRIORITY)), U32(LOWEST_PRIORITY))
    cpu.device_write_u32(register(CONTROLLER.interface, U64(INTERFACE_CONTROL)), U32(1))


def _open(registers: VirtAddr) -> None:
    """Open this processor's own interrupts."""
    cpu.device_write_u32(register(registers, U64(OPEN)), U32(1 << TIMER | 1 << PROCESSOR))


def _start_3(affinity: U64) -> None:
    """Version 3: this processor's redistributor and interface. As an ICC_SGI1R_EL1 says where: by groups of 16."""
    OWN.target = (affinity & 0xFF_0000_0000) << 16 | (affinity & 0xFF_0000) << 16 | (affinity & 0xFF00) << 8
    OWN.target = OWN.target | (affinity & 0xF0) << 40 | U64(1) << (affinity & 15)
    own = U32.truncate(affinity & 0xFF_FFFF | affinity >> 8 & 0xFF00_0000)
    place = CONTROLLER.interface
    while cpu.device_read_u32(register(place, U64(TYPE_AFFINITY))) != own:
        place = register(place, U64(REDISTRIBUTOR_BYTES))
        if place.value - CONTROLLER.interface.value == MACHINE.ranges[REDISTRIBUTORS + 1]:
            place = CONTROLLER.further
    waker = register(place, U64(WAKER))
    cpu.device_write_u32(waker, cpu.device_read_u32(waker) & ~U32(WAKER_SLEEP))
    while cpu.device_read_u32(waker).bit(WAKER_ASLEEP):
        cpu.pause()
    private = register(place, U64(PRIVATE))
    cpu.device_write_u32(register(private, U64(GROUPS)), U32(0xFFFF_FFFF))
    _open(private)
    _start_interface_3()
