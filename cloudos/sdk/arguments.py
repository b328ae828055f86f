"""Arguments and variables for a program that has not started, however long they are."""

from __future__ import annotations

from cloudos.abi import initial
from cloudos.abi.errors import BadArgument, QuotaExceeded
from cloudos.contracts.errors import NoSpace
from cloudos.contracts.programs import Program
from cloudos.lang import U8, U64, Slice, data
from cloudos.sdk.bulk import lend

PORTION = 3072  # bytes of name and value that a message takes for sure


def add_argument(program: Program, value: Slice[U8]) -> None:
    """One more argument; the first is the program's name. Raises NoSpace, ServiceGone."""
    if value.length <= PORTION:
        program.add_argument(value)
    else:
        _add_long(program, data(b""), value)


def add_variable(program: Program, name: Slice[U8], value: Slice[U8]) -> None:
    """One more environment variable. Raises NoSpace, ServiceGone."""
    if name.length + value.length <= PORTION:
        program.add_variable(name, value)
    elif name.length > PORTION:
        raise NoSpace
    else:
        _add_long(program, name, value)


def _add_long(program: Program, name: Slice[U8], value: Slice[U8]) -> None:
    """Lend the value. Raises NoSpace, ServiceGone."""
    try:
        program.add_long(name, lend(U64(initial.QUOTA), value), value.length)
    except (BadArgument, QuotaExceeded):
        raise NoSpace
