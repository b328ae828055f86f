"""Errors: exceptions that are hidden return codes in compiled code.

An error carries a number and no payload. Hierarchies are made by subclassing:

    Error
    └── abi, contracts and programs derive their own
"""

from __future__ import annotations

import os
import sys
from typing import ClassVar

from cloudos.lang.panics import intrinsic

_FIRST_AUTOMATIC_CODE = 0x8000


class _AutomaticCode:
    """The code, under CPython, of classes that give none: numbered as they are first asked for."""

    def __init__(self) -> None:
        self.codes: dict[type, int] = {}

    def __get__(self, instance: object, owner: type) -> int:
        return self.codes.setdefault(owner, _FIRST_AUTOMATIC_CODE + len(self.codes))


class Error(Exception):
    """Base of every error that systems Python can raise.

    `code` is 1..65535 and unique in a program (the compiler checks that); a class that gives none gets
    an automatic one when compiled. The constructor takes no arguments.
    """

    code: ClassVar[int] = _AutomaticCode()  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()

    def __str__(self) -> str:
        return type(self).__name__

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        code = cls.__dict__.get("code")
        if code is not None and not (type(code) is int and 1 <= code <= 0xFFFF):
            raise TypeError(f"{cls.__name__}.code must be an int constant from 1 to 65535, not {code!r}")


@intrinsic("error_name")
def error_name() -> str:
    """The class name of the error being handled: for use inside an `except` block, RuntimeError elsewhere."""
    error = sys.exception()
    if error is None:
        raise RuntimeError("error_name() outside an except block")
    return type(error).__name__


@intrinsic("error_place")
def error_place() -> str:
    """Where the error being handled was raised, as `file.py:line`: for use inside an `except` block."""
    error = sys.exception()
    if error is None:
        raise RuntimeError("error_place() outside an except block")
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace is not None else "?"
