"""What it costs to make and to end objects and handles, in instructions.

Run by `cloudos bench`. Prints one line per measure: its key and the average; docs/benchmarks.md says what each
contains.
"""

from __future__ import annotations

from bench.calls import measured
from bench.counter import cycles
from cloudos.abi import initial
from cloudos.abi.objects import ALL_RIGHTS_BITS
from cloudos.lang import U64, Ptr, VirtAddr, code_address
from cloudos.sdk import system
from cloudos.sdk.executable import read_executable
from cloudos.sdk.processes import Child, own_program
from cloudos.sdk.threads import STACK_SIZE, entry

ROUNDS = 300
HANDLES = 500


def nothing(argument: U64) -> None:
    """A thread that ends at once."""


def threads() -> None:
    """Make a thread on a stack that is there already, let it run to its end, close its handle."""
    top = system.memory_map(U64(STACK_SIZE)) + (STACK_SIZE - 16)
    begin = U64(0)
    for index in U64.range(ROUNDS + 5):
        if index == 5:
            begin = cycles()
        Ptr.at(U64, VirtAddr(top)).value = code_address(nothing).value
        begins = code_address(entry).value
        thread = system.thread_create(U64(initial.PROCESS), U64(initial.SCHEDULE), begins, top, U64(0))
        system.thread_start(thread)
        system.thread_yield()
        system.handle_close(thread)
    measured("thread_create_destroy", begin, U64(ROUNDS))


def processes() -> None:
    """Make a process without anything, and end it."""
    begin = U64(0)
    for index in U64.range(ROUNDS + 5):
        if index == 5:
            begin = cycles()
        process = system.process_create(U64(initial.QUOTA), U64(0))
        system.process_kill(process)
        system.handle_close(process)
    measured("process_create_destroy", begin, U64(ROUNDS))


def children() -> None:
    """Make a process with this program's segments, let it run a function, wait until all it had is given back."""
    begin = U64(0)
    for index in U64.range(ROUNDS + 5):
        if index == 5:
            begin = cycles()
        child = Child()
        child.make(U64(initial.QUOTA))
        child.start(code_address(nothing), U64(0))
        child.wait()
        system.handle_close(child.thread)
        system.handle_close(child.process)
    measured("process_run", begin, U64(ROUNDS))


def programs() -> None:
    """The same as a loader does it, which has read the program's file once: pages that are not written are shared."""
    quota = U64(initial.QUOTA)
    executable = read_executable(own_program(), quota, U64(0), U64(0), True)
    begin = U64(0)
    for index in U64.range(ROUNDS + 5):
        if index == 5:
            begin = cycles()
        child = Child(system.process_create(quota, U64(0)))
        space = system.process_space(child.process)
        executable.place(space, quota)
        system.handle_close(space)
        child.start(code_address(nothing), U64(0))
        child.wait()
        system.handle_close(child.thread)
        system.handle_close(child.process)
    measured("program_run", begin, U64(ROUNDS))


def derivations() -> None:
    """Derive handles from one, and close them."""
    parent = system.notification_create(U64(initial.QUOTA))
    handles = system.memory_map(U64(8 * HANDLES))
    begin = cycles()
    for index in U64.range(HANDLES):
        made = system.handle_derive(parent, U64(ALL_RIGHTS_BITS), U64(0))
        Ptr.at(U64, VirtAddr(handles + index * 8)).value = made
    measured("handle_derive", begin, U64(HANDLES))
    begin = cycles()
    for index in U64.range(HANDLES):
        system.handle_close(Ptr.at(U64, VirtAddr(handles + index * 8)).value)
    measured("handle_close", begin, U64(HANDLES))


def revocations(name: str, parent: U64, count: U64, rounds: U64) -> None:
    """Revoke so many handles, all derived from one, at once."""
    total = U64(0)
    for _ in U64.range(rounds):
        for _ in U64.range(count):
            system.handle_derive(parent, U64(ALL_RIGHTS_BITS), U64(0))
        begin = cycles()
        system.handle_revoke(parent)
        total = total + (cycles() - begin)
    measured(name, cycles() - total, rounds)


def main() -> None:
    threads()
    processes()
    children()
    programs()
    derivations()
    parent = system.notification_create(U64(initial.QUOTA))
    revocations("revoke_1", parent, U64(1), U64(100))
    revocations("revoke_100", parent, U64(100), U64(10))
    revocations("revoke_10000", parent, U64(10_000), U64(1))
