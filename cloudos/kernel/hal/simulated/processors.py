"""The processors of the board: how they start and interrupt each other, and the kernel lock."""

from __future__ import annotations

from cloudos.abi.errors import OutOfMemory
from cloudos.kernel.hal.interface import FrameSource
from cloudos.kernel.hal.simulated import board
from cloudos.kernel.hal.simulated.processor import MODEL, State, this
from cloudos.lang import U64, Ptr, interpreted

__all__ = ["OutOfMemory", "State", "this"]


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
    """The kernel lock is in use, and taken."""
    machine = board.current()
    machine.are_several = True
    machine.lock = machine.processor


def start(number: U64, own: State, frames: FrameSource) -> bool:
    """Start a processor, whose `this` is `own`."""
    machine = board.current()
    machine.processors[int(number)].data = int(Ptr.to(own).address.value)
    machine.start_processor(int(number))
    return True


def begin(stack: U64) -> None:
    """There is nothing to prepare."""


def interrupt(number: U64) -> None:
    """Have a processor enter the kernel, if it is not there."""
    board.current().processors[int(number)].interrupt("processor")


def are_several() -> bool:
    """Whether other processors have been started."""
    machine = board.running()
    return machine is not None and machine.are_several


def try_lock() -> bool:
    """Take the kernel lock, if it is free. Anything may have happened on other processors before."""
    machine = board.current()
    machine.interleave()
    assert machine.lock is not machine.processor, "a processor takes the lock that it has"
    if machine.lock is not None:
        return False
    machine.lock = machine.processor
    return True


def unlock() -> None:
    """Give the kernel lock back."""
    machine = board.current()
    assert not machine.are_several or machine.lock is machine.processor, "a lock is given back by who has not got it"
    machine.lock = None
