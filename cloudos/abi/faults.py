"""Faults that end a process: kind names as the kernel reports them, and the number for the exit status.

`cloudos run` exits with 128 + number. Numbers follow the signals of POSIX.1-2017 (<signal.h>).
"""

from __future__ import annotations

from cloudos.lang import U8, U16, U64, Slice, data, struct


@struct
class Fault:
    """One kind of fault. Its name stands in NAMES: a slice for each would be three times as large."""

    number: U8
    length: U8
    start: U16

    @property
    def name(self) -> Slice[U8]:
        """Text for records and tracebacks."""
        start = U64(self.start)
        return NAMES[start : start + U64(self.length)]


_names: list[bytes] = []


def _fault(number: int, name: bytes) -> Fault:
    start = sum(map(len, _names))
    _names.append(name)
    return Fault(U8(number), U8(len(name)), U16(start))


INTERRUPTED = _fault(2, b"interrupted")
ILLEGAL_INSTRUCTION = _fault(4, b"illegal-instruction")
PRIVILEGED_INSTRUCTION = _fault(4, b"privileged-instruction")
BREAKPOINT = _fault(5, b"breakpoint")
PANIC = _fault(6, b"panic")
ALIGNMENT = _fault(7, b"alignment")
DIVIDE_ERROR = _fault(8, b"divide-error")
FLOATING_POINT = _fault(8, b"floating-point")
KILLED = _fault(9, b"killed")
TIMED_OUT = _fault(9, b"timed-out")
NULL_POINTER = _fault(11, b"null-pointer")
UNMAPPED_ADDRESS = _fault(11, b"unmapped-address")
KERNEL_ADDRESS = _fault(11, b"kernel-address")
BAD_ADDRESS = _fault(11, b"bad-address")
WRITE_TO_READ_ONLY = _fault(11, b"write-to-read-only")
EXECUTE_OF_DATA = _fault(11, b"execute-of-no-execute")
STACK_OVERFLOW = _fault(11, b"stack-overflow")
NO_MEMORY = _fault(11, b"out-of-memory")
PAGE_DENIED = _fault(7, b"page-denied")
NAMES = data(b"".join(_names))


# What process_inspect says of a process that has ended.
ENDED = 1 << 8
FAULT_SHIFT = 16


def result(fault: Fault) -> U64:
    """How a process ended that was ended by a fault: the exit status 128 + number, and the number from FAULT_SHIFT."""
    return U64(fault.number) * ((1 << FAULT_SHIFT) + 1) + 128
