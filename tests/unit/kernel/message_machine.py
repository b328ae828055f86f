"""The kernel's threads and messages under CPython: the test makes the system calls of whatever thread is current."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cloudos.abi.messages import NEVER
from cloudos.abi.objects import ALL_RIGHTS, Rights
from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.kernel import dispatch
from cloudos.kernel.hal import mmu, timer
from cloudos.kernel.hal.x86_64.timer import CLOCK, ONE
from cloudos.kernel.memory import heap
from cloudos.kernel.memory.frames import FRAMES
from cloudos.kernel.microkernel import expire_timers, leave
from cloudos.kernel.objects import cleanup, endings, endpoint, policy, process, quota, schedule, threads
from cloudos.kernel.objects.header import Header
from cloudos.kernel.objects.process import FIRST, Process
from cloudos.kernel.objects.schedule import Schedule
from cloudos.kernel.objects.thread import Thread
from cloudos.kernel.sched import scheduler
from cloudos.kernel.sched.processor import PROCESSOR
from cloudos.kernel.security import audit, capabilities
from cloudos.lang import U8, U64, PhysAddr, Ptr
from tests.unit.kernel.simulated_machine import erase, memory

MB = 1 << 20
NUMBERS = {call.name: call.number for call in SYSTEM_CALLS}
TURN = 1_000_000


class World:
    """Processes and threads; `current` is the thread that the scheduler chose."""

    def __init__(self) -> None:
        self.first = self.process()
        FIRST.process = self.first

    def process(self) -> Ptr[Process]:
        return process.create(quota.ROOT, U8(0))

    def schedule(self, priority: int) -> Ptr[Schedule]:
        return schedule.create(quota.ROOT, U64(priority), U64(TURN), U64(TURN))

    def thread(self, owner: Ptr[Process], priority: int) -> Ptr[Thread]:
        """A thread that is ready."""
        made = threads.create(owner, self.schedule(priority))
        made.value.frame.prepare(U64(0x40_0000), U64(0x80_0000), U64(0), U64(0))
        scheduler.ready(made)
        return made

    def endpoint(self) -> Ptr[Header]:
        return endpoint.create(quota.ROOT).cast(Header)

    def give(self, owner: Ptr[Process], object: Ptr[Header], rights: Rights = ALL_RIGHTS, badge: int = 0) -> int:
        return int(capabilities.insert_root(owner.value.table, object, rights, U64(badge)))

    @property
    def current(self) -> Ptr[Thread]:
        return PROCESSOR.current

    def system_call(self, name: str, *arguments: int, words: tuple[int, ...] = (), reply: int = 0) -> None:
        """What the current thread's registers say, then the dispatch."""
        frame = PROCESSOR.current.value.frame
        frame.rax = U64(NUMBERS[name])
        registers = ["rdi", "rsi", "rdx", "r10", "r8", "r9"]
        for register, value in zip(registers, (*arguments, *words), strict=False):
            setattr(frame, register, U64(value))
        frame.rbx = U64(reply)
        dispatch.system_call(frame)

    def pass_time(self, nanoseconds: int) -> None:
        """And let the timer interrupt."""
        CLOCK.base_time = CLOCK.base_time + nanoseconds
        expire_timers(timer.now())
        leave()


@contextmanager
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A kernel that has just booted, with a clock that the test moves."""
    statics: tuple[Any, ...] = (PROCESSOR, heap.HEAP, heap.FAILURES, cleanup.PENDING, quota.ROOT, FIRST, audit.RING)
    with monkeypatch.context() as patch, memory((1 * MB, 9 * MB)):
        patch.setattr(timer, "set_alarm", lambda deadline: None)
        patch.setattr(cleanup.KNOWN, "objects", endings.Endings())
        for static in statics:
            erase(static)
        CLOCK.cycle_period = U64(ONE)
        CLOCK.base_time = U64(0)
        mmu.KERNEL.pages.root = FRAMES.allocate_zeroed()
        quota.start()
        policy.start()
        PROCESSOR.alarm = U64(NEVER)
        yield World()
        mmu.KERNEL.pages.root = PhysAddr(0)
        for static in statics:
            erase(static)
