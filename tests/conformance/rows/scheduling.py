"""Scheduling

Priorities, turns, budgets; time lent along calls.
"""

from __future__ import annotations

from cloudos.abi import initial
from cloudos.abi.objects import Rights
from cloudos.lang import U64, code_address
from cloudos.sdk import ipc, system
from cloudos.sdk.ipc import Message
from cloudos.sdk.threads import start, start_on
from tests.conformance.support import (
    BAD_ARGUMENT,
    BOARD,
    DENIED,
    NEVER,
    QUOTA,
    WRONG_KIND,
    attempt,
    endpoint,
    notification,
    run,
    settle,
    weaker,
)

_create = attempt("schedule_create")
_change = attempt("schedule_change")
_place = attempt("schedule_place")

PRIORITY = initial.PRIORITY
MILLISECONDS = 1_000_000


def _schedule(priority: U64) -> U64:
    """Without limit."""
    return system.schedule_create(QUOTA, priority, U64(10 * MILLISECONDS), U64(10 * MILLISECONDS))


def _noter(value: U64) -> None:
    BOARD.note(value)


def _turns(value: U64) -> None:
    for _ in U64.range(3):
        BOARD.note(value)
        system.thread_yield()


def _spinner(argument: U64) -> None:
    """Count for ever without giving up the processor."""
    while True:
        BOARD.cells[argument] = BOARD.cells[argument] + 1
        system.system_null()


def _waiter(handle: U64) -> None:
    BOARD.note(system.notification_wait(handle, NEVER))


def threads_of_one_priority_take_turns_by_yielding() -> None:
    """Threads of one priority that yield run in turn, in the order in which they became ready."""
    start(code_address(_turns), U64(1))
    start(code_address(_turns), U64(2))
    settle()
    assert BOARD.count == 6, "all"
    for index in U64.range(6):
        assert BOARD.cells[index] == index % 2 + 1, "in turn"


def a_yield_with_nobody_ready_returns() -> None:
    """thread_yield returns when no other thread is ready."""
    before = system.clock_read()
    for _ in U64.range(10):
        system.thread_yield()
    assert system.clock_read() - before < 500_000, "at once"


def the_more_urgent_runs_first() -> None:
    """Of threads that are ready the one of the highest priority runs first."""
    start_on(code_address(_noter), U64(1), _schedule(U64(PRIORITY - 2)))
    start_on(code_address(_noter), U64(2), _schedule(U64(PRIORITY - 1)))
    settle()
    assert BOARD.count == 2 and BOARD.cells[0] == 2 and BOARD.cells[1] == 1, "by priority"


def the_less_urgent_waits() -> None:
    """A thread of lower priority does not run while a more urgent one computes or yields."""
    start_on(code_address(_noter), U64(1), _schedule(U64(PRIORITY - 1)))
    for _ in U64.range(200):
        system.thread_yield()
    assert BOARD.count == 0, "waits"
    settle()
    assert BOARD.count == 1, "runs when nobody else does"


def a_woken_thread_takes_over_from_a_less_urgent() -> None:
    """A deadline of an urgent thread interrupts a less urgent one that computes."""
    thread = start_on(code_address(_spinner), U64(3), _schedule(U64(PRIORITY - 1)))
    before = system.clock_read()
    system.thread_sleep(U64(5 * MILLISECONDS))
    late = system.clock_read() - before
    assert BOARD.cells[3] > 0, "the other ran"
    assert late < 5 * MILLISECONDS + 200_000, "taken over"
    system.thread_kill(thread)


def equal_threads_share_the_processor() -> None:
    """Two threads of one priority that compute both get on, without yielding."""
    low = _schedule(U64(PRIORITY - 1))
    first = start_on(code_address(_spinner), U64(4), low)
    second = start_on(code_address(_spinner), U64(5), _schedule(U64(PRIORITY - 1)))
    system.thread_sleep(U64(200 * MILLISECONDS))
    system.thread_kill(first)
    system.thread_kill(second)
    one = BOARD.cells[4]
    two = BOARD.cells[5]
    assert one > 0 and two > 0, "both"
    assert one < two * 2 and two < one * 2, "about the same"


def a_budget_is_not_exceeded() -> None:
    """A thread that may use 1 ms of each 10 ms uses no more, though the processor is free."""
    limited = system.schedule_create(QUOTA, U64(PRIORITY - 1), U64(MILLISECONDS), U64(10 * MILLISECONDS))
    free = start_on(code_address(_spinner), U64(6), _schedule(U64(PRIORITY - 1)))
    system.thread_sleep(U64(20 * MILLISECONDS))
    system.thread_kill(free)
    full = BOARD.cells[6]
    thread = start_on(code_address(_spinner), U64(7), limited)
    system.thread_sleep(U64(100 * MILLISECONDS))
    system.thread_kill(thread)
    used = BOARD.cells[7]
    # `full` is what 20 ms give; 100 ms with a tenth of the time give half of that, and one more millisecond.
    assert used > full // 4, "it gets its budget"
    assert used < full * 7 // 10, "and no more"


def a_schedule_is_shared() -> None:
    """Threads of one schedule share its budget: two use no more than one would."""
    limited = system.schedule_create(QUOTA, U64(PRIORITY - 1), U64(MILLISECONDS), U64(10 * MILLISECONDS))
    first = start_on(code_address(_spinner), U64(8), limited)
    second = start_on(code_address(_spinner), U64(9), limited)
    system.thread_sleep(U64(100 * MILLISECONDS))
    system.thread_kill(first)
    system.thread_kill(second)
    both = BOARD.cells[8] + BOARD.cells[9]
    alone = system.schedule_create(QUOTA, U64(PRIORITY - 1), U64(MILLISECONDS), U64(10 * MILLISECONDS))
    third = start_on(code_address(_spinner), U64(10), alone)
    system.thread_sleep(U64(100 * MILLISECONDS))
    system.thread_kill(third)
    assert both < BOARD.cells[10] * 3 // 2, "no more than one"


def an_exhausted_thread_is_killed() -> None:
    """A thread that waits for its budget can be killed."""
    limited = system.schedule_create(QUOTA, U64(PRIORITY - 1), U64(100_000), U64(1000 * MILLISECONDS))
    thread = start_on(code_address(_spinner), U64(11), limited)
    system.thread_sleep(U64(2 * MILLISECONDS))
    before = BOARD.cells[11]
    assert before > 0, "ran"
    system.thread_sleep(U64(2 * MILLISECONDS))
    assert BOARD.cells[11] == before, "exhausted"
    system.thread_kill(thread)
    system.thread_sleep(U64(1200 * MILLISECONDS))
    assert BOARD.cells[11] == before, "dead"


def a_changed_schedule_has_a_full_budget() -> None:
    """schedule_change fills the budget: the schedule's threads run again when they next can."""
    limited = system.schedule_create(QUOTA, U64(PRIORITY - 1), U64(100_000), U64(50 * MILLISECONDS))
    thread = start_on(code_address(_spinner), U64(12), limited)
    system.thread_sleep(U64(5 * MILLISECONDS))
    before = BOARD.cells[12]
    system.schedule_change(limited, U64(PRIORITY - 1), U64(10 * MILLISECONDS), U64(10 * MILLISECONDS))
    system.thread_sleep(U64(100 * MILLISECONDS))
    assert BOARD.cells[12] > before * 20, "without limit now"
    system.thread_kill(thread)


def a_server_runs_on_its_callers_priority() -> None:
    """A server of low priority that is called runs at least at its caller's: a thread between the two waits."""
    handle = endpoint()
    start_on(code_address(_slow_server), handle, _schedule(U64(PRIORITY - 2)))
    settle()
    start_on(code_address(_noter), U64(1), _schedule(U64(PRIORITY - 1)))
    message = Message()
    ipc.call(handle, message)
    assert BOARD.count == 0, "the thread between waited"
    settle()
    assert BOARD.count == 1, "until nobody else wanted to run"


def _slow_server(handle: U64) -> None:
    message = Message()
    ipc.receive(handle, message)
    while True:
        for _ in U64.range(1000):
            system.system_null()
        ipc.reply_and_receive(handle, message)


def a_lent_priority_is_given_back() -> None:
    """After its reply a server runs at its own priority again: a thread between the two goes first."""
    handle = endpoint()
    start_on(code_address(_one_reply), handle, _schedule(U64(PRIORITY - 2)))
    settle()
    ipc.call(handle, Message())
    start_on(code_address(_noter), U64(1), _schedule(U64(PRIORITY - 1)))
    settle()
    assert BOARD.count == 2 and BOARD.cells[0] == 1 and BOARD.cells[1] == 2, "the thread between first"


def a_priority_lent_to_a_queued_call_is_given_back() -> None:
    """The same when the caller came first, and when its call ends without a reply because it is killed."""
    handle = endpoint()
    caller = start_on(code_address(_caller), handle, _schedule(U64(PRIORITY)))
    settle()
    start_on(code_address(_one_receive), handle, _schedule(U64(PRIORITY - 2)))
    settle()
    assert BOARD.count == 1 and BOARD.cells[0] == 7, "received"
    system.thread_kill(caller)
    start_on(code_address(_noter), U64(1), _schedule(U64(PRIORITY - 1)))
    system.notification_signal(BOARD.cells[14], U64(1))
    settle()
    assert BOARD.count == 3 and BOARD.cells[1] == 1 and BOARD.cells[2] == 2, "the thread between first"


def _caller(handle: U64) -> None:
    ipc.call(handle, Message())


def _one_reply(handle: U64) -> None:
    """Answer one call, then write down a 2."""
    message = Message()
    ipc.receive(handle, message)
    ipc.reply(message)
    BOARD.note(U64(2))


def _one_receive(handle: U64) -> None:
    """Receive a call, write down a 7, wait for a signal, then write down a 2."""
    ipc.receive(handle, Message())
    BOARD.cells[14] = notification()
    BOARD.note(U64(7))
    system.notification_wait(BOARD.cells[14], NEVER)
    BOARD.note(U64(2))


def priority_is_lent_along_a_chain() -> None:
    """A server that calls another passes its caller's priority on."""
    inner = endpoint()
    outer = endpoint()
    BOARD.cells[13] = inner
    start_on(code_address(_slow_server), inner, _schedule(U64(PRIORITY - 3)))
    start_on(code_address(_relay), outer, _schedule(U64(PRIORITY - 2)))
    settle()
    start_on(code_address(_noter), U64(1), _schedule(U64(PRIORITY - 1)))
    ipc.call(outer, Message())
    assert BOARD.count == 0, "the thread between waited"


def _relay(handle: U64) -> None:
    message = Message()
    request = Message()
    ipc.receive(handle, message)
    while True:
        ipc.call(BOARD.cells[13], request)
        ipc.reply_and_receive(handle, message)


def nobody_makes_a_more_urgent_schedule() -> None:
    """schedule_create and schedule_change above the caller's own priority are Denied; at it they are not."""
    full = U64(MILLISECONDS)
    assert _create(QUOTA, U64(PRIORITY + 1), full, full) == DENIED, "create"
    assert _create(QUOTA, U64(255), full, full) == DENIED, "the highest"
    assert _create(QUOTA, U64(PRIORITY), full, full) == 0, "its own"
    schedule = _schedule(U64(1))
    assert _change(schedule, U64(PRIORITY + 1), full, full) == DENIED, "change"
    assert _change(schedule, U64(PRIORITY), full, full) == 0, "its own"


def priorities_end_at_255() -> None:
    """A priority above 255 is BadArgument or Denied, never taken for a lower one."""
    full = U64(MILLISECONDS)
    error = _create(QUOTA, U64(256), full, full)
    assert error == BAD_ARGUMENT or error == DENIED, "256"
    error = _create(QUOTA, U64(1 << 32), full, full)
    assert error == BAD_ARGUMENT or error == DENIED, "beyond 32 bits"


def priority_zero_is_a_priority() -> None:
    """The lowest priority is 0, and its threads run when nobody else does."""
    start_on(code_address(_noter), U64(1), _schedule(U64(0)))
    settle()
    settle()
    assert BOARD.count == 1, "ran"


def a_budget_fits_its_period() -> None:
    """A budget above its period, below 10 microseconds, or a period above an hour is BadArgument."""
    priority = U64(1)
    assert _create(QUOTA, priority, U64(20_001), U64(20_000)) == BAD_ARGUMENT, "above the period"
    assert _create(QUOTA, priority, U64(9_999), U64(20_000)) == BAD_ARGUMENT, "too short"
    assert _create(QUOTA, priority, U64(0), U64(0)) == BAD_ARGUMENT, "none"
    assert _create(QUOTA, priority, U64(10_000), U64(3_600_000_000_001)) == BAD_ARGUMENT, "too long"
    assert _create(QUOTA, priority, U64(10_000), U64(10_000)) == 0, "the least"
    assert _create(QUOTA, priority, U64(10_000), U64(3_600_000_000_000)) == 0, "the longest"


def changing_a_schedule_keeps_the_same_limits() -> None:
    """schedule_change refuses what schedule_create does, and changes nothing then."""
    schedule = _schedule(U64(1))
    assert _change(schedule, U64(1), U64(20_001), U64(20_000)) == BAD_ARGUMENT, "above the period"
    assert _change(schedule, U64(1), U64(1), U64(20_000)) == BAD_ARGUMENT, "too short"
    assert _change(schedule, U64(1), U64(10_000), U64(3_600_000_000_001)) == BAD_ARGUMENT, "too long"


def schedules_need_their_rights() -> None:
    """schedule_create needs ALLOCATE of a quota, schedule_change and schedule_place CONTROL of the schedule."""
    full = U64(MILLISECONDS)
    schedule = _schedule(U64(1))
    assert _create(weaker(QUOTA, Rights.INSPECT), U64(1), full, full) == DENIED, "create"
    assert _change(weaker(schedule, Rights.ALLOCATE), U64(1), full, full) == DENIED, "change"
    assert _create(schedule, U64(1), full, full) == WRONG_KIND, "no quota"
    assert _change(notification(), U64(1), full, full) == WRONG_KIND, "no schedule"
    assert _place(weaker(schedule, Rights.ALLOCATE), U64(0), U64(1)) == DENIED, "place"
    assert _place(notification(), U64(0), U64(1)) == WRONG_KIND, "no schedule to place"


def a_schedule_is_time_of_processors_that_run() -> None:
    """schedule_place on processors of which none runs is BadArgument; its threads run on those that do."""
    schedule = _schedule(U64(PRIORITY))
    assert _place(schedule, U64(0), U64(0)) == BAD_ARGUMENT, "none"
    assert _place(schedule, U64(1 << 16), U64(1)) == BAD_ARGUMENT, "no such"
    assert _place(schedule, U64(1 << 32), U64(1)) == BAD_ARGUMENT, "not the first"
    assert _place(schedule, ~U64(0), ~U64(0)) == BAD_ARGUMENT, "beyond all"
    assert _place(schedule, U64(0), U64(1)) == 0, "the first"
    start_on(code_address(_noter), U64(7), schedule)
    settle()
    assert BOARD.count == 1 and BOARD.cells[0] == 7, "it runs"


def an_interrupted_thread_keeps_its_turn() -> None:
    """A thread that a more urgent one interrupts goes on afterwards, before others of its own priority."""
    start_on(code_address(_long_then_note), U64(1), _schedule(U64(PRIORITY - 1)))
    start_on(code_address(_noter), U64(2), _schedule(U64(PRIORITY - 1)))
    for _ in U64.range(4):
        system.thread_sleep(U64(300_000))
    assert BOARD.count == 0, "interrupted in the middle"
    settle()
    settle()
    assert BOARD.count == 2 and BOARD.cells[0] == 1 and BOARD.cells[1] == 2, "in turn"


def _long_then_note(value: U64) -> None:
    """Compute for about two milliseconds."""
    for _ in U64.range(40_000):
        system.system_null()
    BOARD.note(value)


def a_signal_to_a_more_urgent_thread_switches_at_once() -> None:
    """A thread that wakes a more urgent one does not go on before that waits again."""
    low = _schedule(U64(PRIORITY - 1))
    handle = notification()
    BOARD.cells[15] = handle
    start_on(code_address(_signaller), handle, low)
    BOARD.note(system.notification_wait(handle, NEVER))
    settle()
    assert BOARD.count == 2 and BOARD.cells[0] == 5 and BOARD.cells[1] == 99, "the urgent one first"


def _signaller(handle: U64) -> None:
    system.notification_signal(handle, U64(5))
    BOARD.note(U64(99))


def a_thread_of_equal_priority_is_not_interrupted_by_waking() -> None:
    """Waking a thread of the same priority does not end the waker's turn."""
    handle = notification()
    run(code_address(_waiter), handle)
    system.notification_signal(handle, U64(1))
    assert BOARD.count == 0, "the waker goes on"
    settle()
    assert BOARD.count == 1, "then the other"
