"""System calls on the memory of the calling process."""

from __future__ import annotations

from cloudos.abi.errors import BadArgument, OutOfMemory
from cloudos.kernel.sched.processor import PROCESSOR
from cloudos.lang import U64

__all__ = ["BadArgument", "OutOfMemory"]


def memory_map(length: U64) -> U64:
    """System call. Raises OutOfMemory, BadArgument."""
    return PROCESSOR.current.value.process.value.space.map_anonymous(length)


def memory_unmap(address: U64, length: U64) -> None:
    """System call. Raises BadArgument, OutOfMemory."""
    PROCESSOR.current.value.process.value.space.unmap_anonymous(address, length)
