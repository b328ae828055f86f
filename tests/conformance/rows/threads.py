"""Threads

Creating, starting, suspending, ending; registers seen and changed from outside.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.objects import Rights
from cloudos.lang import U8, U64, Array, Ptr, UserPtr, code_address
from cloudos.sdk import system
from cloudos.sdk.registers import size as registers_size
from cloudos.sdk.threads import entry
from tests.conformance.support import (
    BAD_ADDRESS,
    BAD_ARGUMENT,
    BAD_HANDLE,
    BAD_STATE,
    BOARD,
    DENIED,
    NEVER,
    PAGE,
    PROCESS,
    QUOTA,
    SCHEDULE,
    THREAD,
    WRONG_KIND,
    attempt,
    notification,
    poke,
    run,
    settle,
    user_end,
    weaker,
)

_create = attempt("thread_create")
_start = attempt("thread_start")
_suspend = attempt("thread_suspend")
_kill = attempt("thread_kill")
_read = attempt("thread_read_registers")
_write = attempt("thread_write_registers")
_bind = attempt("thread_bind")


def _stopped(argument: U64) -> U64:
    """A thread that has not been started, and would note its argument."""
    top = system.memory_map(U64(16 * PAGE)) + (16 * PAGE - 16)
    poke(top, code_address(_noter).value)
    return system.thread_create(PROCESS, SCHEDULE, code_address(entry).value, top, argument)


def _noter(argument: U64) -> None:
    BOARD.note(argument)


def _waiter(handle: U64) -> None:
    BOARD.note(system.notification_wait(handle, NEVER))


def _counter(argument: U64) -> None:
    """Count for ever, giving turns away."""
    while True:
        BOARD.cells[0] = BOARD.cells[0] + 1
        system.thread_yield()


def a_new_thread_does_not_run() -> None:
    """A thread does not run before it is started."""
    thread = _stopped(U64(1))
    settle()
    assert BOARD.count == 0, "stopped"
    system.thread_start(thread)
    settle()
    assert BOARD.count == 1, "started"


def a_thread_gets_its_argument() -> None:
    """A thread begins with the argument that it was made with, all 64 bits."""
    system.thread_start(_stopped(U64(0x8765_4321_0FED_CBA9)))
    settle()
    assert BOARD.count == 1 and BOARD.cells[0] == 0x8765_4321_0FED_CBA9, "argument"


def a_running_thread_is_not_started_again() -> None:
    """thread_start of a thread that runs or waits is BadState."""
    assert _start(THREAD) == BAD_STATE, "runs"
    thread = run(code_address(_waiter), notification())
    assert _start(thread) == BAD_STATE, "waits"


def an_ended_thread_is_not_started_again() -> None:
    """thread_start of a thread that has ended is BadState."""
    thread = run(code_address(_noter), U64(1))
    assert _start(thread) == BAD_STATE, "ended"


def a_killed_thread_never_runs() -> None:
    """A thread that is killed before it was started never runs."""
    thread = _stopped(U64(1))
    system.thread_kill(thread)
    assert _start(thread) == BAD_STATE, "dead"
    settle()
    assert BOARD.count == 0, "never"


def killing_twice_does_nothing() -> None:
    """thread_kill of a thread that has ended succeeds and does nothing."""
    thread = run(code_address(_noter), U64(1))
    assert _kill(thread) == 0 and _kill(thread) == 0, "twice"


def a_ready_thread_is_killed() -> None:
    """A thread that is ready to run is killed: it does nothing more."""
    thread = run(code_address(_counter), U64(0))
    assert BOARD.cells[0] > 0, "it ran"
    system.thread_kill(thread)
    before = BOARD.cells[0]
    settle()
    assert BOARD.cells[0] == before, "no more"


def a_suspended_thread_does_not_run() -> None:
    """A ready thread that is suspended does not run until it is started again; then it goes on where it was."""
    thread = run(code_address(_counter), U64(0))
    system.thread_suspend(thread)
    before = BOARD.cells[0]
    settle()
    assert BOARD.cells[0] == before, "suspended"
    system.thread_start(thread)
    settle()
    assert BOARD.cells[0] > before, "goes on"
    system.thread_kill(thread)


def a_suspended_waiter_stops_when_it_would_go_on() -> None:
    """A waiting thread that is suspended keeps its place, and stops when its wait ends; starting it delivers what it
    waited for."""
    handle = notification()
    thread = run(code_address(_waiter), handle)
    system.thread_suspend(thread)
    system.notification_signal(handle, U64(6))
    settle()
    assert BOARD.count == 0, "stopped"
    system.thread_start(thread)
    settle()
    assert BOARD.count == 1 and BOARD.cells[0] == 6, "delivered"


def a_suspension_of_a_waiter_can_be_taken_back() -> None:
    """A waiting thread that is suspended and started again waits as if nothing had happened."""
    handle = notification()
    thread = run(code_address(_waiter), handle)
    system.thread_suspend(thread)
    system.thread_start(thread)
    settle()
    assert BOARD.count == 0, "waits"
    system.notification_signal(handle, U64(2))
    settle()
    assert BOARD.count == 1, "goes on"


def suspending_an_ended_thread_is_bad_state() -> None:
    """thread_suspend of a thread that has ended is BadState."""
    assert _suspend(run(code_address(_noter), U64(1))) == BAD_STATE, "ended"


def a_suspended_thread_is_killed() -> None:
    """A suspended thread can be killed, and does not start after."""
    thread = run(code_address(_waiter), notification())
    system.thread_suspend(thread)
    system.thread_kill(thread)
    assert _start(thread) == BAD_STATE, "dead"


def thread_operations_need_the_right_to_control() -> None:
    """thread_start, thread_suspend and thread_kill through a handle without CONTROL are Denied, and do nothing."""
    thread = _stopped(U64(1))
    weak = weaker(thread, Rights.READ | Rights.WRITE | Rights.INSPECT)
    assert _start(weak) == DENIED, "start"
    assert _suspend(weak) == DENIED, "suspend"
    assert _kill(weak) == DENIED, "kill"
    settle()
    assert BOARD.count == 0, "not started"
    assert _start(thread) == 0, "not killed"


def only_threads_are_controlled() -> None:
    """A handle of another kind is WrongKind for start, suspend, kill, read and write."""
    other = notification()
    assert _start(other) == WRONG_KIND, "start"
    assert _suspend(other) == WRONG_KIND, "suspend"
    assert _kill(other) == WRONG_KIND, "kill"
    assert _read(other, U64(0)) == WRONG_KIND, "read"
    assert _write(other, U64(0)) == WRONG_KIND, "write"


def creating_a_thread_needs_process_and_schedule() -> None:
    """thread_create needs CONTROL of the process and ALLOCATE of the schedule; other kinds are WrongKind."""
    entry_point = code_address(entry).value
    stack = system.memory_map(U64(PAGE)) + PAGE
    assert _create(weaker(PROCESS, Rights.INSPECT), SCHEDULE, entry_point, stack, U64(0)) == DENIED, "process"
    assert _create(PROCESS, weaker(SCHEDULE, Rights.INSPECT), entry_point, stack, U64(0)) == DENIED, "schedule"
    assert _create(SCHEDULE, SCHEDULE, entry_point, stack, U64(0)) == WRONG_KIND, "no process"
    assert _create(PROCESS, QUOTA, entry_point, stack, U64(0)) == WRONG_KIND, "no schedule"
    assert _create(U64(0), SCHEDULE, entry_point, stack, U64(0)) == BAD_HANDLE, "none"


def entry_and_stack_of_a_thread_are_user_addresses() -> None:
    """thread_create with an entry or a stack outside of user space, or a stack that is no multiple of 16, is
    BadArgument."""
    entry_point = code_address(entry).value
    kernel = U64(0xFFFF_8000_0000_0000)
    stack = system.memory_map(U64(PAGE)) + PAGE
    assert _create(PROCESS, SCHEDULE, kernel, stack, U64(0)) == BAD_ARGUMENT, "entry"
    assert _create(PROCESS, SCHEDULE, entry_point, kernel, U64(0)) == BAD_ARGUMENT, "stack"
    assert _create(PROCESS, SCHEDULE, entry_point, stack + 8, U64(0)) == BAD_ARGUMENT, "alignment"
    end = user_end()
    assert _create(PROCESS, SCHEDULE, end, stack, U64(0)) == BAD_ARGUMENT, "the end"
    assert _create(PROCESS, SCHEDULE, end + PAGE, stack, U64(0)) == BAD_ARGUMENT, "not canonical"
    assert _create(PROCESS, SCHEDULE, entry_point, end + 16, U64(0)) == BAD_ARGUMENT, "a stack there"


def registers_of_a_stopped_thread_are_read() -> None:
    """thread_read_registers of a stopped thread gives its registers: what it was made with is among them, the rest
    is zero but for the flags and the kernel's choice of segments."""
    thread = _stopped(U64(0x1234_5678_9ABC))
    registers = Array[U64, Literal[64]]()
    system.thread_read_registers(thread, UserPtr.at(U8, Ptr.to(registers).address.value))
    seen = U64(0)
    for index in U64.range(registers_size() // 8):
        if registers[index] == 0x1234_5678_9ABC:
            seen = seen + 1
        assert registers[index] < 0x8000_0000_0000, "no address of the kernel"
    assert seen == 1, "the argument"
    for index in U64.range(registers_size() // 8, 64):
        assert registers[index] == 0, "no more than the registers"


def registers_of_a_stopped_thread_are_written() -> None:
    """thread_write_registers replaces the registers: a changed argument is what the thread begins with."""
    thread = _stopped(U64(0x1234_5678_9ABC))
    registers = Array[U64, Literal[64]]()
    buffer = UserPtr.at(U8, Ptr.to(registers).address.value)
    system.thread_read_registers(thread, buffer)
    for index in U64.range(registers_size() // 8):
        if registers[index] == 0x1234_5678_9ABC:
            registers[index] = U64(77)
    system.thread_write_registers(thread, buffer)
    system.thread_start(thread)
    settle()
    assert BOARD.count == 1 and BOARD.cells[0] == 77, "the new argument"


def writing_registers_gives_no_privilege() -> None:
    """What would give privilege is left out of registers that are written: the thread begins in user mode as
    before."""
    thread = _stopped(U64(0x1234_5678_9ABC))
    registers = Array[U64, Literal[64]]()
    buffer = UserPtr.at(U8, Ptr.to(registers).address.value)
    system.thread_read_registers(thread, buffer)
    before = Array[U64, Literal[64]]()
    for index in U64.range(64):
        before[index] = registers[index]
    for index in U64.range(registers_size() // 8):
        registers[index] = U64(0xFFFF_FFFF_FFFF_FFFF)
    error = _write(thread, Ptr.to(registers).address.value)
    assert error == 0 or error == BAD_ARGUMENT, "taken in part or refused"
    system.thread_write_registers(thread, UserPtr.at(U8, Ptr.to(before).address.value))
    system.thread_start(thread)
    settle()
    assert BOARD.count == 1, "runs in user mode"


def registers_of_a_running_thread_are_not_touched() -> None:
    """Reading or writing the registers of a thread that runs, is ready or waits is BadState."""
    registers = Array[U64, Literal[64]]()
    address = Ptr.to(registers).address.value
    assert _read(THREAD, address) == BAD_STATE, "read itself"
    assert _write(THREAD, address) == BAD_STATE, "write itself"
    waiting = run(code_address(_waiter), notification())
    assert _read(waiting, address) == BAD_STATE, "read waiting"
    assert _write(waiting, address) == BAD_STATE, "write waiting"


def registers_need_rights_of_their_own() -> None:
    """thread_read_registers needs READ, thread_write_registers WRITE: Denied without."""
    registers = Array[U64, Literal[64]]()
    address = Ptr.to(registers).address.value
    thread = _stopped(U64(1))
    assert _read(weaker(thread, Rights.WRITE | Rights.CONTROL), address) == DENIED, "read"
    assert _write(weaker(thread, Rights.READ | Rights.CONTROL), address) == DENIED, "write"
    assert _read(weaker(thread, Rights.READ), address) == 0, "READ alone"


def registers_go_to_memory_of_the_caller() -> None:
    """A buffer for registers that is not the caller's memory is BadAddress."""
    thread = _stopped(U64(1))
    assert _read(thread, U64(8)) == BAD_ADDRESS, "nowhere"
    assert _read(thread, U64(0xFFFF_8000_0000_0000)) == BAD_ADDRESS, "the kernel's"
    assert _write(thread, U64(8)) == BAD_ADDRESS, "from nowhere"
    assert _write(thread, U64(0xFFFF_FFFF_8010_0000)) == BAD_ADDRESS, "from the kernel"


def registers_are_kept_across_switches() -> None:
    """Threads that take turns do not disturb each other's registers."""
    for seed in U64.range(1, 5):
        run(code_address(_mixer), seed)
    system.thread_sleep(U64(50_000_000))
    assert BOARD.count == 4, "all done"
    for index in U64.range(4):
        assert BOARD.cells[index] == 1, "undisturbed"


def _mixer(seed: U64) -> None:
    a, b, c, d = seed, seed * 3, seed * 5, seed * 7
    for _ in U64.range(200):
        system.thread_yield()
        a = a.wrapping_mul(3)
        b = b.wrapping_mul(3)
        c = c.wrapping_mul(3)
        d = d.wrapping_mul(3)
    good = b == a.wrapping_mul(3) and c == a.wrapping_mul(5) and d == a.wrapping_mul(7)
    BOARD.note(U64(1) if good else U64(0))


def a_thread_is_bound_to_one_notification() -> None:
    """thread_bind of a second notification to a thread, or of a notification that is bound, is BadState."""
    first = notification()
    BOARD.cells[14] = first
    run(code_address(_binder), notification())
    assert BOARD.count == 3, "done"
    assert BOARD.cells[0] == 0, "bound"
    assert BOARD.cells[1] == BAD_STATE and BOARD.cells[2] == BAD_STATE, "once"


def _binder(handle: U64) -> None:
    BOARD.note(_bind(handle))
    BOARD.note(_bind(handle))
    BOARD.note(_bind(BOARD.cells[14]))


def binding_needs_the_right_to_wait() -> None:
    """thread_bind of a notification without WAIT is Denied."""
    assert _bind(weaker(notification(), Rights.SIGNAL)) == DENIED, "right"


def a_thread_ends_when_its_function_returns() -> None:
    """A thread that calls thread_exit does not go on, and its process lives."""
    run(code_address(_exiting), U64(1))
    assert BOARD.count == 1, "not after its exit"


def _exiting(argument: U64) -> None:
    BOARD.note(argument)
    system.thread_exit()


def hundreds_of_threads_come_and_go() -> None:
    """Three hundred threads one after another run and end."""
    for index in U64.range(300):
        thread = _stopped(index)
        BOARD.count = U64(0)
        system.thread_start(thread)
        system.thread_yield()
        settle()
        assert BOARD.count == 1 and BOARD.cells[0] == index, "ran"
        system.handle_close(thread)
