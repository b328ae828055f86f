"""Copying between kernel and user memory: the only way in which the kernel reaches user addresses.

A page that is missing is a page fault in the kernel at COPY: the trap handler supplies the page, or continues at
`recovery`, so that the copy reports failure.
"""

from __future__ import annotations

from cloudos.kernel.hal.simulated import board
from cloudos.kernel.hal.simulated.board import Access, Board, Denied
from cloudos.lang import U64, Region, VirtAddr, current_address_space

COPY = 0xFFFF_FFFF_8000_1000
FAILED = 0xFFFF_FFFF_8000_1100
COPY_END = 0xFFFF_FFFF_8000_1080
# A fault that the kernel says it has repaired, but that stays, would go on for ever.
PATIENCE = 3


def copy(destination: VirtAddr, source: VirtAddr, length: U64) -> U64:
    """Copy `length` bytes of which one side is user memory; 0, or 1 when a fault stopped the copy."""
    machine = board.current()
    to, start, left = int(destination.value), int(source.value), int(length)
    to_user = to < machine.half
    assert to_user != (start < machine.half), "exactly one side of the copy is user memory"
    user, kernel = (to, start) if to_user else (start, to)
    region, offset = _kernel_memory(kernel, left)
    private = machine.private_memory(user, left)
    if private is not None:
        _copy_private(private, region, offset, left, to_user)
        return U64(0)
    while left:
        count = min(left, board.PAGE - user % board.PAGE)
        physical = _reach(machine, user, Access(write=to_user))
        if physical is None:
            return U64(1)
        if to_user:
            # Strict: memory that the kernel never wrote holds somebody else's old data.
            region.content(offset, count)
            machine.memory.copy_from(physical, region, offset, count)
        else:
            region.copy_from(offset, machine.memory, physical, count)
        user, offset, left = user + count, offset + count, left - count
    return U64(0)


def _copy_private(private: tuple[Region, int], region: Region, offset: int, length: int, to_user: bool) -> None:
    """Copy from or to memory that CPython keeps for the process, outside of the machine's."""
    place, at = private
    if to_user:
        region.content(offset, length)
        place.copy_from(at, region, offset, length)
    else:
        region.copy_from(offset, place, at, length)


def _kernel_memory(address: int, length: int) -> tuple[Region, int]:
    found = current_address_space().find(address)
    assert found is not None, f"the kernel has nothing at {address:#x}"
    return found


def _reach(machine: Board, address: int, access: Access) -> int | None:
    """The physical address; None when the kernel gives the copy up."""
    for _ in range(PATIENCE):
        found = machine.translate(address, access)
        if not isinstance(found, Denied):
            return found
        if not machine.fault_in_kernel(COPY, found):
            return None
    raise AssertionError(f"the page at {address:#x} is still missing after the fault was handled")


def is_recoverable(ip: U64) -> bool:
    """Whether a fault at this kernel address is one of the copy's."""
    return ip >= COPY and ip < COPY_END


def recovery() -> U64:
    """Where to continue after a fault in the copy."""
    return U64(FAILED)
