"""What the kernel's own tests run in the guest. The first argument chooses."""

from __future__ import annotations

from typing import Literal

from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.lang import U8, U64, Array, Template, UserPtr, machine
from cloudos.sdk import List, Text, print
from cloudos.sdk.system import (
    clock_read,
    console_read,
    console_write,
    enter,
    memory_map,
    memory_unmap,
    system_null,
    thread_sleep,
)

ROUNDS = 10_000
MILLISECOND = 1_000_000


@machine(
    x86_64=Template("rdtsc; shlq $32, %%rdx; orq %%rdx, %%rax", result="=a", clobbers=("rdx",)),
    aarch64=Template("mrs %[result], cntvct_el0", result="=r"),
)
def cycles() -> U64:
    """The time stamp counter: instructions since reset when QEMU counts them."""
    return U64(0)


def number_of(name: str) -> int:
    """The number of a system call; runs at build time."""
    return next(call.number for call in SYSTEM_CALLS if call.name == name)


FIRST_UNKNOWN = len(SYSTEM_CALLS)
THREAD_SLEEP = number_of("thread_sleep")
THREAD_EXIT = number_of("thread_exit")


def garbage() -> None:
    """Every system call but those that end or put to sleep, with all pairs of bad values as raw registers."""
    bad = Array[U64, Literal[12]]()
    bad[1] = U64(8)
    bad[2] = U64(0x1000)
    bad[3] = U64(0xFFFF_FFFF_8010_0000)
    bad[4] = U64(0xFFFF_8000_0000_0000)
    bad[5] = U64(0x7FFF_FFFF_F000)
    bad[6] = U64(0x7FFF_FFFF_EFFF)
    bad[7] = U64(0x8000_0000_0000)
    bad[8] = U64(0xFFFF_FFFF_FFFF_FFFF)
    bad[9] = U64(0x10_0000_0000)
    bad[10] = U64(0x40_0000)
    bad[11] = U64(1)
    zero = U64(0)
    succeeded = U64(0)
    for number in U64.range(3, FIRST_UNKNOWN + 16):
        if number != THREAD_SLEEP and number != THREAD_EXIT:
            for first in bad:
                for second in bad:
                    # Input of length 0 and memory from nowhere are no errors; a number that is none is always one.
                    error, value = enter(number, first, second, first, second, first, second)
                    if error == 0 and number >= FIRST_UNKNOWN:
                        succeeded = succeeded + 1
    error, value = enter(U64(1), U64(256), zero, zero, zero, zero, zero)
    print(f"exit with 256: error {error}")
    error, value = enter(U64(0xFFFF_FFFF_FFFF_FFFF), zero, zero, zero, zero, zero, zero)
    print(f"unknown call: error {error}, value {value}")
    print(f"unknown calls that succeeded: {succeeded}")


def cost() -> None:
    """Print how long a null system call takes, the loop around it taken off."""
    thread_sleep(U64(20 * MILLISECOND))
    start = clock_read()
    total = U64(0)
    for _ in U64.range(ROUNDS):
        total = total + system_null()
    middle = clock_read()
    for _ in U64.range(ROUNDS):
        total = total + cycles() % 2
    end = clock_read()
    # The second loop's body is five instructions in place of the call.
    print(f"{(middle - start - (end - middle)) // ROUNDS + 5}")


def echo() -> None:
    """Copy standard input to both outputs, with raw system calls and odd sizes."""
    buffer = Array[U8, Literal[5000]]()
    address = buffer.slice().pointer.address.value
    while True:
        count = console_read(UserPtr.at(U8, address), U64(4999))
        if count == 0:
            return
        done = U64(0)
        while done < count:
            done = done + console_write(U64(1), UserPtr.at(U8, address + done), count - done)
        console_write(U64(2), UserPtr.at(U8, address), min(count, U64(10)))


def calls() -> None:
    """Very many null system calls; all must give 0."""
    total = U64(0)
    for _ in U64.range(5_000_000):
        total = total + system_null()
    print(f"total {total}")


def memory() -> None:
    """Map everything there is, give it back, three times; the same amount each time."""
    block = U64(256 * 1024)
    for _ in U64.range(3):
        count = U64(0)
        last = U64(0)
        addresses = Array[U64, Literal[4096]]()
        while count < 4096:
            error, address = enter(U64(5), block, last, last, last, last, last)
            if error != 0:
                break
            addresses[count] = address
            count = count + 1
        for index in U64.range(count):
            memory_unmap(addresses[index], block)
        print(f"blocks {count}")


def sleep() -> None:
    """Sleep a little, several times; print how long it took, in milliseconds."""
    for _ in U64.range(4):
        start = clock_read()
        thread_sleep(U64(50 * MILLISECOND))
        print(f"{(clock_read() - start) // MILLISECOND}")


def main(args: List[Text]) -> U8:
    """Do what the argument says."""
    started = cycles()
    wanted = args[1]
    if wanted.equals("started"):
        print(f"{started}")
    elif wanted.equals("garbage"):
        garbage()
    elif wanted.equals("cost"):
        cost()
    elif wanted.equals("echo"):
        echo()
    elif wanted.equals("calls"):
        calls()
    elif wanted.equals("memory"):
        memory()
    elif wanted.equals("sleep"):
        sleep()
    elif wanted.equals("spin"):
        while True:
            pass
    elif wanted.equals("wait"):
        thread_sleep(U64(1 << 62))
    elif wanted.equals("flood"):
        while True:
            console_write(U64(1), UserPtr.at(U8, U64(0x10_0000_0000)), U64(4096))
    assert memory_map(U64(1)) % 4096 == 0
    return U8(7)
