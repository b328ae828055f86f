"""How much memory a program can have: prints the bytes that it could map and write to."""

from __future__ import annotations

from cloudos.abi.errors import OutOfMemory
from cloudos.abi.layout import PAGE_SIZE
from cloudos.lang import U64, Ptr, VirtAddr
from cloudos.sdk import print, system

BLOCK = 64 << 10


def main() -> None:
    total = U64(0)
    print("", end="")
    try:
        while True:
            address = system.memory_map(U64(BLOCK))
            for offset in U64.range(0, BLOCK, PAGE_SIZE):
                Ptr.at(U64, VirtAddr(address + offset)).value = offset
            total = total + BLOCK
    except OutOfMemory:
        print(f"bytes {total}")
