"""Access to the memory of the running process: checked ranges, and copies that survive a fault."""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import BadAddress
from cloudos.kernel.hal import mmu, user_access
from cloudos.lang import U8, U64, Array, Ptr, Slice, VirtAddr

WORD = 8


def check_range(address: U64, length: U64) -> None:
    """BadAddress unless [address, address + length) lies in user space."""
    end = mmu.user_end()
    if address > end or length > end - address:
        raise BadAddress


def copy_in(destination: Slice[U8], address: U64) -> None:
    """Fill `destination` from user memory. BadAddress: it may have been written in part."""
    check_range(address, destination.length)
    if user_access.copy(destination.pointer.address, VirtAddr(address), destination.length) != 0:
        raise BadAddress


def copy_out(address: U64, source: Slice[U8]) -> None:
    """Copy `source` to user memory. BadAddress: part may have been written."""
    check_range(address, source.length)
    if user_access.copy(VirtAddr(address), source.pointer.address, source.length) != 0:
        raise BadAddress


def read_word(address: U64) -> U64:
    """Eight bytes of user memory. Raises BadAddress."""
    word = Array[U64, Literal[1]]()
    check_range(address, U64(WORD))
    if user_access.copy(Ptr.to(word).address, VirtAddr(address), U64(WORD)) != 0:
        raise BadAddress
    return word[0]
