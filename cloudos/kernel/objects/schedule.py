"""The schedule: a right to processor time. Threads that run on the same schedule share its budget.

`budget` nanoseconds in each `period`, at `priority` (255 is the most urgent). When the whole period is the budget, the
schedule is never without time: its threads only take turns with others of their priority.

`processors` of them, from number `first` on, are those that it is time of.
"""

from __future__ import annotations

from cloudos.abi.errors import BadArgument, OutOfMemory, QuotaExceeded
from cloudos.abi.objects import Kind
from cloudos.kernel.objects import cleanup
from cloudos.kernel.objects.header import Header, Quota
from cloudos.kernel.sched.budget import Budget
from cloudos.lang import U8, U32, U64, Ptr, inlined, null, size_of, struct, zeroed

__all__ = ["OutOfMemory", "QuotaExceeded"]

SHORTEST_BUDGET_NS = 10_000
LONGEST_PERIOD_NS = 3_600_000_000_000
# More than there are, and not so many that numbers before the first one seem to follow it.
ALL_PROCESSORS = 0x8000_0000


@struct
class Schedule:
    """A schedule object."""

    header: Header = zeroed()
    budget: Budget = zeroed()
    priority: U8 = U8(0)
    first: U32 = U32(0)
    processors: U32 = U32(0)
    # First of its threads, linked through `Thread.schedule_next`, and the next one that has to learn of a change.
    threads: Ptr[Header] = null()
    changed: Ptr[Header] = null()

    @inlined
    def allows(self, number: U32) -> bool:
        """Whether it is time of the processor with this number."""
        return number.wrapping_sub(self.first) < self.processors


def check(priority: U64, budget_ns: U64, period_ns: U64) -> None:
    """BadArgument unless these can be honoured."""
    if priority > 255 or budget_ns > period_ns or budget_ns < SHORTEST_BUDGET_NS or period_ns > LONGEST_PERIOD_NS:
        raise BadArgument


def create(quota: Quota, priority: U64, budget_ns: U64, period_ns: U64) -> Ptr[Schedule]:
    """A new schedule with a full budget. Raises BadArgument, QuotaExceeded, OutOfMemory."""
    check(priority, budget_ns, period_ns)
    schedule = cleanup.create(quota, Kind.SCHEDULE, U64(size_of(Schedule))).cast(Schedule)
    schedule.value.priority = U8(priority)
    schedule.value.processors = U32(ALL_PROCESSORS)
    schedule.value.budget.set(budget_ns, period_ns)
    return schedule
