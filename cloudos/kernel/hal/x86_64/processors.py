"""The other processors: which there are, how they start, how they are interrupted.

Processors come from the ACPI table "APIC" (MADT, ACPI specification 6.4, section 5.2.12), by the identifiers of their
local APICs, of which the xAPIC knows those up to 254, and the x2APIC all; larger ones than MOST_IDENTIFIERS are left
out. A processor is started by INIT and SIPI (Intel SDM volume 3, section 9.4; without the waits that processors before
the Pentium 4 needed), one after the other, each on the stacks that are mapped for it.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import OutOfMemory
from cloudos.kernel.hal.interface import MAXIMUM_PROCESSORS, FrameSource
from cloudos.kernel.hal.shared import lock
from cloudos.kernel.hal.shared.lock import are_several
from cloudos.kernel.hal.x86_64 import acpi, boot, cpu, interrupts, mmu, nodes, timer, trap
from cloudos.kernel.hal.x86_64.processor import MODEL, OWN, State, is_alone, is_home, this
from cloudos.kernel.hal.x86_64.vectors import VECTOR_PROCESSOR
from cloudos.lang import (
    U8,
    U32,
    U64,
    Array,
    LinkerSymbol,
    Order,
    PhysAddr,
    Ptr,
    Slice,
    VirtAddr,
    interpreted,
    never_inlined,
    place,
    struct,
    zeroed,
)

__all__ = ["OutOfMemory", "State", "are_several", "is_alone", "is_home", "this"]

REGISTER_IDENTIFIER = 0x20
REGISTER_COMMAND = 0x300
REGISTER_TARGET = 0x310
MSR_COMMAND = 0x830
COMMAND_INIT = 0x4500
COMMAND_START = 0x4600
PENDING = 1 << 12
CALL_BYTES = 5
CALL_USER_TRAP, LOCKED_USER_TRAP = LinkerSymbol("call_user_trap"), LinkerSymbol("locked_user_trap")
CALL_SYSTEM_CALL, LOCKED_SYSTEM_CALL = LinkerSymbol("call_system_call"), LinkerSymbol("locked_system_call")
# The page, below the firmware's, where the code for a processor that starts is put.
START_PAGE = 8
# It is no longer; what follows it does no harm.
START_BYTES = 128
SIGNATURE = 0x4349_5041  # "APIC"
MADT_ENTRIES = 44
KIND_LOCAL_APIC = 0
KIND_LOCAL_X2APIC = 9
ENABLED = 1
INIT_NS = 100_000
# A processor that takes its time, as under emulation, is told again and again; one that has begun does not mind.
START_NS = 1_000_000
START_ATTEMPTS = 2_000


@struct
class Known:
    """The identifiers of the processors, the first one's first."""

    identifiers: Array[U32, Literal[256]] = zeroed()


KNOWN = place(Known())


# Whether the kernel asserts that it is alone where it must be.
CHECKED = False


@interpreted
def model_data(data: object) -> None:
    """Under CPython: what `this` finds while no machine runs."""
    MODEL[:] = [data]


def start_first(own: State) -> None:
    """Become a processor: faults are reported, protections on, system calls ready; `this` is `own` from here on."""
    _start(own, boot.KERNEL_STACK_TOP.address.value)


def _start(own: State, stack: U64) -> None:
    own.address = Ptr.to(own).address
    trap.start(own, stack)
    cpu.start(own)


def find(frames: FrameSource) -> U64:
    """How many processors there are. Raises OutOfMemory."""
    OWN.identifier = interrupts.apic_read(U32(REGISTER_IDENTIFIER))
    own = OWN.identifier >> _shift()
    KNOWN.identifiers[0] = own
    count = U64(1)
    table = acpi.find(U32(SIGNATURE), frames)
    if table.value == 0:
        return count
    at = table.offset(MADT_ENTRIES)
    end = acpi.end_of(table)
    while at < end and count < MAXIMUM_PROCESSORS:
        # Kind, length, processor, identifier.
        head = acpi.number(at)
        identifier = head >> 24
        flags = acpi.number(at.offset(4))
        kind = head & 0xFF
        if kind == KIND_LOCAL_X2APIC and interrupts.CONTROLLERS.extended:
            # Kind, length, reserved, identifier, flags.
            identifier = flags
            flags = acpi.number(at.offset(8))
            kind = U32(KIND_LOCAL_APIC)
        if kind == KIND_LOCAL_APIC and identifier != own and identifier < nodes.MOST_IDENTIFIERS:
            if flags & ENABLED != 0:
                KNOWN.identifiers[count] = identifier
                count = count + 1
        at = at.offset(U64(max(head >> 8 & 0xFF, U32(1))))
    return count


def _shift() -> U32:
    """Where in a register of the local APIC an identifier begins."""
    return U32(0) if interrupts.CONTROLLERS.extended else U32(24)


def node(number: U64) -> U64:
    """The node that a processor belongs to, after `find`."""
    return U64(nodes.PROCESSORS.nodes[KNOWN.identifiers[number]])


def prepare() -> None:
    """Before the first other processor is started."""
    timer.settle()
    code = Slice.of(Ptr.at(U8, boot.START.address), U64(START_BYTES))
    Slice.of(Ptr.at(U8, mmu.direct(PhysAddr(START_PAGE * 4096))), code.length).copy_from(code)
    lock.begin()
    _call_instead(CALL_USER_TRAP.address, LOCKED_USER_TRAP.address)
    _call_instead(CALL_SYSTEM_CALL.address, LOCKED_SYSTEM_CALL.address)


def _call_instead(place: VirtAddr, target: VirtAddr) -> None:
    """Change the call at a place of the entry code, which costs nothing where there is one processor."""
    distance = Ptr.at(U32, mmu.direct(PhysAddr(place.value + 1 - boot.KERNEL_BASE)))
    distance.value = U32.truncate(target.value.wrapping_sub(place.value + CALL_BYTES))


def make(number: U64, pages: U64, frames: FrameSource) -> VirtAddr:
    """Memory for what the kernel keeps for a processor, where its stack ends. Raises OutOfMemory."""
    return mmu.map_stacks(pages, frames)


def start(number: U64, own: State) -> bool:
    """Start a processor, whose `this` is `own`: it comes to `kernel_processor`. False: it did not."""
    Ptr.at(VirtAddr, boot.START_STACK.address).value = Ptr.to(own).address
    own.identifier = KNOWN.identifiers[number] << _shift()
    _send(own, U32(COMMAND_INIT))
    _wait(own, U64(INIT_NS))
    for _ in U64.range(START_ATTEMPTS):
        _send(own, U32(COMMAND_START | START_PAGE))
        if _wait(own, U64(START_NS)):
            return True
    # It must not begin later, on another one's stacks.
    _send(own, U32(COMMAND_INIT))
    return False


def _wait(own: State, duration: U64) -> bool:
    """Whether a processor runs, at the latest after so many nanoseconds."""
    end = timer.now() + duration
    while own.running.load(Order.ACQUIRE) == 0:
        if timer.now() > end:
            return False
        cpu.pause()
    return True


def begin(own: State) -> None:
    """What a processor that was started does first."""
    _start(own, Ptr.to(own).address.value)
    interrupts.start_local()
    timer.start_local()
    own.running.store(U32(1), Order.RELEASE)


@never_inlined
def _send(own: State, command: U32) -> None:
    if interrupts.CONTROLLERS.extended:
        cpu.msr_write_last(U32(MSR_COMMAND), U64(own.identifier) << 32 | U64(command))
        return
    interrupts.apic_write(U32(REGISTER_TARGET), own.identifier)
    interrupts.apic_write(U32(REGISTER_COMMAND), command)
    while interrupts.apic_read(U32(REGISTER_COMMAND)) & PENDING != 0:
        cpu.pause()


def interrupt(own: State) -> None:
    """Have a processor enter the kernel, if it is not there."""
    _send(own, U32(VECTOR_PROCESSOR))
