"""Errors that services raise, with their numbers. Those of system calls (`cloudos.abi.errors`) travel too.

A number is part of every contract: it is never given to another error. They start at 300.
"""

from __future__ import annotations

from typing import ClassVar

from cloudos.lang import Error


class ServiceError(Error):
    """Base of what services raise."""

    code: ClassVar[int] = 299


class ServiceGone(ServiceError):
    """The service ended before it answered, or does not know this handle: it may have been restarted."""

    code: ClassVar[int] = 300


class BadMessage(ServiceError):
    """The message is not one that the contract declares."""

    code: ClassVar[int] = 301


class BadOperation(ServiceError):
    """The service's version of the contract has no such operation."""

    code: ClassVar[int] = 302


class Exists(ServiceError):
    """There is something of that name already."""

    code: ClassVar[int] = 303


class IsDirectory(ServiceError):
    """It is a directory."""

    code: ClassVar[int] = 304


class NotDirectory(ServiceError):
    """A part of the path is no directory."""

    code: ClassVar[int] = 305


class NotEmpty(ServiceError):
    """The directory is not empty."""

    code: ClassVar[int] = 306


class ReadOnly(ServiceError):
    """It can only be read."""

    code: ClassVar[int] = 307


class NoSpace(ServiceError):
    """The room that the caller may use is used up."""

    code: ClassVar[int] = 308


class NameTooLong(ServiceError):
    """A name has more than 255 bytes, or a path more than 1,024."""

    code: ClassVar[int] = 309


class BrokenPipe(ServiceError):
    """Nobody reads any more."""

    code: ClassVar[int] = 310


class Interrupted(ServiceError):
    """The interrupt key was pressed."""

    code: ClassVar[int] = 311


class Busy(ServiceError):
    """It is in use."""

    code: ClassVar[int] = 312


class NotSeekable(ServiceError):
    """A stream without positions: a pipe, or a terminal."""

    code: ClassVar[int] = 313


class BadProgram(ServiceError):
    """The file is not a program that can be run here."""

    code: ClassVar[int] = 314


class Dropped(ServiceError):
    """A message without an answer was not taken in time: the service was busy, or does not run."""

    code: ClassVar[int] = 315
