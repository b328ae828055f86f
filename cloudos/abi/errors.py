"""Errors that a system call can return, with their numbers.

A number is part of the binary interface: it is returned in the error register, 0 meaning success, and is never
given to another error.
"""

from __future__ import annotations

from typing import ClassVar

from cloudos.lang import Error


class SystemCallError(Error):
    """Base of everything that a system call raises."""

    code: ClassVar[int] = 100


class BadAddress(SystemCallError):
    """A pointer argument does not name memory of the caller that allows the access."""

    code: ClassVar[int] = 1


class BadArgument(SystemCallError):
    """An argument has a value that the operation does not define."""

    code: ClassVar[int] = 2


class OutOfMemory(SystemCallError):
    """The memory, or the room in the address space, is used up."""

    code: ClassVar[int] = 3


class NotFound(SystemCallError):
    """The named thing does not exist."""

    code: ClassVar[int] = 4


class Denied(SystemCallError):
    """The caller lacks the right to do this."""

    code: ClassVar[int] = 5


class BadSystemCall(SystemCallError):
    """No system call has this number."""

    code: ClassVar[int] = 6


class BadHandle(SystemCallError):
    """No capability has this handle: it was never given out, or was closed, moved or revoked."""

    code: ClassVar[int] = 7


class WrongKind(SystemCallError):
    """The handle names an object of another kind."""

    code: ClassVar[int] = 8


class QuotaExceeded(SystemCallError):
    """The quota that would pay for this has not enough left."""

    code: ClassVar[int] = 9


class TimedOut(SystemCallError):
    """The deadline passed first."""

    code: ClassVar[int] = 10


class Cancelled(SystemCallError):
    """The handle that the caller waited through was taken away."""

    code: ClassVar[int] = 11


class PeerGone(SystemCallError):
    """The object, or whoever was to answer, no longer exists."""

    code: ClassVar[int] = 12


class WouldBlock(SystemCallError):
    """It cannot be done at once, and the caller does not want to wait."""

    code: ClassVar[int] = 13


class NotSealed(SystemCallError):
    """This needs the policy to be sealed first."""

    code: ClassVar[int] = 14


class Sealed(SystemCallError):
    """The policy can no longer be changed."""

    code: ClassVar[int] = 15


class BadState(SystemCallError):
    """The object is in a state in which this cannot be done."""

    code: ClassVar[int] = 16


class TooManyHandles(SystemCallError):
    """The process may not hold more handles: its table has as many as it was allowed, or as there can be."""

    code: ClassVar[int] = 17


def numbered() -> list[tuple[int, type[SystemCallError]]]:
    """Every error with its number, in the order of the numbers."""
    return sorted((error.code, error) for error in SystemCallError.__subclasses__())
