"""The processor: sleep, translation buffer, and what little of it the kernel uses directly."""

from __future__ import annotations

from typing import NoReturn

from cloudos.kernel.hal.simulated import board
from cloudos.lang import U8, U16, U32, U64, Ptr, Slice, VirtAddr

# How long an instruction that the kernel repeats while it waits takes, in nanoseconds.
PAUSE = 40


def zero(address: VirtAddr, length: U64) -> None:
    """Zero `length` bytes, a multiple of 8."""
    Slice.of(Ptr.at(U64, address), length // 8).fill(U64(0))


def fault_address() -> U64:
    """The address that the last page fault tried to reach."""
    return U64(board.current().fault_address)


def highest_bit(value: U64) -> U64:
    """The number of the highest bit that is set; there must be one."""
    assert int(value) != 0, "no bit is set"
    return U64(int(value).bit_length() - 1)


def wait_for_interrupt() -> None:
    """Sleep until an interrupt has been handled."""
    machine = board.current()
    machine.processor.asleep = True
    while not machine.pending:
        if machine.are_several:
            machine.interleave()
        else:
            machine.advance_to_event()
    machine.processor.asleep = False
    machine.deliver(machine.pending.popleft())


def take_interrupts() -> None:
    """Let interrupts that are pending be handled."""
    machine = board.current()
    machine.advance(PAUSE)
    machine.interleave()
    while machine.pending:
        machine.deliver(machine.pending.popleft())


def pause() -> None:
    """Hint of a busy wait: time passes, but no interrupt is taken."""
    board.current().advance(PAUSE)
    board.current().interleave(waits=True)


def halt() -> None:
    """Stop until an interrupt that never comes."""
    machine = board.current()
    if not machine.are_several:
        raise board.Stuck("the processor was halted")
    machine.processor.started = False
    machine.interleave()


def port_read(port: U16, width: U8) -> U32:
    """Read 1, 2 or 4 bytes from an I/O port; all bits are 1 where nothing answers."""
    device, offset = board.current().port_device(int(port))
    every = (1 << 8 * int(width)) - 1
    return U32(every if device is None else device.read(offset, int(width)) & every)


def port_write(port: U16, width: U8, value: U32) -> None:
    """Write 1, 2 or 4 bytes to an I/O port."""
    device, offset = board.current().port_device(int(port))
    if device is not None:
        device.write(offset, int(width), int(value))


def invalidate_page(address: U64) -> None:
    """Forget the translation of one page, of whatever size it is mapped with."""
    board.current().invalidate(int(address))


def page_table_root() -> U64:
    """Physical address of the page tables in use."""
    return U64(board.current().root)


def load_page_table_root(root: U64) -> None:
    """Use other page tables; forgets all translations."""
    machine = board.current()
    machine.root = int(root)
    machine.translations.clear()


def trap() -> NoReturn:
    """Enter `kernel_trap` from here: never, since a failed check is an exception of Python's."""
    raise NotImplementedError
