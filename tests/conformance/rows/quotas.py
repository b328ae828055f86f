"""Quotas

Who pays for the kernel's memory.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.objects import Rights
from cloudos.lang import U8, U64, Array, Ptr, UserPtr
from cloudos.sdk import system
from tests.conformance.support import (
    BAD_ADDRESS,
    BAD_HANDLE,
    DENIED,
    QUOTA,
    QUOTA_EXCEEDED,
    SCHEDULE,
    WRONG_KIND,
    attempt,
    notification,
    quota_used,
    settle,
    weaker,
)

_create = attempt("quota_create")
_inspect = attempt("quota_inspect")
_endpoint_create = attempt("endpoint_create")
_notification_create = attempt("notification_create")
_process_create = attempt("process_create")
_schedule_create = attempt("schedule_create")

SMALL = 64 << 10
BEYOND = U64(1 << 50)


def _numbers(quota: U64) -> tuple[U64, U64]:
    """Used, limit."""
    numbers = Array[U64, Literal[2]]()
    system.quota_inspect(quota, UserPtr.at(U8, Ptr.to(numbers).address.value))
    return numbers[0], numbers[1]


def a_new_quota_is_unused() -> None:
    """A new quota has the limit asked for, and nothing of it is used."""
    used, limit = _numbers(system.quota_create(QUOTA, U64(SMALL)))
    assert used == 0 and limit == SMALL, "numbers"


def a_quota_is_taken_from_its_parent() -> None:
    """Creating a quota charges its whole limit to its parent at once."""
    before = quota_used()
    system.quota_create(QUOTA, U64(SMALL))
    assert quota_used() >= before + SMALL, "charged"


def a_quota_comes_back_when_it_goes() -> None:
    """When the last handle to an unused quota is closed its limit returns to the parent."""
    first = system.quota_create(QUOTA, U64(SMALL))
    system.handle_close(first)
    settle()
    before = quota_used()
    second = system.quota_create(QUOTA, U64(SMALL))
    system.handle_close(second)
    settle()
    assert quota_used() == before, "returned"


def a_quota_is_no_larger_than_what_is_left() -> None:
    """A quota larger than what its parent has left is QuotaExceeded, and charges nothing."""
    before = quota_used()
    assert _create(QUOTA, BEYOND) == QUOTA_EXCEEDED, "the machine"
    assert _create(QUOTA, U64(0xFFFF_FFFF_FFFF_FFFF)) == QUOTA_EXCEEDED, "all bits"
    assert quota_used() == before, "nothing charged"
    small = system.quota_create(QUOTA, U64(SMALL))
    assert _create(small, U64(SMALL + 1)) == QUOTA_EXCEEDED, "the parent"


def objects_are_charged_to_their_quota() -> None:
    """An object is charged to the quota that it is made from, and to no other."""
    quota = system.quota_create(QUOTA, U64(SMALL))
    notification()
    before = quota_used()
    handle = system.endpoint_create(quota)
    used, _ = _numbers(quota)
    assert used > 0, "charged"
    assert quota_used() == before, "not to the parent"
    system.handle_close(handle)
    settle()
    used, _ = _numbers(quota)
    assert used == 0, "given back"


def an_exhausted_quota_says_so() -> None:
    """When a quota is used up creating is QuotaExceeded, and its use stays within the limit."""
    quota = system.quota_create(QUOTA, U64(SMALL))
    count = U64(0)
    error = U64(0)
    while error == 0 and count < 10_000:
        error = _notification_create(quota)
        count = count + 1
    assert error == QUOTA_EXCEEDED, "exhausted"
    assert count > 10, "not at once"
    used, limit = _numbers(quota)
    assert used <= limit, "within the limit"
    assert _endpoint_create(quota) == QUOTA_EXCEEDED, "endpoints"
    assert _process_create(quota, U64(0)) == QUOTA_EXCEEDED, "processes"


def exhausting_one_quota_leaves_others() -> None:
    """While one quota is exhausted another still pays."""
    quota = system.quota_create(QUOTA, U64(SMALL))
    for _ in U64.range(5000):
        if _notification_create(quota) != 0:
            break
    other = system.quota_create(QUOTA, U64(SMALL))
    assert _endpoint_create(other) == 0, "the other"
    assert _endpoint_create(QUOTA) == 0, "the parent"


def a_quota_of_nothing_pays_for_nothing() -> None:
    """A quota of 0 bytes can be made, and pays for nothing."""
    quota = system.quota_create(QUOTA, U64(0))
    assert _endpoint_create(quota) == QUOTA_EXCEEDED, "endpoint"
    assert _schedule_create(quota, U64(1), U64(10_000), U64(10_000)) == QUOTA_EXCEEDED, "schedule"


def a_failed_creation_charges_nothing() -> None:
    """A process that a quota cannot pay for leaves the quota as it was."""
    quota = system.quota_create(QUOTA, U64(512))
    before, _ = _numbers(quota)
    assert _process_create(quota, U64(0)) == QUOTA_EXCEEDED, "too small"
    settle()
    after, _ = _numbers(quota)
    assert after == before, "as it was"


def spending_needs_the_right_to_allocate() -> None:
    """Every creation from a quota handle without ALLOCATE is Denied."""
    weak = weaker(QUOTA, Rights.INSPECT | Rights.DERIVE)
    assert _create(weak, U64(SMALL)) == DENIED, "quota"
    assert _endpoint_create(weak) == DENIED, "endpoint"
    assert _notification_create(weak) == DENIED, "notification"
    assert _process_create(weak, U64(0)) == DENIED, "process"
    assert _schedule_create(weak, U64(1), U64(10_000), U64(10_000)) == DENIED, "schedule"


def inspecting_a_quota_needs_the_right() -> None:
    """quota_inspect without INSPECT is Denied, of another object WrongKind, of none BadHandle."""
    numbers = Array[U64, Literal[2]]()
    address = Ptr.to(numbers).address.value
    assert _inspect(weaker(QUOTA, Rights.ALLOCATE), address) == DENIED, "right"
    assert _inspect(SCHEDULE, address) == WRONG_KIND, "kind"
    assert _inspect(U64(5), address) == BAD_HANDLE, "none"


def inspecting_writes_to_the_callers_memory() -> None:
    """quota_inspect into memory that is not the caller's is BadAddress."""
    assert _inspect(QUOTA, U64(8)) == BAD_ADDRESS, "nowhere"
    assert _inspect(QUOTA, U64(0xFFFF_FFFF_8010_0000)) == BAD_ADDRESS, "the kernel's"


def a_quota_lives_while_it_is_used() -> None:
    """A quota whose handle is closed goes on paying for what was made from it, and returns when that goes."""
    quota = system.quota_create(QUOTA, U64(SMALL))
    handle = system.endpoint_create(quota)
    before = quota_used()
    system.handle_close(quota)
    settle()
    assert quota_used() == before, "still charged"
    system.handle_close(handle)
    settle()
    assert quota_used() < before, "returned"
