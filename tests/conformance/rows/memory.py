"""Memory of a process

memory_map, memory_unmap, and the edges of the address space.
"""

from __future__ import annotations

from cloudos.abi import layout
from cloudos.lang import U8, U64, UserPtr
from cloudos.sdk import system
from tests.conformance.support import (
    BAD_ADDRESS,
    BAD_ARGUMENT,
    OUT_OF_MEMORY,
    PAGE,
    QUOTA,
    attempt,
    peek,
    poke,
)

_map = attempt("memory_map")
_unmap = attempt("memory_unmap")
_write = attempt("console_write")
_inspect = attempt("quota_inspect")

KERNEL = 0xFFFF_FFFF_8010_0000


def new_memory_is_zero() -> None:
    """Memory from memory_map is all zeros, also where a process gave back what it had written."""
    for _ in U64.range(4):
        address = system.memory_map(U64(8 * PAGE))
        for offset in U64.range(0, 8 * PAGE, 8):
            assert peek(address + offset) == 0, "zero"
            poke(address + offset, U64(0xDEAD_BEEF))
        system.memory_unmap(address, U64(8 * PAGE))


def memory_keeps_what_is_written() -> None:
    """Each word of mapped memory holds what was written to it last."""
    address = system.memory_map(U64(16 * PAGE))
    for offset in U64.range(0, 16 * PAGE, 8):
        poke(address + offset, offset * 3)
    for offset in U64.range(0, 16 * PAGE, 8):
        assert peek(address + offset) == offset * 3, "kept"
    system.memory_unmap(address, U64(16 * PAGE))


def addresses_of_memory_are_page_aligned() -> None:
    """memory_map gives multiples of 4,096 above the first 64 KB."""
    for length in U64.range(1, 3 * PAGE, 1000):
        address = system.memory_map(length)
        assert address % PAGE == 0 and address >= layout.USER_START, "aligned"
        assert address < layout.USER_END, "user space"


def lengths_are_rounded_up_to_pages() -> None:
    """A mapping of one byte is a whole page, and is given back as one."""
    address = system.memory_map(U64(1))
    poke(address + PAGE - 8, U64(1))
    assert _unmap(address, U64(PAGE)) == 0, "a page"


def mapping_nothing_is_refused() -> None:
    """memory_map of length 0 is BadArgument."""
    assert _map(U64(0)) == BAD_ARGUMENT, "0"


def mapping_more_than_there_is_fails() -> None:
    """memory_map of more than the address space, or of lengths that overflow, is OutOfMemory, and maps nothing."""
    assert _map(U64(1 << 47)) == OUT_OF_MEMORY, "the space"
    assert _map(U64(0xFFFF_FFFF_FFFF_FFFF)) == OUT_OF_MEMORY, "all bits"
    assert _map(U64(0xFFFF_FFFF_FFFF_F000)) == OUT_OF_MEMORY, "rounded"


def mappings_do_not_overlap() -> None:
    """Mappings that exist at the same time do not overlap."""
    first = system.memory_map(U64(4 * PAGE))
    second = system.memory_map(U64(4 * PAGE))
    assert first + 4 * PAGE <= second or second + 4 * PAGE <= first, "apart"
    poke(first, U64(1))
    poke(second, U64(2))
    assert peek(first) == 1, "each its own"


def memory_given_back_is_gone() -> None:
    """The kernel does not take an address in memory that was given back."""
    address = system.memory_map(U64(PAGE))
    poke(address, U64(1))
    system.memory_unmap(address, U64(PAGE))
    assert _write(U64(1), address, U64(1)) == BAD_ADDRESS, "gone"


def giving_back_twice_is_refused() -> None:
    """memory_unmap of memory that is not mapped is BadArgument."""
    address = system.memory_map(U64(PAGE))
    assert _unmap(address, U64(PAGE)) == 0, "once"
    assert _unmap(address, U64(PAGE)) == BAD_ARGUMENT, "twice"


def only_whole_pages_are_given_back() -> None:
    """memory_unmap at an address or of a length that is no multiple of 4,096 is BadArgument."""
    address = system.memory_map(U64(2 * PAGE))
    assert _unmap(address + 8, U64(PAGE)) == BAD_ARGUMENT, "address"
    assert _unmap(address, U64(PAGE + 8)) == BAD_ARGUMENT, "length"
    poke(address, U64(1))
    poke(address + PAGE, U64(1))


def the_middle_of_a_mapping_can_be_given_back() -> None:
    """A page in the middle of a mapping is given back, the pages around it stay."""
    address = system.memory_map(U64(3 * PAGE))
    poke(address, U64(1))
    poke(address + 2 * PAGE, U64(3))
    assert _unmap(address + PAGE, U64(PAGE)) == 0, "the middle"
    assert peek(address) == 1 and peek(address + 2 * PAGE) == 3, "around"
    assert _write(U64(1), address + PAGE, U64(1)) == BAD_ADDRESS, "gone"


def a_range_with_a_hole_is_not_given_back() -> None:
    """memory_unmap of a range that is mapped only in part is BadArgument, and takes nothing."""
    address = system.memory_map(U64(3 * PAGE))
    poke(address, U64(1))
    _unmap(address + PAGE, U64(PAGE))
    assert _unmap(address, U64(3 * PAGE)) == BAD_ARGUMENT, "a hole"
    assert peek(address) == 1, "still there"


def the_program_does_not_give_back_its_code() -> None:
    """memory_unmap of the program itself, of the boot bundle or of the stack is BadArgument."""
    assert _unmap(U64(layout.PROGRAM_START), U64(PAGE)) == BAD_ARGUMENT, "code"
    assert _unmap(U64(layout.BUNDLE_START), U64(PAGE)) == BAD_ARGUMENT, "bundle"
    assert _unmap(U64(layout.STACK_TOP - PAGE), U64(PAGE)) == BAD_ARGUMENT, "stack"


def nothing_outside_of_user_space_is_given_back() -> None:
    """memory_unmap outside of user space, or of a range that wraps around, is BadArgument."""
    assert _unmap(U64(0), U64(PAGE)) == BAD_ARGUMENT, "null"
    assert _unmap(U64(layout.USER_END), U64(PAGE)) == BAD_ARGUMENT, "the end"
    assert _unmap(U64(KERNEL), U64(PAGE)) == BAD_ARGUMENT, "the kernel's"
    assert _unmap(U64(PAGE), U64(0xFFFF_FFFF_FFFF_F000)) == BAD_ARGUMENT, "wraps"


def the_kernel_reads_only_the_callers_memory() -> None:
    """A pointer to data that is null, the kernel's, not canonical or across the end of user space is BadAddress."""
    assert _write(U64(1), U64(8), U64(1)) == BAD_ADDRESS, "null"
    assert _write(U64(1), U64(KERNEL), U64(1)) == BAD_ADDRESS, "the kernel's"
    assert _write(U64(1), U64(1 << 47), U64(1)) == BAD_ADDRESS, "not canonical"
    assert _write(U64(1), U64(layout.USER_END - 8), U64(16)) == BAD_ADDRESS, "across the end"
    assert _write(U64(1), U64(0xFFFF_FFFF_FFFF_FFF0), U64(32)) == BAD_ADDRESS, "wraps"


def the_kernel_writes_only_the_callers_memory() -> None:
    """A pointer to a result that is null, the kernel's, not canonical or the program's code is BadAddress."""
    assert _inspect(QUOTA, U64(KERNEL)) == BAD_ADDRESS, "the kernel's"
    assert _inspect(QUOTA, U64(8)) == BAD_ADDRESS, "null"
    assert _inspect(QUOTA, U64(1 << 47)) == BAD_ADDRESS, "not canonical"
    assert _inspect(QUOTA, U64(layout.USER_END - 8)) == BAD_ADDRESS, "across the end"
    assert _inspect(QUOTA, U64(layout.PROGRAM_START + PAGE)) == BAD_ADDRESS, "code"


def untouched_memory_can_be_passed_to_the_kernel() -> None:
    """Memory that was mapped and never touched can be handed to a system call like any other."""
    address = system.memory_map(U64(PAGE))
    system.quota_inspect(QUOTA, UserPtr.at(U8, address + 8))
    assert peek(address + 16) != 0, "written"


def a_thousand_mappings_come_and_go() -> None:
    """A thousand mappings one after another succeed, and leave nothing behind."""
    for index in U64.range(1000):
        address = system.memory_map(U64(4 * PAGE))
        poke(address + index % 4 * PAGE, index)
        system.memory_unmap(address, U64(4 * PAGE))
