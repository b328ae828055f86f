"""The other processors: which there are, how they start, how they are interrupted.

They come from the device tree, and are started by PSCI (DEN0022, section 5.6) one after the other, each on the stack
that is mapped for it.
"""

from __future__ import annotations

from cloudos.abi.errors import OutOfMemory
from cloudos.kernel.hal.aarch64 import boot, cpu, interrupts, mmu, power, timer, trap
from cloudos.kernel.hal.aarch64.device_tree import MACHINE
from cloudos.kernel.hal.aarch64.processor import MODEL, State, is_alone, is_home, this
from cloudos.kernel.hal.interface import FrameSource
from cloudos.kernel.hal.shared import lock
from cloudos.kernel.hal.shared.direct import direct
from cloudos.kernel.hal.shared.lock import are_several
from cloudos.lang import U32, U64, Order, Ptr, VirtAddr, interpreted

__all__ = ["OutOfMemory", "State", "are_several", "is_alone", "is_home", "this"]

CHANGED_CALLS = 2
# More are used only where there are enough ASIDs that each may have one.
FEW = 128


# Whether the kernel asserts that it is alone where it must be.
CHECKED = False


@interpreted
def model_data(data: object) -> None:
    """Under CPython: what `this` finds while no machine runs."""
    MODEL[:] = [data]


def start_first(own: State) -> None:
    """Become a processor: faults are reported, protections on, system calls ready; `this` is `own` from here on."""
    trap.start(Ptr.to(own).address)
    cpu.start()


def find(frames: FrameSource) -> U64:
    """How many processors there are."""
    if not cpu.translation_control().bit(mmu.WIDE_ASIDS):
        MACHINE.processor_count = min(MACHINE.processor_count, U64(FEW))
    return MACHINE.processor_count + 1


def node(number: U64) -> U64:
    """The node that a processor belongs to."""
    return U64(MACHINE.nodes[number])


def prepare() -> None:
    """Before the first other processor is started: the kernel is closed to others."""
    if MACHINE.processor_count > FEW:
        mmu.TAGS.last = U64(0xFFFF)
    lock.begin()
    # Calls in the entry code become others. One processor pays nothing for what they do.
    calls = Ptr.at(VirtAddr, trap.CHANGED_CALLS.address)
    words = calls.offset(CHANGED_CALLS).cast(U32)
    for index in U64.range(CHANGED_CALLS):
        place = direct(mmu.image_address(calls.offset(index).value))
        Ptr.at(U32, place).value = words.offset(index).value
        cpu.synchronize_code(place, U64(4))
    cpu.synchronize()


def make(number: U64, pages: U64, frames: FrameSource) -> VirtAddr:
    """Memory for what the kernel keeps for a processor, where its stack ends. Raises OutOfMemory."""
    return mmu.map_place(number, pages, frames)


def start(number: U64, own: State) -> bool:
    """Start a processor, whose `this` is `own`: it comes to `kernel_processor`. False: it did not."""
    entry = mmu.image_address(boot.START.address)
    started = power.start_processor(MACHINE.processors[number - 1], entry, Ptr.to(own).address)
    while started and own.running.load(Order.ACQUIRE) == 0:
        cpu.pause()
    return started


def begin(own: State) -> None:
    """What a processor that was started does first."""
    start_first(own)
    cpu.forbid_writable_code()
    interrupts.start_local()
    timer.handle_interrupt()
    own.running.store(U32(1), Order.RELEASE)


def interrupt(own: State) -> None:
    """Have a processor enter the kernel, if it is not there."""
    interrupts.send(own)
