"""Pieces of user code that several tests need: threads, processes, handles. All are for `yield from`."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from cloudos.abi import initial, layout
from cloudos.abi.objects import Rights
from tests.sim.world import user

Steps = Generator[user.Instruction, Any, int]
PAGE = layout.PAGE_SIZE
READ, WRITE, EXECUTE = 1, 2, 4
# A window of the first process's to the memory of a child.
WINDOW = layout.SHARED_START
STACK = layout.STACK_TOP
BUFFERS = 0x6000_0000


def new_thread(
    function: int, argument: int = 0, process: int = initial.PROCESS, schedule: int = initial.SCHEDULE
) -> Steps:
    """Make a thread that will run function number `function`; its handle."""
    entry = user.entry_of(function)
    return (yield from user.succeed("thread_create", process, schedule, entry, STACK - PAGE * function, argument))


def start_thread(function: int, argument: int = 0, schedule: int = initial.SCHEDULE) -> Steps:
    """Make a thread and let it run; its handle."""
    thread = yield from new_thread(function, argument, schedule=schedule)
    yield from user.succeed("thread_start", thread)
    return thread


def wait_for_marks(count: int, pause: int = 50_000) -> Steps:
    """Sleep until so many threads have each written a mark, a byte of 1, into its place in the scratch memory."""
    done = b""
    while done != b"\1" * count:
        yield from sleep(pause)
        done = yield user.Read(user.SCRATCH, count)
    return count


def new_process(functions: int, quota: int = initial.QUOTA) -> Steps:
    """Make a process with the code of this program and scratch memory, without threads; its handle."""
    process = yield from user.succeed("process_create", quota, 0)
    text = user.entry_of(0)
    size = -(-functions * user.SLOT // PAGE) * PAGE
    code = yield user.Read(text, functions * user.SLOT)
    yield from populate(process, text, code, size, READ | EXECUTE)
    yield from populate(process, user.SCRATCH, b"", user.SCRATCH_SIZE, READ | WRITE)
    return process


def populate(process: int, address: int, contents: bytes, size: int, access: int) -> Steps:
    """Give a process `size` bytes of new memory, beginning with `contents`, which no kernel object stays for."""
    memory = yield from user.succeed("memory_create", initial.QUOTA, size, 0)
    if contents:
        yield from user.succeed("space_map", initial.SPACE, memory, WINDOW, 0, size, READ | WRITE)
        yield user.Write(WINDOW, contents)
        yield from user.succeed("space_unmap", initial.SPACE, WINDOW, size)
    space = yield from user.succeed("process_space", process)
    yield from user.succeed("space_map", space, memory, address, 0, size, access)
    yield from user.succeed("handle_close", space)
    yield from user.succeed("handle_close", memory)
    return 0


def new_schedule(priority: int = initial.PRIORITY, budget: int = 1_000_000, period: int = 1_000_000) -> Steps:
    """Make a schedule; its handle."""
    return (yield from user.succeed("schedule_create", initial.QUOTA, priority, budget, period))


def new_endpoint() -> Steps:
    """Make an endpoint; its handle."""
    return (yield from user.succeed("endpoint_create", initial.QUOTA))


def new_notification() -> Steps:
    """Make a notification; its handle."""
    return (yield from user.succeed("notification_create", initial.QUOTA))


def install(process: int, handle: int, rights: Rights | None = None, badge: int = 0) -> Steps:
    """Give a process a handle; its number there."""
    return (yield from user.succeed("process_install", process, handle, 0 if rights is None else int(rights), badge))


def sleep(duration: int) -> Steps:
    """Sleep."""
    return (yield from user.succeed("thread_sleep", duration))


def wait_for_end(process: int) -> Steps:
    """Sleep until a process has ended; its status."""
    while not (state := (yield from user.succeed("process_inspect", process))):
        yield from sleep(100_000)
    return state & 0xFF
