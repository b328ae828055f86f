"""Queues of waiting threads against sorted lists: order, links, and the shortcuts between equals."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.kernel.objects.thread import Thread, WaitQueue
from cloudos.lang import U8, Ptr
from tests.unit.kernel.simulated_machine import memory
from tests.unit.kernel.test_sched import threads

MB = 1 << 20
STEPS = st.lists(st.tuples(st.sampled_from(["insert", "remove", "first"]), st.integers(0, 5)), max_size=60)


def check(queue: WaitQueue, model: list[tuple[int, Ptr[Thread]]]) -> None:
    """`model`: priorities and threads in the order in which they must stand."""
    assert queue.first.is_null() == queue.last.is_null() == (not model)
    before: Ptr[Thread] | None = None
    thread = queue.first
    for index, (priority, expected) in enumerate(model):
        assert thread == expected and thread.value.priority == priority
        if before is not None:
            assert thread.value.queue_previous == before
        equal = [other for other_priority, other in model if other_priority == priority]
        other = thread.value.other
        if len(equal) > 1 and thread == equal[0]:
            assert other == equal[-1]
        elif len(equal) > 1 and thread == equal[-1]:
            assert other == equal[0]
        else:
            assert other.is_null()
        if index == len(model) - 1:
            assert queue.last == thread and thread.value.queue_next.is_null()
        before, thread = thread, thread.value.queue_next


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_the_most_urgent_come_first_and_equals_in_turn(steps: list[tuple[str, int]]) -> None:
    with memory((1 * MB, 1 * MB)):
        queue = WaitQueue()
        idle = threads(60)
        model: list[tuple[int, Ptr[Thread]]] = []
        for step, number in steps:
            if step == "insert":
                thread = idle.pop()
                thread.value.priority = U8(number)
                queue.insert(thread)
                place = sum(priority >= number for priority, _ in model)
                model.insert(place, (number, thread))
            elif model:
                place = 0 if step == "first" else number % len(model)
                _, thread = model.pop(place)
                if step == "first":
                    queue.remove_first(thread)
                else:
                    queue.remove(thread)
                assert thread.value.other.is_null()
                idle.append(thread)
            check(queue, model)
            lowest = model[-1][0] if model else 255
            assert [queue.ends_above(U8(priority)) for priority in range(6)] == [lowest < p for p in range(6)]
