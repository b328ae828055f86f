"""Every system call: number, parameters, result, errors. The only place where they are written down.

A declaration is an ordinary function without a body. The kernel's dispatch (`cloudos.kernel.dispatch`), the user
stubs (`cloudos.sdk.system`) and the reference page (`cloudos.abi.reference`) are made from `SYSTEM_CALLS`.

Registers, x86_64: number in rax, arguments in rdi rsi rdx r10 r8 r9; the error comes back in rax (0: none), the
value in rdx; rcx and r11 are lost. AArch64: number in x8, arguments in x0 to x5; error in x0, value in x1.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from cloudos.abi.errors import BadAddress, BadArgument, OutOfMemory, SystemCallError
from cloudos.lang import U8, U32, U64, UserPtr

F = TypeVar("F", bound=Callable[..., Any])
MAXIMUM_ARGUMENTS = 6


@dataclass(frozen=True)
class SystemCall:
    """One declaration, as read by the generators."""

    number: int
    function: Callable[..., Any]
    raises: tuple[type[SystemCallError], ...]

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def parameters(self) -> dict[str, Any]:
        """Name and type of each parameter, in order."""
        hints = typing.get_type_hints(self.function)
        return {name: hints[name] for name in inspect.signature(self.function).parameters}

    @property
    def result(self) -> Any:
        """Type of the value returned: U64, NoneType or NoReturn."""
        return typing.get_type_hints(self.function)["return"]


SYSTEM_CALLS: list[SystemCall] = []


def system_call(*, number: int, raises: tuple[type[SystemCallError], ...] = ()) -> Callable[[F], F]:
    """Declare the decorated function a system call."""

    def declare(function: F) -> F:
        call = SystemCall(number, function, raises)
        if number != len(SYSTEM_CALLS):
            raise ValueError(f"{call.name}: system calls are numbered without gaps, expected {len(SYSTEM_CALLS)}")
        if len(inspect.signature(function).parameters) > MAXIMUM_ARGUMENTS:
            raise ValueError(f"{call.name}: at most {MAXIMUM_ARGUMENTS} arguments travel in registers")
        SYSTEM_CALLS.append(call)
        return function

    return declare


@system_call(number=0)
def system_null() -> U64:
    """Do nothing, and return 0: what crossing the border costs."""
    raise NotImplementedError


@system_call(number=1)
def process_exit(status: U8) -> NoReturn:
    """End the process. `status` becomes the exit status of the run."""
    raise NotImplementedError


@system_call(number=2)
def process_panic(site: U32, message: UserPtr[U8], length: U64) -> NoReturn:
    """End the process because of a bug that it found in itself.

    `site` is the compiled place (kind, file, line); `message` is text of `length` bytes, of which the kernel
    reports at most 256 and drops what is not printable ASCII. A bad `message` only loses the text.
    """
    raise NotImplementedError


@system_call(number=3, raises=(BadAddress, BadArgument))
def console_write(stream: U64, data: UserPtr[U8], length: U64) -> U64:
    """Write `length` bytes to standard output (`stream` 1) or standard error (2).

    Returns how many bytes were taken, at least 1 when `length` is not 0. Blocks while the host does not listen.
    BadAddress: the bytes up to the unreadable one may have been written.
    """
    raise NotImplementedError


@system_call(number=4, raises=(BadAddress,))
def console_read(data: UserPtr[U8], length: U64) -> U64:
    """Read up to `length` bytes of standard input into `data`; block until there is at least one.

    Returns how many bytes were read; 0 means end of file (or that `length` is 0).
    """
    raise NotImplementedError


@system_call(number=5, raises=(OutOfMemory, BadArgument))
def memory_map(length: U64) -> U64:
    """Get `length` bytes of zeroed memory, readable and writable, rounded up to whole pages of 4096 bytes.

    Returns its address, a multiple of 4096. BadArgument: `length` is 0. OutOfMemory: nothing was mapped.
    """
    raise NotImplementedError


@system_call(number=6, raises=(BadArgument, OutOfMemory))
def memory_unmap(address: U64, length: U64) -> None:
    """Give back whole pages obtained by `memory_map`; part of a mapping may be given back.

    BadArgument: not multiples of 4096, or a page in the range that is not the process's own to give. OutOfMemory:
    splitting a mapping needed room that was not there. In both cases nothing was unmapped.
    """
    raise NotImplementedError


@system_call(number=7)
def clock_read() -> U64:
    """Nanoseconds since the machine started; never goes back."""
    raise NotImplementedError


@system_call(number=8)
def thread_sleep(duration_ns: U64) -> None:
    """Do nothing for at least `duration_ns` nanoseconds."""
    raise NotImplementedError
