"""Which thread runs: changes of state, the choice of the next, the switch, the alarm.

Contract. System calls change states through `ready`, `block` and `stop`, which never switch. On the way out of the
kernel `leave` chooses and switches; the entry code then loads the registers of whatever thread is current.
"""

from __future__ import annotations

from cloudos.abi.messages import NEVER
from cloudos.kernel.hal import cpu, mmu, processors, timer, trap
from cloudos.kernel.hal.shared.lock import ALONE, VISITING
from cloudos.kernel.objects import cleanup
from cloudos.kernel.objects.schedule import Schedule
from cloudos.kernel.objects.thread import Thread, ThreadState
from cloudos.kernel.sched import counters, placement, requests
from cloudos.kernel.sched.processor import PROCESSOR, Processor, home, processor_of
from cloudos.kernel.sched.requests import ALL, COUNT, FORGET, LET_GO, OWN, STOP, Own, ask, bring, is_alone, must_reach
from cloudos.lang import U32, U64, Order, Ptr, VirtAddr, fast, inlined, never_inlined, null, often

# How long ended objects wait for the next steps, when nothing else enters the kernel in a way that does some.
CLEANUP_NS = 20_000
# Who has asked for so many others, one after the other, and tried again each time, is alone.
MOST = 6


def start() -> None:
    """No alarm of this processor's is set yet."""
    PROCESSOR.alarm = U64(NEVER)


@often
def ready(thread: Ptr[Thread]) -> None:
    """A thread that was blocked or stopped may run, on whatever processor is best for it."""
    thread.value.state = ThreadState.READY
    if processors.are_several() and not placement.is_best_here(thread):
        # What runs elsewhere may let the current one go on, if that waits, at once and anywhere.
        _let_go_of_current()
        if not placement.place(thread):
            return
    PROCESSOR.ready.append(thread)
    current = PROCESSOR.current
    if current.is_null() or thread.value.priority > current.value.priority:
        PROCESSOR.reschedule = True
    elif thread.value.priority == current.value.priority and not PROCESSOR.reschedule:
        # From now on turns end.
        _set_alarm()


def wake(thread: Ptr[Thread]) -> None:
    """A thread that was blocked may go on, unless it was suspended meanwhile."""
    if thread.value.suspended:
        thread.value.suspended = False
        thread.value.state = ThreadState.STOPPED
    else:
        ready(thread)


def block(state: ThreadState) -> None:
    """The current thread waits. It stands in no queue of the scheduler's."""
    PROCESSOR.current.value.state = state
    PROCESSOR.reschedule = True


def block_until(state: ThreadState, deadline: U64) -> None:
    """The current thread waits, until `deadline` at the latest."""
    block(state)
    if deadline != NEVER:
        PROCESSOR.timers.add(PROCESSOR.current, deadline)


def stop(thread: Ptr[Thread], state: ThreadState) -> None:
    """A thread that is ready, running or exhausted does not run any more."""
    if thread.value.state == ThreadState.READY:
        home(thread).ready.remove(thread)
    elif thread.value.state == ThreadState.RUNNING:
        if thread == PROCESSOR.current:
            PROCESSOR.reschedule = True
        else:
            _take_from(home(thread))
    cancel_timer(thread)
    thread.value.state = state


@never_inlined
def _take_from(other: Processor) -> None:
    """Have another processor let go of its current thread, whose registers stand still then."""
    ask(Ptr.to(other).cast(Own).value, U32(LET_GO))
    other.current = null()


def cancel_timer(thread: Ptr[Thread]) -> None:
    """Forget the thread's deadline, if it has one."""
    if thread.value.timer_rank != 0:
        home(thread).timers.remove(thread)


@fast
def yield_turn() -> bool:
    """Let the others of the current thread's priority go first.

    Where time need not be accounted for, the first of them gets what is left of the turn and is current at once: true.
    """
    current = PROCESSOR.current
    queue = PROCESSOR.ready.queues[U64(current.value.priority)]
    following = queue.first
    if following.is_null():
        return False
    limited = current.value.time().value.budget.is_limited or following.value.time().value.budget.is_limited
    if PROCESSOR.reschedule or limited:
        request_yield()
        return False
    queue.remove_first(following)
    queue.append(current)
    current.value.state = ThreadState.READY
    following.value.state = ThreadState.RUNNING
    switch_to(following)
    return True


def request_yield() -> None:
    """On the way out of the kernel, let the others of the current thread's priority go first."""
    PROCESSOR.yielded = True
    PROCESSOR.reschedule = True


@fast
def leave() -> bool:
    """On the way out of a system call: whether all registers must be loaded from the current thread's frame."""
    if not PROCESSOR.reschedule:
        return False
    run_next(timer.now())
    return True


def is_urgent() -> bool:
    """Whether a thread is ready that must not wait for the current one."""
    current = PROCESSOR.current
    return not current.is_null() and PROCESSOR.ready.has_above(U64(current.value.priority))


@fast
def run_next(now: U64) -> None:
    """Choose who runs, and make it current. `now`: the time, as it was in this trap or system call."""
    _charge(now)
    if not _keeps_running():
        thread = _take()
        thread.value.state = ThreadState.RUNNING
        switch_to(thread)
    PROCESSOR.reschedule = False
    PROCESSOR.yielded = False
    _set_alarm()


@never_inlined
def settle(thread: Ptr[Thread]) -> None:
    """Before a thread runs on other time: what the current one has used so far is counted where it belongs."""
    if thread == PROCESSOR.current:
        _charge(timer.now())
        PROCESSOR.reschedule = True
    elif thread.value.state == ThreadState.RUNNING:
        if thread.value.time().value.budget.is_limited:
            must_reach(thread.value.time().value.header)
        home(thread).reschedule = True
        ask(Ptr.to(home(thread)).cast(Own).value, U32(COUNT))


@fast
def _charge(time: U64) -> None:
    """Count the time since the last charge as used by the current schedule. `time` may lie before that charge."""
    current = PROCESSOR.current
    if not current.is_null():
        budget = current.value.time().value.budget
        if not budget.is_limited:
            now = max(time, PROCESSOR.turn_start)
            if budget.charge_turn(now - PROCESSOR.turn_start):
                PROCESSOR.yielded = True
            PROCESSOR.turn_start = now
            return
        # Somebody else may take it home while this processor is outside.
        while not PROCESSOR.current.is_null() and not counts(PROCESSOR.current):
            reach(null(), U64(counters.TIME))
    _count(time)


@never_inlined
def counts(thread: Ptr[Thread]) -> bool:
    """Whether this processor may count the time of a thread, as it always may where that is not limited: it is the one
    to which the schedule belongs. System calls that count in their middle ask that first."""
    schedule = thread.value.time()
    return not schedule.value.budget.is_limited or bring(schedule.value.header)


@never_inlined
def _count(time: U64) -> None:
    """The same for any schedule, where nobody else counts it or its holder waits for this."""
    now = max(time, PROCESSOR.turn_start)
    current = PROCESSOR.current
    if not current.is_null():
        budget = current.value.time().value.budget
        if budget.charge(PROCESSOR.turn_start, now):
            PROCESSOR.yielded = True
        budget.replenish(now)
    PROCESSOR.turn_start = now


@fast
def _keeps_running() -> bool:
    """Whether the current thread goes on. If not, but it could, it is put where it belongs."""
    current = PROCESSOR.current
    if current.is_null() or current.value.state != ThreadState.RUNNING:
        return False
    schedule = current.value.time()
    if schedule.value.budget.left == 0:
        _exhaust(current, schedule)
        return False
    if processors.are_several() and not placement.may_stay(current):
        ready(current)
        return False
    queue = PROCESSOR.ready
    priority = U64(current.value.priority)
    if not queue.has_above(priority) and not (PROCESSOR.yielded and queue.has_at(priority)):
        return True
    current.value.state = ThreadState.READY
    if PROCESSOR.yielded:
        queue.append(current)
    else:
        queue.prepend(current)
    return False


@fast
def _take() -> Ptr[Thread]:
    """Take the next thread that has time left; sleeps until there is one."""
    while True:
        if PROCESSOR.ready.is_empty:
            _idle()
        thread = PROCESSOR.ready.take()
        if not thread.value.time().value.budget.is_limited or _has_time(thread):
            return thread


@never_inlined
def _has_time(thread: Ptr[Thread]) -> bool:
    """Whether a thread from the queue, on a limited schedule, can run. If not, it is put where it belongs."""
    if not counts(thread):
        ready(thread)
        reach(null(), U64(counters.TIME))
        return False
    schedule = thread.value.time()
    schedule.value.budget.replenish(PROCESSOR.turn_start)
    if schedule.value.budget.left > 0:
        return True
    _exhaust(thread, schedule)
    return False


def _exhaust(thread: Ptr[Thread], schedule: Ptr[Schedule]) -> None:
    """The thread waits for its budget. Very many may do so in a row: interrupts come in between."""
    thread.value.state = ThreadState.EXHAUSTED
    PROCESSOR.timers.add(thread, schedule.value.budget.next_time)
    _set_alarm()
    rest(False)
    # Whoever is chosen now has what came back meanwhile.
    PROCESSOR.turn_start = timer.now()


@never_inlined
def _idle() -> None:
    """Wait, with interrupts, until a thread is ready."""
    PROCESSOR.current = null()
    while PROCESSOR.ready.is_empty:
        if processors.are_several() and _steal():
            break
        # Taking ended objects apart may make a thread ready that waited for one of them.
        if not cleanup.PENDING.first.is_null():
            exclude(null(), U64(counters.CLEANUP))
        done = cleanup.step()
        if PROCESSOR.ready.is_empty:
            _set_alarm()
            rest(done)
    PROCESSOR.turn_start = timer.now()


@never_inlined
def _steal() -> bool:
    """Take the most urgent thread of the processor for which most of them wait; whether there was one."""
    if placement.longest() == Ptr.to(PROCESSOR.ready):
        return False
    exclude(null(), U64(counters.IDLE))
    ready = placement.longest().value
    if ready.is_empty:
        return False
    thread = ready.queues[ready.highest()].first
    while not thread.value.time().value.allows(OWN.line.number):
        thread = thread.value.queue_next
        if thread.is_null():
            return False
    ready.remove(thread)
    thread.value.processor = processors.this()
    PROCESSOR.ready.append(thread)
    return True


@inlined
def switch_to(thread: Ptr[Thread]) -> None:
    """Make a thread current: page tables, vector registers, the frame that entries and exits use."""
    PROCESSOR.current = thread
    if PROCESSOR.loaded != thread:
        if trap.vectors_matter(thread.value.vectors):
            _change_vectors(thread)
        PROCESSOR.loaded = thread
        trap.set_frame(Ptr.to(thread.value.frame))
    # Comes last: with it another thread may have become current.
    pages = thread.value.process.value.space.value.pages
    if Ptr.to(pages).address != PROCESSOR.machine.pages:
        use_space(pages)


@never_inlined
def _change_vectors(thread: Ptr[Thread]) -> None:
    """Save the vector registers for whose they are, and load those of another thread."""
    save_vectors()
    trap.load_vectors(thread.value.vectors)


def save_vectors() -> None:
    """Have the vector registers in memory, of the thread whose they are."""
    if not PROCESSOR.loaded.is_null():
        trap.save_vectors(PROCESSOR.loaded.value.vectors)


def forget_thread(thread: Ptr[Thread]) -> None:
    """The thread's memory is about to go."""
    if PROCESSOR.loaded == thread:
        PROCESSOR.loaded = null()
    if PROCESSOR.current == thread:
        PROCESSOR.current = null()


@inlined
def use_space(pages: mmu.PageTable) -> None:
    """Use the page tables of the current thread's process."""
    if pages.is_stale:
        _renew(pages)
        return
    PROCESSOR.machine.pages = Ptr.to(pages).address
    pages.activate()


@never_inlined
def _renew(pages: mmu.PageTable) -> None:
    """Use page tables that need a new tag first."""
    exclude(null(), U64(counters.TAG))
    if PROCESSOR.current.is_null():
        run_next(timer.now())
        return
    PROCESSOR.machine.pages = Ptr.to(pages).address
    if pages.renew():
        requests.begin_generation()


def forget_space(pages: mmu.PageTable) -> None:
    """These page tables are about to go."""
    if PROCESSOR.machine.pages == Ptr.to(pages).address:
        _leave_space()


def _leave_space() -> None:
    """Use no process's page tables."""
    PROCESSOR.machine.pages = VirtAddr(0)
    mmu.KERNEL.pages.activate()


@fast
def _set_alarm() -> None:
    """Have the timer interrupt at the next deadline, or when the current thread's turn or budget ends."""
    deadline = U64(NEVER)
    first = PROCESSOR.timers.first
    if not first.is_null():
        deadline = first.value.deadline
    if not cleanup.PENDING.first.is_null():
        # Threads that only take fast paths would never go on with it.
        deadline = min(deadline, PROCESSOR.turn_start + CLEANUP_NS)
    current = PROCESSOR.current
    if not current.is_null():
        budget = current.value.time().value.budget
        if budget.is_limited or PROCESSOR.ready.has_at(U64(current.value.priority)):
            deadline = min(deadline, PROCESSOR.turn_start + budget.left)
    # An alarm that comes early does no harm: it sets the next one.
    if deadline < PROCESSOR.alarm:
        PROCESSOR.alarm = deadline
        timer.set_alarm(deadline)


# Who is in the kernel


@never_inlined
def enter(frame: Ptr[trap.UserFrame]) -> None:
    """Come into the kernel, to touch what belongs to this processor.

    `frame`: of a system call of the current thread's that has not begun, else null. The thread may be gone after this.
    """
    while not OWN.machine.inside.try_enter():
        answer(frame)
        cpu.pause()


@never_inlined
def reach(frame: Ptr[trap.UserFrame], reason: U64) -> None:
    """What was found missing may be touched from here on until the kernel is left: this processor keeps the one out to
    which it belongs, beside those that it keeps out already; but instead of them, if somebody else keeps it out now. Is
    alone if nobody is known, or after MOST such steps, for others may be as unlucky. Otherwise as `exclude`."""
    other = OWN.line.wanted
    steps = OWN.line.steps
    OWN.line.wanted = null()
    if other.is_null() or steps == MOST:
        exclude(frame, reason)
        return
    if processors.is_home() or not requests.try_keep(other):
        _go_out()
        first = other
        second = Ptr.to(OWN)
        if first.value.line.number < second.value.line.number:
            # All are taken in this order by who waits.
            first, second = second, first
        _take_word(first, frame)
        _take_word(second, frame)
        OWN.machine.inside.come(U32(VISITING))
    OWN.line.steps = steps.wrapping_add(1)
    _come_in(other)
    if counters.COUNTED:
        counters.visited(reason)


@never_inlined
def exclude(frame: Ptr[trap.UserFrame], reason: U64) -> None:
    """Be alone in the kernel from here until it is left. All structures must be in order. `frame`: as for `enter`;
    `reason`: see `counters.py`.

    The current thread may be gone after this; then none is current, and another one will be chosen.
    """
    if is_alone():
        return
    _go_out()
    own = ALL.first
    while not own.is_null():
        _take_word(own, frame)
        own = own.value.line.next
    OWN.machine.inside.come(U32(ALONE))
    own = ALL.first
    while not own.is_null():
        _come_in(own)
        own = own.value.line.next
    # Nobody sends threads to others any more.
    own = ALL.first
    while not own.is_null():
        placement.take_in(processor_of(own))
        own = own.value.line.next
    if counters.COUNTED:
        counters.closed(reason)


def _go_out() -> None:
    """Leave the kernel to come in again and touch more."""
    # Whoever ends a thread that waits looks for it nowhere.
    _let_go_of_current()
    requests.leave()


@never_inlined
def _let_go_of_current() -> None:
    """If the current thread has ceased to run, none is current.

    It owes the time since the last charge: whose that is to count may have to be waited for.
    """
    current = PROCESSOR.current
    if not current.is_null() and current.value.state == ThreadState.RUNNING:
        return
    now = timer.now()
    if not current.is_null():
        current.value.time().value.budget.owe(now - PROCESSOR.turn_start)
        PROCESSOR.current = null()
    PROCESSOR.turn_start = now
    let_go()


@never_inlined
def _take_word(own: Ptr[Own], frame: Ptr[trap.UserFrame]) -> None:
    """Keep a processor out, perhaps this one."""
    while not requests.try_keep(own):
        answer(frame)
        cpu.pause()


@never_inlined
def _come_in(own: Ptr[Own]) -> None:
    """Wait until a processor has left that is kept out."""
    while own.address != processors.this() and own.value.machine.inside.is_inside:
        cpu.pause()
    if PROCESSOR.current.is_null():
        PROCESSOR.reschedule = True


@inlined
def leaving() -> None:
    """Before every way out of the kernel."""
    if counters.COUNTED and is_alone():
        counters.opened()


def answer(frame: Ptr[trap.UserFrame]) -> None:
    """Do what the processor asks for that keeps this one out, if it does."""
    request = OWN.line.request.load(Order.ACQUIRE)
    if request == 0:
        return
    if request == FORGET:
        mmu.forget_translations()
    elif request != STOP:
        # What the thread has used so far is counted where it belonged until now; whoever asks may say so.
        _count(timer.now())
        if request == LET_GO:
            let_go()
            if not frame.is_null():
                frame.value.restart()
    OWN.line.request.store(U32(0), Order.RELEASE)
    while request == STOP:
        cpu.halt()


@never_inlined
def let_go() -> None:
    """Have nothing of a thread's in this processor any more: its vector registers are saved, its memory is not used."""
    save_vectors()
    PROCESSOR.loaded = null()
    _leave_space()


@never_inlined
def rest(deeply: bool) -> None:
    """Leave the kernel, so that interrupts are handled; `deeply`: sleep until there is one. Returns at home in it."""
    if processors.are_several():
        PROCESSOR.current = null()
        let_go()
        leaving()
        requests.leave()
    if deeply:
        cpu.wait_for_interrupt()
    else:
        cpu.take_interrupts()
    if processors.are_several():
        enter(null())
