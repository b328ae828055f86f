"""What page faults cost, in instructions when QEMU counts them; and memory mapped, used and given back in parts."""

from __future__ import annotations

from cloudos.lang import U8, U64, Ptr, VirtAddr
from cloudos.sdk import print
from cloudos.sdk.system import clock_read, memory_map, memory_unmap

PAGE = 4096
PAGES = 128
BLOCK = 2 << 20


def touch(start: U64, count: U64) -> U64:
    """Write one byte to each page; how long it took."""
    begin = clock_read()
    for index in U64.range(count):
        Ptr.at(U8, VirtAddr(start + index * PAGE)).value = U8(1)
    return clock_read() - begin


def sum_of(start: U64, count: U64) -> U64:
    total = U64(0)
    for index in U64.range(count):
        total += U64(Ptr.at(U8, VirtAddr(start + index * PAGE)).value)
    return total


def main() -> None:
    small = memory_map(U64(PAGES * PAGE))
    touch(small, U64(1))
    faults = touch(small + PAGE, U64(PAGES - 1))
    plain = touch(small + PAGE, U64(PAGES - 1))
    print(f"fault {(faults - plain) // (PAGES - 1)}")
    large = memory_map(U64(4 * BLOCK))
    faults = touch(large, U64(4 * BLOCK // PAGE))
    plain = touch(large, U64(4 * BLOCK // PAGE))
    print(f"large {(faults - plain) // 4}")
    memory_unmap(large + BLOCK + 5 * PAGE, U64(BLOCK))
    print(f"left {sum_of(large, U64(512 + 5)) + sum_of(large + 2 * BLOCK + 5 * PAGE, U64(1024 - 5))}")
    for _ in U64.range(200):
        again = memory_map(U64(3 * BLOCK + PAGE))
        touch(again, U64(3))
        assert sum_of(again, U64(5)) == 3
        memory_unmap(again, U64(3 * BLOCK + PAGE))
    print("end")
