"""The processors of the machine. One is used yet."""

from __future__ import annotations

from cloudos.abi.errors import OutOfMemory
from cloudos.kernel.hal.aarch64 import cpu, trap
from cloudos.kernel.hal.aarch64.processor import MODEL, State, this
from cloudos.kernel.hal.interface import FrameSource
from cloudos.lang import U64, Ptr, inlined, interpreted

__all__ = ["OutOfMemory", "State", "this"]


@interpreted
def model_data(data: object) -> None:
    """Under CPython: what `this` finds while no machine runs."""
    MODEL[:] = [data]


def start_first(own: State) -> None:
    """Become a processor: faults are reported, protections on, system calls ready; `this` is `own` from here on."""
    trap.start(Ptr.to(own).address)
    cpu.start()


@inlined
def find(frames: FrameSource) -> U64:
    """How many processors there are."""
    return U64(1)


@inlined
def node(number: U64) -> U64:
    """The node that a processor belongs to, after `find`."""
    return U64(0)


@inlined
def prepare() -> None:
    """There is no other."""


@inlined
def start(number: U64, own: State, frames: FrameSource) -> bool:
    """There is no other."""
    return False


@inlined
def begin(stack: U64) -> None:
    """There is no other."""


@inlined
def interrupt(number: U64) -> None:
    """There is no other."""


@inlined
def are_several() -> bool:
    """There is no other."""
    return False


@inlined
def try_lock() -> bool:
    """There is no other."""
    return True


@inlined
def unlock() -> None:
    """There is no other."""
