"""The processors of the board: how they start and interrupt each other, and that there are several."""

from __future__ import annotations

from cloudos.abi.errors import OutOfMemory
from cloudos.kernel.hal.interface import FrameSource
from cloudos.kernel.hal.simulated import board, mmu
from cloudos.kernel.hal.simulated.processor import MODEL, State, is_alone, is_home, this
from cloudos.lang import U64, Ptr, VirtAddr, interpreted

__all__ = ["OutOfMemory", "State", "is_alone", "is_home", "this"]


# Whether the kernel asserts that it is alone where it must be.
CHECKED = True


@interpreted
def model_data(data: object) -> None:
    """What `this` finds while no machine is switched on."""
    MODEL[:] = [data]


def start_first(own: State) -> None:
    """`this` is `own` from here on."""
    board.current().processor.data = int(Ptr.to(own).address.value)


def find(frames: FrameSource) -> U64:
    """How many processors there are."""
    return U64(len(board.current().processors))


def node(number: U64) -> U64:
    """The node that a processor belongs to: they take turns."""
    return number % len(board.current().nodes)


def prepare() -> None:
    """This processor is alone in the kernel."""
    board.current().are_several = True


def make(number: U64, pages: U64, frames: FrameSource) -> VirtAddr:
    """Memory for what the kernel keeps for a processor. Raises OutOfMemory."""
    return mmu.direct(frames.allocate_zeroed_block(U64((int(pages) - 1).bit_length())))


def start(number: U64, own: State) -> bool:
    """Start a processor, whose `this` is `own`."""
    machine = board.current()
    machine.processors[int(number)].data = int(Ptr.to(own).address.value)
    machine.start_processor(int(number))
    return True


def begin(own: State) -> None:
    """There is nothing to prepare."""


def interrupt(own: State) -> None:
    """Have a processor enter the kernel, if it is not there."""
    data = int(Ptr.to(own).address.value)
    next(one for one in board.current().processors if one.data == data).interrupt("processor")


def are_several() -> bool:
    """Whether other processors have been started."""
    machine = board.running()
    return machine is not None and machine.are_several
