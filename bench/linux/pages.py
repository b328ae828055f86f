"""Memory under Linux: mappings and page faults."""

from __future__ import annotations

from bench.counter import cycles
from bench.linux import calls
from bench.linux.output import say
from bench.linux.processes import PRIVATE, SHARED, checked, fork, joined, memory
from cloudos.lang import U64, Ptr, VirtAddr, struct

ROUNDS = 500
PAGE = 4096
FAULTS = 1024
NO_HUGE_PAGES = 15  # MADV_NOHUGEPAGE


@struct
class Information:
    """The first part of struct sysinfo: include/uapi/linux/sysinfo.h; memory in bytes on 64-bit machines."""

    uptime: U64
    load1: U64
    load5: U64
    load15: U64
    total: U64
    free: U64


def mappings(name: str, pages: U64, touching: bool) -> None:
    """Map, write to each page or to none, unmap."""
    begin = U64(0)
    for index in U64.range(ROUNDS + 5):
        if index == 5:
            begin = cycles()
        address = memory(pages * PAGE, U64(PRIVATE))
        if touching:
            touch(address, pages)
        calls.munmap(address, pages * PAGE)
    say(name, (cycles() - begin) // ROUNDS)


def touch(address: U64, pages: U64) -> None:
    """Write to every page."""
    for index in U64.range(pages):
        Ptr.at(U64, VirtAddr(address + index * PAGE)).value = index


def faults(name: str, address: U64) -> None:
    """The time for each of FAULTS pages that are touched."""
    begin = cycles()
    touch(address, U64(FAULTS))
    say(name, (cycles() - begin) // FAULTS)


def small_pages(flags: U64) -> U64:
    """FAULTS pages that Linux is not to put together to large ones, so that each of them faults."""
    address = memory(U64(FAULTS * PAGE), flags)
    checked(calls.madvise(address, U64(FAULTS * PAGE), U64(NO_HUGE_PAGES)))
    return address


def of_a_child(name: str, flags: U64) -> None:
    """Pages that the parent wrote to, touched in a copy of it."""
    address = small_pages(flags)
    touch(address, U64(FAULTS))
    child = fork()
    if child == 0:
        faults(name, address)
        calls.exit(U64(0))
    joined(child)
    calls.munmap(address, U64(FAULTS * PAGE))


def free_memory() -> None:
    """Bytes that are in no use when the first program begins."""
    page = memory(U64(PAGE), U64(PRIVATE))
    checked(calls.sysinfo(page))
    say("memory_free", Ptr.at(Information, VirtAddr(page)).value.free)
    calls.munmap(page, U64(PAGE))


def measure() -> None:
    """All of this file."""
    mappings("map_unmap_1_page", U64(1), False)
    mappings("map_unmap_512_pages", U64(512), False)
    mappings("map_touch_unmap_1_page", U64(1), True)
    mappings("map_touch_unmap_512_pages", U64(512), True)
    address = small_pages(U64(PRIVATE))
    faults("page_fault_anonymous", address)
    calls.munmap(address, U64(FAULTS * PAGE))
    of_a_child("page_fault_copy_on_write", U64(PRIVATE))
    of_a_child("page_fault_shared", U64(SHARED))
