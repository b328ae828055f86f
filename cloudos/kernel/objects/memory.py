"""System calls on the memory of the calling process."""

from __future__ import annotations

from cloudos.abi.errors import BadArgument, OutOfMemory
from cloudos.kernel.objects.process import PROCESS
from cloudos.lang import U64

__all__ = ["BadArgument", "OutOfMemory"]


def memory_map(length: U64) -> U64:
    """System call. Raises OutOfMemory, BadArgument."""
    return PROCESS.space.map_anonymous(length)


def memory_unmap(address: U64, length: U64) -> None:
    """System call. Raises BadArgument, OutOfMemory."""
    PROCESS.space.unmap_anonymous(address, length)
