"""Builds a kernel in which reading the clock hits a bug. Arguments: its ELF file, the bug, the optimisation level,
the architecture."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal

os.environ["CLOUDOS_ARCHITECTURE"] = sys.argv[4]
from cloudos.compiler.api import compile_kernel
from cloudos.kernel.objects import clock
from cloudos.lang import (
    U8,
    U64,
    Array,
    Ptr,
    Template,
    VirtAddr,
    machine,
    never_inlined,
    panic,
    place,
    struct,
    zeroed,
)


@struct
class Table:
    """Few numbers."""

    entries: Array[U8, Literal[3]] = zeroed()


TABLE = place(Table())


@never_inlined
def index(number: U64) -> U64:
    """Fails beyond the table."""
    return U64(TABLE.entries[number])


@never_inlined
def message(number: U64) -> U64:
    """Fails with words of its own."""
    if number > 3:
        panic("more than three")
    return number


@never_inlined
def access(number: U64) -> U64:
    """Reads from where nothing is."""
    return Ptr.at(U64, VirtAddr(number << 32)).value


@never_inlined
def recursion(number: U64) -> U64:
    """Needs more stack than there is."""
    return recursion(number + 1) + recursion(number)


@machine(aarch64=Template("adr x9, 1f\n br x9\n1: mov %[result], xzr", result="=r", clobbers=("x9",)))
def nowhere() -> U64:
    """Branches to an instruction that does not say that it may be reached so."""
    return U64(0)


@never_inlined
def branch(number: U64) -> U64:
    """Goes where no branch may lead."""
    return nowhere() + number


def clock_read() -> U64:
    """System call."""
    return BUG(U64(7)) + 1


BUGS = {"index": index, "message": message, "access": access, "recursion": recursion, "branch": branch}
BUG = BUGS[sys.argv[2]]
clock.clock_read = clock_read
compile_kernel(sys.argv[4], Path(sys.argv[1]), optimize=sys.argv[3])
