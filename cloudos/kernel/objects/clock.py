"""System calls on time."""

from __future__ import annotations

from cloudos.kernel.hal import timer
from cloudos.kernel.objects.process import sleep_until_event
from cloudos.lang import U64


def clock_read() -> U64:
    """System call."""
    return timer.now()


def thread_sleep(duration_ns: U64) -> None:
    """System call."""
    deadline = timer.now().saturating_add(duration_ns)
    while timer.now() < deadline:
        timer.set_alarm(deadline)
        sleep_until_event()
