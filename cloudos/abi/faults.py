"""Faults that end a process: kind names as the kernel reports them, and the number for the exit status.

`cloudos run` exits with 128 + number. Numbers follow the signals of POSIX.1-2017 (<signal.h>).
"""

from __future__ import annotations

from cloudos.lang import U8, U64, Slice, data, struct


@struct
class Fault:
    """One kind of fault. `name` is text for records and tracebacks."""

    number: U8
    name: Slice[U8]


INTERRUPTED = Fault(U8(2), data(b"interrupted"))
ILLEGAL_INSTRUCTION = Fault(U8(4), data(b"illegal-instruction"))
PRIVILEGED_INSTRUCTION = Fault(U8(4), data(b"privileged-instruction"))
BREAKPOINT = Fault(U8(5), data(b"breakpoint"))
PANIC = Fault(U8(6), data(b"panic"))
ALIGNMENT = Fault(U8(7), data(b"alignment"))
DIVIDE_ERROR = Fault(U8(8), data(b"divide-error"))
FLOATING_POINT = Fault(U8(8), data(b"floating-point"))
KILLED = Fault(U8(9), data(b"killed"))
TIMED_OUT = Fault(U8(9), data(b"timed-out"))
NULL_POINTER = Fault(U8(11), data(b"null-pointer"))
UNMAPPED_ADDRESS = Fault(U8(11), data(b"unmapped-address"))
KERNEL_ADDRESS = Fault(U8(11), data(b"kernel-address"))
BAD_ADDRESS = Fault(U8(11), data(b"bad-address"))
WRITE_TO_READ_ONLY = Fault(U8(11), data(b"write-to-read-only"))
EXECUTE_OF_DATA = Fault(U8(11), data(b"execute-of-no-execute"))
STACK_OVERFLOW = Fault(U8(11), data(b"stack-overflow"))
NO_MEMORY = Fault(U8(11), data(b"out-of-memory"))
PAGE_DENIED = Fault(U8(7), data(b"page-denied"))


# What process_inspect says of a process that has ended.
ENDED = 1 << 8
FAULT_SHIFT = 16


def result(fault: Fault) -> U64:
    """How a process ended that was ended by a fault: the exit status 128 + number, and the number from FAULT_SHIFT."""
    return U64(fault.number) * ((1 << FAULT_SHIFT) + 1) + 128
