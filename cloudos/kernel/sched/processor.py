"""What a processor knows about its threads. There is one processor yet."""

from __future__ import annotations

from cloudos.kernel.objects.thread import Thread
from cloudos.kernel.sched.run_queue import RunQueue
from cloudos.kernel.sched.timers import Timers
from cloudos.lang import U64, PhysAddr, Ptr, null, place, struct, zeroed


@struct
class Processor:
    """`current` is the thread that runs in user mode or makes a system call; it may have ceased to be RUNNING."""

    current: Ptr[Thread] = null()
    # Whose vector registers are loaded, and which page tables are.
    loaded: Ptr[Thread] = null()
    root: PhysAddr = zeroed()
    # On the way out of the kernel, choose who runs.
    reschedule: bool = False
    # The current thread gives the rest of its turn away.
    yielded: bool = False
    # Since when the schedule of the current thread has been used.
    turn_start: U64 = U64(0)
    # The timer will interrupt at this time or before.
    alarm: U64 = U64(0)
    ready: RunQueue = zeroed()
    timers: Timers = zeroed()


PROCESSOR = place(Processor())
