"""What `thread_read_registers` and `thread_write_registers` carry: the processor's registers, in its own order."""

from __future__ import annotations

from cloudos.lang import U64, Template, machine

LARGEST = 288
"""Bytes that hold the registers of any processor."""


@machine(
    x86_64=Template("movl $176, %k[result]", result="=r"),
    aarch64=Template("mov %[result], #288", result="=r"),
)
def size() -> U64:
    """Bytes of the registers of a thread on this processor."""
    return U64(176)


@machine(
    x86_64=Template("movl $8, %k[result]", result="=r"),
    aarch64=Template("mov %[result], xzr", result="=r"),
)
def call_size() -> U64:
    """Bytes that a call leaves on the stack: at the entry of a function the stack pointer is so far below a multiple
    of 16."""
    return U64(8)
