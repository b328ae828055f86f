"""Nothing that a process can read holds what another process or the kernel knows.

A victim has a mark in all its registers, the vector register, its memory and its message buffer; another one had it
and has ended. Whatever a third process does, the mark is in none of its registers and pages, and neither is an address
of the kernel's.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cloudos.abi import initial, layout, objects
from cloudos.abi.objects import Kind
from tests.sim import programs
from tests.sim.allocation_cases import CASES, new_setting
from tests.sim.inventory import Inventory
from tests.sim.paging import frame_content, module_range, user_pages
from tests.sim.stage import Actor, Stage
from tests.sim.world import board, kernel_module, user

call, message = user.call, user.message
PAGE = 4096
MARK = bytes.fromhex("5ec2e71d5ec2e71d")
NUMBER = int.from_bytes(MARK, "little")
CPU = kernel_module("hal.simulated.cpu")
PAGES = kernel_module("memory.pages")


def leaks(stage: Stage, owners: tuple[int, ...] = ()) -> list[str]:
    """What processes other than the owners (addresses) can read and should not."""
    found = Inventory(stage.simulation)
    result = []
    for process, values in found.of_kind(Kind.PROCESS).items():
        if process in owners or values["ended"]:
            continue
        for thread in found.of_kind(Kind.THREAD).values():
            if thread["process"] == process:
                result += [f"{name} is {value:#x}" for name, value in registers(thread) if is_secret(value)]
        result += [f"page {page:#x}" for page in marked_pages(found, process)]
    return result


def registers(thread: dict[str, int]) -> Iterator[tuple[str, int]]:
    """What user code finds in its registers."""
    return ((name, value) for name, value in thread.items() if name.startswith(("frame.", "vectors.")))


def is_secret(value: int) -> bool:
    """The mark, or where something of the kernel's lies."""
    physical = board.current().memory.size
    return (
        value == NUMBER
        or board.KERNEL_BASE <= value < board.KERNEL_BASE + (1 << 32)
        or (board.DIRECT_BASE <= value < board.DIRECT_BASE + physical)
    )


def marked_pages(found: Inventory, process: int) -> Iterator[int]:
    """Pages of a process with the mark, or with an address of the kernel's."""
    start, length = module_range()
    for page, (frame, _) in user_pages(found.memory, found.root_of(process)).items():
        if start <= frame * PAGE < start + length:
            continue
        data = frame_content(found.memory, frame)
        if MARK in data or any(is_secret(word) for word in set(struct.unpack("<512Q", data)) if word >> 47):
            yield page


def plant(actor: Actor, endpoint: int) -> programs.Steps:
    """Put the mark wherever a thread can, and wait."""
    for page in range(user.SCRATCH_SIZE // PAGE):
        yield user.Write(user.SCRATCH + page * PAGE, MARK * (PAGE // 8))
    yield user.Write(actor.buffer + 64, MARK * (4032 // 8))
    yield user.Vector(NUMBER)
    yield user.SetRegisters(fp=NUMBER)
    # Through a buffer of the kernel's own.
    yield call("console_write", 1, user.SCRATCH, 200)
    yield user.Call(user.NUMBERS["system_null"], (NUMBER,) * 6, (NUMBER,) * 4, NUMBER)
    yield user.Call(user.NUMBERS["message_receive"], (endpoint, 0, *(NUMBER,) * 4), (NUMBER,) * 4, NUMBER)
    return 0


def new_victim(stage: Stage) -> Actor:
    """A process with the mark, that waits."""
    process = stage.process()
    actor = stage.actor(process, buffer=True)
    endpoint = stage.main(programs.new_endpoint())
    theirs = stage.main(programs.install(process, endpoint))
    assert stage.do(actor, plant(actor, theirs)) is None
    return actor


def spy(buffer: int, read: Callable[[bytes], Any]) -> programs.Steps:
    """Look at everything that can be had."""
    read((yield user.Vector(0)).to_bytes(8, "little"))
    for kind in (objects.MEMORY_ON_DEMAND, objects.MEMORY_PAID, objects.MEMORY_CONTIGUOUS):
        window = 0x7300_0000_0000 + kind * (1 << 24)
        handle = yield from user.succeed("memory_create", initial.QUOTA, 16 * PAGE, kind)
        yield from user.succeed("space_map", initial.SPACE, handle, window, 0, 16 * PAGE, 3)
        read((yield user.Read(window, 16 * PAGE)))
        yield from user.succeed("memory_inspect", handle, window)
        read((yield user.Read(window, 24))[:16])
        clone = handle
        if kind != objects.MEMORY_CONTIGUOUS:
            clone = yield from user.succeed("memory_clone", handle, initial.QUOTA, 0)
            yield from user.succeed("memory_discard", handle, 0, 8 * PAGE)
        yield from user.succeed("space_map", initial.SPACE, clone, window + (1 << 20), 0, 16 * PAGE, 3)
        read((yield user.Read(window + (1 << 20) + PAGE, 15 * PAGE)))
    heap = yield from user.succeed("memory_map", 40 * PAGE)
    read((yield user.Read(heap, 40 * PAGE)))
    read((yield user.Read(layout.STACK_TOP - 4 * PAGE, 4 * PAGE)))
    read((yield user.Read(buffer, PAGE)))
    thread = yield from programs.new_thread(1, 77)
    yield from user.succeed("thread_read_registers", thread, heap)
    read((yield user.Read(heap, 256)))
    for name, handle in (("quota_inspect", initial.QUOTA), ("audit_read", initial.AUDIT)):
        yield call(name, handle, heap + PAGE, 480)
        read((yield user.Read(heap + PAGE, 480)))
    return 0


def search(begin: Callable[[], None] = lambda: None) -> None:
    """One victim has ended, one lives, and everything is looked at. AssertionError: something was found.

    `begin` is called before anybody looks.
    """
    with Stage(memory=8 << 20) as stage:
        owner = stage.thread(new_victim(stage))["process"]
        stage.succeed("process_kill", new_victim(stage).home)
        stage.settle()
        actor = stage.actor(buffer=True)
        seen: list[bytes] = []
        begin()

        def read(data: bytes) -> None:
            seen.append(data)
            assert MARK not in data, "the mark was read"
            assert not leaks(stage, (owner,))

        assert stage.do(actor, spy(actor.buffer, read)) == 0
        assert len(seen) > 15 and not leaks(stage, (owner,))
        stage.finish()


def test_what_one_process_had_no_other_reads() -> None:
    search()


@pytest.mark.parametrize(
    "name", [name for name in CASES if name not in ("process_exit", "process_panic", "device_reset")]
)
def test_no_call_tells_where_the_kernel_keeps_things(name: str) -> None:
    setting = new_setting()
    with setting.stage:
        step = CASES[name](setting)
        assert not leaks(setting.stage)
        setting.stage.do(setting.actor, step)
        assert not leaks(setting.stage)


def test_pages_that_are_not_zeroed_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    zero, fill = CPU.zero, PAGES.fill_slot

    def fill_with_what_was_there(memory: Any, slot: Any) -> Any:
        CPU.zero = lambda address, size: None
        try:
            return fill(memory, slot)
        finally:
            CPU.zero = zero

    def forget() -> None:
        # Otherwise the machine itself would notice that nobody wrote to a frame.
        memory = board.current().memory
        memory.mask = bytearray(b"\1") * memory.size
        monkeypatch.setattr(PAGES, "fill_slot", fill_with_what_was_there)

    with pytest.raises(AssertionError, match=r"mark|page|is 0x"):
        search(forget)


def test_vector_registers_that_are_not_switched_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_module("hal.simulated.trap"), "load_vectors", lambda state: None)
    with pytest.raises(AssertionError, match=r"mark|Left"):
        search()
