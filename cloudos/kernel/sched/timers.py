"""Deadlines of threads: a leftist heap through the threads' own links, the earliest on top.

Blocking cannot fail, because nothing is allocated. `timer_rank` of a thread says how many steps it is from it to the
nearest missing child below, always on the right; 0: the thread is in no heap. So all ways to the right, which are the
only ones that are gone, are at most as long as the logarithm of the number of threads, and what changes when a thread
leaves from anywhere ends after as many steps upwards, because ranks grow on the way. Source: Crane, Linear Lists and
Priority Queues as Balanced Binary Trees (1972).
"""

from __future__ import annotations

from cloudos.kernel.objects.thread import Thread
from cloudos.lang import U64, Ptr, never_inlined, null, struct

# On the left a heap may be as deep as it has threads.
DEEP = 16


@struct
class Timers:
    """The deadlines of one processor's threads."""

    first: Ptr[Thread] = null()

    @property
    def is_empty(self) -> bool:
        """Whether no thread has a deadline."""
        return self.first.is_null()

    def add(self, thread: Ptr[Thread], deadline: U64) -> None:
        """Remember that the thread is to be woken at `deadline`."""
        thread.value.deadline = deadline
        thread.value.timer_rank = U64(1)
        thread.value.timer_left = null()
        thread.value.timer_right = null()
        self._put(null(), thread, _join(self.first, thread))

    def remove(self, thread: Ptr[Thread]) -> None:
        """Forget a thread's deadline."""
        leaving = thread.value
        parent = leaving.timer_parent
        below = leaving.timer_left
        # What is missing is missing on the right first.
        if not leaving.timer_right.is_null():
            below = _join(below, leaving.timer_right)
        self._put(parent, thread, below)
        leaving.timer_rank = U64(0)
        # Whoever asks `holds` comes to no thread that has ended.
        leaving.timer_parent = null()
        while not parent.is_null() and _settle(parent):
            parent = parent.value.timer_parent

    @never_inlined
    def holds(self, thread: Ptr[Thread]) -> bool:
        """Whether a thread is in here, less than DEEP steps below the top. It may be in another processor's heap, which
        that one changes meanwhile."""
        node = thread
        for _ in U64.range(DEEP):
            parent = node.value.timer_parent
            if parent.is_null():
                return node == self.first
            # What stands in this heap says what is below it.
            if parent.value.timer_left != node and parent.value.timer_right != node:
                return False
            node = parent
        return False

    def _put(self, parent: Ptr[Thread], old: Ptr[Thread], thread: Ptr[Thread]) -> None:
        """Let a thread, or none, be where another one was."""
        if parent.is_null():
            self.first = thread
        elif parent.value.timer_left == old:
            parent.value.timer_left = thread
        else:
            parent.value.timer_right = thread
        if not thread.is_null():
            thread.value.timer_parent = parent


def _rank(thread: Ptr[Thread]) -> U64:
    return U64(0) if thread.is_null() else thread.value.timer_rank


def _settle(thread: Ptr[Thread]) -> bool:
    """Let the shorter way be on the right. Whether the rank has changed."""
    node = thread.value
    left = node.timer_left
    right = node.timer_right
    if _rank(left) < _rank(right):
        node.timer_left = right
        node.timer_right = left
        right = left
    rank = _rank(right).wrapping_add(1)
    changed = node.timer_rank != rank
    node.timer_rank = rank
    return changed


@never_inlined
def _join(one: Ptr[Thread], other: Ptr[Thread]) -> Ptr[Thread]:
    """Make one heap of two; its first thread. As deep as the logarithm of the number of threads."""
    if one.is_null():
        return other
    if other.is_null():
        return one
    if other.value.deadline < one.value.deadline:
        one, other = other, one
    joined = _join(one.value.timer_right, other)
    one.value.timer_right = joined
    joined.value.timer_parent = one
    _settle(one)
    return one
