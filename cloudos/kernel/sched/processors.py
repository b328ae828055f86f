"""Starting processors, taking the kernel lock, resting: what a processor does that runs no thread."""

from __future__ import annotations

from cloudos.abi.errors import OutOfMemory
from cloudos.kernel.hal import cpu, mmu, processors, trap
from cloudos.kernel.memory.frames import FRAMES
from cloudos.kernel.sched import requests
from cloudos.kernel.sched.processor import FIRST, PROCESSOR, Processor
from cloudos.kernel.sched.requests import FORGET, LET_GO, LINES, STOP, Own
from cloudos.lang import U32, U64, Order, Ptr, never_inlined, null, size_of

__all__ = ["OutOfMemory"]

# A Processor takes so many frames, as a power of two.
ORDER = 1
assert size_of(Processor) <= 4096 << ORDER


def start_first() -> None:
    """The processor that boots has its data."""
    LINES.of[0] = Ptr.to(FIRST).cast(Own)
    LINES.count = U64(1)
    processors.start_first(FIRST.machine)


def start_others() -> None:
    """Start all other processors. They wait for the kernel lock. Raises OutOfMemory."""
    count = processors.find(FRAMES)
    if count == 1:
        return
    processors.prepare()
    for number in U64.range(1, count):
        made = Ptr.at(Processor, mmu.direct(FRAMES.allocate_zeroed_block(U64(ORDER))))
        made.value.line.number = U32(number)
        if processors.start(number, made.value.machine, FRAMES):
            LINES.of[LINES.count] = made.cast(Own)
            LINES.count = LINES.count + 1


@never_inlined
def lock(frame: Ptr[trap.UserFrame]) -> None:
    """Take the kernel lock. `frame`: the registers of the current thread, null while there is none."""
    while not processors.try_lock():
        answer(frame)
        cpu.pause()


def answer(frame: Ptr[trap.UserFrame]) -> None:
    """Do what the processor that has the kernel lock asks for, if it does."""
    request = requests.OWN.line.request.load(Order.ACQUIRE)
    if request == 0:
        return
    if request == FORGET:
        mmu.forget_translations()
    elif request == LET_GO:
        let_go()
        if frame.value.is_system_call:
            frame.value.restart()
    requests.OWN.line.request.store(U32(0), Order.RELEASE)
    while request == STOP:
        cpu.halt()


@never_inlined
def let_go() -> None:
    """Have nothing of a thread's in this processor any more: its vector registers are saved, its memory is not used."""
    loaded = PROCESSOR.loaded
    if not loaded.is_null():
        trap.save_vectors(Ptr.to(loaded.value.vectors).address)
        PROCESSOR.loaded = null()
    if PROCESSOR.line.root != mmu.KERNEL.pages.root:
        PROCESSOR.line.root = mmu.KERNEL.pages.root
        mmu.KERNEL.pages.activate()


@never_inlined
def rest(deeply: bool) -> None:
    """Let interrupts be handled, and other processors be in the kernel; `deeply`: sleep until there is an interrupt."""
    if processors.are_several():
        PROCESSOR.current = null()
        let_go()
        processors.unlock()
    if deeply:
        cpu.wait_for_interrupt()
    else:
        cpu.take_interrupts()
    if processors.are_several():
        lock(null())
