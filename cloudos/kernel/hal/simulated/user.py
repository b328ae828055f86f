"""User code: generators that yield instructions.

A function of user code takes the two arguments that its thread was started with, and yields instructions; each
`yield` gives what the instruction results in. Returning a number ends the process with that status, returning None
ends the thread.

    def greet(bundle: int, length: int) -> UserCode:
        yield write(SCRATCH, b"hello")
        reply = yield call("console_write", 1, SCRATCH, 5)
        assert reply.error == 0

`executable` makes the ELF file that a bundle carries: it has one entry point for each function, at which the processor
finds the function's number when it fetches the instruction there. So code must be mapped, executable and unchanged to
run, and threads can be started at any entry point.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from cloudos.abi import layout
from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.kernel.hal.simulated.platform import ELF_MACHINE
from cloudos.kernel.hal.simulated.trap import Cause

TEXT = layout.PROGRAM_START
# Memory of the program, readable and writable, zero at the start.
SCRATCH = TEXT + 0x10_0000
SCRATCH_SIZE = 16 * layout.PAGE_SIZE
# Memory of the program that can only be read; it holds READ_ONLY_TEXT.
READ_ONLY = TEXT + 0x8_0000
READ_ONLY_TEXT = b"constants of the program"
# Bytes of code for each function.
SLOT = 64
MARK = b"\x0e\xc1\x05\xde"
NUMBERS = {call.name: call.number for call in SYSTEM_CALLS}


@dataclass(frozen=True)
class Call:
    """A system call; results in a Reply. `words` and `reply` are the registers that messages use besides."""

    number: int
    arguments: tuple[int, ...] = ()
    words: tuple[int, ...] = ()
    reply: int = 0


@dataclass(frozen=True)
class Read:
    """Load `length` bytes; results in bytes."""

    address: int
    length: int


@dataclass(frozen=True)
class Write:
    """Store bytes."""

    address: int
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Jump:
    """Go on with the code at an address."""

    address: int


@dataclass(frozen=True)
class Raise:
    """An instruction that makes the processor trap."""

    cause: Cause


@dataclass(frozen=True)
class Interrupt:
    """Before the next instruction the processor is interrupted for this cause."""

    cause: Cause


@dataclass(frozen=True)
class Work:
    """Compute for so many nanoseconds."""

    duration: int


@dataclass(frozen=True)
class SetRegisters:
    """Set stack pointer and frame pointer; None leaves one as it is."""

    sp: int | None = None
    fp: int | None = None


@dataclass(frozen=True)
class Vector:
    """Put a number into the vector register; results in what it held."""

    value: int


@dataclass(frozen=True)
class Reply:
    """The registers after a system call. Of a message: badge, tag, eight words and the handle to reply to."""

    error: int
    value: int
    badge: int = 0
    tag: int = 0
    words: tuple[int, ...] = ()
    reply: int = 0


Instruction = Call | Read | Write | Jump | Raise | Work | SetRegisters | Vector | Interrupt
UserCode = Generator[Instruction, Any, int | None]
UserFunction = Callable[[int, int], UserCode]


def call(name: str, *arguments: int) -> Call:
    """A system call by its name."""
    return Call(NUMBERS[name], arguments)


def message(name: str, handle: int, tag: int = 0, words: Sequence[int] = (), reply: int = 0) -> Call:
    """A system call that sends or receives a message. The tag's count of words is filled in."""
    eight = (*words, *[0] * (8 - len(words)))
    return Call(NUMBERS[name], (handle, tag | len(words), *eight[:4]), eight[4:], reply)


def succeed(name: str, *arguments: int) -> Generator[Instruction, Any, int]:
    """Make a system call that must not fail; its value. For `yield from`."""
    reply: Reply = yield call(name, *arguments)
    assert reply.error == 0, f"{name}{arguments} failed with error {reply.error}"
    return reply.value


def say(text: str, stream: int = 1, at: int = SCRATCH) -> Generator[Instruction, Any, None]:
    """Write a text to a stream, by way of memory at `at`. For `yield from`."""
    data = text.encode()
    while data:
        piece = data[:SCRATCH_SIZE]
        yield Write(at, piece)
        taken = yield from succeed("console_write", stream, at, len(piece))
        data = data[taken:]


def listen(at: int = SCRATCH, length: int = 4096) -> Generator[Instruction, Any, bytes]:
    """Read standard input to its end. For `yield from`."""
    pieces = []
    while count := (yield from succeed("console_read", at, length)):
        pieces.append((yield Read(at, count)))
    return b"".join(pieces)


def entry_of(index: int) -> int:
    """The address at which function number `index` of an executable begins."""
    return TEXT + layout.PAGE_SIZE + index * SLOT


def text_of(functions: Sequence[UserFunction], first: int = 0) -> bytes:
    """Code that the processor recognises as the functions with the numbers from `first` on."""
    return b"".join((MARK + struct.pack("<I", first + index)).ljust(SLOT, b"\0") for index in range(len(functions)))


def executable(functions: Sequence[UserFunction]) -> bytes:
    """The ELF file of a program that starts with the first function."""
    text = text_of(functions)
    pages = -(-len(text) // layout.PAGE_SIZE)
    constants = (1 + pages) * layout.PAGE_SIZE
    segments = (
        (4 | 1, layout.PAGE_SIZE, TEXT + layout.PAGE_SIZE, len(text), len(text)),
        (4, constants, READ_ONLY, len(READ_ONLY_TEXT), len(READ_ONLY_TEXT)),
        (4 | 2, constants, SCRATCH, 0, SCRATCH_SIZE),
    )
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 2, ELF_MACHINE, 1, entry_of(0), 64, 0, 0, 64, 56, len(segments), 0, 0, 0)
    for flags, offset, address, stored, size in segments:
        header += struct.pack("<IIQQQQQQ", 1, flags, offset, address, address, stored, size, layout.PAGE_SIZE)
    return header.ljust(layout.PAGE_SIZE, b"\0") + text.ljust(pages * layout.PAGE_SIZE, b"\0") + READ_ONLY_TEXT
