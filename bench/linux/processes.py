"""Processes and threads under Linux: to make and end them, to switch between them, to wake one by a clock."""

from __future__ import annotations

from typing import Literal

from bench.counter import cycles
from bench.linux import calls
from bench.linux.output import say
from cloudos.lang import U32, U64, Array, Atomic, Order, Ptr, VirtAddr, code_address, data, place, struct, zeroed

ROUNDS = 300
YIELDS = 2000
MOST_YIELDS = 100_000
SLEEPS = 500

# include/uapi/linux/sched.h: VM FS FILES SIGHAND THREAD SYSVSEM CHILD_CLEARTID, as a C library's threads have them.
THREAD_FLAGS = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 | 0x200000
CHILD_ENDED = 17  # SIGCHLD
KILL = 9  # SIGKILL
STACK_SIZE = 64 << 10
READ_WRITE = 3
PRIVATE = 0x22  # MAP_PRIVATE | MAP_ANONYMOUS
SHARED = 0x21  # MAP_SHARED | MAP_ANONYMOUS
WAIT, WAKE = 0, 1  # of futex
REAL_TIME = 1  # SCHED_FIFO
MONOTONIC = 1  # CLOCK_MONOTONIC


@struct
class Turns:
    """Between two that give each other the processor."""

    last: U64 = U64(0)
    switches: U64 = U64(0)


@struct
class State:
    """Of this file: the word that a thread clears when it ends, when the spinning one was last seen, a seed."""

    alive: Atomic[U32] = Atomic(U32(0))
    seen: Atomic[U64] = Atomic(U64(0))
    seed: U64 = U64(1)
    arguments: Array[U64, Literal[4]] = zeroed()
    numbers: Array[U64, Literal[2]] = zeroed()


STATE = place(State())
PATH = data(b"/init\0")


def checked(result: U64) -> U64:
    """A result that is no error."""
    assert result < U64(calls.ERRORS), "a system call failed"
    return result


def memory(length: U64, flags: U64) -> U64:
    """New memory of a kind."""
    return checked(calls.mmap(U64(0), length, U64(READ_WRITE), flags, U64(2**64 - 1), U64(0)))


def fork() -> U64:
    """Twice: 0 in the child, the child's number in its parent."""
    return checked(calls.clone(U64(CHILD_ENDED), U64(0), U64(0), U64(0), U64(0)))


def finish(child: U64) -> None:
    """End a process."""
    calls.kill(child, U64(KILL))
    joined(child)


def joined(child: U64) -> None:
    """Wait for the end of a process."""
    assert calls.wait4(child, U64(0), U64(0), U64(0)) == child, "no such child"


def start_thread(function: VirtAddr, argument: U64, stack: U64) -> None:
    """Run `function(argument)` on a stack of STACK_SIZE bytes from `stack` on. One at a time can be joined."""
    STATE.alive.store(U32(1))
    word = Ptr.to(STATE).address.value  # where `alive` is
    checked(calls.thread(U64(THREAD_FLAGS), stack + STACK_SIZE, function, argument, word))


def join_thread() -> None:
    """Wait until the thread that was started last has ended."""
    word = Ptr.to(STATE).address.value
    while STATE.alive.load() != 0:
        calls.futex(word, U64(WAIT), U64(1), U64(0), U64(0), U64(0))


def nothing(argument: U64) -> None:
    """A thread that ends at once."""


def threads() -> None:
    """clone with a stack that is there already, as a C library keeps them, and the wait for its end."""
    stack = memory(U64(STACK_SIZE), U64(PRIVATE))
    begin = U64(0)
    for index in U64.range(ROUNDS + 5):
        if index == 5:
            begin = cycles()
        start_thread(code_address(nothing), U64(0), stack)
        join_thread()
    say("thread_create_join", (cycles() - begin) // ROUNDS)


def forks() -> None:
    """A copy of this process, of some pages, that ends at once; the wait for that."""
    begin = U64(0)
    for index in U64.range(ROUNDS + 5):
        if index == 5:
            begin = cycles()
        child = fork()
        if child == 0:
            calls.exit(U64(0))
        joined(child)
    say("fork_exit_wait", (cycles() - begin) // ROUNDS)


def executions() -> None:
    """The same, with this program's file started anew in the copy; there it ends at once."""
    path = PATH.pointer.address.value
    for index in U64.range(3):
        STATE.arguments[index] = path
    begin = U64(0)
    for index in U64.range(ROUNDS + 5):
        if index == 5:
            begin = cycles()
        child = fork()
        if child == 0:
            calls.execve(path, Ptr.to(STATE.arguments).address.value, U64(0))
            calls.exit(U64(1))
        joined(child)
    say("fork_exec_exit_wait", (cycles() - begin) // ROUNDS)


def take_turns(turns: Turns, me: U64) -> None:
    """Give the processor away; count when the other had it."""
    calls.sched_yield()
    if turns.last != me:
        turns.switches = turns.switches + 1
        turns.last = me


def yielder(address: U64) -> None:
    """Give every turn away."""
    turns = Ptr.at(Turns, VirtAddr(address)).value
    while True:
        take_turns(turns, U64(2))


def switches(name: str, address: U64) -> None:
    """With another that yields too: the time for each change between the two."""
    turns = Ptr.at(Turns, VirtAddr(address)).value
    # A new process or thread has to wait at first: its virtual runtime begins ahead of the others'.
    for _ in U64.range(MOST_YIELDS):
        if turns.switches >= 100:
            break
        take_turns(turns, U64(1))
    before = turns.switches
    begin = cycles()
    for _ in U64.range(YIELDS):
        take_turns(turns, U64(1))
    took = cycles() - begin
    count = turns.switches - before
    assert count >= U64(YIELDS // 2), "they do not take turns"
    say(name, took // count)


def random(limit: U64) -> U64:
    """A number below `limit`: Knuth's linear congruential generator (MMIX)."""
    STATE.seed = STATE.seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407)
    return (STATE.seed >> 33) % limit


def spin(argument: U64) -> None:
    """Compute in user mode, and say when."""
    while True:
        STATE.seen.store(cycles(), Order.RELAXED)


def wake_ups() -> None:
    """From the last that a computing thread did before a timer's interrupt to the real-time thread that waited."""
    start_thread(code_address(spin), U64(0), memory(U64(STACK_SIZE), U64(PRIVATE)))
    STATE.numbers[0] = U64(1)
    checked(calls.sched_setscheduler(U64(0), U64(REAL_TIME), Ptr.to(STATE.numbers).address.value))
    total = U64(0)
    counted = U64(0)
    while counted < SLEEPS:
        STATE.numbers[0] = U64(0)
        STATE.numbers[1] = U64(100_000) + random(U64(50_000))
        before = cycles()
        request = Ptr.to(STATE.numbers).address.value
        checked(calls.clock_nanosleep(U64(MONOTONIC), U64(0), request, U64(0)))
        woken = cycles()
        seen = STATE.seen.load(Order.RELAXED)
        if seen > before:
            total = total + (woken - seen)
            counted = counted + 1
    say("interrupt_to_handler", total // SLEEPS)


def measure() -> None:
    """All of this file but `wake_ups`, after which a thread goes on."""
    threads()
    forks()
    executions()
    turns = memory(U64(4096), U64(SHARED))
    Ptr.at(Turns, VirtAddr(turns)).value = Turns()
    child = fork()
    if child == 0:
        yielder(turns)
    switches("thread_switch_other_space", turns)
    finish(child)
    Ptr.at(Turns, VirtAddr(turns)).value = Turns()
    # That thread would go on for ever, so that it gets a process of its own.
    child = fork()
    if child == 0:
        start_thread(code_address(yielder), turns, memory(U64(STACK_SIZE), U64(PRIVATE)))
        switches("thread_switch_same_space", turns)
        calls.exit_group(U64(0))
    joined(child)
