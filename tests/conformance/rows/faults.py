"""Faults

What a thread does that it may not becomes a message, or the end of its process.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import tags
from cloudos.abi.objects import Rights
from cloudos.lang import U8, U64, Array, Ptr, UserPtr, VirtAddr, code_address
from cloudos.sdk import ipc, system
from cloudos.sdk.ipc import Message
from cloudos.sdk.processes import Child, populate
from cloudos.sdk.registers import call_size
from cloudos.sdk.registers import size as registers_size
from cloudos.sdk.threads import entry
from tests.conformance.support import (
    BAD_HANDLE,
    BAD_STATE,
    BOARD,
    BUFFER,
    DENIED,
    MESSAGE_CALL,
    MESSAGE_RECEIVE,
    PAGE,
    PEER_GONE,
    QUOTA,
    SCHEDULE,
    WOULD_BLOCK,
    WRONG_KIND,
    attempt,
    badged,
    endpoint,
    message_error,
    notification,
    peek,
    poke,
    run,
    settle,
    settled,
    soon,
    weaker,
)

_set_fault_endpoint = attempt("process_set_fault_endpoint")
_read = attempt("thread_read_registers")
_start = attempt("thread_start")

MISSING = 0x3000_0000
SEGMENT_VIOLATION = 11
OF_SEGMENT_VIOLATION = 11 << 16 | 256 + 128 + 11


def _read_missing(argument: U64) -> None:
    """Read memory that is not there; what was read is written down in the child's own board."""
    BOARD.note(peek(U64(MISSING)))
    system.process_exit(U8(BOARD.cells[0]))


def _write_code(argument: U64) -> None:
    poke(code_address(_write_code).value, U64(0))


def _read_kernel(argument: U64) -> None:
    BOARD.note(peek(U64(0xFFFF_FFFF_8010_0000)))


def _write_null(argument: U64) -> None:
    poke(argument, U64(0))


def _repaired() -> None:
    system.process_exit(U8(33))


def _watched(handler: U64) -> Child:
    """A process whose faults are told to an endpoint."""
    child = Child()
    child.make(QUOTA)
    system.process_set_fault_endpoint(child.process, handler)
    return child


def _fault_of(handler: U64) -> Message:
    """The next message, which must come soon."""
    message = Message()
    BUFFER.own().deadline = soon() + settled(U64(10))
    message.tag = U64(tags.DEADLINE)
    error = message_error(MESSAGE_RECEIVE, handler, message)
    assert error == 0, "no message came"
    return message


def _answer(message: Message, label: U64) -> None:
    message.set(label, U64(2))
    ipc.reply(message)


def a_fault_is_a_message() -> None:
    """A fault of a process with a fault endpoint arrives there as a call of the kernel's, with the mark that no
    program can set."""
    handler = endpoint()
    child = _watched(handler)
    child.start(code_address(_read_missing), U64(0))
    message = _fault_of(handler)
    assert message.is_from_kernel and message.label == tags.LABEL_FAULT, "tag"
    assert message.reply != 0, "to be answered"


def a_fault_message_says_where_and_what() -> None:
    """A fault message has instruction pointer, stack pointer, address and number of the fault."""
    handler = endpoint()
    child = _watched(handler)
    child.start(code_address(_read_missing), U64(0))
    message = _fault_of(handler)
    begin = code_address(_read_missing).value
    assert message.words[0] >= begin - 4096 and message.words[0] < begin + 4096, "in the function's neighbourhood"
    assert message.words[1] > 0x7FFF_0000_0000, "on its stack"
    assert message.words[2] == MISSING, "address"
    assert message.words[3] == SEGMENT_VIOLATION, "number"


def a_fault_message_carries_the_badge_of_the_handle() -> None:
    """Faults carry the badge of the handle with which the fault endpoint was set."""
    handler = endpoint()
    child = _watched(badged(handler, U64(77)))
    child.start(code_address(_read_missing), U64(0))
    assert _fault_of(handler).badge == 77, "badge"


def a_faulting_thread_waits() -> None:
    """Until its fault is answered a thread does not go on, and its process lives."""
    handler = endpoint()
    child = _watched(handler)
    child.start(code_address(_read_missing), U64(0))
    _fault_of(handler)
    settle()
    assert system.process_inspect(child.process) == 0, "lives"
    assert _start(child.thread) == BAD_STATE, "not stopped"


def a_fault_is_resumed_after_its_cause_is_gone() -> None:
    """FAULT_RESUME makes the thread try again: when the memory is there by then it goes on as if it had been."""
    handler = endpoint()
    child = _watched(handler)
    child.start(code_address(_read_missing), U64(0))
    message = _fault_of(handler)
    page = Array[U64, Literal[1]]()
    page[0] = U64(44)
    source = UserPtr.at(U8, Ptr.to(page).address.value)
    populate(child.process, U64(MISSING), source, U64(8), U64(PAGE), U64(3))
    _answer(message, U64(tags.FAULT_RESUME))
    settle()
    assert system.process_inspect(child.process) == 256 + 44, "it read what is there now"


def a_fault_that_is_resumed_unchanged_comes_again() -> None:
    """FAULT_RESUME without a change of anything brings the same fault again."""
    handler = endpoint()
    child = _watched(handler)
    child.start(code_address(_read_missing), U64(0))
    message = _fault_of(handler)
    for _ in U64.range(5):
        _answer(message, U64(tags.FAULT_RESUME))
        message = _fault_of(handler)
        assert message.words[2] == MISSING, "the same"


def a_fault_is_repaired() -> None:
    """FAULT_REPAIR makes the thread go on at another instruction and with another stack pointer."""
    handler = endpoint()
    child = _watched(handler)
    child.start(code_address(_read_missing), U64(0))
    message = _fault_of(handler)
    stack = message.words[1] // 16 * 16 - call_size()
    message.words[0] = code_address(_repaired).value
    message.words[1] = stack
    _answer(message, U64(tags.FAULT_REPAIR))
    settle()
    assert system.process_inspect(child.process) == 256 + 33, "went on there"


def a_repair_to_a_kernel_address_faults_in_user_mode() -> None:
    """FAULT_REPAIR to an address of the kernel's gives no privilege: the thread faults again, or ends."""
    handler = endpoint()
    child = _watched(handler)
    child.start(code_address(_read_missing), U64(0))
    message = _fault_of(handler)
    message.words[0] = U64(0xFFFF_FFFF_8010_0000)
    _answer(message, U64(tags.FAULT_REPAIR))
    settle()
    if system.process_inspect(child.process) == 0:
        again = _fault_of(handler)
        assert again.words[3] == SEGMENT_VIOLATION, "a fault"


def a_fault_is_answered_with_death() -> None:
    """FAULT_KILL ends the process; process_inspect then tells the fault."""
    handler = endpoint()
    child = _watched(handler)
    child.start(code_address(_read_missing), U64(0))
    message = _fault_of(handler)
    _answer(message, U64(tags.FAULT_KILL))
    settle()
    assert system.process_inspect(child.process) == OF_SEGMENT_VIOLATION, "ended, and why"


def an_unknown_answer_to_a_fault_is_death() -> None:
    """A reply to a fault with any other label ends the process."""
    handler = endpoint()
    child = _watched(handler)
    child.start(code_address(_read_missing), U64(0))
    message = _fault_of(handler)
    _answer(message, U64(999))
    settle()
    assert system.process_inspect(child.process) == OF_SEGMENT_VIOLATION, "ended, and why"


def closing_the_reply_to_a_fault_ends_the_process() -> None:
    """When the reply handle of a fault is closed the process ends: nobody will answer."""
    handler = endpoint()
    child = _watched(handler)
    child.start(code_address(_read_missing), U64(0))
    system.handle_close(_fault_of(handler).reply)
    settle()
    assert system.process_inspect(child.process) == OF_SEGMENT_VIOLATION, "ended, and why"


def a_fault_without_handler_ends_the_process() -> None:
    """A process without fault endpoint ends with its fault, which process_inspect tells; others go on."""
    child = Child()
    child.make(QUOTA)
    child.start(code_address(_read_missing), U64(0))
    settle()
    assert system.process_inspect(child.process) == OF_SEGMENT_VIOLATION, "ended, and why"


def writing_to_code_is_a_fault() -> None:
    """Writing to the program's code is a fault, with the address."""
    handler = endpoint()
    child = _watched(handler)
    child.start(code_address(_write_code), U64(0))
    message = _fault_of(handler)
    assert message.words[2] == code_address(_write_code).value, "address"
    assert message.words[3] == SEGMENT_VIOLATION, "number"


def reading_the_kernel_is_a_fault() -> None:
    """Reading the kernel's memory is a fault: nothing of it is seen."""
    handler = endpoint()
    child = _watched(handler)
    child.start(code_address(_read_kernel), U64(0))
    message = _fault_of(handler)
    assert message.words[2] == 0xFFFF_FFFF_8010_0000, "address"


def the_first_pages_are_never_mapped() -> None:
    """An access near address 0 is a fault."""
    handler = endpoint()
    for address in U64.range(8, 0x1_0000, 0x7FF8):
        child = _watched(handler)
        child.start(code_address(_write_null), address)
        message = _fault_of(handler)
        assert message.words[2] == address, "address"
        system.process_kill(child.process)


def data_is_not_executed() -> None:
    """Running memory that is not executable is a fault at that very instruction."""
    handler = endpoint()
    child = _watched(handler)
    source = UserPtr.at(U8, U64(0))
    populate(child.process, U64(MISSING), source, U64(0), U64(PAGE), U64(3))
    thread = system.thread_create(child.process, SCHEDULE, U64(MISSING), U64(MISSING + PAGE), U64(0))
    system.thread_start(thread)
    message = _fault_of(handler)
    assert message.words[0] == MISSING and message.words[2] == MISSING, "where"


def registers_of_a_faulting_thread_are_read_and_written() -> None:
    """While its fault is unanswered a thread's registers can be read and written by who holds the right."""
    handler = endpoint()
    child = _watched(handler)
    child.start(code_address(_write_null), U64(24))
    message = _fault_of(handler)
    registers = Array[U64, Literal[36]]()
    buffer = UserPtr.at(U8, Ptr.to(registers).address.value)
    system.thread_read_registers(child.thread, buffer)
    seen = False
    for index in U64.range(registers_size() // 8):
        seen = seen or registers[index] == message.words[0]
    assert seen, "the instruction pointer is among them"
    for index in U64.range(registers_size() // 8):
        if registers[index] == message.words[0]:
            registers[index] = code_address(_repaired).value
        elif registers[index] == message.words[1]:
            registers[index] = message.words[1] // 16 * 16 - call_size()
    system.thread_write_registers(child.thread, buffer)
    _answer(message, U64(tags.FAULT_RESUME))
    settle()
    assert system.process_inspect(child.process) == 256 + 33, "went on where it was told"


def a_faulting_thread_is_killed() -> None:
    """A thread whose fault is unanswered can be killed; the reply handle is then stale."""
    handler = endpoint()
    child = _watched(handler)
    child.start(code_address(_read_missing), U64(0))
    message = _fault_of(handler)
    system.thread_kill(child.thread)
    settle()
    assert system.process_inspect(child.process) & 256 != 0, "its last thread"
    assert message_error(U64(29), message.reply, message) == BAD_HANDLE, "stale"


def a_faulting_process_is_killed_before_anybody_receives() -> None:
    """A process is killed while its fault waits to be received; then the fault is not received any more."""
    handler = endpoint()
    child = _watched(handler)
    child.start(code_address(_read_missing), U64(0))
    settle()
    system.process_kill(child.process)
    settle()
    BUFFER.own().deadline = U64(0)
    message = Message()
    message.tag = U64(tags.DEADLINE)
    assert message_error(MESSAGE_RECEIVE, handler, message) == WOULD_BLOCK, "nothing there"


def a_fault_of_a_server_fails_its_callers() -> None:
    """When a server ends by a fault, the caller that it served gets PeerGone."""
    handle = endpoint()
    child = Child()
    child.make(QUOTA)
    child.start(code_address(_faulting_server), system.process_install(child.process, handle, U64(0), U64(0)))
    run(code_address(_caller), handle)
    assert BOARD.count == 1 and BOARD.cells[0] == PEER_GONE, "PeerGone"


def _faulting_server(handle: U64) -> None:
    ipc.receive(handle, Message())
    BOARD.note(peek(U64(MISSING)))


def _caller(handle: U64) -> None:
    BOARD.note(message_error(MESSAGE_CALL, handle, Message()))


def faults_nest() -> None:
    """A fault handler that faults itself is reported to its own handler; both are resumed."""
    outer = endpoint()
    inner = endpoint()
    handler = _watched(outer)
    installed = system.process_install(handler.process, inner, U64(0), U64(0))
    child = _watched(inner)
    handler.start(code_address(_clumsy_handler), installed)
    child.start(code_address(_read_missing), U64(0))
    message = _fault_of(outer)
    assert message.words[2] == MISSING + PAGE, "the handler's"
    source = UserPtr.at(U8, U64(0))
    populate(handler.process, U64(MISSING + PAGE), source, U64(0), U64(PAGE), U64(3))
    _answer(message, U64(tags.FAULT_RESUME))
    settle()
    assert system.process_inspect(child.process) & 256 != 0, "the handler went on and answered"


def _clumsy_handler(handle: U64) -> None:
    """Receive a fault, fault itself, then answer with death."""
    message = Message()
    ipc.receive(handle, message)
    BOARD.cells[2] = peek(U64(MISSING + PAGE))
    message.set(U64(tags.FAULT_KILL), U64(0))
    ipc.reply(message)
    system.thread_sleep(U64(1 << 60))


def setting_a_fault_endpoint_needs_the_right_to_send() -> None:
    """process_set_fault_endpoint with an endpoint handle without SEND is Denied, with another object WrongKind."""
    child = Child()
    child.make(QUOTA)
    assert _set_fault_endpoint(child.process, weaker(endpoint(), Rights.RECEIVE)) == DENIED, "right"
    assert _set_fault_endpoint(child.process, notification()) == WRONG_KIND, "kind"
    assert _set_fault_endpoint(child.process, U64(3)) == BAD_HANDLE, "none"


def a_fault_endpoint_can_be_replaced() -> None:
    """The fault endpoint that was set last gets the faults."""
    first = endpoint()
    second = endpoint()
    child = _watched(first)
    system.process_set_fault_endpoint(child.process, second)
    child.start(code_address(_read_missing), U64(0))
    assert _fault_of(second).words[2] == MISSING, "the second"


def a_fault_endpoint_outlives_its_handle() -> None:
    """A process keeps its fault endpoint when the handle with which it was set is closed."""
    handler = endpoint()
    through = badged(handler, U64(5))
    child = _watched(through)
    system.handle_close(through)
    child.start(code_address(_read_missing), U64(0))
    assert _fault_of(handler).badge == 5, "still told"


def stacks_of_threads_do_not_grow_into_others() -> None:
    """A thread that begins with a stack pointer where no memory is faults at its first push."""
    handler = endpoint()
    child = _watched(handler)
    nowhere = U64(0x5000_0000)
    thread = system.thread_create(child.process, SCHEDULE, code_address(entry).value, nowhere, U64(0))
    system.thread_start(thread)
    message = _fault_of(handler)
    assert message.words[2] == nowhere, "address"
    assert VirtAddr(message.words[0]) == code_address(entry), "the first instruction"
