"""The entry of a process: from the kernel's jump to the program's `main`, and back to the kernel."""

from __future__ import annotations

from typing import NoReturn

from cloudos.lang import U8, U64, Assembly, Error, ProgramImage, error_name, error_place
from cloudos.sdk import hosted, transport
from cloudos.sdk.bundle import bundle
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.text import Text
from cloudos.sdk.component import is_component
from cloudos.sdk.console import connect, print_error, stdout
from cloudos.sdk.environment import args, is_terminal
from cloudos.sdk.heap import allocate, release
from cloudos.sdk.policy import enforce
from cloudos.sdk.process import exit, on_panic, on_panic_text


def program_main(arguments: List[Text]) -> U8:
    """Stands for the program's `main`: the compiler puts a call of that here. Under CPython it is what `run` got."""
    return hosted.call_main(arguments)


def start(address: U64, length: U64) -> NoReturn:
    """Run the program with the bundle at `address`, of `length` bytes; 0: as its header says."""
    try:
        bundle.attach(address, length)
        if is_component() and transport.ATTACHED.address == 0:
            transport.attach()
        connect()
        enforce()
        stdout.terminal = is_terminal()
        status = program_main(args())
    except Error:
        print_error(f"error: {error_name()}, raised at {error_place()} and not handled")
        exit(U8(1))
    exit(status)


# The kernel enters with the bundle's address and length in the first two argument registers and the stack pointer
# at the top of the stack. A zero frame pointer ends stack walks.
ENTRY = Assembly(
    "start",
    x86_64="""
        .globl _start
    _start:
        xorl %ebp, %ebp
        andq $-16, %rsp
        call {start}
        ud2
    """,
    aarch64="""
        .globl _start
    _start:
        mov x29, #0
        mov x30, #0
        bl {start}
        brk #0
    """,
    symbols={"start": start},
)

IMAGE = ProgramImage(entries=(start, allocate, release, on_panic, on_panic_text), assemblies=(ENTRY,))
