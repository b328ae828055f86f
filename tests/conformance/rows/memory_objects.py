"""Memory objects

What they hold, who pays for them, copies of them, and what can be taken out of them.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.objects import MEMORY_CONTIGUOUS, MEMORY_ON_DEMAND, MEMORY_PAID, Rights
from cloudos.lang import U8, U32, U64, Array, Ptr, UserPtr, code_address
from cloudos.sdk import system
from cloudos.sdk.processes import Child
from tests.conformance.support import (
    BAD_ADDRESS,
    BAD_ARGUMENT,
    BAD_HANDLE,
    BAD_STATE,
    DENIED,
    OUT_OF_MEMORY,
    PAGE,
    PROCESS,
    QUOTA,
    QUOTA_EXCEEDED,
    SPACE,
    WRONG_KIND,
    attempt,
    endpoint,
    new_memory,
    notification,
    peek,
    poke,
    quota_used,
    settle,
    shown,
    used_of,
    weaker,
)

_create = attempt("memory_create")
_clone = attempt("memory_clone")
_discard = attempt("memory_discard")
_inspect = attempt("memory_inspect")
_map = attempt("space_map")
_quota_inspect = attempt("quota_inspect")

LARGE = 2 << 20
MEGABYTE = 1 << 20


def _copy(memory: U64) -> U64:
    return system.memory_clone(memory, QUOTA, U64(0))


def _part(limit: U64) -> U64:
    return system.quota_create(QUOTA, limit)


def _word(memory: U64, index: U64) -> U64:
    """One of the words of memory_inspect."""
    numbers = Array[U64, Literal[3]]()
    system.memory_inspect(memory, UserPtr.at(U8, Ptr.to(numbers).address.value))
    return numbers[index]


def _paid(memory: U64) -> U64:
    return _word(memory, U64(1))


def _all_zero(address: U64, length: U64) -> bool:
    found = U64(0)
    for offset in U64.range(0, length, 8):
        found = found | peek(address + offset)
    return found == 0


# Making


def a_new_object_is_zero() -> None:
    """Memory of every kind reads as zero when it is new, also where ended objects left something."""
    for kind in U64.range(3):
        for _ in U64.range(2):
            memory = system.memory_create(QUOTA, U64(8 * PAGE), kind)
            address = shown(memory, U64(8))
            assert _all_zero(address, U64(8 * PAGE)), "zero"
            for offset in U64.range(0, 8 * PAGE, 8):
                poke(address + offset, U64(0x5EC2_E75E_C2E7))
            system.space_unmap(SPACE, address, U64(8 * PAGE))
            system.handle_close(memory)
            settle()


def making_memory_needs_a_quota_to_spend() -> None:
    """memory_create and memory_clone need a quota with ALLOCATE."""
    memory = new_memory(U64(1))
    weak = weaker(QUOTA, Rights.INSPECT)
    assert _create(weak, U64(PAGE), U64(0)) == DENIED and _clone(memory, weak, U64(0)) == DENIED, "right"
    assert _create(PROCESS, U64(PAGE), U64(0)) == WRONG_KIND and _clone(memory, PROCESS, U64(0)) == WRONG_KIND, "kind"
    assert _create(U64(3), U64(PAGE), U64(0)) == BAD_HANDLE and _clone(memory, U64(3), U64(0)) == BAD_HANDLE, "none"


def memory_is_made_in_whole_pages() -> None:
    """memory_create of no bytes, of a part of a page, or of more than 2^48 bytes is BadArgument for all kinds."""
    for kind in U64.range(3):
        assert _create(QUOTA, U64(0), kind) == BAD_ARGUMENT, "nothing"
        assert _create(QUOTA, U64(1), kind) == BAD_ARGUMENT, "a byte"
        assert _create(QUOTA, U64(PAGE + 8), kind) == BAD_ARGUMENT, "a page and more"
        assert _create(QUOTA, U64((1 << 48) + PAGE), kind) == BAD_ARGUMENT, "too much"
        assert _create(QUOTA, U64(1 << 63), kind) == BAD_ARGUMENT, "far too much"


def unknown_kinds_of_memory_are_refused() -> None:
    """memory_create with a kind that there is not is BadArgument."""
    assert _create(QUOTA, U64(PAGE), U64(3)) == BAD_ARGUMENT, "the next"
    assert _create(QUOTA, U64(PAGE), U64(1 << 32)) == BAD_ARGUMENT, "beyond 32 bits"


def memory_may_be_larger_than_the_machine() -> None:
    """An object that is paid for when touched may have 2^48 bytes; its last page can be used."""
    memory = system.memory_create(QUOTA, U64(1 << 48), U64(MEMORY_ON_DEMAND))
    address = shown(new_memory(U64(1)), U64(1)) + PAGE
    system.space_map(SPACE, memory, address, U64((1 << 48) - PAGE), U64(PAGE), U64(3))
    poke(address, U64(7))
    assert peek(address) == 7, "the last page"


def contiguous_memory_has_at_most_16_megabytes() -> None:
    """memory_create of contiguous memory above 16 MB is BadArgument; 16 MB are had, or OutOfMemory."""
    contiguous = U64(MEMORY_CONTIGUOUS)
    assert _create(QUOTA, U64(16 * MEGABYTE + PAGE), contiguous) == BAD_ARGUMENT, "more"
    error = _create(QUOTA, U64(16 * MEGABYTE), contiguous)
    assert error == 0 or error == OUT_OF_MEMORY or error == QUOTA_EXCEEDED, "just that"


def where_contiguous_memory_lies_is_told_to_holders_of_control() -> None:
    """memory_inspect gives the physical address of contiguous memory with CONTROL, and 0 without, or of other kinds."""
    memory = system.memory_create(QUOTA, U64(3 * PAGE), U64(MEMORY_CONTIGUOUS))
    assert _word(memory, U64(2)) != 0 and _word(memory, U64(2)) % (4 * PAGE) == 0, "a block"
    assert _word(weaker(memory, Rights.INSPECT), U64(2)) == 0, "without"
    assert _word(new_memory(U64(1)), U64(2)) == 0, "another kind"


# Paying


def memory_on_demand_is_paid_when_touched() -> None:
    """An object that is paid for when touched costs nothing but itself at first, then each page."""
    used = quota_used()
    memory = new_memory(U64(1000))
    address = shown(memory, U64(1000))
    assert quota_used() - used < PAGE, "nothing yet"
    poke(address, U64(1))
    assert quota_used() - used >= PAGE and _paid(memory) >= PAGE, "a page"
    poke(address + PAGE, U64(1))
    # That took a node too.
    before = _paid(memory)
    poke(address + 2 * PAGE, U64(1))
    assert _paid(memory) == before + PAGE, "another"
    poke(address + 2 * PAGE + 8, U64(1))
    assert _paid(memory) == before + PAGE, "the same"


def memory_paid_is_paid_at_once() -> None:
    """An object that is paid for at once costs all its pages when made, and touching them costs only page tables."""
    used = quota_used()
    memory = system.memory_create(QUOTA, U64(100 * PAGE), U64(MEMORY_PAID))
    all_of_it = quota_used() - used
    assert all_of_it >= 100 * PAGE, "all"
    address = shown(memory, U64(100))
    for page in U64.range(100):
        poke(address + page * PAGE, page)
    # The tables of the space, the nodes of the object, its region.
    assert quota_used() - used <= all_of_it + 6 * PAGE, "no page twice"


def memory_that_cannot_be_paid_is_not_made() -> None:
    """memory_create of more paid or contiguous memory than the quota has is QuotaExceeded, and costs nothing."""
    part = _part(U64(16 * PAGE))
    assert _create(part, U64(17 * PAGE), U64(MEMORY_PAID)) == QUOTA_EXCEEDED, "paid"
    assert _create(part, U64(17 * PAGE), U64(MEMORY_CONTIGUOUS)) == QUOTA_EXCEEDED, "contiguous"
    settle()
    assert used_of(part) == 0, "nothing"
    assert _create(part, U64(17 * PAGE), U64(MEMORY_ON_DEMAND)) == 0, "on demand"


def the_quota_that_is_named_pays() -> None:
    """Pages of an object are charged to the quota that it was made with, whoever touches them."""
    part = _part(U64(64 * PAGE))
    memory = system.memory_create(part, U64(8 * PAGE), U64(MEMORY_ON_DEMAND))
    address = shown(memory, U64(8))
    poke(address, U64(1))
    poke(address + PAGE, U64(1))
    before = used_of(part)
    own = quota_used()
    for page in U64.range(2, 8):
        poke(address + page * PAGE, U64(1))
    assert used_of(part) == before + 6 * PAGE, "it"
    assert quota_used() == own, "nobody else"


def all_that_memory_cost_comes_back() -> None:
    """When an object of any kind, touched, cloned and mapped, is gone, its quota is as before."""
    for kind in U64.range(3):
        part = _part(U64(8 * MEGABYTE))
        memory = system.memory_create(part, U64(600 * PAGE), kind)
        address = shown(memory, U64(600))
        for page in U64.range(0, 600, 7):
            poke(address + page * PAGE, page)
        if kind != MEMORY_CONTIGUOUS:
            copy = system.memory_clone(memory, part, U64(0))
            other = shown(copy, U64(600))
            for page in U64.range(0, 600, 11):
                poke(other + page * PAGE, page)
            system.handle_close(copy)
            system.space_unmap(SPACE, other, U64(600 * PAGE))
        system.handle_close(memory)
        system.space_unmap(SPACE, address, U64(600 * PAGE))
        settle()
        assert used_of(part) == 0, "all"


def _poke_page(address: U64) -> None:
    poke(address, U64(1))
    system.process_exit(U8(33))


def a_page_that_cannot_be_paid_ends_who_touches_it() -> None:
    """Touching a page for which the object's quota has nothing left is a fault of the process that does."""
    part = _part(U64(3 * PAGE))
    memory = system.memory_create(part, U64(64 * PAGE), U64(MEMORY_ON_DEMAND))
    child = Child()
    child.make(QUOTA)
    address = U64(0x3000_0000)
    system.space_map(system.process_space(child.process), memory, address, U64(0), U64(64 * PAGE), U64(3))
    child.start(code_address(_poke_page), address)
    settle()
    assert system.process_inspect(child.process) & 0xFFFF == 256 + 33, "enough for one page with its nodes"
    other = Child()
    other.make(QUOTA)
    system.space_map(system.process_space(other.process), memory, address, U64(PAGE), U64(32 * PAGE), U64(3))
    other.start(code_address(_poke_page), address + 31 * PAGE)
    settle()
    assert system.process_inspect(other.process) & 0xFFFF == 256 + 139, "a fault"


def a_system_call_on_a_page_that_cannot_be_paid_fails() -> None:
    """A system call that writes to a page that cannot be paid for is BadAddress."""
    memory = system.memory_create(_part(U64(1024)), U64(PAGE), U64(MEMORY_ON_DEMAND))
    assert _quota_inspect(QUOTA, shown(memory, U64(1))) == BAD_ADDRESS, "no page"


def inspecting_memory_needs_its_right() -> None:
    """memory_inspect needs INSPECT, a memory object, and room for three words."""
    memory = new_memory(U64(5))
    assert _word(memory, U64(0)) == 5 * PAGE, "the length"
    assert _paid(memory) == 0, "nothing is there"
    address = shown(memory, U64(1))
    assert _inspect(weaker(memory, Rights.READ | Rights.MAP), address) == DENIED, "right"
    assert _inspect(QUOTA, address) == WRONG_KIND, "kind"
    assert _inspect(memory, U64(8)) == BAD_ADDRESS, "nowhere"
    assert _inspect(memory, address + PAGE - 16) == BAD_ADDRESS, "across the end"


def a_closed_handle_of_memory_is_stale() -> None:
    """After handle_close all operations on the object are BadHandle."""
    memory = new_memory(U64(1))
    address = shown(memory, U64(1))
    system.handle_close(memory)
    assert _inspect(memory, address) == BAD_HANDLE, "inspect"
    assert _clone(memory, QUOTA, U64(0)) == BAD_HANDLE, "clone"
    assert _discard(memory, U64(0), U64(PAGE)) == BAD_HANDLE, "discard"
    assert _map(SPACE, memory, address + PAGE, U64(0), U64(PAGE), U64(1)) == BAD_HANDLE, "map"


# Clones


def a_clone_has_the_contents_of_its_origin() -> None:
    """What was written to an object before memory_clone is read in the clone, zero where nothing was."""
    memory = new_memory(U64(20))
    address = shown(memory, U64(20))
    for page in U64.range(0, 20, 2):
        poke(address + page * PAGE + 8, page + 100)
    copy = shown(_copy(memory), U64(20))
    for page in U64.range(20):
        assert peek(copy + page * PAGE + 8) == (page + 100 if page % 2 == 0 else U64(0)), "the same"


def writing_separates_a_clone_from_its_origin() -> None:
    """What is written to an object or its clone afterwards is not seen in the other, in touched and untouched pages."""
    memory = new_memory(U64(4))
    address = shown(memory, U64(4))
    poke(address, U64(1))
    poke(address + PAGE, U64(2))
    copy = shown(_copy(memory), U64(4))
    poke(address, U64(11))
    poke(copy + PAGE, U64(22))
    poke(address + 2 * PAGE, U64(33))
    poke(copy + 3 * PAGE, U64(44))
    assert peek(copy) == 1 and peek(address + PAGE) == 2, "as before"
    assert peek(copy + 2 * PAGE) == 0 and peek(address + 3 * PAGE) == 0, "not there"
    assert peek(address) == 11 and peek(copy + PAGE) == 22, "each its own"


def a_clone_has_a_clone() -> None:
    """Three generations of clones, written in any order, each keep their own."""
    first = new_memory(U64(3))
    a = shown(first, U64(3))
    poke(a, U64(1))
    second = _copy(first)
    b = shown(second, U64(3))
    poke(b + PAGE, U64(2))
    c = shown(_copy(second), U64(3))
    poke(c + 2 * PAGE, U64(3))
    poke(b, U64(20))
    poke(a + PAGE, U64(10))
    assert peek(c) == 1 and peek(c + PAGE) == 2 and peek(c + 2 * PAGE) == 3, "the third"
    assert peek(b) == 20 and peek(b + PAGE) == 2 and peek(b + 2 * PAGE) == 0, "the second"
    assert peek(a) == 1 and peek(a + PAGE) == 10 and peek(a + 2 * PAGE) == 0, "the first"


def a_clone_outlives_its_origin() -> None:
    """When the origin is gone a clone has all its contents, and can be written; and the other way round."""
    for order in U64.range(2):
        memory = new_memory(U64(4))
        address = shown(memory, U64(4))
        poke(address + PAGE, U64(5))
        made = _copy(memory)
        copy = shown(made, U64(4))
        gone = address if order == 0 else copy
        kept = copy if order == 0 else address
        system.handle_close(memory)
        system.handle_close(made)
        system.space_unmap(SPACE, gone, U64(4 * PAGE))
        settle()
        assert peek(kept + PAGE) == 5 and peek(kept) == 0, "contents"
        poke(kept + PAGE, U64(6))
        assert peek(kept + PAGE) == 6, "written"


def a_clone_is_seen_through_all_mappings() -> None:
    """An object that is mapped twice shows what is written after memory_clone through both mappings."""
    memory = new_memory(U64(2))
    one = shown(memory, U64(2))
    two = shown(memory, U64(2))
    poke(one, U64(1))
    assert peek(two) == 1, "before"
    copy = shown(_copy(memory), U64(2))
    poke(two, U64(2))
    assert peek(one) == 2, "after"
    poke(one, U64(3))
    assert peek(two) == 3 and peek(copy) == 1, "and back"


def a_large_object_is_cloned() -> None:
    """A clone of 6 MB that are mapped with large pages has the contents, and is separate."""
    memory = system.memory_create(QUOTA, U64(3 * LARGE), U64(MEMORY_PAID))
    address = shown(memory, U64(3 * 512))
    for offset in U64.range(0, 3 * LARGE, 64 << 10):
        poke(address + offset, offset + 1)
    copy = shown(_copy(memory), U64(3 * 512))
    for offset in U64.range(0, 3 * LARGE, 128 << 10):
        poke(address + offset, U64(5))
    for offset in U64.range(0, 3 * LARGE, 64 << 10):
        assert peek(copy + offset) == offset + 1, "as it was"
        assert peek(address + offset) == (U64(5) if offset % (128 << 10) == 0 else offset + 1), "changed"


def a_clone_is_paid_like_its_origin() -> None:
    """memory_clone charges its quota for all pages of the origin, shared or not; QuotaExceeded when it has too few."""
    memory = new_memory(U64(40))
    address = shown(memory, U64(40))
    for page in U64.range(40):
        poke(address + page * PAGE, page)
    small = _part(U64(20 * PAGE))
    assert _clone(memory, small, U64(0)) == QUOTA_EXCEEDED, "too few"
    settle()
    assert used_of(small) == 0, "nothing made"
    part = _part(U64(64 * PAGE))
    copy = system.memory_clone(memory, part, U64(0))
    used = used_of(part)
    assert used >= 40 * PAGE and _paid(copy) == _paid(memory), "all of them"
    other = shown(copy, U64(40))
    for page in U64.range(40):
        poke(other + page * PAGE, page)
    assert used_of(part) == used, "copying costs no more"


def cloning_needs_the_right_to_read() -> None:
    """memory_clone through a handle without READ is Denied; of something else WrongKind."""
    memory = new_memory(U64(1))
    assert _clone(weaker(memory, Rights.WRITE | Rights.MAP), QUOTA, U64(0)) == DENIED, "right"
    assert _clone(notification(), QUOTA, U64(0)) == WRONG_KIND, "kind"
    assert _clone(weaker(memory, Rights.READ), QUOTA, U64(0)) == 0, "enough"


def contiguous_and_paged_memory_is_not_cloned() -> None:
    """memory_clone of contiguous memory, or of memory with a pager, is BadState."""
    assert _clone(system.memory_create(QUOTA, U64(PAGE), U64(MEMORY_CONTIGUOUS)), QUOTA, U64(0)) == BAD_STATE, "run"
    assert _clone(system.memory_create_paged(QUOTA, endpoint(), U64(PAGE)), QUOTA, U64(0)) == BAD_STATE, "paged"


# Taking out


def discarded_pages_are_zero_everywhere() -> None:
    """memory_discard makes pages zero in all mappings, leaves the others, and gives back what they cost."""
    memory = new_memory(U64(40))
    one = shown(memory, U64(40))
    two = shown(memory, U64(40))
    for page in U64.range(40):
        poke(one + page * PAGE, page + 1)
        assert peek(two + page * PAGE) == page + 1, "there"
    before = _paid(memory)
    system.memory_discard(memory, U64(PAGE), U64(38 * PAGE))
    assert _paid(memory) == before - 38 * PAGE, "given back"
    for page in U64.range(1, 39):
        assert peek(one + page * PAGE) == 0 and peek(two + page * PAGE) == 0, "zero"
    assert peek(two) == 1 and peek(two + 39 * PAGE) == 40, "the others"


def discarding_does_not_touch_a_clone() -> None:
    """memory_discard of an object leaves its clone as it is, and of the clone its origin."""
    memory = new_memory(U64(4))
    address = shown(memory, U64(4))
    poke(address, U64(1))
    poke(address + PAGE, U64(2))
    made = _copy(memory)
    copy = shown(made, U64(4))
    system.memory_discard(memory, U64(0), U64(PAGE))
    system.memory_discard(made, U64(PAGE), U64(PAGE))
    assert peek(address) == 0 and peek(copy) == 1, "the first page"
    assert peek(address + PAGE) == 2 and peek(copy + PAGE) == 0, "the second"


def paid_memory_stays_paid_when_discarded() -> None:
    """Pages of an object that was paid for at once stay paid for after memory_discard, and are zero."""
    memory = system.memory_create(QUOTA, U64(2 * LARGE), U64(MEMORY_PAID))
    address = shown(memory, U64(1024))
    poke(address, U64(1))
    poke(address + LARGE + 5 * PAGE, U64(1))
    used = quota_used()
    system.memory_discard(memory, U64(0), U64(2 * LARGE))
    assert quota_used() == used, "paid"
    assert peek(address) == 0 and peek(address + LARGE + 5 * PAGE) == 0, "zero"


def discarding_needs_the_right_to_write() -> None:
    """memory_discard needs WRITE, whole pages inside the object, and memory that is not contiguous."""
    memory = new_memory(U64(4))
    assert _discard(weaker(memory, Rights.READ | Rights.MAP), U64(0), U64(PAGE)) == DENIED, "right"
    assert _discard(QUOTA, U64(0), U64(PAGE)) == WRONG_KIND, "kind"
    assert _discard(memory, U64(0), U64(0)) == BAD_ARGUMENT, "nothing"
    assert _discard(memory, U64(8), U64(PAGE)) == BAD_ARGUMENT, "offset"
    assert _discard(memory, U64(0), U64(PAGE + 8)) == BAD_ARGUMENT, "length"
    assert _discard(memory, U64(PAGE), U64(4 * PAGE)) == BAD_ARGUMENT, "past the end"
    assert _discard(memory, U64(5 * PAGE), U64(PAGE)) == BAD_ARGUMENT, "behind it"
    assert _discard(memory, U64(0xFFFF_FFFF_FFFF_F000), U64(2 * PAGE)) == BAD_ARGUMENT, "wraps"
    run = system.memory_create(QUOTA, U64(PAGE), U64(MEMORY_CONTIGUOUS))
    assert _discard(run, U64(0), U64(PAGE)) == BAD_STATE, "contiguous"


# Sharing


def memory_is_shared_between_processes() -> None:
    """What one process writes to an object another one reads where it has it mapped."""
    memory = new_memory(U64(2))
    address = shown(memory, U64(2))
    child = Child()
    child.make(QUOTA)
    elsewhere = U64(0x3000_0000)
    system.space_map(system.process_space(child.process), memory, elsewhere, U64(0), U64(2 * PAGE), U64(3))
    poke(address, U64(41))
    child.start(code_address(_add_one), elsewhere)
    settle()
    assert peek(address + PAGE) == 42, "its answer"


def _add_one(address: U64) -> None:
    poke(address + PAGE, peek(address) + 1)


def rights_to_memory_can_be_taken_back() -> None:
    """After handle_revoke a derived handle cannot be mapped any more; what is mapped stays."""
    memory = new_memory(U64(1))
    weak = system.handle_derive(memory, U64(U32(Rights.READ | Rights.WRITE | Rights.MAP)), U64(0))
    address = shown(weak, U64(1))
    system.handle_revoke(memory)
    assert _map(SPACE, weak, address + PAGE, U64(0), U64(PAGE), U64(1)) == BAD_HANDLE, "gone"
    poke(address, U64(3))
    assert peek(address) == 3, "stays"
