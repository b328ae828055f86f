"""Threads that are ready, by priority: 256 queues and a bitmap of those that are not empty."""

from __future__ import annotations

from typing import Literal

from cloudos.kernel.hal import cpu
from cloudos.kernel.objects.thread import Thread, ThreadQueue
from cloudos.lang import U64, Array, Ptr, fast, inlined, never_inlined, struct, zeroed

PRIORITIES = 256
NONE = -1


@struct
class RunQueue:
    """`summary` has a bit for each word of `bitmap` that is not 0."""

    summary: U64 = U64(0)
    # Threads in all queues.
    count: U64 = U64(0)
    bitmap: Array[U64, Literal[4]] = zeroed()
    queues: Array[ThreadQueue, Literal[256]] = zeroed()

    @fast
    def append(self, thread: Ptr[Thread]) -> None:
        """At the end of its priority."""
        priority = U64(thread.value.priority)
        self.queues[priority].append(thread)
        self._mark(priority)

    def prepend(self, thread: Ptr[Thread]) -> None:
        """At the front: it was interrupted before its turn was over."""
        priority = U64(thread.value.priority)
        self.queues[priority].prepend(thread)
        self._mark(priority)

    @inlined
    def _mark(self, priority: U64) -> None:
        word = priority >> 6
        self.bitmap[word] = self.bitmap[word] | (U64(1) << (priority & 63))
        self.summary = self.summary | (U64(1) << word)
        self.count = self.count.wrapping_add(1)

    @never_inlined
    def remove(self, thread: Ptr[Thread]) -> None:
        """Take out a thread that is in the queue of its priority."""
        priority = U64(thread.value.priority)
        self.queues[priority].remove(thread)
        self._left(priority)

    @inlined
    def _left(self, priority: U64) -> None:
        """A thread of this priority has left."""
        self.count = self.count.wrapping_sub(1)
        if self.queues[priority].first.is_null():
            self._unmark(priority)

    @fast
    @never_inlined
    def _unmark(self, priority: U64) -> None:
        word = priority >> 6
        self.bitmap[word] = self.bitmap[word] & ~(U64(1) << (priority & 63))
        if self.bitmap[word] == 0:
            self.summary = self.summary & ~(U64(1) << word)

    @property
    def is_empty(self) -> bool:
        """Whether no thread is ready."""
        return self.summary == 0

    @inlined
    def highest(self) -> U64:
        """The most urgent priority that has a thread. There must be one."""
        word = cpu.highest_bit(self.summary) & 3
        return word << 6 | cpu.highest_bit(self.bitmap[word])

    @inlined
    def has_above(self, priority: U64) -> bool:
        """Whether a thread of a more urgent priority is ready."""
        return self.summary != 0 and self.highest() > priority

    def has_at(self, priority: U64) -> bool:
        """Whether a thread of this priority is ready."""
        return not self.queues[priority].first.is_null()

    @fast
    def take(self) -> Ptr[Thread]:
        """Remove and return the first of the most urgent threads. There must be one."""
        priority = self.highest()
        thread = self.queues[priority].first
        self.queues[priority].remove_first(thread)
        self._left(priority)
        return thread
