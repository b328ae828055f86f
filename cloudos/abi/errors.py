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


def numbered() -> list[tuple[int, type[SystemCallError]]]:
    """Every error with its number, in the order of the numbers."""
    return sorted((error.code, error) for error in SystemCallError.__subclasses__())
