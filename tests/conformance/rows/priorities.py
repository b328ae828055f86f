"""Priorities of those who wait

The most urgent is served first wherever threads wait, also when its priority changes meanwhile.
"""

from __future__ import annotations

from cloudos.abi import initial
from cloudos.lang import U64, code_address
from cloudos.sdk import ipc, system
from cloudos.sdk.ipc import Message
from cloudos.sdk.threads import start_on
from tests.conformance.support import BOARD, NEVER, QUOTA, badged, endpoint, notification, settle

PRIORITY = initial.PRIORITY
PERIOD = 10_000_000


def _schedule(priority: U64) -> U64:
    """Without limit."""
    return system.schedule_create(QUOTA, priority, U64(PERIOD), U64(PERIOD))


def _change(schedule: U64, priority: U64) -> None:
    system.schedule_change(schedule, priority, U64(PERIOD), U64(PERIOD))


def _noter(value: U64) -> None:
    BOARD.note(value)


def _caller(handle: U64) -> None:
    ipc.call(handle, Message())


def _received(handle: U64) -> U64:
    """The badge of the next call, which is answered."""
    message = Message()
    ipc.receive(handle, message)
    badge = message.badge
    ipc.reply(message)
    return badge


def the_most_urgent_sender_is_received_first() -> None:
    """Calls that wait at an endpoint are received in the order of their callers' priorities, not of their arrival."""
    there = endpoint()
    for place in U64.range(5):
        # 3, 1, 4, 2, 0 below the first thread's.
        below = (place * 3 + 3) % 5
        start_on(code_address(_caller), badged(there, 10 + below), _schedule(U64(PRIORITY) - below))
        settle()
    for below in U64.range(5):
        assert _received(there) == 10 + below, "the most urgent"


def equal_senders_are_received_in_turn() -> None:
    """Among callers of one priority the first to come is received first, whatever stands before and behind them."""
    there = endpoint()
    for place in U64.range(6):
        start_on(code_address(_caller), badged(there, 10 + place), _schedule(U64(PRIORITY - 1) - place % 2))
        settle()
    assert _received(there) == 10 and _received(there) == 12 and _received(there) == 14, "the more urgent"
    assert _received(there) == 11 and _received(there) == 13 and _received(there) == 15, "the less urgent"


def a_sender_in_the_middle_may_leave() -> None:
    """When a caller that waits is killed the order of the others stays."""
    there = endpoint()
    leaving = U64(0)
    last = U64(0)
    for place in U64.range(6):
        last = start_on(code_address(_caller), badged(there, 10 + place), _schedule(U64(PRIORITY - 1) - place // 3))
        settle()
        if place == 1:
            leaving = last
    system.thread_kill(leaving)
    system.thread_kill(last)
    assert _received(there) == 10 and _received(there) == 12, "the more urgent"
    assert _received(there) == 13 and _received(there) == 14, "the less urgent"


def the_most_urgent_receiver_gets_the_message() -> None:
    """Of threads that wait to receive the most urgent gets the message, not the first to come."""
    there = endpoint()
    start_on(code_address(_receive_as_one), there, _schedule(U64(PRIORITY - 2)))
    settle()
    start_on(code_address(_receive_as_two), there, _schedule(U64(PRIORITY - 1)))
    settle()
    start_on(code_address(_receive_as_one), there, _schedule(U64(PRIORITY - 2)))
    settle()
    for _ in U64.range(3):
        ipc.send(there, Message())
        settle()
    assert BOARD.count == 3 and BOARD.cells[0] == 2 and BOARD.cells[1] == 1 and BOARD.cells[2] == 1, "two, one, one"


def _receive_as_one(handle: U64) -> None:
    ipc.receive(handle, Message())
    BOARD.note(U64(1))


def _receive_as_two(handle: U64) -> None:
    ipc.receive(handle, Message())
    BOARD.note(U64(2))


def the_most_urgent_waiter_gets_the_signals() -> None:
    """Of threads that wait for a notification the most urgent gets the signals, not the first to come."""
    there = notification()
    BOARD.cells[10] = there
    start_on(code_address(_wait_as), U64(1), _schedule(U64(PRIORITY - 2)))
    settle()
    start_on(code_address(_wait_as), U64(2), _schedule(U64(PRIORITY - 1)))
    settle()
    system.notification_signal(there, U64(1))
    settle()
    assert BOARD.count == 1 and BOARD.cells[0] == 2, "the more urgent"
    system.notification_signal(there, U64(1))
    settle()
    assert BOARD.count == 2 and BOARD.cells[1] == 1, "then the other"


def _wait_as(number: U64) -> None:
    system.notification_wait(BOARD.cells[10], NEVER)
    BOARD.note(number)


def a_changed_schedule_moves_a_caller_that_waits() -> None:
    """schedule_change of a caller that waits puts it where its new priority belongs."""
    there = endpoint()
    schedule = _schedule(U64(PRIORITY - 3))
    start_on(code_address(_caller), badged(there, U64(10)), schedule)
    start_on(code_address(_caller), badged(there, U64(11)), _schedule(U64(PRIORITY - 2)))
    settle()
    _change(schedule, U64(PRIORITY - 1))
    assert _received(there) == 10 and _received(there) == 11, "up"
    start_on(code_address(_caller), badged(there, U64(10)), schedule)
    start_on(code_address(_caller), badged(there, U64(11)), _schedule(U64(PRIORITY - 2)))
    settle()
    _change(schedule, U64(PRIORITY - 3))
    assert _received(there) == 11 and _received(there) == 10, "down"


def a_changed_schedule_takes_effect_at_once() -> None:
    """schedule_change of a thread that is ready: it runs before those that are less urgent now."""
    schedule = _schedule(U64(PRIORITY - 2))
    start_on(code_address(_noter), U64(1), _schedule(U64(PRIORITY - 1)))
    start_on(code_address(_noter), U64(2), schedule)
    _change(schedule, U64(PRIORITY))
    settle()
    assert BOARD.cells[0] == 2 and BOARD.cells[1] == 1, "in the new order"


def a_lowered_schedule_gives_way_at_once() -> None:
    """A thread that lowers its own schedule is interrupted by whoever is more urgent now."""
    schedule = _schedule(U64(PRIORITY))
    BOARD.cells[10] = schedule
    start_on(code_address(_lower), U64(0), schedule)
    start_on(code_address(_noter), U64(1), _schedule(U64(PRIORITY - 1)))
    settle()
    assert BOARD.count == 2 and BOARD.cells[0] == 1 and BOARD.cells[1] == 7, "the other went first"


def _lower(argument: U64) -> None:
    _change(BOARD.cells[10], U64(PRIORITY - 2))
    BOARD.note(U64(7))


def a_limit_takes_effect_at_once() -> None:
    """A thread that computes is stopped when the budget that its schedule is given meanwhile is used up."""
    schedule = _schedule(U64(PRIORITY - 1))
    spinner = start_on(code_address(_spin), U64(0), schedule)
    settle()
    system.schedule_change(schedule, U64(PRIORITY - 1), U64(10_000), U64(1_000_000_000))
    settle()
    before = BOARD.cells[1]
    system.thread_sleep(U64(20_000_000))
    assert before > 0 and BOARD.cells[1] == before, "it stands still"
    _change(schedule, U64(PRIORITY - 1))
    settle()
    assert BOARD.cells[1] > before, "and runs at once when it may"
    system.thread_kill(spinner)


def _spin(argument: U64) -> None:
    while True:
        BOARD.cells[1] = BOARD.cells[1] + 1
        system.system_null()


def a_lent_priority_follows_its_lender() -> None:
    """When the priority of a caller changes, that of its server changes, and of the one that the server has called."""
    outer = endpoint()
    inner = endpoint()
    BOARD.cells[10] = inner
    BOARD.cells[11] = notification()
    schedule = _schedule(U64(PRIORITY - 4))
    start_on(code_address(_waits_while_serving), inner, _schedule(U64(PRIORITY - 6)))
    start_on(code_address(_relay), outer, _schedule(U64(PRIORITY - 5)))
    start_on(code_address(_caller), outer, schedule)
    settle()
    _change(schedule, U64(PRIORITY - 1))
    start_on(code_address(_noter), U64(1), _schedule(U64(PRIORITY - 2)))
    system.notification_signal(BOARD.cells[11], U64(1))
    settle()
    assert BOARD.count == 2 and BOARD.cells[0] == 9 and BOARD.cells[1] == 1, "the server first"


def _waits_while_serving(handle: U64) -> None:
    message = Message()
    ipc.receive(handle, message)
    system.notification_wait(BOARD.cells[11], NEVER)
    BOARD.note(U64(9))
    ipc.reply(message)


def _relay(handle: U64) -> None:
    message = Message()
    ipc.receive(handle, message)
    ipc.call(BOARD.cells[10], Message())
    ipc.reply(message)


def a_threads_turn_in_a_crowd() -> None:
    """A hundred callers of fifty priorities are received in order."""
    there = endpoint()
    for place in U64.range(100):
        priority = U64(PRIORITY - 1) - place * 7 % 50
        start_on(code_address(_caller), badged(there, 1 + place * 7 % 50), _schedule(priority))
        settle()
    for place in U64.range(100):
        assert _received(there) == 1 + place // 2, "in order"
