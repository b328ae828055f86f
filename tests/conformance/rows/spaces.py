"""Address spaces

space_map, space_unmap, space_protect: what is shown where, with which access, and by whose right.
"""

from __future__ import annotations

from cloudos.abi import layout, tags
from cloudos.abi.objects import MEMORY_CONTIGUOUS, MEMORY_ON_DEMAND, MEMORY_PAID, Rights
from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.lang import U8, U64, Assembly, UserPtr, code_address, external
from cloudos.sdk import ipc, system
from cloudos.sdk.ipc import Message
from cloudos.sdk.processes import Child
from tests.conformance.support import (
    BAD_ADDRESS,
    BAD_ARGUMENT,
    BAD_HANDLE,
    BOARD,
    BUFFER,
    DENIED,
    MESSAGE_RECEIVE,
    PAGE,
    PROCESS,
    QUOTA,
    QUOTA_EXCEEDED,
    SCHEDULE,
    SPACE,
    WRONG_KIND,
    attempt,
    buffer_page,
    endpoint,
    message_error,
    new_memory,
    notification,
    peek,
    poke,
    run,
    settle,
    settled,
    shown,
    soon,
    used_of,
    user_end,
    weaker,
    window,
)

_map = attempt("space_map")
_unmap = attempt("space_unmap")
_protect = attempt("space_protect")
_heap_unmap = attempt("memory_unmap")
_can_write = attempt("quota_inspect")
_can_read = attempt("policy_load")

READ = U64(1)
WRITE = U64(3)
EXECUTE = U64(5)
LARGE = layout.LARGE_PAGE_SIZE
EXIT = next(call.number for call in SYSTEM_CALLS if call.name == "process_exit")
ELSEWHERE = 0x3000_0000


def _is_writable(address: U64) -> bool:
    """Whether a system call can write there."""
    return _can_write(QUOTA, address) != BAD_ADDRESS


def _all_rights_but(memory: U64, missing: Rights) -> U64:
    every = Rights.READ | Rights.WRITE | Rights.EXECUTE | Rights.MAP
    return weaker(memory, every & ~missing)


def a_handle_to_the_own_space_is_had() -> None:
    """process_space of the own process gives a handle with which memory is mapped where the caller sees it."""
    space = system.process_space(PROCESS)
    address = window(U64(PAGE))
    system.space_map(space, new_memory(U64(1)), address, U64(0), U64(PAGE), WRITE)
    poke(address, U64(4))
    assert peek(address) == 4, "there"


def mapping_needs_the_right_to_map() -> None:
    """space_map needs MAP on the space and on the memory; space_unmap and space_protect on the space."""
    memory = new_memory(U64(1))
    weak = weaker(SPACE, Rights.READ | Rights.WRITE | Rights.CONTROL)
    address = window(U64(PAGE))
    size = U64(PAGE)
    assert _map(weak, memory, address, U64(0), size, READ) == DENIED, "space"
    assert _map(SPACE, _all_rights_but(memory, Rights.MAP), address, U64(0), size, READ) == DENIED, "memory"
    assert _unmap(weak, address, size) == DENIED and _protect(weak, address, size, READ) == DENIED, "the others"


def access_needs_its_right() -> None:
    """space_map needs READ to be read, WRITE to be written and EXECUTE to be executed, else it is Denied."""
    memory = new_memory(U64(1))
    at = window(U64(PAGE))
    size = U64(PAGE)
    assert _map(SPACE, _all_rights_but(memory, Rights.READ), at, U64(0), size, READ) == DENIED, "read"
    assert _map(SPACE, _all_rights_but(memory, Rights.WRITE), at, U64(0), size, WRITE) == DENIED, "write"
    assert _map(SPACE, _all_rights_but(memory, Rights.EXECUTE), at, U64(0), size, EXECUTE) == DENIED, "execute"
    assert _map(SPACE, _all_rights_but(memory, Rights.WRITE), at, U64(0), size, EXECUTE) == 0, "not needed"


def only_memory_is_mapped_into_spaces_alone() -> None:
    """space_map of another object than memory, or into another than a space, is WrongKind; of no handle BadHandle."""
    memory = new_memory(U64(1))
    at = window(U64(PAGE))
    size = U64(PAGE)
    assert _map(PROCESS, memory, at, U64(0), size, READ) == WRONG_KIND, "space"
    assert _map(SPACE, notification(), at, U64(0), size, READ) == WRONG_KIND, "memory"
    assert _map(U64(3), memory, at, U64(0), size, READ) == BAD_HANDLE, "no space"
    assert _map(SPACE, U64(3), at, U64(0), size, READ) == BAD_HANDLE, "no memory"
    assert _unmap(PROCESS, at, size) == WRONG_KIND and _unmap(U64(3), at, size) == BAD_HANDLE, "unmap"
    assert _protect(PROCESS, at, size, READ) == WRONG_KIND and _protect(U64(3), at, size, READ) == BAD_HANDLE, "protect"


def a_closed_handle_of_a_space_is_stale() -> None:
    """After handle_close of a space's handle all operations through it are BadHandle."""
    space = system.process_space(PROCESS)
    system.handle_close(space)
    at = window(U64(PAGE))
    assert _map(space, new_memory(U64(1)), at, U64(0), U64(PAGE), READ) == BAD_HANDLE, "map"
    assert _unmap(space, at, U64(PAGE)) == BAD_HANDLE, "unmap"
    assert _protect(space, at, U64(PAGE), READ) == BAD_HANDLE, "protect"


def memory_is_not_writable_and_executable() -> None:
    """space_map and space_protect with both write and execute are BadArgument."""
    memory = new_memory(U64(1))
    at = window(U64(PAGE))
    assert _map(SPACE, memory, at, U64(0), U64(PAGE), U64(7)) == BAD_ARGUMENT, "map"
    assert _map(SPACE, memory, at, U64(0), U64(PAGE), WRITE) == 0, "write alone"
    assert _protect(SPACE, at, U64(PAGE), U64(7)) == BAD_ARGUMENT, "protect"
    assert _protect(SPACE, at, U64(PAGE), EXECUTE) == 0, "execute alone"


def memory_is_readable() -> None:
    """space_map and space_protect without read, or with unknown bits, are BadArgument."""
    memory = new_memory(U64(1))
    at = shown(memory, U64(1))
    free = window(U64(PAGE))
    for access in U64.range(0, 16):
        if access != 1 and access != 3 and access != 5:
            assert _map(SPACE, memory, free, U64(0), U64(PAGE), access) == BAD_ARGUMENT, "map"
            assert _protect(SPACE, at, U64(PAGE), access) == BAD_ARGUMENT, "protect"
    assert _map(SPACE, memory, free, U64(0), U64(PAGE), U64(1 << 32 | 1)) == BAD_ARGUMENT, "beyond 32 bits"


def whole_pages_are_mapped() -> None:
    """space_map, space_unmap and space_protect of no bytes, or not of whole pages, are BadArgument."""
    memory = new_memory(U64(4))
    at = window(U64(4 * PAGE))
    size = U64(PAGE)
    assert _map(SPACE, memory, at, U64(0), U64(0), READ) == BAD_ARGUMENT, "nothing"
    assert _map(SPACE, memory, at + 8, U64(0), size, READ) == BAD_ARGUMENT, "address"
    assert _map(SPACE, memory, at, U64(8), size, READ) == BAD_ARGUMENT, "offset"
    assert _map(SPACE, memory, at, U64(0), size + 1, READ) == BAD_ARGUMENT, "length"
    assert _unmap(SPACE, at, U64(0)) == BAD_ARGUMENT and _unmap(SPACE, at + 1, size) == BAD_ARGUMENT, "unmap"
    assert _unmap(SPACE, at, size + 8) == BAD_ARGUMENT, "unmap a part"
    assert _protect(SPACE, at, U64(0), READ) == BAD_ARGUMENT, "protect nothing"
    assert _protect(SPACE, at + 8, size, READ) == BAD_ARGUMENT, "protect"


def a_mapping_lies_in_its_object() -> None:
    """space_map past the end of the object is BadArgument, also where sums overflow."""
    memory = new_memory(U64(4))
    at = window(U64(8 * PAGE))
    size = U64(PAGE)
    assert _map(SPACE, memory, at, U64(0), size * 5, READ) == BAD_ARGUMENT, "longer"
    assert _map(SPACE, memory, at, U64(3 * PAGE), size * 2, READ) == BAD_ARGUMENT, "across the end"
    assert _map(SPACE, memory, at, U64(4 * PAGE), size, READ) == BAD_ARGUMENT, "at the end"
    assert _map(SPACE, memory, at, U64(0xFFFF_FFFF_FFFF_F000), size * 2, READ) == BAD_ARGUMENT, "wraps"
    assert _map(SPACE, memory, at, U64(3 * PAGE), size, READ) == 0, "the last page"


def a_mapping_lies_in_user_space() -> None:
    """space_map, space_unmap and space_protect outside of user space are BadArgument."""
    memory = new_memory(U64(4))
    top = user_end()
    size = U64(PAGE)
    assert _map(SPACE, memory, U64(0), U64(0), size, READ) == BAD_ARGUMENT, "null"
    assert _map(SPACE, memory, U64(layout.USER_START - PAGE), U64(0), size, READ) == BAD_ARGUMENT, "below"
    assert _map(SPACE, memory, U64(layout.USER_START), U64(0), size, READ) == 0, "the first page"
    assert _unmap(SPACE, U64(layout.USER_START), size) == 0, "and away"
    for start in U64.range(4):
        address = top
        if start == 1:
            address = top + PAGE
        if start == 2:
            address = U64(0xFFFF_FFFF_8010_0000)
        if start == 3:
            address = U64(0xFFFF_FFFF_FFFF_F000)
        assert _map(SPACE, memory, address, U64(0), size, READ) == BAD_ARGUMENT, "map"
        assert _unmap(SPACE, address, size) == BAD_ARGUMENT, "unmap"
        assert _protect(SPACE, address, size, READ) == BAD_ARGUMENT, "protect"
    assert _unmap(SPACE, top - 2 * PAGE, size * 3) == BAD_ARGUMENT, "across the end"
    assert _unmap(SPACE, U64(layout.USER_START), U64(0xFFFF_FFFF_FFFF_F000)) == BAD_ARGUMENT, "wraps"


def mapped_ranges_do_not_overlap() -> None:
    """space_map over something mapped, at its beginning, inside, at its end or around it, is BadArgument."""
    memory = new_memory(U64(8))
    at = window(U64(16 * PAGE)) + 4 * PAGE
    system.space_map(SPACE, memory, at, U64(0), U64(3 * PAGE), WRITE)
    poke(at, U64(9))
    size = U64(PAGE)
    assert _map(SPACE, memory, at, U64(0), size, READ) == BAD_ARGUMENT, "beginning"
    assert _map(SPACE, memory, at + PAGE, U64(0), size, READ) == BAD_ARGUMENT, "inside"
    assert _map(SPACE, memory, at + 2 * PAGE, U64(0), size * 2, READ) == BAD_ARGUMENT, "end"
    assert _map(SPACE, memory, at - PAGE, U64(0), size * 2, READ) == BAD_ARGUMENT, "before it"
    assert _map(SPACE, memory, at - PAGE, U64(0), size * 8, READ) == BAD_ARGUMENT, "around"
    assert _map(SPACE, memory, at - PAGE, U64(0), size, READ) == 0, "beside it"
    assert _map(SPACE, memory, at + 3 * PAGE, U64(0), size, READ) == 0, "on the other side"
    assert peek(at) == 9, "as before"


def a_space_has_at_most_512_mappings() -> None:
    """space_map is QuotaExceeded when the space has 512 regions, and possible again after one is gone."""
    child = Child()
    child.make(QUOTA)
    space = system.process_space(child.process)
    memory = new_memory(U64(1))
    error = U64(0)
    count = U64(0)
    while error == 0 and count <= 512:
        error = _map(space, memory, ELSEWHERE + count * 2 * PAGE, U64(0), U64(PAGE), READ)
        count = count + 1
    assert error == QUOTA_EXCEEDED and count > 500, "some are the program's"
    assert _unmap(space, U64(ELSEWHERE), U64(PAGE)) == 0, "one less"
    assert _map(space, memory, U64(ELSEWHERE), U64(0), U64(PAGE), READ) == 0, "one more"


def splitting_a_mapping_needs_room() -> None:
    """With 512 regions, taking a page out of the middle of one is QuotaExceeded, and everything is as before."""
    child = Child()
    child.make(QUOTA)
    space = system.process_space(child.process)
    memory = new_memory(U64(3))
    assert _map(space, memory, U64(ELSEWHERE - 16 * PAGE), U64(0), U64(3 * PAGE), READ) == 0, "three pages"
    count = U64(0)
    while _map(space, memory, ELSEWHERE + count * 2 * PAGE, U64(0), U64(PAGE), READ) == 0:
        count = count + 1
    middle = U64(ELSEWHERE - 15 * PAGE)
    assert _unmap(space, middle, U64(PAGE)) == QUOTA_EXCEEDED, "unmap"
    assert _protect(space, middle, U64(PAGE), EXECUTE) == QUOTA_EXCEEDED, "protect"
    assert _map(space, memory, middle, U64(0), U64(PAGE), READ) == BAD_ARGUMENT, "still there"
    assert _unmap(space, middle - PAGE, U64(PAGE)) == 0, "the first page needs none"


def a_mapping_outlives_its_handle() -> None:
    """When the handle of the object is closed its mappings stay, with what is in them."""
    memory = new_memory(U64(2))
    address = shown(memory, U64(2))
    poke(address, U64(5))
    system.handle_close(memory)
    settle()
    assert peek(address) == 5, "as before"
    poke(address + PAGE, U64(6))
    assert peek(address + PAGE) == 6, "untouched pages too"


def a_part_of_an_object_is_mapped() -> None:
    """A mapping from an offset on shows the pages of the object from there."""
    memory = new_memory(U64(8))
    address = shown(memory, U64(8))
    for page in U64.range(8):
        poke(address + page * PAGE, page + 1)
    part = window(U64(2 * PAGE))
    system.space_map(SPACE, memory, part, U64(5 * PAGE), U64(2 * PAGE), READ)
    assert peek(part) == 6 and peek(part + PAGE) == 7, "from there"


def neighbours_are_unmapped_together() -> None:
    """space_unmap of a range over several mappings and holes takes all of them away."""
    memory = new_memory(U64(8))
    at = window(U64(16 * PAGE))
    for index in U64.range(4):
        system.space_map(SPACE, memory, at + index * 3 * PAGE, U64(0), U64(2 * PAGE), WRITE)
        poke(at + index * 3 * PAGE, index)
    assert _unmap(SPACE, at + PAGE, U64(9 * PAGE)) == 0, "with holes"
    assert _is_writable(at) and not _is_writable(at + PAGE), "the first, up to its middle"
    assert not _is_writable(at + 3 * PAGE) and not _is_writable(at + 9 * PAGE), "the others"
    assert _is_writable(at + 10 * PAGE), "the rest of the last"
    assert _unmap(SPACE, at + 2 * PAGE, U64(PAGE)) == 0, "a hole"


def the_middle_of_a_mapping_is_unmapped() -> None:
    """After space_unmap of its middle a mapping shows the same pages before and behind."""
    memory = new_memory(U64(5))
    at = shown(memory, U64(5))
    for page in U64.range(5):
        poke(at + page * PAGE, page + 1)
    system.space_unmap(SPACE, at + 2 * PAGE, U64(PAGE))
    assert peek(at + PAGE) == 2 and peek(at + 3 * PAGE) == 4 and peek(at + 4 * PAGE) == 5, "around"
    assert not _is_writable(at + 2 * PAGE), "gone"
    system.space_map(SPACE, memory, at + 2 * PAGE, U64(2 * PAGE), U64(PAGE), READ)
    assert peek(at + 2 * PAGE) == 3, "the object has it still"


def protection_takes_effect_on_touched_pages() -> None:
    """After space_protect to read alone pages that were written before are not written; undone, they are again."""
    at = shown(new_memory(U64(40)), U64(40))
    for page in U64.range(40):
        poke(at + page * PAGE, page)
    system.space_protect(SPACE, at, U64(40 * PAGE), READ)
    for page in U64.range(40):
        assert not _is_writable(at + page * PAGE) and peek(at + page * PAGE) == page, "read alone"
    system.space_protect(SPACE, at, U64(40 * PAGE), WRITE)
    for page in U64.range(40):
        assert _is_writable(at + page * PAGE), "written"


def a_part_is_protected() -> None:
    """space_protect of some pages of a mapping changes these alone."""
    at = shown(new_memory(U64(5)), U64(5))
    for page in U64.range(5):
        poke(at + page * PAGE, page)
    system.space_protect(SPACE, at + PAGE, U64(2 * PAGE), READ)
    for page in U64.range(5):
        assert _is_writable(at + page * PAGE) == (page == 0 or page >= 3), "these"


def a_hole_is_not_protected() -> None:
    """space_protect of a range of which something is not mapped is BadArgument, and changes nothing."""
    at = shown(new_memory(U64(4)), U64(4))
    system.space_unmap(SPACE, at + 2 * PAGE, U64(PAGE))
    assert _protect(SPACE, at, U64(4 * PAGE), READ) == BAD_ARGUMENT, "a hole"
    assert _protect(SPACE, at + 3 * PAGE, U64(2 * PAGE), READ) == BAD_ARGUMENT, "past the end"
    assert _is_writable(at) and _is_writable(at + 3 * PAGE), "as before"


def protection_gives_no_more_than_the_handle_did() -> None:
    """space_protect beyond the rights of the handle that was mapped is Denied, though another handle has them."""
    memory = new_memory(U64(1))
    at = window(U64(PAGE))
    system.space_map(SPACE, weaker(memory, Rights.READ | Rights.MAP), at, U64(0), U64(PAGE), READ)
    assert _protect(SPACE, at, U64(PAGE), WRITE) == DENIED, "write"
    assert _protect(SPACE, at, U64(PAGE), EXECUTE) == DENIED, "execute"
    assert _protect(SPACE, at, U64(PAGE), READ) == 0, "read"


def the_bundle_stays_as_it_is() -> None:
    """space_protect of the boot bundle to write or execute is Denied."""
    assert _protect(SPACE, U64(layout.BUNDLE_START), U64(PAGE), WRITE) == DENIED, "write"
    assert _protect(SPACE, U64(layout.BUNDLE_START), U64(PAGE), EXECUTE) == DENIED, "execute"


def a_message_buffer_is_not_executed() -> None:
    """space_protect of a message buffer to execute is Denied."""
    BUFFER.own()
    assert _protect(SPACE, BUFFER.address, U64(PAGE), EXECUTE) == DENIED, "execute"


def a_message_buffer_is_unmapped_without_harm() -> None:
    """A thread whose message buffer was unmapped sends and receives as before: the kernel has its own way to it."""
    handle = endpoint()
    run(code_address(_unmap_own_buffer), handle)
    message = Message()
    BUFFER.own().deadline = soon() + settled(U64(10))
    message.tag = U64(tags.DEADLINE)
    assert message_error(MESSAGE_RECEIVE, handle, message) == 0 and message.words[0] == 8, "its message"
    settle()
    assert BOARD.cells[0] == 1, "and its thread ends"


def _unmap_own_buffer(handle: U64) -> None:
    address = buffer_page()
    system.thread_set_buffer(address)
    system.space_unmap(SPACE, address, U64(PAGE))
    message = Message()
    message.tag = U64(100 << tags.BYTES_SHIFT | 1)
    message.words[0] = U64(8)
    ipc.send(handle, message)
    BOARD.cells[0] = U64(1)


# Sixteen bytes at most.
CODE = Assembly(
    "exit_code",
    x86_64=f".globl exit_code\nexit_code:\n  movl $21, %edi\n  movl ${EXIT}, %eax\n  syscall\n  .skip 4\n",
    aarch64=f".globl exit_code\nexit_code:\n  mov x0, #21\n  mov x8, #{EXIT}\n  svc #0\n  nop\n",
)


@external(CODE, "exit_code")
def _exits() -> None:
    """Ends the process with status 21, wherever it stands."""
    raise NotImplementedError


def executable_memory_runs() -> None:
    """Code that was written to an object runs where the object is mapped to be executed."""
    memory = new_memory(U64(1))
    at = shown(memory, U64(1))
    code = code_address(_exits).value
    for offset in U64.range(U64(0), U64(16), 8):
        poke(at + offset, peek(code + offset))
    child = Child()
    child.make(QUOTA)
    space = system.process_space(child.process)
    system.space_map(space, memory, U64(ELSEWHERE), U64(0), U64(PAGE), EXECUTE)
    thread = system.thread_create(child.process, SCHEDULE, U64(ELSEWHERE), U64(ELSEWHERE), U64(0))
    system.thread_start(thread)
    settle()
    assert system.process_inspect(child.process) == 256 + 21, "it ran"


def large_pages_come_apart() -> None:
    """Pages in the middle of 2 MB that are mapped with one large page are unmapped and protected like any others."""
    memory = system.memory_create(QUOTA, U64(2 * LARGE), U64(MEMORY_PAID))
    at = shown(memory, U64(1024))
    for page in U64.range(0, 1024, 3):
        poke(at + page * PAGE, page)
    system.space_protect(SPACE, at + 9 * PAGE, U64(PAGE), READ)
    system.space_unmap(SPACE, at + 12 * PAGE, U64(PAGE))
    assert not _is_writable(at + 9 * PAGE) and peek(at + 9 * PAGE) == 9, "read alone"
    assert not _is_writable(at + 12 * PAGE), "gone"
    for page in U64.range(15, 1024, 3):
        assert peek(at + page * PAGE) == page, "as before"
    assert _is_writable(at + 10 * PAGE) and _is_writable(at + 13 * PAGE), "around"


def contiguous_memory_is_mapped_anywhere() -> None:
    """Contiguous memory that is mapped away from multiples of its size shows the same bytes."""
    memory = system.memory_create(QUOTA, U64(2 * LARGE), U64(MEMORY_CONTIGUOUS))
    straight = shown(memory, U64(1024))
    askew = window(U64(3 * LARGE)) + 5 * PAGE
    system.space_map(SPACE, memory, askew, U64(0), U64(2 * LARGE), WRITE)
    for page in U64.range(0, 1024, 5):
        poke(askew + page * PAGE, page)
    for page in U64.range(0, 1024, 5):
        assert peek(straight + page * PAGE) == page, "the same"


def pages_of_memory_map_are_given_back_by_unmapping() -> None:
    """space_unmap of memory from memory_map gives it back: what is mapped there next is zero, and costs what it did."""
    at = system.memory_map(U64(6 * PAGE))
    for page in U64.range(6):
        poke(at + page * PAGE, page + 1)
    used = used_of(QUOTA)
    system.space_unmap(SPACE, at + 2 * PAGE, U64(2 * PAGE))
    assert used - used_of(QUOTA) >= 2 * PAGE - 128, "two pages, for one more region"
    assert _heap_unmap(at, U64(6 * PAGE)) == BAD_ARGUMENT, "a hole"
    again = system.memory_map(U64(2 * PAGE))
    assert again == at + 2 * PAGE, "the lowest place"
    assert peek(again) == 0 and peek(again + PAGE) == 0, "zero"
    assert peek(at + PAGE) == 2 and peek(at + 4 * PAGE) == 5, "the others"


def pages_of_memory_map_are_protected() -> None:
    """space_protect works on memory from memory_map, which is then given back like any other."""
    at = system.memory_map(U64(3 * PAGE))
    poke(at + PAGE, U64(1))
    system.space_protect(SPACE, at + PAGE, U64(PAGE), READ)
    assert not _is_writable(at + PAGE) and _is_writable(at), "one page"
    assert _heap_unmap(at, U64(3 * PAGE)) == 0, "all"


def a_space_of_an_ended_process_leaves_nothing() -> None:
    """What was mapped into a space through a handle that is older than the end of its process is paid back."""
    part = system.quota_create(QUOTA, U64(4 << 20))
    process = system.process_create(part, U64(0))
    space = system.process_space(process)
    memory = system.memory_create(part, U64(PAGE), U64(MEMORY_PAID))
    system.process_kill(process)
    settle()
    _map(space, memory, U64(ELSEWHERE), U64(0), U64(PAGE), READ)
    system.handle_close(process)
    system.handle_close(memory)
    system.handle_close(space)
    settle()
    assert used_of(part) == 0, "all"


def protecting_the_end_of_a_mapping_loses_nothing() -> None:
    """Protecting the last page before a border of 1 GB, while others are in use, leaves nothing behind."""
    part = system.quota_create(QUOTA, U64(4 << 20))
    child = Child()
    child.make(part)
    space = system.process_space(child.process)
    start = U64(1 << 38)
    memory = system.memory_create(QUOTA, U64(1 << 30), U64(MEMORY_ON_DEMAND))
    system.space_map(space, memory, start, U64(0), U64(1 << 30), WRITE)
    child.start(code_address(_poke_and_sleep), start)
    settle()
    system.space_protect(space, start + ((1 << 30) - PAGE), U64(PAGE), WRITE)
    system.process_kill(child.process)
    system.handle_close(child.thread)
    system.handle_close(child.process)
    system.handle_close(space)
    settle()
    assert used_of(part) == 0, "all"


def _poke_and_sleep(address: U64) -> None:
    poke(address, U64(1))
    system.thread_sleep(U64(1 << 60))


def the_data_of_a_system_call_may_lie_in_any_mapping() -> None:
    """Pointers into mapped memory that was not touched yet are as good as others."""
    at = shown(new_memory(U64(2)), U64(2))
    system.quota_inspect(QUOTA, UserPtr.at(U8, at + PAGE - 8))
    assert peek(at + PAGE - 8) != 0 and peek(at + PAGE) != 0, "across two pages"
