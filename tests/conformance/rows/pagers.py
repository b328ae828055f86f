"""Pagers

Memory objects whose pages a process supplies: what it is asked, what its answers do, and what it cannot do.
"""

from __future__ import annotations

from cloudos.abi import tags
from cloudos.abi.objects import MEMORY_CONTIGUOUS, MEMORY_ON_DEMAND, Rights
from cloudos.lang import U8, U64, code_address
from cloudos.sdk import ipc, system
from cloudos.sdk.ipc import Message
from cloudos.sdk.processes import Child
from tests.conformance.support import (
    BAD_ADDRESS,
    BAD_ARGUMENT,
    BAD_HANDLE,
    BAD_STATE,
    BOARD,
    BUFFER,
    DENIED,
    MESSAGE_RECEIVE,
    MESSAGE_REPLY,
    PAGE,
    QUOTA,
    QUOTA_EXCEEDED,
    WOULD_BLOCK,
    WRONG_KIND,
    attempt,
    badged,
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
    weaker,
)

_create_paged = attempt("memory_create_paged")
_supply = attempt("memory_supply")
_write = attempt("quota_inspect")

ELSEWHERE = 0x3000_0000
# What process_inspect says of a fault with number 7: a page was denied.
DENIED_PAGE = 256 + 128 + 7


def _request(pager: U64) -> Message:
    """The next request, which must come soon."""
    message = Message()
    BUFFER.own().deadline = soon() + settled(U64(10))
    message.tag = U64(tags.DEADLINE)
    error = message_error(MESSAGE_RECEIVE, pager, message)
    assert error == 0, "no message came"
    return message


def _none(pager: U64) -> bool:
    """Whether nobody asks."""
    BUFFER.own().deadline = U64(0)
    message = Message()
    message.tag = U64(tags.DEADLINE)
    return message_error(MESSAGE_RECEIVE, pager, message) == WOULD_BLOCK


def _answer(message: Message, label: U64) -> None:
    message.set(label, U64(2))
    ipc.reply(message)


def _paged(pager: U64, count: U64) -> U64:
    return system.memory_create_paged(QUOTA, pager, count * PAGE)


def _page_with(value: U64) -> U64:
    """An object of one page that begins with a word."""
    memory = new_memory(U64(1))
    poke(shown(memory, U64(1)), value)
    return memory


def _reader(memory: U64, page: U64) -> Child:
    """A process that reads a page of an object, and ends with what it read as its status."""
    child = Child()
    child.make(QUOTA)
    space = system.process_space(child.process)
    system.space_map(space, memory, U64(ELSEWHERE), page * PAGE, U64(PAGE), U64(3))
    child.start(code_address(_exit_with), U64(ELSEWHERE))
    return child


def _exit_with(address: U64) -> None:
    system.process_exit(U8(peek(address) % 256))


def _read_first(address: U64) -> None:
    BOARD.cells[0] = peek(address)


def _read_second(address: U64) -> None:
    BOARD.cells[1] = peek(address)


def _exit_elsewhere() -> None:
    system.process_exit(U8(99))


def _status(child: Child) -> U64:
    return system.process_inspect(child.process) & 0xFFFF


def an_absent_page_is_asked_of_the_pager() -> None:
    """Touching an absent page sends the pager a call of the kernel's with the badge of its handle and the offset."""
    pager = endpoint()
    _reader(_paged(badged(pager, U64(66)), U64(8)), U64(5))
    message = _request(pager)
    assert message.is_from_kernel and message.label == tags.LABEL_PAGE, "tag"
    assert message.badge == 66 and message.words[0] == 5 * PAGE, "which"
    assert message.reply != 0, "to be answered"


def a_pager_learns_no_registers() -> None:
    """A request to a pager has one word: nothing of the instruction, the stack or the address of the program."""
    pager = endpoint()
    _reader(_paged(pager, U64(1)), U64(0))
    message = _request(pager)
    assert message.tag & 15 == 1, "one word"
    for index in U64.range(1, 8):
        assert message.words[index] == 0, "nothing"


def a_supplied_page_is_read() -> None:
    """After memory_supply and FAULT_RESUME the thread goes on with the page that was supplied."""
    pager = endpoint()
    memory = _paged(pager, U64(4))
    child = _reader(memory, U64(2))
    message = _request(pager)
    settle()
    assert _status(child) == 0, "it waits"
    assert system.memory_supply(memory, _page_with(U64(77)), U64(2 * PAGE), U64(0), U64(PAGE)) == PAGE, "a page"
    _answer(message, U64(tags.FAULT_RESUME))
    settle()
    assert _status(child) == 256 + 77, "read"


def resuming_without_a_page_asks_again() -> None:
    """FAULT_RESUME without memory_supply brings the same request again."""
    pager = endpoint()
    _reader(_paged(pager, U64(1)), U64(0))
    for _ in U64.range(3):
        message = _request(pager)
        assert message.words[0] == 0, "the page"
        _answer(message, U64(tags.FAULT_RESUME))


def denying_a_page_ends_only_who_touched_it() -> None:
    """FAULT_KILL ends the process that touched the page; another that has the object mapped goes on."""
    pager = endpoint()
    memory = _paged(pager, U64(2))
    first = _reader(memory, U64(0))
    denied = _request(pager)
    second = _reader(memory, U64(1))
    kept = _request(pager)
    _answer(denied, U64(tags.FAULT_KILL))
    settle()
    assert _status(first) == DENIED_PAGE, "denied"
    assert _status(second) == 0, "waits"
    system.memory_supply(memory, _page_with(U64(5)), U64(PAGE), U64(0), U64(PAGE))
    _answer(kept, U64(tags.FAULT_RESUME))
    settle()
    assert _status(second) == 256 + 5, "goes on"


def an_unknown_answer_denies() -> None:
    """A reply to a request with any other label, or closing its reply handle, denies the page."""
    pager = endpoint()
    memory = _paged(pager, U64(2))
    first = _reader(memory, U64(0))
    _answer(_request(pager), U64(999))
    second = _reader(memory, U64(1))
    system.handle_close(_request(pager).reply)
    settle()
    assert _status(first) == DENIED_PAGE and _status(second) == DENIED_PAGE, "both"


def a_pager_cannot_move_the_program() -> None:
    """FAULT_REPAIR from a pager resumes the thread where it is, whatever the words say."""
    pager = endpoint()
    memory = _paged(pager, U64(1))
    child = _reader(memory, U64(0))
    message = _request(pager)
    system.memory_supply(memory, _page_with(U64(12)), U64(0), U64(0), U64(PAGE))
    message.words[0] = code_address(_exit_elsewhere).value
    message.words[1] = U64(ELSEWHERE + PAGE - 8)
    _answer(message, U64(tags.FAULT_REPAIR))
    settle()
    assert _status(child) == 256 + 12, "where it was"


def a_request_waits_for_a_pager() -> None:
    """While nobody receives, who touched an absent page waits, and can be killed; nobody is asked for it any more."""
    pager = endpoint()
    memory = _paged(pager, U64(2))
    first = _reader(memory, U64(0))
    second = _reader(memory, U64(1))
    settle()
    assert _status(first) == 0 and _status(second) == 0, "both wait"
    system.process_kill(first.process)
    settle()
    assert _request(pager).words[0] == PAGE, "the second's"
    assert _none(pager), "and no other"


def two_threads_wait_for_one_page() -> None:
    """Each thread that touches an absent page asks; one page supplied is enough for both."""
    pager = endpoint()
    memory = _paged(pager, U64(1))
    address = shown(memory, U64(1))
    run(code_address(_read_first), address)
    run(code_address(_read_second), address)
    first = _request(pager)
    second = _request(pager)
    assert first.words[0] == 0 and second.words[0] == 0, "both ask"
    system.memory_supply(memory, _page_with(U64(31)), U64(0), U64(0), U64(PAGE))
    _answer(first, U64(tags.FAULT_RESUME))
    _answer(second, U64(tags.FAULT_RESUME))
    settle()
    assert BOARD.cells[0] == 31 and BOARD.cells[1] == 31, "both go on"


def a_system_call_does_not_wait_for_a_pager() -> None:
    """A system call that touches an absent page of a pager's object is BadAddress, and nobody is asked."""
    pager = endpoint()
    address = shown(_paged(pager, U64(1)), U64(1))
    assert _write(QUOTA, address) == BAD_ADDRESS, "not there"
    assert _none(pager), "nobody asks"


def a_waiting_thread_is_killed() -> None:
    """A process that waits for a page can be killed; the reply to its request is then stale, and leaves nothing."""
    pager = endpoint()
    child = _reader(_paged(pager, U64(1)), U64(0))
    message = _request(pager)
    system.process_kill(child.process)
    settle()
    assert message_error(MESSAGE_REPLY, message.reply, message) == BAD_HANDLE, "stale"


def supplied_pages_are_moved() -> None:
    """memory_supply takes the pages out of the source, which reads as zero there afterwards, through all mappings."""
    memory = _paged(endpoint(), U64(4))
    source = new_memory(U64(4))
    one = shown(source, U64(4))
    two = shown(source, U64(4))
    for page in U64.range(4):
        poke(one + page * PAGE, page + 1)
        assert peek(two + page * PAGE) == page + 1, "there"
    assert system.memory_supply(memory, source, U64(PAGE), U64(0), U64(2 * PAGE)) == 2 * PAGE, "two"
    assert peek(one) == 0 and peek(two + PAGE) == 0, "gone"
    assert peek(one + 2 * PAGE) == 3, "the others stay"
    address = shown(memory, U64(4))
    assert peek(address + PAGE) == 1 and peek(address + 2 * PAGE) == 2, "there now"


def pages_of_nothing_are_supplied_as_zero() -> None:
    """memory_supply from a source that has no page there supplies zeroes."""
    memory = _paged(endpoint(), U64(2))
    assert system.memory_supply(memory, new_memory(U64(2)), U64(0), U64(0), U64(2 * PAGE)) == 2 * PAGE, "supplied"
    address = shown(memory, U64(2))
    assert peek(address) == 0 and peek(address + PAGE) == 0, "zero"


def pages_that_are_there_stay() -> None:
    """memory_supply of a page that the object has already leaves it, and the source, as they are."""
    memory = _paged(endpoint(), U64(1))
    system.memory_supply(memory, _page_with(U64(1)), U64(0), U64(0), U64(PAGE))
    address = shown(memory, U64(1))
    poke(address, U64(3))
    source = _page_with(U64(2))
    assert _supply(memory, source, U64(0), U64(0), U64(PAGE)) == 0, "no error"
    assert peek(address) == 3, "as it was"
    assert peek(shown(source, U64(1))) == 2, "the source too"


def supplying_goes_on_after_32_kilobytes() -> None:
    """memory_supply does the first 32 KB at most, and says how much it did."""
    memory = _paged(endpoint(), U64(40))
    source = new_memory(U64(40))
    done = U64(0)
    while done < 40 * PAGE:
        count = system.memory_supply(memory, source, done, done, 40 * PAGE - done)
        assert count == min(U64(32 << 10), 40 * PAGE - done), "in such parts"
        done = done + count


def supplied_pages_are_paid_by_the_object() -> None:
    """Pages that are supplied are charged to the quota of the object, and back to that of the source."""
    giver = system.quota_create(QUOTA, U64(32 * PAGE))
    taker = system.quota_create(QUOTA, U64(32 * PAGE))
    source = system.memory_create(giver, U64(8 * PAGE), U64(MEMORY_ON_DEMAND))
    address = shown(source, U64(8))
    for page in U64.range(8):
        poke(address + page * PAGE, page)
    memory = system.memory_create_paged(taker, endpoint(), U64(8 * PAGE))
    before = used_of(giver)
    system.memory_supply(memory, source, U64(0), U64(0), U64(8 * PAGE))
    assert used_of(giver) == before - 8 * PAGE, "back"
    assert used_of(taker) >= 8 * PAGE, "charged"
    small = system.memory_create_paged(system.quota_create(QUOTA, U64(PAGE)), endpoint(), U64(8 * PAGE))
    assert _supply(small, source, U64(0), U64(0), U64(PAGE)) == QUOTA_EXCEEDED, "too few"


def supplying_needs_control_and_write() -> None:
    """memory_supply needs CONTROL of the object and WRITE to the source, both memory."""
    memory = _paged(endpoint(), U64(1))
    source = new_memory(U64(1))
    size = U64(PAGE)
    assert _supply(weaker(memory, Rights.WRITE | Rights.MAP), source, U64(0), U64(0), size) == DENIED, "control"
    assert _supply(memory, weaker(source, Rights.READ | Rights.MAP), U64(0), U64(0), size) == DENIED, "write"
    assert _supply(QUOTA, source, U64(0), U64(0), size) == WRONG_KIND, "object"
    assert _supply(memory, QUOTA, U64(0), U64(0), size) == WRONG_KIND, "source"
    assert _supply(U64(3), source, U64(0), U64(0), size) == BAD_HANDLE, "none"


def only_paged_memory_is_supplied() -> None:
    """memory_supply is BadState for an object without pager, and from a source that is paged, contiguous or cloned."""
    memory = _paged(endpoint(), U64(1))
    source = new_memory(U64(1))
    size = U64(PAGE)
    assert _supply(source, new_memory(U64(1)), U64(0), U64(0), size) == BAD_STATE, "no pager"
    assert _supply(memory, _paged(endpoint(), U64(1)), U64(0), U64(0), size) == BAD_STATE, "paged"
    assert _supply(memory, memory, U64(0), U64(0), size) == BAD_STATE, "itself"
    contiguous = system.memory_create(QUOTA, U64(PAGE), U64(MEMORY_CONTIGUOUS))
    assert _supply(memory, contiguous, U64(0), U64(0), size) == BAD_STATE, "contiguous"
    system.memory_clone(source, QUOTA, U64(0))
    assert _supply(memory, source, U64(0), U64(0), size) == BAD_STATE, "cloned"


def what_is_supplied_lies_in_both_objects() -> None:
    """memory_supply of no bytes, not of whole pages, or past the end of either object is BadArgument."""
    memory = _paged(endpoint(), U64(2))
    source = new_memory(U64(4))
    size = U64(PAGE)
    assert _supply(memory, source, U64(0), U64(0), U64(0)) == BAD_ARGUMENT, "nothing"
    assert _supply(memory, source, U64(0), U64(0), size + 8) == BAD_ARGUMENT, "length"
    assert _supply(memory, source, U64(8), U64(0), size) == BAD_ARGUMENT, "offset"
    assert _supply(memory, source, U64(0), U64(8), size) == BAD_ARGUMENT, "source's offset"
    assert _supply(memory, source, U64(PAGE), U64(0), size * 2) == BAD_ARGUMENT, "past the end"
    assert _supply(memory, source, U64(0), U64(3 * PAGE), size * 2) == BAD_ARGUMENT, "past the source's"
    assert _supply(memory, source, U64(0xFFFF_FFFF_FFFF_F000), U64(0), size) == BAD_ARGUMENT, "far behind"


def discarded_pages_are_asked_for_again() -> None:
    """After memory_discard of a page of a pager's object touching it asks the pager again."""
    pager = endpoint()
    memory = _paged(pager, U64(1))
    system.memory_supply(memory, _page_with(U64(4)), U64(0), U64(0), U64(PAGE))
    assert peek(shown(memory, U64(1))) == 4, "supplied"
    system.memory_discard(memory, U64(0), U64(PAGE))
    child = _reader(memory, U64(0))
    message = _request(pager)
    system.memory_supply(memory, _page_with(U64(6)), U64(0), U64(0), U64(PAGE))
    _answer(message, U64(tags.FAULT_RESUME))
    settle()
    assert _status(child) == 256 + 6, "the new one"


def making_paged_memory_needs_its_rights() -> None:
    """memory_create_paged needs a quota with ALLOCATE, an endpoint with SEND, and whole pages."""
    pager = endpoint()
    assert _create_paged(weaker(QUOTA, Rights.INSPECT), pager, U64(PAGE)) == DENIED, "quota"
    assert _create_paged(QUOTA, weaker(pager, Rights.RECEIVE), U64(PAGE)) == DENIED, "pager"
    assert _create_paged(QUOTA, notification(), U64(PAGE)) == WRONG_KIND, "not an endpoint"
    assert _create_paged(QUOTA, U64(3), U64(PAGE)) == BAD_HANDLE, "none"
    assert _create_paged(QUOTA, pager, U64(0)) == BAD_ARGUMENT, "nothing"
    assert _create_paged(QUOTA, pager, U64(PAGE + 1)) == BAD_ARGUMENT, "length"


def paged_memory_keeps_its_pager() -> None:
    """The handle of the pager with which an object was made may be closed: requests still come."""
    pager = endpoint()
    through = badged(pager, U64(9))
    memory = _paged(through, U64(1))
    system.handle_close(through)
    _reader(memory, U64(0))
    assert _request(pager).badge == 9, "with its badge"
