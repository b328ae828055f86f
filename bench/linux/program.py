"""What operations of Linux cost in instructions: the first and only program of its machine.

Run by `cloudos bench --against linux`, which compiles it for Linux, without a C library, and boots it as /init. It
prints what the programs of our own machine print: a key and a number per line.
"""

from __future__ import annotations

from bench.counter import cycles
from bench.linux import calls, messages, pages, processes
from bench.linux.output import on_panic, on_panic_text, say
from cloudos.lang import U64, Assembly, ProgramImage, Ptr, VirtAddr

ROUNDS = 2000
EXECUTED = 3  # arguments
SHORT = 2  # the same: the kernel hands on the parameter `short`, which it does not know
RESTART = 0x01234567  # man 2 reboot, like the two numbers that say that it is meant


def null_calls() -> None:
    total = U64(0)
    begin = cycles()
    for _ in U64.range(ROUNDS):
        total = total | calls.getppid()
    say("null_system_call", (cycles() - begin) // ROUNDS)
    assert total == 0, "the first process has a parent"


def measure() -> None:
    """All but what comes first."""
    messages.measure()
    pages.measure()
    processes.measure()
    processes.wake_ups()


def start(stack: U64) -> None:
    """Measure everything, then switch the machine off. As `executions` starts it, with more arguments: end at once."""
    booted = cycles()
    arguments = Ptr.at(U64, VirtAddr(stack)).value
    if arguments == EXECUTED:
        calls.exit(U64(0))
    say("boot_to_user", booted)
    pages.free_memory()
    null_calls()
    if arguments != SHORT:
        measure()
    say("complete", U64(1))
    calls.reboot(U64(0xFEE1DEAD), U64(672274793), U64(RESTART), U64(0))


# The kernel enters with the stack pointer at the number of arguments.
ENTRY = Assembly(
    "start",
    x86_64="""
        .globl _start
    _start:
        xorl %ebp, %ebp
        movq %rsp, %rdi
        andq $-16, %rsp
        call {start}
        ud2
    """,
    aarch64="""
        .globl _start
    _start:
        mov x29, #0
        mov x30, #0
        mov x0, sp
        bl {start}
        brk #0
    """,
    symbols={"start": start},
)

IMAGE = ProgramImage(entries=(start, on_panic, on_panic_text), assemblies=(ENTRY,))
