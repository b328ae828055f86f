"""Deadlines of threads: a binary heap, the earliest on top.

Room for a thread is made when it is created (`reserve`), so that blocking cannot fail. A thread knows its place
(`timer_index`, 0 for none), so that it can leave from anywhere. The heap's entries lie in frames of 512.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import OutOfMemory, QuotaExceeded, TooManyHandles
from cloudos.kernel.hal import mmu
from cloudos.kernel.memory import heap
from cloudos.kernel.objects.header import Quota
from cloudos.kernel.objects.thread import Thread
from cloudos.lang import U64, Array, Ptr, inlined, null, struct, zeroed

__all__ = ["OutOfMemory", "QuotaExceeded"]

PER_FRAME = 512
MAXIMUM_FRAMES = 128


@struct
class TimerFrame:
    """A frame full of entries."""

    threads: Array[Ptr[Thread], Literal[512]]


@struct
class Timers:
    """Places count from 1; that of thread n is in frame n // 512."""

    frames: Array[Ptr[TimerFrame], Literal[128]] = zeroed()
    frame_count: U64 = U64(0)
    # Threads that may be in the heap at once, and threads that are.
    reserved: U64 = U64(0)
    count: U64 = U64(0)

    def reserve(self, quota: Quota) -> None:
        """Make room for one more thread. A frame serves 512 threads, and stays: `quota` pays for it.

        Raises QuotaExceeded, OutOfMemory, TooManyHandles.
        """
        # Places begin at 1.
        if (self.reserved + 1) // PER_FRAME == self.frame_count:
            if self.frame_count == MAXIMUM_FRAMES:
                raise TooManyHandles
            frame = heap.allocate_frame(quota)
            self.frames[self.frame_count] = Ptr.at(TimerFrame, mmu.direct(frame))
            self.frame_count = self.frame_count + 1
        self.reserved = self.reserved + 1

    def unreserve(self) -> None:
        """A thread is gone."""
        self.reserved = self.reserved - 1

    @property
    def is_empty(self) -> bool:
        """Whether no thread has a deadline."""
        return self.count == 0

    @property
    def first(self) -> Ptr[Thread]:
        """The thread whose deadline is next. There must be one."""
        return self._at(U64(1))

    @inlined
    def _at(self, index: U64) -> Ptr[Thread]:
        return self.frames[index // PER_FRAME].value.threads[index % PER_FRAME]

    @inlined
    def _put(self, index: U64, thread: Ptr[Thread]) -> None:
        self.frames[index // PER_FRAME].value.threads[index % PER_FRAME] = thread
        thread.value.timer_index = index

    def add(self, thread: Ptr[Thread], deadline: U64) -> None:
        """Remember that the thread is to be woken at `deadline`."""
        thread.value.deadline = deadline
        self.count = self.count + 1
        self._rise(self.count, thread)

    def remove(self, thread: Ptr[Thread]) -> None:
        """Forget a thread's deadline."""
        index = thread.value.timer_index
        thread.value.timer_index = U64(0)
        last = self._at(self.count)
        self.frames[self.count // PER_FRAME].value.threads[self.count % PER_FRAME] = null()
        self.count = self.count - 1
        if last != thread:
            self._rise(index, last)
            self._sink(last.value.timer_index, last)

    def _rise(self, index: U64, thread: Ptr[Thread]) -> None:
        """Place a thread at `index` or above, where it belongs."""
        while index > 1:
            parent = self._at(index // 2)
            if parent.value.deadline <= thread.value.deadline:
                break
            self._put(index, parent)
            index = index // 2
        self._put(index, thread)

    def _sink(self, index: U64, thread: Ptr[Thread]) -> None:
        """Place a thread at `index` or below, where it belongs."""
        while index * 2 <= self.count:
            child = index * 2
            if child < self.count and self._at(child + 1).value.deadline < self._at(child).value.deadline:
                child = child + 1
            if thread.value.deadline <= self._at(child).value.deadline:
                break
            self._put(index, self._at(child))
            index = child
        self._put(index, thread)
