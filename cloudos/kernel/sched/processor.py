"""What a processor knows about its threads."""

from __future__ import annotations

from cloudos.kernel.hal import processors
from cloudos.kernel.objects.thread import Thread
from cloudos.kernel.sched.requests import Line, Own
from cloudos.kernel.sched.run_queue import RunQueue
from cloudos.kernel.sched.timers import Timers
from cloudos.lang import U64, Ptr, inlined, located, null, place, struct, zeroed


@struct
class Processor:
    """`current` is the thread that runs in user mode or makes a system call; it may have ceased to be RUNNING.

    A processor in the kernel may read and change all of this; one that is alone there, that of any processor, but for
    `loaded` and `machine.pages` of others: of one that is in user mode they are its current thread's; of one that
    sleeps, nobody's.
    """

    machine: processors.State = zeroed()
    line: Line = zeroed()
    current: Ptr[Thread] = null()
    # Whose vector registers are loaded.
    loaded: Ptr[Thread] = null()
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


# The hardware layer finds it by section and symbol.
FIRST = place(Processor(), section=".bss.processor", symbol="processor")
# That of the processor on which this is asked.
PROCESSOR = located(Processor, processors.this)
processors.model_data(FIRST)


@inlined
def home(thread: Ptr[Thread]) -> Processor:
    """The processor that a thread belongs to: in whose queue or timers it is, on which it runs."""
    return Ptr.at(Processor, thread.value.processor).value


@inlined
def processor_of(own: Ptr[Own]) -> Processor:
    """The data of a processor, all of it."""
    return own.cast(Processor).value
