"""Processes

Memory and handles of their own; how they end.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial, layout
from cloudos.abi.objects import HANDLES_IN_FRAME, LABEL_BITS, MOST_HANDLE_FRAMES, Rights
from cloudos.lang import U8, U32, U64, Array, UserPtr, code_address
from cloudos.sdk import ipc, system
from cloudos.sdk.ipc import Message
from cloudos.sdk.processes import Child, populate
from cloudos.sdk.threads import entry
from tests.conformance.support import (
    BAD_ARGUMENT,
    BAD_HANDLE,
    BAD_STATE,
    BOARD,
    DENIED,
    NEVER,
    PAGE,
    PEER_GONE,
    PROCESS,
    QUOTA,
    SCHEDULE,
    TOO_MANY_HANDLES,
    WOULD_BLOCK,
    WRONG_KIND,
    attempt,
    endpoint,
    notification,
    peek,
    poke,
    quota_used,
    settle,
    weaker,
)

_create = attempt("process_create")
_space = attempt("process_space")
_install = attempt("process_install")
_kill = attempt("process_kill")
_hand_over = attempt("process_hand_over")
_inspect = attempt("process_inspect")
_set_fault_endpoint = attempt("process_set_fault_endpoint")
_thread_create = attempt("thread_create")

FREE = 0x1000_0000
KILLED = 9 << 16 | 256 + 128 + 9
PANICKED = 6 << 16 | 256 + 128 + 6


def _exit_seven(argument: U64) -> None:
    system.process_exit(U8(7))


def _return(argument: U64) -> None:
    pass


def _sleep(argument: U64) -> None:
    system.thread_sleep(U64(1 << 60))


def _panic(argument: U64) -> None:
    assert argument == 12345, "meant to fail"


def a_process_has_memory_of_its_own() -> None:
    """What a process writes to its memory is not seen by another at the same address."""
    handle = endpoint()
    child = Child()
    child.make(QUOTA)
    BOARD.cells[3] = U64(11)
    child.start(code_address(_write_board), system.process_install(child.process, handle, U64(0), U64(0)))
    message = Message()
    ipc.call(handle, message)
    assert message.words[0] == 0, "the child's was fresh"
    assert BOARD.cells[3] == 11, "ours is as before"


def _write_board(handle: U64) -> None:
    message = Message()
    ipc.receive(handle, message)
    message.words[0] = BOARD.cells[3]
    BOARD.cells[3] = U64(99)
    ipc.reply(message)
    system.thread_sleep(U64(1 << 60))


def a_process_begins_without_handles() -> None:
    """A new process has no handle: the numbers that its maker uses name nothing there."""
    handle = endpoint()
    child = Child()
    child.make(QUOTA)
    installed = system.process_install(child.process, handle, U64(0), U64(0))
    child.start(code_address(_count_handles), installed)
    message = Message()
    ipc.call(handle, message)
    assert message.words[0] == 1, "only the one installed"


_inspect_handle = attempt("handle_inspect")


def _count_handles(handle: U64) -> None:
    """Answer with how many of the first numbers of handles name something."""
    message = Message()
    ipc.receive(handle, message)
    count = U64(0)
    for index in U64.range(200):
        if _inspect_handle(U64(1 << 32) | index) == 0:
            count = count + 1
    # The one for the reply is among them.
    message.words[0] = count - 1
    ipc.reply(message)
    system.thread_sleep(U64(1 << 60))


def handles_of_one_process_mean_nothing_in_another() -> None:
    """A handle's number names nothing in a process that was not given the handle."""
    handle = endpoint()
    child = Child()
    child.make(QUOTA)
    child.start(code_address(_try_handle), system.process_install(child.process, handle, U64(0), U64(0)))
    message = Message()
    message.words[0] = notification() + 64
    ipc.call(handle, message)
    assert message.words[0] == BAD_HANDLE, "not there"


_signal = attempt("notification_signal")


def _try_handle(handle: U64) -> None:
    message = Message()
    ipc.receive(handle, message)
    message.words[0] = _signal(message.words[0], U64(1))
    ipc.reply(message)
    system.thread_sleep(U64(1 << 60))


def an_installed_handle_has_the_rights_given() -> None:
    """process_install with rights gives just these; with 0 all of the source's."""
    child = Child()
    child.make(QUOTA)
    signals = notification()
    assert _install(child.process, signals, U64(U32(Rights.SIGNAL)), U64(0)) == 0, "some"
    weak = weaker(signals, Rights.SIGNAL | Rights.DERIVE | Rights.TRANSFER)
    assert _install(child.process, weak, U64(U32(Rights.WAIT)), U64(0)) == DENIED, "more"
    assert _install(child.process, weak, U64(0), U64(0)) == 0, "all"


def installing_elsewhere_needs_the_right_to_transfer() -> None:
    """process_install of a handle without TRANSFER into another process is Denied, of one without DERIVE too."""
    child = Child()
    child.make(QUOTA)
    signals = notification()
    assert _install(child.process, weaker(signals, Rights.DERIVE | Rights.SIGNAL), U64(0), U64(0)) == DENIED, "transfer"
    assert _install(child.process, weaker(signals, Rights.TRANSFER), U64(0), U64(0)) == DENIED, "derive"


def process_operations_need_the_right_to_control() -> None:
    """install, space, kill and set_fault_endpoint through a handle without CONTROL are Denied."""
    child = Child()
    child.make(QUOTA)
    weak = weaker(child.process, Rights.INSPECT)
    assert _install(weak, notification(), U64(0), U64(0)) == DENIED, "install"
    assert _space(weak) == DENIED, "space"
    assert _kill(weak) == DENIED, "kill"
    assert _set_fault_endpoint(weak, endpoint()) == DENIED, "faults"
    assert _inspect(weak) == 0, "inspect alone"
    assert _inspect(weaker(child.process, Rights.CONTROL)) == DENIED, "inspect"


def only_processes_are_controlled() -> None:
    """A handle of another kind is WrongKind for all operations on processes."""
    other = notification()
    assert _install(other, other, U64(0), U64(0)) == WRONG_KIND, "install"
    assert _space(other) == WRONG_KIND, "space"
    assert _kill(other) == WRONG_KIND, "kill"
    assert _inspect(other) == WRONG_KIND, "inspect"
    assert _set_fault_endpoint(other, endpoint()) == WRONG_KIND, "faults"


def creating_a_process_needs_a_quota_to_spend() -> None:
    """process_create needs a quota with ALLOCATE."""
    assert _create(weaker(QUOTA, Rights.INSPECT), U64(0)) == DENIED, "right"
    assert _create(PROCESS, U64(0)) == WRONG_KIND, "kind"


def before_a_policy_there_is_one_label() -> None:
    """While no policy is loaded process_create with another label than 0 is BadArgument."""
    assert _create(QUOTA, U64(0)) == 0, "0"
    assert _create(QUOTA, U64(1)) == BAD_ARGUMENT, "1"
    assert _create(QUOTA, U64(255)) == BAD_ARGUMENT, "255"
    assert _create(QUOTA, U64(1 << 40)) == BAD_ARGUMENT, "beyond 32 bits"


def a_process_holds_as_many_handles_as_it_was_allowed() -> None:
    """process_create can limit the handles that a process holds at once, in frames of 63; then TooManyHandles."""
    for frames in U64.range(1, 4):
        child = system.process_create(QUOTA, frames << LABEL_BITS)
        last, count = U64(0), U64(0)
        while count < frames * HANDLES_IN_FRAME:
            last = system.process_install(child, QUOTA, U64(0), U64(0))
            count += 1
        assert _install(child, QUOTA, U64(0), U64(0)) == TOO_MANY_HANDLES, "one more"
        assert last != 0, "the last that fits"
        system.process_kill(child)
        system.handle_close(child)
    assert _create(QUOTA, U64(MOST_HANDLE_FRAMES) << LABEL_BITS) == BAD_ARGUMENT, "more than there can be"
    assert _create(QUOTA, U64(MOST_HANDLE_FRAMES - 1) << LABEL_BITS) == 0, "the most that can be said"


def the_exit_status_is_kept() -> None:
    """process_inspect gives 0 while a process lives, then 256 plus its exit status."""
    child = Child()
    child.make(QUOTA)
    assert system.process_inspect(child.process) == 0, "lives"
    child.start(code_address(_exit_seven), U64(0))
    settle()
    assert system.process_inspect(child.process) == 256 + 7, "status"


def a_process_ends_with_its_last_thread() -> None:
    """When the last thread of a process ends so does the process, with status 0."""
    child = Child()
    child.make(QUOTA)
    child.start(code_address(_return), U64(0))
    settle()
    assert system.process_inspect(child.process) == 256, "ended"


def a_panic_ends_only_its_process() -> None:
    """A process that panics ends with fault 6 and status 134; others go on."""
    child = Child()
    child.make(QUOTA)
    child.start(code_address(_panic), U64(0))
    settle()
    assert system.process_inspect(child.process) == PANICKED, "status"


def a_killed_process_does_not_run() -> None:
    """process_kill ends a process with all its threads; a second kill changes nothing."""
    child = Child()
    child.make(QUOTA)
    child.start(code_address(_sleep), U64(0))
    settle()
    system.process_kill(child.process)
    assert system.process_inspect(child.process) == KILLED, "ended"
    assert _kill(child.process) == 0, "twice"
    assert system.process_inspect(child.process) == KILLED, "as before"


def a_process_without_threads_is_killed() -> None:
    """A process that was never started can be killed."""
    child = Child()
    child.make(QUOTA)
    assert _kill(child.process) == 0, "killed"
    assert system.process_inspect(child.process) & 256 != 0, "ended"


def _hand_itself_over(argument: U64) -> None:
    system.process_exit(U8(_hand_over(U64(initial.PROCESS))))


def only_the_first_process_hands_over() -> None:
    """process_hand_over is Denied to a process that is not the first one."""
    child = Child()
    child.make(QUOTA)
    assert system.process_install(child.process, child.process, U64(0), U64(0)) == initial.PROCESS, "its own"
    child.start(code_address(_hand_itself_over), U64(0))
    settle()
    assert system.process_inspect(child.process) == 256 + DENIED, "not the first"
    assert _hand_over(PROCESS) == 0, "to itself: nothing changes"


def nobody_hands_over_to_an_ended_process() -> None:
    """process_hand_over to a process that has ended is PeerGone."""
    child = Child()
    child.make(QUOTA)
    system.process_kill(child.process)
    assert _hand_over(child.process) == PEER_GONE, "ended"


def nothing_is_put_into_an_ended_process() -> None:
    """Handles, memory and threads for a process that has ended are PeerGone."""
    child = Child()
    child.make(QUOTA)
    system.process_kill(child.process)
    settle()
    stack = U64(layout.STACK_TOP - 64)
    assert _install(child.process, notification(), U64(0), U64(0)) == PEER_GONE, "handles"
    assert _space(child.process) == PEER_GONE, "memory"
    assert _thread_create(child.process, SCHEDULE, U64(layout.PROGRAM_START), stack, U64(0)) == PEER_GONE, "threads"


def the_threads_of_a_killed_process_are_dead() -> None:
    """A thread handle of a killed process stays valid; starting it is BadState."""
    child = Child()
    child.make(QUOTA)
    child.start(code_address(_sleep), U64(0))
    settle()
    system.process_kill(child.process)
    assert _start(child.thread) == BAD_STATE, "dead"


_start = attempt("thread_start")


def memory_of_a_new_process_is_what_was_asked_for() -> None:
    """Memory that is mapped into a new process has the bytes written before, and zeroes after them."""
    handle = endpoint()
    child = Child()
    child.make(QUOTA)
    source = system.memory_map(U64(PAGE))
    for offset in U64.range(0, PAGE, 8):
        poke(source + offset, offset + 1)
    populate(child.process, U64(FREE), UserPtr.at(U8, source), U64(1000), U64(3 * PAGE), U64(3))
    child.start(code_address(_check_memory), system.process_install(child.process, handle, U64(0), U64(0)))
    message = Message()
    ipc.call(handle, message)
    assert message.words[0] == 125 and message.words[1] == 0, "copied words, and others that are not zero"


def _check_memory(handle: U64) -> None:
    """Answer with how many words are as copied, and how many of the others are not zero."""
    message = Message()
    ipc.receive(handle, message)
    copied, strange = U64(0), U64(0)
    for offset in U64.range(0, 3 * PAGE, 8):
        word = peek(FREE + offset)
        if offset < 1000 and word == offset + 1:
            copied = copied + 1
        elif word != 0:
            strange = strange + 1
    message.words[0] = copied
    message.words[1] = strange
    ipc.reply(message)
    system.thread_sleep(U64(1 << 60))


def a_new_process_sees_nothing_of_an_ended_one() -> None:
    """Memory that an ended process left is zero when another process gets it: a planted secret is not found."""
    first = Child()
    first.make(QUOTA)
    first.start(code_address(_plant), U64(0))
    settle()
    assert system.process_inspect(first.process) & 256 != 0, "ended"
    system.handle_close(first.thread)
    system.handle_close(first.process)
    settle()
    handle = endpoint()
    second = Child()
    second.make(QUOTA)
    second.start(code_address(_search), system.process_install(second.process, handle, U64(0), U64(0)))
    message = Message()
    ipc.call(handle, message)
    assert message.words[0] == 0, "no secret"


SECRET = 0x5EC2_E75E_C2E7_5EC2


def _plant(argument: U64) -> None:
    address = system.memory_map(U64(1 << 20))
    for offset in U64.range(0, 1 << 20, 8):
        poke(address + offset, U64(SECRET))


def _search(handle: U64) -> None:
    """Answer with how many words of new memory are not zero."""
    message = Message()
    ipc.receive(handle, message)
    found = U64(0)
    address = system.memory_map(U64(2 << 20))
    for offset in U64.range(0, 2 << 20, 8):
        if peek(address + offset) != 0:
            found = found + 1
    message.words[0] = found
    ipc.reply(message)
    system.thread_sleep(U64(1 << 60))


def processes_come_and_go() -> None:
    """Fifty processes one after another run and end, and each gives back its memory."""
    used = quota_used()
    for round_number in U64.range(50):
        child = Child()
        child.make(QUOTA)
        child.start(code_address(_exit_seven), U64(0))
        settle()
        assert system.process_inspect(child.process) == 256 + 7, "ended"
        system.handle_close(child.thread)
        system.handle_close(child.process)
        settle()
        if round_number == 0:
            used = quota_used()
    assert quota_used() == used, "all given back"


_bind = attempt("process_bind")


def _faults(argument: U64) -> None:
    poke(U64(8), U64(1))


def _sleeping() -> Child:
    child = Child()
    child.make(QUOTA)
    child.start(code_address(_sleep), U64(0))
    settle()
    return child


def the_end_of_a_process_is_signalled() -> None:
    """process_bind: the notification gets the bits when the process has exited, and not before."""
    child = Child()
    child.make(QUOTA)
    ended = notification()
    system.process_bind(child.process, ended, U64(5))
    assert _wait_for(ended, U64(0)) == WOULD_BLOCK, "it has not even begun"
    child.start(code_address(_exit_seven), U64(0))
    assert system.notification_wait(ended, NEVER) == 5, "the bits"
    assert system.process_inspect(child.process) == 256 + 7, "and how"


_wait_for = attempt("notification_wait")


def a_process_that_has_ended_is_signalled_at_once() -> None:
    """process_bind to a process that has ended already signals at once."""
    child = _sleeping()
    system.process_kill(child.process)
    settle()
    ended = notification()
    system.process_bind(child.process, ended, U64(1))
    assert system.notification_wait(ended, U64(0)) == 1, "signalled"


def a_fault_that_ends_a_process_is_signalled() -> None:
    """The end of a process by a fault, a panic or process_kill is signalled as well, and process_inspect tells why."""
    child = Child()
    child.make(QUOTA)
    child.start(code_address(_faults), U64(0))
    assert child.wait() == 11 << 16 | 256 + 128 + 11, "fault"
    child.make(QUOTA)
    child.start(code_address(_panic), U64(0))
    assert child.wait() == PANICKED, "panic"
    child = _sleeping()
    ended = notification()
    system.process_bind(child.process, ended, U64(2))
    system.process_kill(child.process)
    assert system.notification_wait(ended, NEVER) == 2, "killed"


def one_notification_waits_for_an_end() -> None:
    """A second process_bind while the first waits is BadState; without bits it is BadArgument."""
    child = _sleeping()
    assert _bind(child.process, notification(), U64(0)) == BAD_ARGUMENT, "no bits"
    assert _bind(child.process, notification(), U64(1)) == 0, "first"
    assert _bind(child.process, notification(), U64(1)) == BAD_STATE, "second"
    system.process_kill(child.process)
    settle()
    assert _bind(child.process, notification(), U64(1)) == 0, "the first has been told"


def waiting_for_an_end_needs_rights() -> None:
    """process_bind needs WAIT on the process and SIGNAL on the notification: else Denied; other kinds are WrongKind."""
    child = _sleeping()
    ended = notification()
    assert _bind(weaker(child.process, Rights.CONTROL | Rights.INSPECT), ended, U64(1)) == DENIED, "process"
    assert _bind(child.process, weaker(ended, Rights.WAIT), U64(1)) == DENIED, "notification"
    assert _bind(ended, ended, U64(1)) == WRONG_KIND and _bind(child.process, endpoint(), U64(1)) == WRONG_KIND, "kinds"
    assert _bind(weaker(child.process, Rights.WAIT), weaker(ended, Rights.SIGNAL), U64(1)) == 0, "enough"
    system.process_kill(child.process)


def an_end_is_signalled_when_all_is_given_back() -> None:
    """When the end of a process is signalled, its memory and handles have been given back."""
    child = Child()
    child.make(QUOTA)
    made = quota_used()
    shared = notification()
    for _ in U64.range(200):
        system.process_install(child.process, shared, U64(0), U64(0))
    assert quota_used() >= made + 4 * PAGE, "four frames of handles"
    child.start(code_address(_maps_and_exits), U64(0))
    assert child.wait() == 256 + 9, "ended"
    assert quota_used() <= made + PAGE, "all but the process and the thread themselves"


def _maps_and_exits(argument: U64) -> None:
    poke(system.memory_map(U64(1 << 20)), U64(1))
    system.process_exit(U8(9))


def an_end_is_signalled_to_who_has_no_handle() -> None:
    """The notification is signalled although nobody has a handle to the process any more."""
    child = Child()
    child.make(QUOTA)
    ended = notification()
    system.process_bind(child.process, ended, U64(4))
    child.start(code_address(_exit_seven), U64(0))
    system.handle_close(child.process)
    system.handle_close(child.thread)
    assert system.notification_wait(ended, NEVER) == 4, "told"


def many_threads_end_with_their_process() -> None:
    """process_kill of a process with a hundred threads returns when none of them runs any more."""
    child = _sleeping()
    threads = Array[U64, Literal[100]]()
    for index in U64.range(100):
        begin = code_address(entry).value
        threads[index] = system.thread_create(child.process, SCHEDULE, begin, U64(layout.STACK_TOP - PAGE), U64(0))
        system.thread_start(threads[index])
    settle()
    system.process_kill(child.process)
    for index in U64.range(100):
        # A thread that lives can be suspended.
        assert _suspend(threads[index]) == BAD_STATE, "dead"
        system.handle_close(threads[index])


_suspend = attempt("thread_suspend")
