"""Says what machine it runs on: the name of the architecture and the number of processors."""

from __future__ import annotations

from cloudos.abi import initial
from cloudos.abi.errors import BadArgument
from cloudos.lang import U64, Template, machine
from cloudos.sdk import print, system

PERIOD = 1_000_000  # nanoseconds


@machine(x86_64=Template("movl $0, %k[result]", result="=r"), aarch64=Template("mov %[result], #1", result="=r"))
def number_of_architecture() -> U64:
    """0 for x86_64, 1 for AArch64."""
    return U64(0)


def processors() -> U64:
    """How many there are: the first that no schedule can have is not there."""
    schedule = system.schedule_create(U64(initial.QUOTA), U64(1), U64(PERIOD), U64(PERIOD))
    count = U64(0)
    while True:
        try:
            system.schedule_place(schedule, count, U64(1))
        except BadArgument:
            return count
        count += 1


def main() -> None:
    """One line."""
    name = "aarch64" if number_of_architecture() == 1 else "x86_64"
    print(f"{name} {processors()}")
