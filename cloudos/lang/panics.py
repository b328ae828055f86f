"""Panics: what a bug does, and the marks by which the compiler knows a primitive.

A panic is never caught by programs (it is a BaseException under CPython, a call that does not return in
machine code). Errors that a caller may handle are exceptions derived from `cloudos.lang.Error` instead.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import NoReturn, TypeVar

F = TypeVar("F")


class PanicKind(IntEnum):
    """Why a program panicked; the number is part of the panic site word of compiled code."""

    EXPLICIT = 1
    OVERFLOW = 2
    DIVIDE_BY_ZERO = 3
    BAD_SHIFT = 4
    LOSSY_CONVERSION = 5
    INDEX = 6
    NULL = 7
    ASSERTION = 8
    UNREACHABLE = 9
    BAD_ENUM = 10
    UNINITIALISED = 11
    """Read of memory never written: found under CPython only."""
    USE_AFTER_FREE = 12
    """Access to freed memory: found under CPython only."""
    OUT_OF_MEMORY = 13
    BAD_ACCESS = 14
    """Access outside every region, misaligned, or to read-only data: found under CPython; a fault when compiled."""
    STACK = 15


class Panic(BaseException):
    """A panic under CPython: `kind` says why, `message` is for people."""

    kind: PanicKind
    message: str

    def __init__(self, kind: PanicKind, message: str = "") -> None:
        super().__init__(f"{kind.name}: {message}" if message else kind.name)
        self.kind = kind
        self.message = message


def intrinsic(name: str) -> Callable[[F], F]:
    """Mark a function that the compiler replaces by its own code, under `fn.__intrinsic__ = name`."""

    def mark(function: F) -> F:
        function.__intrinsic__ = name  # type: ignore[attr-defined]
        return function

    return mark


@intrinsic("panic")
def panic(message: str) -> NoReturn:
    """Stop because of a bug, with a message (a literal or an f-string)."""
    raise Panic(PanicKind.EXPLICIT, message)


@intrinsic("unreachable")
def unreachable() -> NoReturn:
    """Stop at a place that control can never reach."""
    raise Panic(PanicKind.UNREACHABLE)


def panic_kind_of(error: BaseException) -> PanicKind | None:
    """The kind of panic that `error` stands for, None when it is not one (an assert counts as ASSERTION)."""
    if isinstance(error, Panic):
        return error.kind
    if isinstance(error, AssertionError):
        return PanicKind.ASSERTION
    return None
